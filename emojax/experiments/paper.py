"""Every experiment of the paper, for one model, by one command.

Each question is a module of `questions`, which has

  NAME: of its section of the config, its artefact and its published numbers;
  FILES: the fields of that section which name files, and the packaged ones, or
    None where nothing stands in for the user's;
  prepare(config, lm, emotions): what it reads, refused if it does not do;
  run(study, prepared): the contents of its artefact, `numbers` among them, or
    `absent`, why it was left out.
"""

import importlib
import time
from types import ModuleType
from typing import Any

from absl import logging
import ml_collections

from emojax import chunks
from emojax import files
from emojax import hosts
from emojax import logs
from emojax import power
from emojax import runs
from emojax.experiments import build_vectors
from emojax.experiments import headlines
from emojax.experiments import inputs as inputs_lib
from emojax.experiments import limits
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib
from emojax.experiments import summarise
from emojax.report import paper_page

# In the order of the report.
QUESTIONS = paper_page.QUESTIONS
_MIN_POWER = 3  # Fisher's z has no error for fewer.
_LEAST = {'random_directions': 5, 'shuffled_directions': 2, 'sweep_batch': 1}


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Runs every question that `workdir` has no artefact of, then the report."""
  config = settled(config)
  limits.check_seed(config)
  limits.check(config, _LEAST)
  questions = chosen(config)
  inputs = inputs_lib.load_inputs(config)
  lm = inputs.lm
  # Whatever is wrong with the input is found before anything is written.
  prepared = {
      name: question.prepare(config, lm, inputs.stories.emotions)
      for name, question in questions.items()
  }
  runs.open_workdir(
      workdir,
      config.to_dict(),
      lm.identity() | {'corpus': _hashes(config, questions)},
  )
  study = study_lib.make(config, workdir, inputs)
  for name, question in questions.items():
    answer(study, question, prepared[name])
    hosts.stop_if_asked()
  summarise_answers(study, questions)
  if not files.exists(workdir / paper_page.REPORT):
    paper_page.write(workdir)
  logging.info('report: %s', workdir / paper_page.REPORT)


def settled(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """Puts the values of the fast subset in, if that is asked for."""
  config = config.copy_and_resolve_references()  # Sections and all.
  if config.fast:
    config.update(config.fast_values)
  return config


def chosen(config: ml_collections.ConfigDict) -> dict[str, ModuleType]:
  """Returns the questions that a config asks, by name, in their order.

  Raises:
    InputError: there is no such question.
  """
  return {
      name: importlib.import_module(f'emojax.experiments.questions.{name}')
      for name in limits.chosen(config, 'questions', QUESTIONS)
  }


def answer(study: study_lib.Study, question: ModuleType, prepared: Any) -> None:
  """Writes a question's artefact, unless it is there."""
  path = study.workdir / f'{question.NAME}.json'
  if files.exists(path):
    chunks.clear(path)  # A run may have been killed just before that.
    return
  start = time.monotonic()
  contents = question.run(study, prepared)
  if 'absent' in contents:
    logging.warning('%s is left out: %s', question.NAME, contents['absent'])
  else:
    contents['numbers'] = numbers_lib.with_published(
        question.NAME, contents['numbers']
    )
  files.write_json(path, contents)
  chunks.clear(path)
  logs.stage(question.NAME, time.monotonic() - start)


def summarise_answers(
    study: study_lib.Study, questions: dict[str, ModuleType]
) -> None:
  """Writes `summary.json`: all numbers, by question."""
  path = study.workdir / summarise.NAME
  if files.exists(path):
    return
  answers = {
      name: files.read_json(study.workdir / f'{name}.json')
      for name in questions
  }
  held_out = files.read_json(study.workdir / build_vectors.HELD_OUT)
  files.write_json(
      path,
      {
          'model': summarise.describe_model(study.lm),
          'layer': study.layer,
          'band': list(study.band),
          'numbers': [
              *headlines.held_out_numbers(held_out, study.metadata),
              *(
                  row | {'question': name}
                  for name, contents in answers.items()
                  for row in contents.get('numbers', [])
              ),
          ],
          'absent': {
              name: contents['absent']
              for name, contents in answers.items()
              if 'absent' in contents
          },
          'counts': summarise.count_corpus(study.metadata),
          'power': _power(len(study.emotions)),
      },
  )


def _power(size: int) -> dict[str, float | None]:
  """The least correlation over emotions that is found four times in five."""
  found = power.detectable_correlation(size) if size > _MIN_POWER else None
  return {'correlation': found}


def _hashes(config, questions) -> dict[str, str]:
  """SHA-256 of every file that a run reads."""
  out = {
      name: inputs_lib.hash_of(config[name], name)
      for name in ('stories', 'neutral')
  }
  for question in questions.values():
    for field, name in question.FILES.items():
      setting = config[question.NAME][field]
      if setting or name:
        key = f'{question.NAME}.{field}'
        out[key] = inputs_lib.hash_of(setting, name)
  return out
