"""Mean activations -> probes of every layer, tested on unseen topics."""

from collections.abc import Iterator
import dataclasses
import functools
import math
from typing import Any

from absl import logging
import jax
import ml_collections
import numpy as np

from emojax import chunks
from emojax import errors
from emojax import files
from emojax import hosts
from emojax import logs
from emojax import probe_selection
from emojax import probes
from emojax import progress
from emojax import runs
from emojax import statistics
from emojax import vectors as vectors_lib
from emojax.models import sharding

NAME = 'probes.safetensors'
SUMMARY = 'probes.json'
_KINDS = ('multinomial', 'one-vs-rest')


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Writes `probes.safetensors` and `probes.json`, unless they are there."""
  check(config)
  path = files.locate(config.activations)
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
  if files.exists(workdir / SUMMARY):
    return
  examples = placed(mesh, arrays['stories'], arrays['topic'])
  labels, topic = arrays['emotion'], arrays['topic']
  selection = select(config, workdir, examples, labels, 'real')
  null = shuffled_accuracy(config, workdir, examples, labels)
  temperature = np.asarray(
      probe_selection.temperatures(selection.log_probs, labels)
  )
  c = np.array(config.inverse_penalties, np.float32)[selection.chosen]
  fitted = probes.fit(
      examples.data,
      examples.per_example(labels),
      examples.weights(),
      examples.per_layer(c),
      num_classes=int(labels.max()) + 1,
      kind=config.kind,
      tolerance=config.tolerance,
      at_once=examples.at_once,
  )
  fitted = hosts.fetch(fitted)
  count = examples.num_layers
  files.write_arrays(
      workdir / NAME,
      {name: getattr(fitted.probes, name)[:count] for name in _FIELDS}
      | {'temperature': temperature, 'inverse_penalty': c},
      metadata | {'kind': config.kind},
  )
  summary = summarise(config, selection, null, labels, topic, temperature)
  files.write_json(
      workdir / SUMMARY,
      summary | {'decrement': float(fitted.decrement[:count].max())},
  )
  chunks.clear(workdir / NAME)
  best = max(summary['layers'], key=lambda row: row['top1']['value'])
  logging.info(
      'layer %d: held-out top-1 %.3f (%.3f to %.3f), shuffled labels %.3f',
      best['layer'],
      *(best['top1'][key] for key in ('value', 'low', 'high')),
      best['shuffled_top1']['value'],
  )


@dataclasses.dataclass(frozen=True)
class Examples:
  """Activations on the devices, layers and examples filled up to divide them.

  Attributes:
    mesh: that they lie on.
    data: of P >= L layers and M >= N examples; those after L and N are others
      again.
    topic: [N].
    num_layers: L.
  """

  mesh: jax.sharding.Mesh
  data: probes.Features
  topic: np.ndarray
  num_layers: int

  @property
  def at_once(self) -> int | None:
    """Layers that are fitted side by side, all if None.

    On one CPU a layer by itself takes two thirds of the time.
    """
    one_cpu = self.mesh.size == 1 and jax.default_backend() == 'cpu'
    return 1 if one_cpu else None

  def per_example(self, x: np.ndarray) -> jax.Array:
    return sharding.put_repeating(self.mesh, ('N',), x)

  def per_layer(self, x: np.ndarray) -> jax.Array:
    return sharding.put_repeating(self.mesh, ('P',), x)

  def put(self, x: np.ndarray) -> jax.Array:
    """Puts what has a leading P."""
    return _put_layers(self.mesh, x)

  def weights(self, left_out: np.ndarray | None = None) -> jax.Array:
    """Returns [M]: 1, or 0 where left out, and 0 after N."""
    out = np.zeros(self.data.x.shape[1], np.float32)
    out[: len(self.topic)] = 1 if left_out is None else ~left_out
    return sharding.put(self.mesh, ('N',), out)


def placed(
    mesh: jax.sharding.Mesh, stories: np.ndarray, topic: np.ndarray
) -> Examples:
  """Takes mean activations [N, L, D] to the devices and standardises them."""
  x = sharding.put_repeating(mesh, ('P', 'N', ''), stories.swapaxes(0, 1))
  put = functools.partial(_put_layers, mesh)
  data = probes.features(x, hosts.fetch, put)
  return Examples(mesh, data, topic, stories.shape[1])


def _put_layers(mesh: jax.sharding.Mesh, x: np.ndarray) -> jax.Array:
  return sharding.put(mesh, ('P', '', '')[: x.ndim], x)


def shuffled_accuracy(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    examples: Examples,
    labels: np.ndarray,
) -> np.ndarray:
  """The same with shuffled labels, penalties chosen likewise: [shuffles, L]."""
  rng = np.random.default_rng(config.seed)
  out = []
  for number in range(config.shuffles):
    other = vectors_lib.shuffled(rng, labels, examples.topic)
    got = select(config, workdir, examples, other, f'shuffled {number}')
    out.append(got.accuracy[got.chosen, np.arange(examples.num_layers)])
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
    workdir: files.Path,
    examples: Examples,
    labels: np.ndarray,
    kind: str,
) -> probe_selection.Selection:
  """Walks the path of penalties; each step on all topics is saved."""
  sizes = sorted(examples.mesh.shape.items())
  parts = chunks.folder(workdir / NAME, repr((kind, sizes)).encode())
  folds, counts = np.unique(examples.topic, return_counts=True)

  def walk() -> Iterator[np.ndarray]:
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
          probes.Probes(*(examples.put(saved[name][i]) for name in _FIELDS))
          for i in range(len(folds))
      ]
      yield saved['said']

  def one_penalty(c, folds, starts) -> dict[str, np.ndarray]:
    num_classes = int(labels.max()) + 1
    shape = examples.num_layers, len(labels), num_classes
    said = np.zeros(shape, np.float32)
    fits = []
    pairs = list(zip(folds, starts, strict=True))
    for fold, start in progress.over(pairs, f'C={c:g}', 'folds'):
      test = examples.topic == fold
      rows = np.resize(np.flatnonzero(test), counts.max())
      got, fitted = probe_selection.hold_out(
          examples.data,
          examples.per_example(labels),
          examples.weights(test),
          rows,
          c,
          num_classes=num_classes,
          kind=config.kind,
          start=start,
          tolerance=config.tolerance,
          at_once=examples.at_once,
      )
      got, fitted = hosts.fetch((got, fitted))
      said[:, test] = got[: examples.num_layers, : test.sum()]
      fits.append(fitted.probes)
      row = {'step': len(fits), 'labels': kind, 'inverse_penalty': float(c)}
      row |= _outcome(fitted, examples.num_layers)
      logs.record('probes/fold', **row)
    return {'said': said} | {
        name: np.stack([getattr(fit, name) for fit in fits]) for name in _FIELDS
    }

  return probe_selection.select(walk(), labels)


def _outcome(fitted: probes.Fit, count: int) -> dict[str, float]:
  """The mean loss of `count` layers, and the most passes that one took."""
  return {
      'loss': float(fitted.loss[:count].mean()),
      'evaluations': int(fitted.evaluations[:count].max()),
  }


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
