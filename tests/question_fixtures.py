"""A study of a tiny random model, for tests of questions, one or several."""

import tiny_model

from emojax.experiments import inputs as inputs_lib
from emojax.experiments import paper
from emojax.experiments import study as study_lib

# Of a run of two short questions.
QUESTIONS = ('post_training', 'wild')
PROMPTS = (
    ('neutral', 'Which planet has rings?'),
    ('neutral', 'Name a river in Spain.'),
    ('neutral', 'How is glass blown?'),
    ('confrontation', 'You lied to me again.'),
    ('confrontation', 'Why do you never help?'),
    ('flattery', 'You are my best friend!'),
)


def config(folder, **sections):
  """Returns the config of a paper run of the tiny model.

  Args:
    folder: where the model and its corpus are written.
    **sections: by question, what to change in its section.
  """
  fields = tiny_model.settings(folder)
  config = tiny_model.config('paper')
  config.update({name: fields[name] for name in fields if name in config})
  for name, changes in sections.items():
    config[name].update(changes)
  return config


def write_prompts(folder):
  """Writes prompts for two checkpoints; returns the path."""
  rows = [{'category': category, 'text': text} for category, text in PROMPTS]
  tiny_model.write_rows(folder / 'prompts.jsonl', rows)
  return str(folder / 'prompts.jsonl')


def two_questions(folder, base=''):
  """Returns the config of a paper run of `QUESTIONS`."""
  out = config(
      folder,
      post_training={'base': base, 'prompts': write_prompts(folder)},
      wild={'transcripts': str(folder / 'chats.jsonl'), 'top': 2},
  )
  out.questions = QUESTIONS
  return out


def study(folder, config):
  """Captures and makes vectors; returns the study."""
  config = paper.settled(config)
  inputs = inputs_lib.load_inputs(config)
  workdir = folder / 'run'
  workdir.mkdir(exist_ok=True)
  return study_lib.make(config, workdir, inputs)
