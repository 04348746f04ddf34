"""Whole files or none: JSON, JSON lines and safetensors, written atomically.

A path is of a disk or of a bucket; beside `growing` nothing else asks which.
"""

from collections.abc import Iterator
import contextlib
import hashlib
import json
import math
import os
import shutil
import tempfile
from typing import Any

from etils import epath
import numpy as np
import safetensors
import safetensors.numpy

from emojax import buckets
from emojax import errors
from emojax import json_lines
from emojax import whole

Path = epath.Path


def locate(name: str) -> Path:
  """Returns the path that a flag or a config names.

  Raises:
    InputError: a URI of a store that emojax does not know.
  """
  buckets.check_name(name)
  return Path(name)


def check_reachable(path: Path) -> None:
  """Refuses a path in a bucket that is not there, or not for this account."""
  if buckets.holds(path):
    buckets.check(path)


def check_on_disk(path: Path) -> None:
  """Refuses a path in a bucket, where no folder moves into place at once."""
  if buckets.holds(path):
    raise errors.InputError(
        f'{path}: give a folder of this machine; {buckets.COPY} copies it.'
    )


def absolute(path: Path) -> Path:
  """Returns the path that is the same from every working directory."""
  return path if buckets.holds(path) else Path(os.path.realpath(path))


def exists(path: Path) -> bool:
  """Whether there is a file."""
  return buckets.exists(path) if buckets.holds(path) else os.path.isfile(path)


def find(folder: Path, prefix: str = '') -> list[Path]:
  """Returns the paths of `sizes`."""
  return [Path(folder) / name for name in sizes(folder, prefix)]


def sizes(folder: Path, prefix: str = '') -> dict[str, int]:
  """Returns the bytes of all files below a folder, if any, by sorted names.

  A name is the path within the folder, and begins with `prefix`. One request
  asks a bucket for one or for a thousand.
  """
  if buckets.holds(folder):
    return dict(sorted(buckets.sizes(folder, prefix).items()))
  names = (
      os.path.relpath(os.path.join(here, name), folder)
      for here, _, within in os.walk(folder)
      for name in within
  )
  chosen = sorted(name for name in names if name.startswith(prefix))
  return {name: os.lstat(os.path.join(folder, name)).st_size for name in chosen}


def free(folder: Path) -> float:
  """Returns how many bytes more there is room for; no bucket is ever full."""
  return math.inf if buckets.holds(folder) else shutil.disk_usage(folder).free


def remove(path: Path) -> None:
  """Deletes a file."""
  (buckets.remove if buckets.holds(path) else os.unlink)(path)


def remove_folder(folder: Path) -> None:
  """Deletes a folder with all that is in it, if it is there."""
  if buckets.holds(folder):
    buckets.remove_all(folder)
  else:
    shutil.rmtree(folder, ignore_errors=True)


def kvstore(folder: Path) -> dict[str, str]:
  """Returns what TensorStore calls a folder."""
  if buckets.holds(folder):
    return buckets.kvstore(folder)
  return {'driver': 'file', 'path': str(folder)}


def reaching(path: Path) -> contextlib.AbstractContextManager[None]:
  """Makes one line of what another library says of a bucket, in a `with`."""
  return buckets.reaching(path)


@contextlib.contextmanager
def on_disk(path: str | Path) -> Iterator[str | Path]:
  """Yields a file's path on this machine: its own, or that of a copy."""
  if not buckets.holds(path):
    yield path
    return
  with tempfile.TemporaryDirectory() as folder:
    copy = os.path.join(folder, os.path.basename(path))
    buckets.download(path, copy)
    yield copy


@contextlib.contextmanager
def folder_on_disk(folder: Path) -> Iterator[Path]:
  """Yields a folder's path on this machine: its own, or that of a copy."""
  if not buckets.holds(folder):
    yield folder
    return
  with tempfile.TemporaryDirectory() as copy:
    for name in sizes(folder):
      buckets.download(folder / name, os.path.join(copy, name))
    yield Path(copy)


def read_bytes(path: str | Path) -> bytes:
  """Reads a whole file."""
  if buckets.holds(path):
    return buckets.read(path)
  with open(path, 'rb') as file:
    return file.read()


