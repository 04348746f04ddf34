"""Each story's activations at chosen layers, in a folder that is never read
whole: Zarr, written chunk by chunk through TensorStore."""

from collections.abc import Callable, Sequence
import pathlib

import jax
import numpy as np
import tensorstore

from emojax import hosts
from emojax.models import load

NAME = 'stories.zarr'
_ROWS = 256  # Of a chunk.


def open_store(
    workdir: pathlib.Path, size: int, layers: int, width: int
) -> tensorstore.TensorStore:
  """Opens or makes the array [N, layers, D] float32, NaN where not written.

  Each of its chunks has a checksum (CRC-32C): a damaged one cannot be read.
  """
  return tensorstore.open(
      {
          'driver': 'zarr3',
          'kvstore': {'driver': 'file', 'path': str(workdir / NAME)},
          'metadata': {
              'shape': [size, layers, width],
              'data_type': 'float32',
              'fill_value': 'NaN',
              'dimension_names': ['story', 'layer', 'feature'],
              'chunk_grid': {
                  'name': 'regular',
                  'configuration': {'chunk_shape': [_ROWS, layers, width]},
              },
              'codecs': [
                  {'name': 'bytes', 'configuration': {'endian': 'little'}},
                  {'name': 'crc32c'},
              ],
          },
      },
      open=True,
      create=True,
  ).result()


def writer(
    workdir: pathlib.Path,
    lm: load.LanguageModel,
    layers: Sequence[int],
    planned: Sequence[tuple[np.ndarray, int]],
) -> Callable[[int, dict[str, jax.Array]], None]:
  """Makes what writes batch after batch, in the order of the plan.

  Writing a batch again, after a run was killed, writes the same.

  Args:
    workdir: that the folder is in.
    lm: the model.
    layers: that are kept.
    planned: the batches; `order` says which story is in which row.

  Returns:
    A function of a batch's number and of what was captured.
  """
  size = len(order(planned))
  chosen = np.array(layers)
  store = hosts.is_first() and open_store(
      workdir, size, len(layers), lm.config.width
  )
  starts = np.cumsum([0] + [int((rows >= 0).sum()) for rows, _ in planned])

  def write(number: int, got: dict[str, jax.Array]) -> None:
    x = hosts.fetch(got['resid_post/mean'][chosen]).swapaxes(0, 1)
    if store:
      first, last = starts[number], starts[number + 1]
      # Fillers come last in a batch.
      store[first:last].write(x[: last - first]).result()

  return write


def order(planned: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
  """Returns which text is in which row of the array, [N]."""
  rows = np.concatenate([rows for rows, _ in planned])
  return rows[rows >= 0]
