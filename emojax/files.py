"""Whole files or none: JSON, JSON lines and safetensors, written atomically."""

import hashlib
import json
import os
import pathlib
import tempfile
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from emojax import errors

Path = pathlib.Path


def write_bytes(path: str | Path, data: bytes) -> None:
  """Writes under a temporary name, syncs, and renames the file into place."""
  path = Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
  try:
    with os.fdopen(handle, 'wb') as file:
      file.write(data)
      file.flush()
      os.fsync(file.fileno())
    os.chmod(name, 0o644)  # mkstemp's 0600 would lock colleagues out.
    os.replace(name, path)
  except BaseException:
    os.unlink(name)
    raise


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
  try:
    return json.loads(_read_text(path))
  except (ValueError, RecursionError) as error:
    raise errors.InputError(f'{path}: not JSON ({error}).') from error


def write_jsonl(path: str | Path, rows: list[dict[str, Any]]) -> None:
  """Writes one JSON object a line."""
  lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
  write_text(path, ''.join(line + '\n' for line in lines))


def read_jsonl(path: str | Path) -> list[tuple[int, dict[str, Any]]]:
  """Reads JSON lines.

  Returns:
    (line number from 1, object) of every line that is not blank.

  Raises:
    InputError: no such file, no rows, or a line that is not a JSON object; the
      message names the line.
  """
  rows = []
  for number, line in enumerate(_read_text(path).split('\n'), start=1):
    if not line.strip():
      continue
    try:
      row = json.loads(line)
    except json.JSONDecodeError as error:
      raise errors.InputError(
          f'{path}:{number}: not JSON ({error.msg} at column {error.colno}).'
      ) from error
    except (ValueError, RecursionError) as error:  # Huge numbers, deep nesting.
      raise errors.InputError(
          f'{path}:{number}: not JSON ({error}).'
      ) from error
    if not isinstance(row, dict):
      raise errors.InputError(f'{path}:{number}: not a JSON object.')
    rows.append((number, row))
  if not rows:
    raise errors.InputError(f'{path}: the file has no rows.')
  return rows


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
  if not Path(path).is_file():
    raise errors.InputError(f'{path}: no such file.')
  try:
    with safetensors.safe_open(path, framework='numpy') as file:
      # Before any tensor: a model's file is large, and bfloat16 is not NumPy's.
      metadata = _metadata(path, file.metadata() or {})
      arrays = {name: file.get_tensor(name) for name in file.keys()}
  except safetensors.SafetensorError as error:
    raise errors.InputError(
        f'{path}: not a whole safetensors file ({error}).'
    ) from error
  return arrays, metadata


def sha256(path: str | Path) -> str:
  """Returns the hexadecimal SHA-256 of a file."""
  with open(path, 'rb') as file:
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
    return Path(path).read_text(encoding='utf-8')
  except UnicodeDecodeError as error:
    raise errors.InputError(
        f'{path}: not UTF-8 text ({error.reason}).'
    ) from error
  except OSError as error:
    raise errors.InputError(f'{path}: {error.strerror}.') from error
