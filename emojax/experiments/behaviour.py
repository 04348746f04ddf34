"""What steering changes under pressure: behaviours of a model, counted by rule.

Each behaviour is a module of `behaviours`; see `episode` for what it has.
"""

from collections.abc import Sequence
import dataclasses
import importlib
import time
from types import ModuleType
from typing import Any

from absl import logging
import ml_collections

from emojax import chunks
from emojax import errors
from emojax import files
from emojax import logs
from emojax import runs
from emojax.experiments import build_vectors
from emojax.experiments import chunked_rows
from emojax.experiments import episodes
from emojax.experiments import grids
from emojax.experiments import headlines
from emojax.experiments import inputs as inputs_lib
from emojax.experiments import judge
from emojax.experiments import limits
from emojax.experiments import replies
from emojax.experiments import study as study_lib
from emojax.experiments import summarise
from emojax.experiments import summarise_behaviour
from emojax.experiments import sweep_grid
from emojax.experiments.measures import pressure
from emojax.models import load
from emojax.models import sampling
from emojax.models import sharding
from emojax.report import behaviour_page
from emojax.sandbox import isolation as isolation_lib

# In the order of the report.
BEHAVIOURS = ('impossible_code', 'honeypot', 'sycophancy', 'harshness')
_RUN_CODE = ('impossible_code',)
_PARTS = ('unsteered', 'steered')
NAME = 'behaviour.json'
PRESSURE = 'pressure.json'
JUDGE = 'judge.json'
_LEAST = {'sweep_batch': 1, 'episodes': 1, 'random_directions': 2}

