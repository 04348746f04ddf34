"""A large file that is written bit by bit, and is there whole or not at all."""

from collections.abc import Iterator
import contextlib
import json
import tempfile
from typing import Any, BinaryIO

import numpy as np

from emojax import buckets
from emojax import files
from emojax import whole

_TYPES = {'float32': 'F32', 'int32': 'I32'}


@contextlib.contextmanager
def file(path: files.Path) -> Iterator[BinaryIO]:
  """Yields an empty file that becomes `path` when the block has ended.

  Its name is temporary until then; for a bucket it is on this machine.
  """
  if not buckets.holds(path):
    with whole.replacing(path) as growing:
      yield growing
    return
  with tempfile.TemporaryFile() as growing:
    yield growing
    growing.seek(0)
    files.write_bytes(path, growing.read())


def begin_arrays(
    growing: BinaryIO,
    arrays: dict[str, np.ndarray],
    shape: tuple[int, ...],
    name: str,
    metadata: dict[str, Any],
) -> int:
  """Writes all of a safetensors file but one array, which comes last.

  Args:
    growing: of `file`.
    arrays: the others.
    shape: of the last, which is float32.
    name: of the last.
    metadata: goes under one key, as `files.write_arrays` writes it.

  Returns:
    The byte at which the last array begins.
  """
  text = json.dumps(metadata, ensure_ascii=False, allow_nan=False)
  header: dict[str, Any] = {'__metadata__': {'emojax': text}}
  end = 0
  for key, x in arrays.items():
    begin, end = end, end + x.nbytes
    header[key] = _entry(x.dtype.name, x.shape, begin, end)
  last = end + 4 * int(np.prod(shape))
  header[name] = _entry('float32', shape, end, last)
  data = json.dumps(header).encode()
  data += b' ' * (-len(data) % 8)  # Arrays begin at a multiple of 8.
  growing.write(len(data).to_bytes(8, 'little') + data)
  for x in arrays.values():
    growing.write(np.ascontiguousarray(x).tobytes())
  return growing.tell()


def _entry(
    dtype: str, shape: tuple[int, ...], begin: int, end: int
) -> dict[str, Any]:
  return {
      'dtype': _TYPES[dtype],
      'shape': list(shape),
      'data_offsets': [begin, end],
  }
