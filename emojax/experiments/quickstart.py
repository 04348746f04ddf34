"""The whole chain: stories -> vectors -> geometry -> readings -> steering."""

import pathlib
import time

from absl import logging
import ml_collections

from emojax import errors
from emojax import files
from emojax import runs
from emojax import steering
from emojax.data import stories as stories_lib
from emojax.experiments import build_vectors
from emojax.experiments import capture_stories
from emojax.experiments import map_geometry
from emojax.experiments import read
from emojax.experiments import steer
from emojax.experiments import summarise
from emojax.models import load
from emojax.report import page


def run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
  """Runs every stage that `workdir` has no artefact of, then the report."""
  clock = time.monotonic()
  seconds = {}

  def done(stage: str) -> None:
    nonlocal clock
    now = time.monotonic()
    seconds[stage] = round(now - clock, 1)
    logging.info('%s: %.1f s', stage, now - clock)
    clock = now

  path = lambda name: pathlib.Path(config[name]) if config[name] else None
  stories = stories_lib.load_stories(path('stories'))
  dialogues = stories_lib.load_dialogues(path('neutral'))
  texts = stories_lib.load_texts(path('chats'))
  lm = load.load(config.model, config.dtype)
  check(config, lm)
  encoded = read.encode(lm, texts, config.chats or 'chats.jsonl')
  corpus = {
      name: files.sha256(stories_lib.location(path(name), name))
      for name in ('stories', 'neutral', 'chats')
  }
  runs.open_workdir(
      workdir, config.to_dict(), lm.identity() | {'corpus': corpus}
  )
  done('load')
  logging.info('%s in %s, %d layers', lm.name, lm.dtype, lm.config.num_layers)

  capture_stories.run(config, workdir, lm, stories, dialogues)
  done('capture')
  build_vectors.run(config, workdir, lm, stories, dialogues)
  done('vectors')
  map_geometry.run(config, workdir, stories)
  done('geometry')
  if not (workdir / read.NAME).exists():
    arrays, metadata = build_vectors.read_vectors(
        workdir / build_vectors.NAME, lm
    )
    rows = read.read(
        lm, arrays, metadata, metadata['layer'], texts, encoded, config.batch
    )
    files.write_jsonl(workdir / read.NAME, rows)
  done('readings')
  steer.run(config, workdir, lm)
  done('sweep')
  implied = {str(text.id): text.implies for text in texts if text.implies}
  summarise.run(config, workdir, lm, implied, seconds)
  logging.info('report: %s', page.write(workdir))


def check(config: ml_collections.ConfigDict, lm: load.LanguageModel) -> None:
  """Refuses settings that would fail an hour from now."""
  if config.layer is not None:
    steering.check_layer(config.layer, lm.config.num_layers)
  least = {
      'start': 0,
      'batch': 1,
      'shuffles': 2,
      'standard_dialogues': 1,
      'clusters': 2,
      'random_directions': 5,
      'new_tokens': 1,
      'sweep_batch': 1,
      'temperature': 0,
      'neutral_variance': 0,
  }
  for name, value in least.items():
    if config[name] < value:
      raise errors.InputError(
          f'config.{name}={config[name]}: must be {value} or more.'
      )
  if config.neutral_variance >= 1:
    raise errors.InputError(
        f'config.neutral_variance={config.neutral_variance}: must be below 1.'
    )
  strengths = list(config.strengths)
  if not strengths or 0 in strengths or len(set(strengths)) < len(strengths):
    raise errors.InputError(
        f'config.strengths={tuple(strengths)}: give distinct numbers, none 0'
        ' (unsteered rows are always added).'
    )
  if not config.prompts:
    raise errors.InputError('config.prompts is empty: give at least one.')
