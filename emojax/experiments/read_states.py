"""Hidden states of vLLM -> readings, without a model."""

from typing import Any

from absl import logging
import ml_collections
import numpy as np

from emojax import errors
from emojax import files
from emojax import readings
from emojax import runs
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.experiments import build_vectors
from emojax.experiments import hidden_states
from emojax.experiments import inputs
from emojax.experiments import limits
from emojax.interop import names

NAME = 'readings.jsonl'


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Reads `config.hidden_states`; writes `readings.jsonl`."""
  for field in ('vectors', 'hidden_states'):
    if not config[field]:
      raise errors.InputError(f'Give --config.{field}=PATH.')
  limits.check(config, {'start': 0})
  at = hidden_states.check(config)
  path = files.locate(config.vectors)
  arrays, metadata = build_vectors.read_vectors(path)
  layers = tuple(config.layers) or (metadata['layer'],)
  _check_layers(layers, at, arrays['vectors'])
  chosen = hidden_states.names(config)
  if names.EMBEDDING in at:
    logging.warning('layer id 0 is the embedding, and is not read.')
  # All is read before anything is written, so that a bad file ends it here.
  rows = []
  unit = vectors_lib.unit(arrays['vectors'])
  for name, tokens, states in hidden_states.over(config, chosen, unit.shape[2]):
    for layer in layers:
      x = states[:, at.index(layer)]
      rows.append(_row(name, layer, tokens, x, unit[:, layer], config.start))
      rows[-1]['emotions'] = metadata['emotions']
  runs.open_workdir(
      workdir,
      config.to_dict(),
      {
          'vectors': files.sha256(path),
          'hidden_states': inputs.hash_of(config.hidden_states, None),
      },
  )
  if not files.exists(workdir / NAME):
    files.write_jsonl(workdir / NAME, rows)
  logging.info('%d rows in %s', len(rows), workdir / NAME)


def _check_layers(
    layers: tuple[int, ...], at: list[int], vectors: np.ndarray
) -> None:
  for layer in layers:
    steering.check_layer(layer, vectors.shape[1])
    if layer not in at:
      known = ', '.join(str(x) for x in at if x != names.EMBEDDING) or 'none'
      raise errors.InputError(
          f'Layer {layer} is not in these hidden states, which are of layers'
          f' {known} (id k is layer k - 1); give others with --config.layers,'
          f' or have vLLM write id {layer + 1}.'
      )
  steering.check_directed(vectors, layers)


def _row(
    name: str,
    layer: int,
    tokens: np.ndarray,
    states: np.ndarray,
    unit: np.ndarray,
    start: int,
) -> dict[str, Any]:
  """One line: what [T, D] are along [E, D]."""
  cosine = readings.cosines(states @ unit.T, np.linalg.norm(states, axis=-1))
  counted = cosine[start:]
  return {
      'id': name,
      'layer': layer,
      'tokens': tokens.tolist(),
      # None of a file that ends before `start`.
      'mean': _short(counted.mean(axis=0)) if len(counted) else None,
      'cosine': [_short(x) for x in cosine],
  }


def _short(x: np.ndarray) -> list[float]:
  return [round(float(value), 5) for value in x]
