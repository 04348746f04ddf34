"""Files of a disk that are there whole or not at all."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import tempfile
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
  """Yields an empty file on a disk that becomes `path` when the block ends."""
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
  try:
    with os.fdopen(handle, 'w+b') as file:
      yield file
      file.flush()
      os.fsync(file.fileno())
    os.chmod(name, 0o644)  # mkstemp's 0600 would lock colleagues out.
    os.replace(name, path)
  except BaseException:
    os.unlink(name)
    raise
