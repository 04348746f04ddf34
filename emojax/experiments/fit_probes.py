"""Mean activations -> probes of every layer, tested on unseen topics."""

from collections.abc import Iterator
import math
import pathlib
from typing import Any

from absl import logging
import jax
import ml_collections
import numpy as np

from emojax import chunks
from emojax import errors
from emojax import files
from emojax import hosts
from emojax import probe_selection
from emojax import probes
from emojax import runs
from emojax import statistics
from emojax import vectors as vectors_lib
from emojax.experiments import passes
from emojax.models import sharding

NAME = 'probes.safetensors'
SUMMARY = 'probes.json'
_KINDS = ('multinomial', 'one-vs-rest')


def run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
  """Writes `probes.safetensors` and `probes.json`, unless they are there."""
  check(config)
  path = pathlib.Path(config.activations)
  arrays, metadata = files.read_arrays(path)
  if not {'stories', 'emotion', 'topic'} <= arrays.keys():
    raise errors.InputError(
        f'{path}: not the activations of stories; give the'
        ' activations.safetensors of a quickstart.'
    )
  mesh = sharding.make_mesh(**config.mesh)
  runs.open_workdir(
      workdir, config.to_dict(), {'activations': files.sha256(path)}
  )
  if (workdir / SUMMARY).exists():
    return
  raw = arrays['stories'].swapaxes(0, 1)  # [L, N, D]
  labels, topic = arrays['emotion'], arrays['topic']
  data = probes.features(_put(mesh, raw))
  selection = select(config, workdir, data, raw, labels, topic, 'real')
  null = shuffled_accuracy(config, workdir, data, raw, labels, topic)
  temperature = np.asarray(
      probe_selection.temperatures(selection.log_probs, labels)
  )
  c = np.array(config.inverse_penalties, np.float32)[selection.chosen]
  fitted = probes.fit(
      data,
      labels,
      np.ones(len(labels)),
      c,
      num_classes=int(labels.max()) + 1,
      kind=config.kind,
      tolerance=config.tolerance,
  )
  fitted = hosts.fetch(fitted)
  files.write_arrays(
      workdir / NAME,
      {
          'mean': fitted.probes.mean,
          'scale': fitted.probes.scale,
          'weights': fitted.probes.weights,
          'bias': fitted.probes.bias,
          'temperature': temperature,
          'inverse_penalty': c,
      },
      metadata | {'kind': config.kind},
  )
  summary = summarise(config, selection, null, labels, topic, temperature)
  files.write_json(
      workdir / SUMMARY,
      summary | {'decrement': float(fitted.decrement.max())},
  )
  chunks.clear(workdir / NAME)
  best = max(summary['layers'], key=lambda row: row['top1']['value'])
  logging.info(
      'layer %d: held-out top-1 %.3f (%.3f to %.3f), shuffled labels %.3f',
      best['layer'],
      *(best['top1'][key] for key in ('value', 'low', 'high')),
      best['shuffled_top1']['value'],
  )