Rows = dict[str, list[dict[str, Any]]]


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Plays every behaviour that `workdir` has no artefact of; then the report.

  Unsteered episodes come first: what they show decides what the grid can.
  """
  limits.check(config, _LEAST)
  grids.check(config)
  modules = chosen(config)
  # Whatever is wrong with the input is found before anything is written.
  scenarios = {
      name: {s.id: s for s in module.prepare(config)}
      for name, module in modules.items()
  }
  isolation = find_isolation(config, modules)
  inputs = inputs_lib.load_inputs(config)
  lm, emotions = inputs.lm, inputs.stories.emotions
  grids.check_directions(config, emotions, lm.config.num_layers)
  stages = {
      name: episodes.Stage(
          module,
          config,
          scenarios[name],
          isolation,
          lm.tokenizer.without_control,
      )
      for name, module in modules.items()
  }
  for stage in stages.values():
    check_room(stage, lm)
  runs.open_workdir(
      workdir,
      config.to_dict(),
      lm.identity() | {'corpus': _hashes(config, modules)},
  )
  study = study_lib.make(config, workdir, inputs)
  rows = play(study, stages)
  if not files.exists(workdir / PRESSURE):
    contents = pressure.run(study, rows.get('impossible_code', []), config)
    files.write_json(workdir / PRESSURE, contents)
  opinions = ask_judge(study, modules, rows)
  if not files.exists(workdir / NAME):
    contents = summarise_behaviour.summarise(
        config, emotions, modules, rows, opinions
    )
    files.write_json(workdir / NAME, contents)
  write_summary(study)
  if not files.exists(workdir / behaviour_page.REPORT):
    behaviour_page.write(workdir)
  logging.info('report: %s', workdir / behaviour_page.REPORT)


def chosen(config: ml_collections.ConfigDict) -> dict[str, ModuleType]:
  """Returns the behaviours that a config asks for, by name, in their order.

  Raises:
    InputError: there is no such behaviour.
  """
  return {
      name: importlib.import_module(f'emojax.experiments.behaviours.{name}')
      for name in limits.chosen(config, 'behaviours', BEHAVIOURS)
  }


def find_isolation(
    config: ml_collections.ConfigDict, names: Sequence[str]
) -> isolation_lib.Isolation | None:
  """Returns what code runs in; None if no behaviour runs any.

  Raises:
    InputError: some does, and there is nothing to run it in.
  """
  if not set(names) & set(_RUN_CODE):
    return None
  return isolation_lib.find(config.run_model_code_without_isolation)


def check_room(stage: episodes.Stage, lm: load.LanguageModel) -> None:
  """Refuses a scenario that the model cannot begin with."""
  for name in stage.scenarios:
    place = f'{stage.module.NAME}: scenario {name}'
    episode = stage.begin(name)
    try:
      chat = replies.encode(lm, episode.messages, episode.prefix)
    except errors.InputError as error:
      raise errors.InputError(f'{place}: {error}') from error
    size = len(chat.ids) + episode.new_tokens
    if size > lm.config.context:
      raise errors.InputError(
          f'{place}: it and {episode.new_tokens} new tokens are {size} tokens,'
          f' more than the context of the model ({lm.config.context}); shorten'
          f' it or lower config.{stage.module.NAME}.new_tokens.'
      )


def play(study: study_lib.Study, stages: dict[str, episodes.Stage]) -> Rows:
  """Plays all stages, unsteered first; returns the lines of their artefacts."""
  config = study.config
  grid = grids.of_config(config, study.arrays, study.metadata)
  model = replies.Model(
      study.lm,
      study.bank,
      {name: i for i, name in enumerate(study.names)},
      sampling.Sampling(config.temperature, config.top_k, config.top_p),
      config.sweep_batch,
      tuple(config.positions),
  )
  planned = {
      name: sweep_grid.rows_of(grid, list(stage.scenarios))
      for name, stage in stages.items()
  }
  logging.info(
      '%s episodes in %d conditions',
      ', '.join(f'{len(rows)} {name}' for name, rows in planned.items()),
      len({_condition(row) for rows in planned.values() for row in rows}),
  )
  out: Rows = {}
  for name, stage in stages.items():
    rows = [row for row in planned[name] if not row.operation]
    out[name] = _part(study, stage, rows, model, 'unsteered')
    for line in summarise_behaviour.say_base(
        config, stage.module, out[name], len(planned[name]) - len(rows)
    ):
      logging.info('%s', line)
  for name, stage in stages.items():
    rows = [row for row in planned[name] if row.operation]
    out[name] += _part(study, stage, rows, model, 'steered')
    artefact = study.workdir / f'{name}.jsonl'
    if not files.exists(artefact):
      files.write_jsonl(artefact, out[name])
    for part in _PARTS:  # A run may have been killed just before that.
      chunks.clear(study.workdir / f'{name}_{part}')
  return out


def _condition(row: sweep_grid.Row) -> sweep_grid.Row:
  return dataclasses.replace(row, prompt='', seed=0)


def _part(study, stage, rows, model, part) -> list[dict[str, Any]]:
  """The lines of some rows: from the artefact, or played in chunks."""
  name = stage.module.NAME
  artefact = study.workdir / f'{name}.jsonl'
  if files.exists(artefact):
    wanted = {row.id() for row in rows}
    lines = [line for _, line in files.read_jsonl(artefact)]
    return [line for line in lines if line['id'] in wanted]
  start = time.monotonic()
  lines = chunked_rows.run(
      study.workdir / f'{name}_{part}',
      rows,
      study.config.episodes,
      name,
      lambda chunk, tick: episodes.play(stage, chunk, model, tick, tick.fewer),
      episodes.unit(stage),
  )
  logs.stage(f'{name}, {part}', time.monotonic() - start)
  return lines


def ask_judge(
    study: study_lib.Study, modules: dict[str, ModuleType], rows: Rows
) -> dict[str, Any]:
  """What another model says of the replies, by behaviour; {} without one."""
  config, path = study.config, study.workdir / JUDGE
  if not config.judge.model:
    return {}
  if not files.exists(path):
    lm = load.load(
        config.judge.model,
        config.judge.dtype,
        sharding.make_mesh(**config.mesh),
    )
    files.write_json(path, judge.run(config, lm, modules, rows))
  return files.read_json(path)


def write_summary(study: study_lib.Study) -> None:
  """Writes `summary.json`: what was run, and all numbers."""
  path = study.workdir / summarise.NAME
  if files.exists(path):
    return
  held_out = files.read_json(study.workdir / build_vectors.HELD_OUT)
  files.write_json(
      path,
      {
          'model': summarise.describe_model(study.lm),
          'layer': study.layer,
          'numbers': [
              *headlines.held_out_numbers(held_out, study.metadata),
              *files.read_json(study.workdir / NAME)['numbers'],
              *files.read_json(study.workdir / PRESSURE).get('numbers', []),
          ],
          'counts': summarise.count_corpus(study.metadata),
      },
  )


def _hashes(config, modules) -> dict[str, str]:
  """SHA-256 of every file that a run reads."""
  out = {
      name: inputs_lib.hash_of(config[name], name)
      for name in ('stories', 'neutral')
  }
  for name, module in modules.items():
    for field, packaged in module.FILES.items():
      out[f'{name}.{field}'] = inputs_lib.hash_of(config[name][field], packaged)
  return out
