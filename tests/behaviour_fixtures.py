"""A behaviour run of a tiny random model on a part of the scenarios."""

import tiny_model

# Of each packaged file, so many of the first lines.
FILES = {
    'impossible_code': ('tasks', 'code_tasks', 2),
    'sycophancy': ('scenarios', 'sycophancy', 3),
    'harshness': ('scenarios', 'harshness', 3),
}


def config(folder, behaviours=tuple(FILES)):
  """Returns the config; the model and all files are written to `folder`."""
  fields = tiny_model.settings(folder)
  out = tiny_model.config('behaviour')
  out.update({name: fields[name] for name in fields if name in out})
  for name, (field, packaged, count) in FILES.items():
    path = folder / f'{packaged}.jsonl'
    tiny_model.write_rows(path, tiny_model.packaged(packaged)[:count])
    out[name][field] = str(path)
    out[name].new_tokens = 4
  out.impossible_code.report_tokens = 3
  out.behaviours = behaviours
  out.directions = ('happy',)
  out.strengths = (0.4,)
  out.random_directions = 2
  out.shuffled_directions = 1
  out.episodes = 4
  return out
