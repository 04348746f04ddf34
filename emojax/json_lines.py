"""Text and JSON lines out of a file's bytes, or what the file is instead."""

import csv
import io
import json
import os
from typing import Any

from emojax import errors

# How files begin that are no text, and what they are.
_KINDS = {
    b'PAR1': 'a Parquet file; export it to JSON lines',
    b'PK\x03\x04': 'a zip file or a spreadsheet; unpack or export it',
    b'\x1f\x8b': 'compressed with gzip; unpack it',
    b'\xff\xfe': 'UTF-16; save it as UTF-8',
    b'\xfe\xff': 'UTF-16; save it as UTF-8',
}
_SEPARATORS = {',': 'CSV', ';': 'CSV', '\t': 'TSV'}
_SAVE = 'save it as UTF-8'
_LONG = 1000  # Characters, in which the names of columns would have ended.


def decode(path: str | os.PathLike, data: bytes) -> str:
  """Returns the text of a file, with line ends of one kind and without a BOM.

  Raises:
    InputError: it is not UTF-8.
  """
  for start, kind in _KINDS.items():
    if data.startswith(start):
      raise errors.InputError(f'{path}: not UTF-8 text but {kind}.')
  if b'\0' in data:
    raise errors.InputError(
        f'{path}: not UTF-8 text (it has a NUL byte, as UTF-16 and binary'
        f' files have); {_SAVE}.'
    )
  try:
    # Line ends of other systems too, as when a file is opened as text.
    return io.TextIOWrapper(io.BytesIO(data), 'utf-8-sig').read()
  except UnicodeDecodeError as error:
    raise errors.InputError(
        f'{path}: not UTF-8 text ({error.reason}); {_SAVE}.'
    ) from error


def parse(
    path: str | os.PathLike, text: str, example: str = ''
) -> list[tuple[int, dict[str, Any]]]:
  """Reads JSON lines.

  Args:
    path: of the file, for messages.
    text: of the whole file.
    example: of a line, for messages; '' if there is none to show.

  Returns:
    (line number from 1, object) of every line that is not blank.

  Raises:
    InputError: no rows, or a line that is not a JSON object; the message names
      the line.
  """
  such = f', such as {example}' if example else '.'
  advice = f'write one JSON object a line{such}'
  rows = []
  for number, line in enumerate(text.split('\n'), start=1):
    if not line.strip():
      continue
    row, reason = _row(line)
    if reason:
      if not rows:
        reason = _instead(text, line, reason)
      raise errors.InputError(f'{path}:{number}: {reason}; {advice}')
    rows.append((number, row))
  if not rows:
    raise errors.InputError(f'{path}: the file has no rows; {advice}')
  return rows


def _row(line: str) -> tuple[Any, str]:
  """Returns what a line holds, and why that is no object."""
  try:
    row = json.loads(line)
  except json.JSONDecodeError as error:
    return None, f'not JSON ({error.msg} at column {error.colno})'
  except (ValueError, RecursionError) as error:  # Huge numbers, deep nesting.
    return None, f'not JSON ({error})'
  return row, '' if isinstance(row, dict) else 'not a JSON object'


def _instead(text: str, line: str, reason: str) -> str:
  """What a file is that does not begin with an object in a line.

  Args:
    text: of the whole file.
    line: the first with something in it.
    reason: why that is no object, for where nothing better is known.
  """
  if line.lstrip()[0] in '[{':
    try:
      whole = json.loads(text)
    except (ValueError, RecursionError):
      return reason
    if isinstance(whole, list):
      return 'not JSON lines but one JSON list'
    return 'not JSON lines but one JSON object over several lines'
  for separator, name in _SEPARATORS.items():
    heads = next(csv.reader([line[:_LONG]], delimiter=separator))
    names = [head.strip() for head in heads]
    if len(names) > 1 and all(name.isidentifier() for name in names):
      return f'not JSON but {name} with the columns {", ".join(names[:5])}'
  return 'not JSON but plain text' if line.lstrip()[0].isalpha() else reason
