"""Emotion vectors -> files that other tools steer with."""

from collections.abc import Iterator, Sequence
import hashlib
import re
from typing import Any

from absl import logging
import ml_collections
import numpy as np

from emojax import errors
from emojax import files
from emojax import runs
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.experiments import build_vectors
from emojax.experiments import limits
from emojax.interop import directions as directions_lib
from emojax.interop import gguf
from emojax.interop import hook
from emojax.interop import names
from emojax.interop import neuronpedia
from emojax.interop import npz
from emojax.interop import vllm_lens

NAME = 'manifest.json'
NORMS = 'h_norms.json'
# What a number given to each tool means, if x is in mean residual norms.
UNITS = {
    'gguf': '--control-vector-scaled FILE:x adds x mean residual norms',
    'repeng': 'directions of length 1: the coefficient is x times resid_norm',
    'vllm-lens': 'scale x adds x mean residual norms, or with norm_match x'
    ' times the residual norm of each token',
    'neuronpedia': 'strength x with strength_multiplier 1 adds x mean residual'
    ' norms',
    'npz': 'x times the array is x mean residual norms',
    'hook': 'steer(model, NAME, x) adds x mean residual norms',
}
FORMATS = tuple(UNITS)
_OWN = (NAME, NORMS, 'config.json')
# These cannot say anything of the output of block 0.
_FROM_ONE = ('gguf', 'repeng')
_CONTROL = re.compile(r'(random|shuffled)_(0|[1-9][0-9]{0,3})')


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Writes a file a direction, then the manifest."""
  if not config.vectors:
    raise errors.InputError('Give --config.vectors=FILE.')
  check(config)
  path = files.locate(config.vectors)
  arrays, metadata = build_vectors.read_vectors(path)
  layers, left_out = layers_of(config, arrays, metadata['layer'])
  found = directions_of(config, arrays, metadata['emotions'], layers)
  sha256 = files.sha256(path)
  runs.open_workdir(workdir, config.to_dict(), {'vectors': sha256})
  if files.exists(workdir / NAME):
    return
  if left_out:
    logging.warning(
        'layer 0 is left out: %s steers from block 1 on.', config.to
    )
  rows = []
  for direction in found:
    for name, part, data in written(config, direction, metadata['model']):
      files.write_bytes(workdir / name, data)
      rows.append(
          {
              'file': name,
              'sha256': hashlib.sha256(data).hexdigest(),
              'direction': part.name,
              'control': part.name not in metadata['emotions'],
              'layers': list(part.layers),
          }
      )
  norms = arrays['resid_norm']
  files.write_text(workdir / NORMS, npz.encode_norms(layers, norms))
  if config.to == 'hook':
    files.write_text(workdir / hook.NAME, hook.CODE)
    print(hook.CODE)
  manifest = describe(config, metadata, layers, left_out, norms)
  files.write_json(
      workdir / NAME, manifest | {'vectors': sha256, 'files': rows}
  )
  logging.info('%d files in %s: %s.', len(rows), workdir, UNITS[config.to])


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses settings that fit no vectors."""
  limits.check_seed(config)
  if config.to not in FORMATS:
    raise errors.InputError(
        f'config.to={config.to!r}: must be one of {", ".join(FORMATS)}.'
    )
  if not abs(config.strength) < np.inf:
    raise errors.InputError(
        f'config.strength={config.strength}: must be finite.'
    )


def layers_of(
    config: ml_collections.ConfigDict, arrays: dict[str, np.ndarray], own: int
) -> tuple[list[int], list[int]]:
  """Returns the layers that are written, and those that cannot be."""
  asked = tuple(config.layers) or (own,)
  if asked == ('all',):
    asked = tuple(steering.directed_layers(arrays['vectors']))
  if not all(type(x) is int for x in asked) or len(set(asked)) < len(asked):
    raise errors.InputError(
        f"config.layers={asked}: give distinct layers, or 'all'."
    )
  for layer in asked:
    steering.check_layer(layer, arrays['vectors'].shape[1])
  steering.check_directed(arrays['vectors'], asked)
  left = [0] if config.to in _FROM_ONE and 0 in asked else []
  kept = sorted(set(asked) - set(left))
  if not kept:
    raise errors.InputError(
        f'{config.to} steers from block 1 on, and layer 0 is all that is asked'
        ' for; give another of config.layers, or --config.to=hook.'
    )
  return kept, left


