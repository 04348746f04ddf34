"""Each story's activations at chosen layers, in a folder that is never read
whole: Zarr, written chunk by chunk through TensorStore."""

from collections.abc import Callable, Sequence

import jax
import numpy as np
import tensorstore

from emojax import files
from emojax import hosts
from emojax.models import load

NAME = 'stories.zarr'
_ROWS = 256  # Of a chunk.


def open_store(
    workdir: files.Path, size: int, layers: int, width: int
) -> tensorstore.TensorStore:
  """Opens or makes the array [N, layers, D] float32, NaN where not written.

  Each of its chunks has a checksum (CRC-32C): a damaged one cannot be read.
  """
  path = workdir / NAME
  spec = {
      'driver': 'zarr3',
      'kvstore': files.kvstore(path),
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
  }
  with files.reaching(path):
    return tensorstore.open(spec, open=True, create=True).result()


def writer(
    workdir: files.Path,
    lm: load.LanguageModel,
    layers: Sequence[int],
    planned: Sequence[tuple[np.ndarray, int]],
    chunk: int,
) -> Callable[[int, dict[str, jax.Array]], None]:
  """Makes what takes batch after batch, in the order of the plan.

  They are written when a chunk of them is there: they are as little lost as
  what else is saved then, and a bucket lets one object be written but once a
  second. Writing a batch again, after a run was killed, writes the same.

  Args:
    workdir: that the folder is in.
    lm: the model.
    layers: that are kept.
    planned: the batches; `order` says which story is in which row.
    chunk: how many batches are written together.

  Returns:
    A function of a batch's number and of what was captured.
  """
  size = len(order(planned))
  chosen = np.array(layers)
  store = hosts.is_first() and open_store(
      workdir, size, len(layers), lm.config.width
  )
  counts = [int((rows >= 0).sum()) for rows, _ in planned]
  held = []

  def write(number: int, got: dict[str, jax.Array]) -> None:
    x = hosts.fetch(got['resid_post/mean'][chosen]).swapaxes(0, 1)
    held.append(x[: counts[number]])  # Fillers come last in a batch.
    end = number + 1
    if end % chunk and end < len(planned):
      return
    rows, last = np.concatenate(held), sum(counts[:end])
    held.clear()
    if store:
      with files.reaching(workdir / NAME):
        store[last - len(rows) : last].write(rows).result()

  return write


def order(planned: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
  """Returns which text is in which row of the array, [N]."""
  rows = np.concatenate([rows for rows, _ in planned])
  return rows[rows >= 0]
