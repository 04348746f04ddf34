"""One direction of one name, at the layers that it is known at."""

from collections.abc import Sequence
import dataclasses
from typing import NoReturn

import numpy as np

from emojax import errors

# More blocks than any model has: a larger index is a mistake or an attack.
MOST_LAYERS = 4096


@dataclasses.dataclass(frozen=True)
class Direction:
  """A direction as other tools keep it.

  Attributes:
    name: of the emotion; '' if the file does not say.
    layers: N indices of blocks, rising; a direction belongs to the output of
      block i, resid_post[i].
    vectors: [N, D] float32, none of length 0.
  """

  name: str
  layers: tuple[int, ...]
  vectors: np.ndarray

  def at(self, layers: Sequence[int]) -> 'Direction':
    """Returns the same direction at some of its layers."""
    kept = [self.layers.index(layer) for layer in layers]
    return Direction(self.name, tuple(layers), self.vectors[kept])


def of_layers(
    name: str, by_layer: dict[int, np.ndarray], place: str
) -> Direction:
  """Makes a direction of what a file has.

  Args:
    name: of the direction.
    by_layer: index of a block -> [D] of any kind of number.
    place: begins an error's message.

  Raises:
    InputError: it has no layer, or an index, a shape or a number cannot be.
  """
  if not by_layer:
    refuse(place, 'no direction in it; give a file with one or more layers.')
  layers = tuple(sorted(by_layer))
  vectors = []
  for layer in layers:
    if not 0 <= layer < MOST_LAYERS:
      refuse(
          place,
          f'layer {layer}: must be from 0 to {MOST_LAYERS - 1}; correct it.',
      )
    vectors.append(_vector(by_layer[layer], f'{place}: layer {layer}'))
  widths = sorted({len(x) for x in vectors})
  if len(widths) > 1:
    refuse(
        place,
        f'directions of {widths[0]} and of {widths[-1]} numbers; all layers of'
        ' a model have one width: give a whole file.',
    )
  return Direction(name, layers, np.stack(vectors))


def _vector(x: np.ndarray, place: str) -> np.ndarray:
  if x.ndim != 1 or x.dtype.kind not in 'fiu' or not x.size:
    refuse(
        place,
        f'shape {x.shape} of {x.dtype}; must be a list of numbers, one for each'
        ' unit of the residual stream.',
    )
  with np.errstate(over='ignore'):
    x = x.astype(np.float32)
  if not np.isfinite(x).all():
    refuse(place, 'a number is not finite in float32; make the file again.')
  if not x.any():
    refuse(place, 'all numbers are 0, which is no direction; leave it out.')
  return x


def refuse(place: str, reason: str) -> NoReturn:
  """Raises the error of a file that cannot be read as directions."""
  raise errors.InputError(f'{place}: {reason}')
