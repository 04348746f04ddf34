"""The whole chain: stories -> vectors -> geometry -> readings -> steering."""

import time

from absl import logging
import ml_collections

from emojax import errors
from emojax import files
from emojax import hosts
from emojax import logs
from emojax import runs
from emojax.data import stories as stories_lib
from emojax.experiments import build_vectors
from emojax.experiments import capture_stories
from emojax.experiments import grids
from emojax.experiments import inputs as inputs_lib
from emojax.experiments import map_geometry
from emojax.experiments import read
from emojax.experiments import summarise
from emojax.experiments import sweep
from emojax.report import page

REPORT = 'report.html'


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Runs every stage that `workdir` has no artefact of, then the report."""
  clock = time.monotonic()

  def done(stage: str) -> None:
    nonlocal clock
    now = time.monotonic()
    logs.stage(stage, now - clock)
    clock = now
    hosts.stop_if_asked()

  # Whatever is wrong with the input is found before anything is written.
  sweep.check(config)
  if not config.words:
    raise errors.InputError(
        'config.words=False: a quickstart tells what steering does to emotion'
        ' words; leave it True, or sweep without them by configs/sweep.py.'
    )
  texts = stories_lib.load_texts(inputs_lib.path_of(config.chats))
  inputs = inputs_lib.load_inputs(config)
  lm, stories, dialogues = inputs.lm, inputs.stories, inputs.dialogues
  map_geometry.check(config, stories.emotions)
  sweep.check_model(config, lm, stories.emotions)
  chats = read.sources_of(lm, texts, config.chats or 'chats.jsonl')
  corpus = {
      name: inputs_lib.hash_of(config[name], name)
      for name in ('stories', 'neutral', 'chats')
  }
  runs.open_workdir(
      workdir, config.to_dict(), lm.identity() | {'corpus': corpus}
  )
  done('load')
  logging.info('%s in %s, %d layers', lm.name, lm.dtype, lm.config.num_layers)

  capture_stories.run(config, workdir, lm, stories, inputs.encoded)
  done('capture')
  build_vectors.run(config, workdir, lm, stories, dialogues)
  done('vectors')
  map_geometry.run(config, workdir, stories)
  done('geometry')
  arrays, metadata = build_vectors.read_vectors(
      workdir / build_vectors.NAME, lm
  )
  vectors, layer = (arrays, metadata), metadata['layer']
  read.write(workdir, lm, vectors, layer, chats, config.batch)
  done('readings')
  grid = grids.of_config(config, arrays, metadata)
  sweep.write(config, workdir, lm, arrays, metadata, grid)
  done('sweep')
  implied = {read.text_id(t): t.implies for t in texts if t.implies}
  summarise.run(config, workdir, lm, implied)
  report = workdir / REPORT
  if not files.exists(report):
    page.write(workdir)
  logging.info('report: %s', report)
