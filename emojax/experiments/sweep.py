"""Emotion vectors -> a grid of steered texts -> dose and response."""

from collections.abc import Sequence
import functools
from typing import Any

from absl import logging
import ml_collections
import numpy as np

from emojax import chunks
from emojax import errors
from emojax import files
from emojax import runs
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.experiments import build_vectors
from emojax.experiments import chunked_rows
from emojax.experiments import grids
from emojax.experiments import limits
from emojax.experiments import read
from emojax.experiments import summarise_sweep
from emojax.experiments import sweep_grid
from emojax.experiments import sweep_rows
from emojax.models import decoding
from emojax.models import engine
from emojax.models import load
from emojax.models import sampling
from emojax.models import sharding
from emojax.report import sweep_page

NAME = 'sweep.jsonl'
DOSE = 'dose.json'
REPORT = 'report.html'
# The least that each can be.
_LEAST = {
    'random_directions': 5,
    'new_tokens': 1,
    'sweep_batch': 1,
    'sweep_chunk': 1,
}


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Runs a sweep with vectors from a file, then its report."""
  if not config.vectors:
    raise errors.InputError(
        'Give --config.vectors=FILE, the vectors.safetensors of a quickstart.'
    )
  check(config)
  path = files.locate(config.vectors)
  arrays, metadata = build_vectors.read_vectors(path)
  # The vectors know what the model has: it may take long to load.
  check_names(config, metadata['emotions'], arrays['vectors'].shape[1])
  lm = read.load_model(config, metadata)
  arrays, metadata = build_vectors.read_vectors(path, lm)
  check_model(config, lm, metadata['emotions'])
  steering.check_directed(arrays['vectors'], config.readout_layers)
  grid = grids.of_config(config, arrays, metadata)
  runs.open_workdir(
      workdir,
      config.to_dict(),
      lm.identity() | {'vectors': files.sha256(path)},
  )
  rows = write(config, workdir, lm, arrays, metadata, grid)
  if not files.exists(workdir / DOSE):
    dose = summarise_sweep.summarise(metadata['emotions'], rows, config.seed)
    files.write_json(workdir / DOSE, dose)
  if not files.exists(workdir / REPORT):
    sweep_page.write(workdir)
  logging.info('report: %s', workdir / REPORT)


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses settings of a sweep that no model can work with."""
  limits.check(config, _LEAST)
  grids.check(config)
  prompts = tuple(config.prompts)
  good = all(isinstance(x, str) and x.strip() for x in prompts)
  if not good or not prompts or len(set(prompts)) < len(prompts):
    raise errors.InputError(
        f'config.prompts={prompts}: give one or more distinct texts, none'
        ' empty.'
    )


def check_names(
    config: ml_collections.ConfigDict, emotions: Sequence[str], num_layers: int
) -> None:
  """Refuses directions and layers that are not among these."""
  grids.check_directions(config, emotions, num_layers)
  for layer in config.readout_layers:
    steering.check_layer(layer, num_layers)
  grids.check_names(config.readout, emotions)


def check_model(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    emotions: Sequence[str],
) -> None:
  """Refuses layers, directions or prompts that this model has no room for."""
  check_names(config, emotions, lm.config.num_layers)
  for text in (*config.prompts, config.reply_prefix):
    token = lm.tokenizer.control_token_in(text)
    if token is not None:
      raise errors.InputError(
          f'config.prompts or config.reply_prefix has the control token'
          f' {token!r} in it; take it out.'
      )
  sweep_grid.check_room(
      lm,
      sweep_grid.encode_prompts(lm, config.prompts, config.reply_prefix),
      config.new_tokens,
      sweep_grid.encode_words(lm, emotions),
  )


def write(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    lm: load.LanguageModel,
    arrays: dict[str, np.ndarray],
    metadata: dict[str, Any],
    grid: sweep_grid.Grid,
) -> list[dict[str, Any]]:
  """Writes `sweep.jsonl`, unless it is there; returns its rows."""
  artefact = workdir / NAME
  if not files.exists(artefact):
    done = _rows(config, artefact, lm, arrays, metadata, grid)
    files.write_jsonl(artefact, done)
  chunks.clear(artefact)  # A run may have been killed just before that.
  rows = [row for _, row in files.read_jsonl(artefact)]
  broken = [row['strength'] for row in rows if row['stop'] == 'not finite']
  if broken:
    logging.warning(
        '%d of %d texts ended early, for activations were not finite (strengths'
        ' of %g and more in size): they are kept, and count in no mean.',
        len(broken),
        len(rows),
        min(map(abs, broken)),
    )
  return rows


def _rows(config, artefact, lm, arrays, metadata, grid) -> list[dict]:
  """Runs the grid in chunks, each saved when it is done."""
  prompts = sweep_grid.encode_prompts(lm, config.prompts, config.reply_prefix)
  settings = engine.Settings(
      batch=config.sweep_batch,
      new_tokens=config.new_tokens,
      sampling=sampling.Sampling(
          config.temperature, config.top_k, config.top_p
      ),
      stop=lm.tokenizer.stop,
  )
  index, bank = grids.bank_of(grid, arrays, metadata, config.seed)

  rows, depth = sweep_grid.rows_of(grid, list(prompts)), lm.config.num_layers

  @functools.cache  # A finished sweep needs none.
  def prepared() -> tuple[sweep_rows.Measures, sweep_rows.Asked]:
    longest = max(len(prompt.ids) for prompt in prompts.values())
    engine.log_memory(lm, settings, longest)
    return (
        _measures(config, lm, arrays, metadata, bank),
        sweep_grid.requests_of(rows, prompts, index, depth),
    )

  def some(chunk, tick):
    measures, asked = prepared()
    return sweep_rows.run(lm, measures, chunk, asked, settings, tick)

  return chunked_rows.run(artefact, rows, config.sweep_chunk, 'Sweep', some)


def _measures(config, lm, arrays, metadata, bank) -> sweep_rows.Measures:
  """What is measured of the rows of a config."""
  layer, emotions = metadata['layer'], metadata['emotions']
  unit = vectors_lib.unit(arrays['vectors'])
  readout = tuple(config.readout)
  probe = None
  if readout:
    chosen = [emotions.index(e) for e in readout]
    # In fractions of the mean residual norm, as strengths are.
    scaled = unit[chosen] / arrays['resid_norm'][:, None]
    probe = decoding.Probe(
        sharding.replicate(lm.mesh, scaled),
        sharding.replicate(lm.mesh, np.array(config.readout_layers or [layer])),
    )
  return sweep_rows.Measures(
      bank=sharding.replicate(lm.mesh, bank),
      emotions=tuple(emotions),
      words=sweep_grid.encode_words(lm, emotions) if config.words else [],
      unit=sharding.replicate(lm.mesh, unit[:, layer]),
      layer=np.int32(layer),
      neutral=tuple(
          arrays[f'neutral_cosine_{part}'][:, layer] for part in ('mean', 'std')
      ),
      readout=readout,
      readout_layers=tuple(config.readout_layers) or (layer,),
      probe=probe,
  )