def write_bytes(path: str | Path, data: bytes) -> None:
  """Writes under a temporary name, syncs, and renames the file into place.

  In a bucket it is the upload's end that makes an object appear.
  """
  if buckets.holds(path):
    buckets.write(path, data)
    return
  with whole.replacing(path) as file:
    file.write(data)


def write_text(path: str | Path, text: str) -> None:
  write_bytes(path, text.encode('utf-8'))


def write_json(path: str | Path, value: Any) -> None:
  """Writes JSON that any parser reads: a NaN is an error, not a word."""
  text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
  write_text(path, text + '\n')


def read_json(path: str | Path) -> Any:
  """Reads a JSON file.

  Raises:
    InputError: the file is not there or is not JSON.
  """
  text = _read_text(path)
  try:
    return json.loads(text)
  except (ValueError, RecursionError) as error:
    raise errors.InputError(f'{path}: not JSON ({error}).') from error


def write_jsonl(path: str | Path, rows: list[dict[str, Any]]) -> None:
  """Writes one JSON object a line."""
  lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
  write_text(path, ''.join(line + '\n' for line in lines))


def append(path: str | Path, text: str) -> bool:
  """Adds to the end of a file on a disk; False in a bucket, which cannot."""
  if buckets.holds(path):
    return False
  with open(path, 'a', encoding='utf-8', errors='backslashreplace') as file:
    file.write(text)
  return True


def read_jsonl(
    path: str | Path, example: str = ''
) -> list[tuple[int, dict[str, Any]]]:
  """Reads JSON lines.

  Args:
    path: of the file.
    example: of a line, for messages; '' if there is none to show.

  Returns:
    (line number from 1, object) of every line that is not blank.

  Raises:
    InputError: no such file, no rows, or a line that is not a JSON object; the
      message names the line.
  """
  return json_lines.parse(path, _read_text(path), example)


def write_arrays(
    path: str | Path, arrays: dict[str, np.ndarray], metadata: dict[str, Any]
) -> None:
  """Writes a safetensors file; `metadata` goes under one key, as JSON."""
  write_bytes(path, pack(arrays, metadata))


def pack(arrays: dict[str, np.ndarray], metadata: dict[str, Any]) -> bytes:
  """Returns the bytes of a safetensors file."""
  # What is strided would be written in the order of its memory.
  arrays = {name: np.asarray(x, order='C') for name, x in arrays.items()}
  text = json.dumps(metadata, ensure_ascii=False, allow_nan=False)
  return safetensors.numpy.save(arrays, metadata={'emojax': text})


def unpack(data: bytes) -> dict[str, np.ndarray]:
  """Returns the arrays of `pack`."""
  return safetensors.numpy.load(data)


def read_arrays(
    path: str | Path,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  """Reads what `write_arrays` wrote.

  Raises:
    InputError: no such file, a damaged one, or one of another program.
  """
  with on_disk(path) as here:
    if os.path.isdir(here):
      raise errors.InputError(f'{path}: a folder; give the path of a file.')
    if not os.path.isfile(here):
      raise errors.InputError(f'{path}: no such file.')
    try:
      with safetensors.safe_open(here, framework='numpy') as file:
        # Before any tensor: a model's file is large, and NumPy has no bfloat16.
        metadata = _metadata(path, file.metadata() or {})
        arrays = {name: file.get_tensor(name) for name in file.keys()}
    except safetensors.SafetensorError as error:
      raise errors.InputError(
          f'{path}: not a whole safetensors file ({error}).'
      ) from error
  return arrays, metadata


def sha256(path: str | Path) -> str:
  """Returns the hexadecimal SHA-256 of a file."""
  start = buckets.stream if buckets.holds(path) else open
  with start(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def _metadata(path: str | Path, header: dict[str, str]) -> dict[str, Any]:
  try:
    metadata = json.loads(header.get('emojax', ''))
  except (ValueError, RecursionError):
    metadata = None
  if not isinstance(metadata, dict):
    raise errors.InputError(f'{path}: not written by emojax (no metadata).')
  return metadata


def _read_text(path: str | Path) -> str:
  try:
    return json_lines.decode(path, read_bytes(path))
  except IsADirectoryError as error:
    raise errors.InputError(
        f'{path}: is a directory; give the path of a file.'
    ) from error
  except OSError as error:
    raise errors.InputError(f'{path}: {error.strerror}.') from error