def shuffled_accuracy(
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    data: probes.Features,
    raw: np.ndarray,
    labels: np.ndarray,
    topic: np.ndarray,
) -> np.ndarray:
  """The same with shuffled labels, penalties chosen likewise: [shuffles, L]."""
  rng = np.random.default_rng(config.seed)
  out = []
  for number in range(config.shuffles):
    other = vectors_lib.shuffled(rng, labels, topic)
    got = select(config, workdir, data, raw, other, topic, f'shuffled {number}')
    out.append(got.accuracy[got.chosen, np.arange(len(raw))])
  return np.stack(out)


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses settings that nothing can be fitted with."""
  if not config.activations:
    raise errors.InputError(
        'Give --config.activations=DIR/activations.safetensors.'
    )
  if config.kind not in _KINDS:
    raise errors.InputError(
        f'config.kind={config.kind!r}: must be one of {", ".join(_KINDS)}.'
    )
  path = tuple(config.inverse_penalties)
  if not path or sorted(set(path)) != list(path) or not 0 < path[0] < math.inf:
    raise errors.InputError(
        f'config.inverse_penalties={path}: give rising numbers above 0.'
    )
  if not 0 < config.tolerance < 1:
    raise errors.InputError(
        f'config.tolerance={config.tolerance}: must be between 0 and 1.'
    )
  if config.shuffles < 2:
    raise errors.InputError(
        f'config.shuffles={config.shuffles}: must be 2 or more.'
    )


def select(
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    data: probes.Features,
    raw: np.ndarray,
    labels: np.ndarray,
    topic: np.ndarray,
    kind: str,
) -> probe_selection.Selection:
  """Walks the path of penalties; each step on all topics is saved."""
  parts = chunks.folder(workdir / NAME, kind.encode())

  def walk() -> Iterator[np.ndarray]:
    folds = np.unique(topic)
    starts = [None] * len(folds)
    for number, c in enumerate(config.inverse_penalties):
      saved = chunks.get(parts, 'penalty', number)
      if saved is None:
        saved = files.pack(one_penalty(c, folds, starts), {})
        chunks.put(parts, 'penalty', number, saved)
        hosts.stop_if_asked()
      saved = files.unpack(saved)
      # Also where nothing was saved, so that a restart makes the same.
      starts = [
          probes.Probes(*(saved[name][i] for name in _FIELDS))
          for i in range(len(folds))
      ]
      yield saved['said']

  def one_penalty(c, folds, starts) -> dict[str, np.ndarray]:
    num_classes = int(labels.max()) + 1
    said = np.zeros((*raw.shape[:2], num_classes), np.float32)
    fits = []
    pairs = list(zip(folds, starts, strict=True))
    for fold, start in passes.progress(pairs, f'C={c:g}'):
      test = topic == fold
      said[:, test], fitted = probe_selection.hold_out(
          data,
          raw,
          labels,
          test,
          c,
          num_classes=num_classes,
          kind=config.kind,
          start=start,
          tolerance=config.tolerance,
      )
      fits.append(hosts.fetch(fitted.probes))
    return {'said': said} | {
        name: np.stack([getattr(fit, name) for fit in fits]) for name in _FIELDS
    }

  return probe_selection.select(walk(), labels)


_FIELDS = ('mean', 'scale', 'weights', 'bias')


def summarise(
    config: ml_collections.ConfigDict,
    selection: probe_selection.Selection,
    null: np.ndarray,
    labels: np.ndarray,
    topic: np.ndarray,
    temperature: np.ndarray,
) -> dict[str, Any]:
  """Held-out accuracy of each layer, its controls, and its calibration.

  Temperatures are fitted to the very examples that the error after them is
  measured on: one number a layer has little to overfit with.
  """
  log_probs = selection.log_probs
  calm = np.asarray(probe_selection.calibrated(log_probs, temperature))
  before, after = (
      probe_selection.calibration_error(x, labels) for x in (log_probs, calm)
  )
  layers = []
  for layer in range(len(log_probs)):
    hits = (log_probs[layer].argmax(axis=1) == labels).astype(float)
    chosen = selection.chosen[layer]
    layers.append(
        {
            'layer': layer,
            'top1': statistics.cluster_bootstrap(hits, topic, config.seed),
            'shuffled_top1': statistics.band(null[:, layer]),
            'loss': float(selection.loss[chosen, layer]),
            'inverse_penalty': float(config.inverse_penalties[chosen]),
            'temperature': float(temperature[layer]),
            'calibration_error': float(before[layer]),
            'calibrated_error': float(after[layer]),
        }
    )
  return {
      'kind': config.kind,
      'n': len(labels),
      'chance': 1 / (int(labels.max()) + 1),
      'interval': f'95 % bootstrap over {len(np.unique(topic))} topics',
      'layers': layers,
  }


def _put(mesh: jax.sharding.Mesh, raw: np.ndarray) -> jax.Array:
  """Splits examples over the mesh where it divides them."""
  return sharding.put(mesh, ('L', 'B', ''), raw)
