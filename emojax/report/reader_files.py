"""What the reader shows of a workdir, which is read no further than that."""

from collections.abc import Iterator, Sequence
import json
from typing import Any

import numpy as np
import safetensors

from emojax import errors
from emojax import files
from emojax.report import reader

READINGS = 'readings.jsonl'
COSINES = 'cosines.safetensors'
REPORT_BUDGET = 2_500_000  # Beside figures, and what draws them.


def of_file(folder: files.Path, budget: int = reader.BUDGET) -> reader.View:
  """Returns the view of a workdir's readings.

  Args:
    folder: with readings.jsonl, and perhaps cosines.safetensors.
    budget: bytes that the view may take.

  Raises:
    InputError: a file that is not there or is no JSON.
    LookupError, TypeError, ValueError: one that is not as emojax writes it.
  """
  path = folder / READINGS
  lines = [x for x in files.read_bytes(path).splitlines() if x.strip()]
  sizes, emotions = [], 1
  for row in _parsed(path, lines):
    sizes.append(_size(row))
    emotions = max(emotions, len(row['emotions']))
  kept = reader.fitting(sizes, emotions, budget)
  rows = list(_parsed(path, [lines[i] for i in kept]))
  return _view(folder, rows, kept, sizes, budget)


def of_rows(
    folder: files.Path,
    rows: Sequence[reader.View],
    budget: int = REPORT_BUDGET,
) -> reader.View:
  """Returns the view of rows that were read before; see `of_file`."""
  rows = [row for row in rows if 'cosine' in row and 'score' in row]
  if not rows:
    return reader.view(rows)
  sizes = [_size(row) for row in rows]
  kept = reader.fitting(sizes, len(rows[0]['emotions']), budget)
  return _view(folder, [rows[i] for i in kept], kept, sizes, budget)


def _size(row: reader.View) -> tuple[int, Any]:
  return len(row['tokens']), row.get('pair')


def _parsed(path: files.Path, lines: Sequence[bytes]) -> Iterator[reader.View]:
  for number, line in enumerate(lines, start=1):
    try:
      yield json.loads(line)
    except (ValueError, RecursionError) as error:
      raise errors.InputError(
          f'{path}:{number}: not JSON ({error}); write it again.'
      ) from error


def _view(
    folder: files.Path,
    rows: Sequence[reader.View],
    kept: Sequence[int],
    sizes: Sequence[tuple[int, Any]],
    budget: int,
) -> reader.View:
  if sizes and not rows:
    return {
        'absent': 'no chat is short enough for a page; all values are in'
        f' {READINGS}.'
    }
  cosines = None
  if files.exists(folder / COSINES):
    cosines = _cosines(folder / COSINES, [n for n, _ in sizes], kept)
  return reader.view(rows, cosines, budget, len(sizes))


def _cosines(
    path: files.Path, sizes: Sequence[int], kept: Sequence[int]
) -> dict[str, np.ndarray]:
  """Reads the tokens of some texts, and none of the others."""
  with files.on_disk(path) as here:
    try:
      with safetensors.safe_open(here, framework='numpy') as file:
        whole = file.get_slice('cosines')
        if whole.get_shape()[0] != sum(sizes):
          raise ValueError(f'{COSINES} is not of the texts of {READINGS}')
        parts = [whole[own] for own in reader.spans(sizes, kept)]
        names = [name for name in file.keys() if name != 'cosines']
        arrays = {name: file.get_tensor(name) for name in names}
    except safetensors.SafetensorError as error:
      raise errors.InputError(
          f'{path}: not a whole safetensors file ({error}); delete it and'
          ' start the same command again.'
      ) from error
  return arrays | {'cosines': np.concatenate(parts)}
