"""Directions as NumPy keeps them: an array a layer in an npz file.

Also means of emotions, as published data sets have them: `means` [E, N, D],
`layers` [N] and `emotions` [E], from which the directions are made by taking
the mean over emotions away.
"""

import json
import re

import numpy as np

from emojax.interop import directions
from emojax.interop import tensors

_SET = {'means', 'layers', 'emotions'}


def encode(direction: directions.Direction) -> bytes:
  """Returns an npz file with one array a layer, under the layer's number."""
  return tensors.to_npz(
      {
          str(layer): vector
          for layer, vector in zip(
              direction.layers, direction.vectors, strict=True
          )
      }
  )


def encode_norms(layers: list[int], norms: np.ndarray) -> str:
  """Returns `h_norms.json` of hotwire: the mean residual norm by layer."""
  table = {str(layer): float(norms[layer]) for layer in layers}
  return json.dumps(table, indent=1) + '\n'


def decode(data: bytes, place: str) -> list[directions.Direction]:
  """Reads an npz file of one direction, or of the means of many emotions.

  Raises:
    InputError: damaged, has Python objects in it, or other arrays than these.
  """
  arrays = tensors.of_npz(data, place)
  if 'means' in arrays:
    return _centred(arrays, place)
  return [of_arrays(arrays, place, r'(?:layer_)?([0-9]{1,9})')]


def of_arrays(
    arrays: dict[str, np.ndarray], place: str, pattern: str
) -> directions.Direction:
  """Makes a direction of arrays whose names have the layer in them."""
  by_layer = {}
  for name, x in arrays.items():
    found = re.fullmatch(pattern, name)
    if not found:
      directions.refuse(
          place,
          f'array {name!r}: give an array a layer, called by its number (10, or'
          ' layer_10 in safetensors), or means, layers and emotions.',
      )
    layer = int(found[1])
    if layer in by_layer:
      directions.refuse(place, f'layer {layer} is there twice; give one.')
    by_layer[layer] = x.reshape(-1) if x.shape[:-1] == (1,) else x
  return directions.of_layers('', by_layer, place)


def _centred(
    arrays: dict[str, np.ndarray], place: str
) -> list[directions.Direction]:
  missing = sorted(_SET - set(arrays))
  if missing:
    directions.refuse(
        place, f'no {" and no ".join(missing)} beside means; add what each is.'
    )
  means, layers, emotions = (arrays[x] for x in ('means', 'layers', 'emotions'))
  fits = (
      means.ndim == 3
      and means.dtype.kind in 'fiu'
      and layers.shape == means.shape[1:2]
      and layers.dtype.kind in 'iu'
      and emotions.shape == means.shape[:1]
      and emotions.dtype.kind == 'U'
      and len(means) > 1
      and len(set(layers.tolist())) == len(layers)
      and len(set(emotions.tolist())) == len(emotions)
  )
  if not fits:
    directions.refuse(
        place,
        f'means {means.shape}, layers {layers.shape}, emotions'
        f' {emotions.shape}: must be [E, N, D] with E of 2 or more, N distinct'
        ' integers and E distinct texts.',
    )
  vectors = means.astype(np.float64)
  vectors -= vectors.mean(axis=0)
  return [
      directions.of_layers(
          str(emotion),
          dict(zip(layers.tolist(), vectors[e], strict=True)),
          f'{place}: {emotion}',
      )
      for e, emotion in enumerate(emotions)
  ]