def directions_of(
    config: ml_collections.ConfigDict,
    arrays: dict[str, np.ndarray],
    emotions: Sequence[str],
    layers: Sequence[int],
) -> list[directions_lib.Direction]:
  """Returns all that are asked for, each as long as the mean residual norm.

  Raises:
    InputError: no such emotion or control, or one is named twice.
  """
  asked = (*(config.emotions or emotions), *config.controls)
  if len(set(asked)) < len(asked):
    raise errors.InputError(f'Directions {asked}: each can be given once.')
  rows = [_row(name, config.seed, arrays, emotions) for name in asked]
  bank = steering.scaled_directions(
      np.stack(rows), arrays['resid_norm'], layers
  )
  if config.to == 'repeng':
    bank = vectors_lib.unit(bank)
  return [
      directions_lib.Direction(name, tuple(layers), x[list(layers)])
      for name, x in zip(asked, bank, strict=True)
  ]


def _row(
    name: str, seed: int, arrays: dict[str, np.ndarray], emotions: Sequence[str]
) -> np.ndarray:
  """[L, D], of any length, the very one that a sweep steers with."""
  if name in emotions:
    return arrays['vectors'][emotions.index(name)]
  control = _CONTROL.fullmatch(name) if isinstance(name, str) else None
  if not control:
    raise errors.InputError(
        f'A direction is called {name!r}: must be one of'
        f' {", ".join(emotions)}, random_0 or shuffled_0 and so on.'
    )
  number = int(control[2])
  if control[1] == 'random':
    shape = arrays['vectors'].shape[1:]
    return steering.random_directions(seed, number + 1, *shape)[number]
  if number >= len(arrays['shuffled']):
    raise errors.InputError(
        f'{name}: the file has {len(arrays["shuffled"])} vectors of shuffled'
        ' labels; give --config.controls=random_0, or a lower number.'
    )
  return arrays['shuffled'][number]


def written(
    config: ml_collections.ConfigDict,
    direction: directions_lib.Direction,
    model: str,
) -> Iterator[tuple[str, directions_lib.Direction, bytes]]:
  """Yields each file's name, what is in it, and its bytes."""
  model = config.model_id or model
  stem = _stem(direction.name)
  if config.to in ('gguf', 'repeng'):
    yield f'{stem}.gguf', direction, gguf.encode(direction, model)
  elif config.to == 'npz':
    yield f'{stem}.npz', direction, npz.encode(direction)
  elif config.to == 'hook':
    yield f'{stem}.safetensors', direction, hook.encode(direction)
  elif config.to == 'vllm-lens':
    text = vllm_lens.encode(direction, config.strength, config.norm_match)
    yield f'{stem}.json', direction, text.encode()
  else:
    for layer in direction.layers:
      part = direction.at([layer])
      text = neuronpedia.encode(part, model, config.strength)
      yield f'{stem}.layer_{layer}.json', part, text.encode()


def _stem(name: str) -> str:
  """A file's name that no other file has, whatever an emotion is called."""
  stem = re.sub(r'[^a-z0-9_-]+', '_', name)
  if stem == name and f'{stem}.json' not in _OWN:
    return stem
  return f'{stem}_{hashlib.sha256(name.encode()).hexdigest()[:6]}'


def describe(
    config: ml_collections.ConfigDict,
    metadata: dict[str, Any],
    layers: Sequence[int],
    left_out: Sequence[int],
    norms: np.ndarray,
) -> dict[str, Any]:
  """What the manifest says of all files."""
  said = ('model', 'weights', 'template', 'dtype', 'corpus', 'source')
  return {
      'format': config.to,
      'strength': config.strength,
      'strength_unit': 'mean residual norms of the layer (resid_norm)',
      'strength_means': UNITS[config.to],
      'layers': list(layers),
      'layers_left_out': list(left_out),
      'layers_mean': 'resid_post[i] = output of block i, 0-based, before the'
      ' final norm',
      'layers_are_called': {
          str(layer): names.spellings(layer, len(norms)) for layer in layers
      },
      'resid_norm': {str(layer): float(norms[layer]) for layer in layers},
      'made_from': {x: metadata[x] for x in said if x in metadata},
      'versions': runs.versions(),
  }
