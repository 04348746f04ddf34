"""JSON lines of named fields, each checked before it is used."""

from collections.abc import Collection, Hashable, Iterable
import difflib
import json
import pathlib
import re
import sys
from typing import Any, NoReturn

from emojax import errors
from emojax import files

Path = pathlib.Path
Row = dict[str, Any]
Message = dict[str, str]

ROLES = ('system', 'user', 'assistant')
_EXAMPLES = {
    'id': 1,
    'emotion': 'proud',
    'topic': 'an exam hall',
    'messages': [{'role': 'user', 'content': '...'}],
}
_MAX_SHOWN = 60  # Characters of a value in a message.
_MAX_NAMED = 5  # Names in a message.
# Control characters other than tab and line ends, and halves of UTF-16 pairs,
# which JSON can name but UTF-8 cannot hold.
_ILLEGAL = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]')


def read(
    path: str | Path, needed: Collection[str] = ()
) -> list[tuple[str, int, Row]]:
  """Returns (`path:line`, line from 1, object) of every line.

  Args:
    path: of the file.
    needed: fields of a line, for the message to whoever gives another format.
  """
  found = files.read_jsonl(path, example(needed) if needed else '')
  return [(f'{path}:{line}', line, row) for line, row in found]


def example(needed: Collection[str]) -> str:
  """Returns a line that has these fields."""
  return json.dumps({name: _EXAMPLES.get(name, '...') for name in needed})


def refuse(where: str, reason: str) -> NoReturn:
  """Raises the `InputError` about a place."""
  raise errors.InputError(f'{where}: {reason}')


def check_fields(
    where: str, row: Row, needed: Collection[str], allowed: Collection[str] = ()
) -> None:
  """Refuses a row that lacks a needed field or has one that is not allowed."""
  known = (*needed, *allowed)
  lacking = [name for name in needed if name not in row]
  for name in row:
    if name not in known:
      near = difflib.get_close_matches(name, known, n=1)
      if not near and len(lacking) < len(needed):
        near = lacking[:1]
      hint = f'did you mean {near[0]!r}?' if near else 'remove it.'
      refuse(
          where,
          f'unknown field {show(name)}; {hint} The fields are'
          f' {", ".join(known)}.',
      )
  if lacking:
    refuse(
        where,
        f'no field {lacking[0]!r}; add it, as in {example(needed)}',
    )


def string(where: str, row: Row, name: str) -> str:
  """Returns a field that is a string with something in it."""
  return _string(where, name, row[name])


def label(where: str, row: Row, name: str) -> str:
  """Returns a field that is a name: a string of one line, without margins."""
  return _label(where, name, row[name])


def labels(where: str, row: Row, name: str) -> tuple[str, ...]:
  """Returns a field that is a list of different names."""
  values = row[name]
  if not isinstance(values, list):
    refuse(where, f'{name!r} is {kind(values)}; make it a list of strings.')
  result = []
  for i, value in enumerate(values):
    if value in result:
      refuse(where, f'{name!r} has {show(value)} twice; remove one.')
    result.append(_label(where, f'{name}[{i}]', value))
  return tuple(result)


def numbers(
    where: str, row: Row, name: str, least: int
) -> tuple[int | float, ...]:
  """Returns a field that is a list of at least so many different numbers."""
  values = row[name]
  if not isinstance(values, list):
    refuse(where, f'{name!r} is {kind(values)}; make it a list of numbers.')
  for i, value in enumerate(values):
    # Python's JSON reads NaN, Infinity and whole numbers beyond any float.
    if kind(value) != 'a number' or not abs(value) <= sys.float_info.max:
      refuse(where, f"'{name}[{i}]' is {show(value)}; make it a number.")
    if value in values[:i]:
      refuse(where, f'{name!r} has {show(value)} twice; remove one.')
  if len(values) < least:
    refuse(where, f'{name!r} has {len(values)}; give at least {least}.')
  return tuple(values)


def identifier(where: str, row: Row, name: str) -> int | str:
  """Returns a field that is a whole number or a name."""
  value = row[name]
  if isinstance(value, int) and not isinstance(value, bool):
    return value
  if not isinstance(value, str):
    refuse(
        where, f'{name!r} is {kind(value)}; make it a whole number or a string.'
    )
  return label(where, row, name)


def messages(where: str, row: Row) -> tuple[Message, ...]:
  """Returns the field `messages`: a list of a role and a content each."""
  values = row['messages']
  if not isinstance(values, list) or not values:
    refuse(
        where,
        "'messages' is not a list with something in it; make it a list of"
        ' {"role": ..., "content": ...}.',
    )
  result = []
  for i, value in enumerate(values):
    place = f'{where}: messages[{i}]'
    if not isinstance(value, dict):
      refuse(
          place,
          f'is {kind(value)}; make it {{"role": ..., "content": ...}}.',
      )
    check_fields(place, value, ('role', 'content'))
    if value['role'] not in ROLES:
      refuse(
          place,
          f'the role is {show(value["role"])}; make it one of'
          f' {", ".join(ROLES)}.',
      )
    result.append(
        {'role': value['role'], 'content': string(place, value, 'content')}
    )
  return tuple(result)


def check_new(
    where: str,
    name: str,
    value: Hashable,
    line: int,
    lines: dict[Hashable, int],
) -> None:
  """Refuses a value that an earlier line has; `lines` notes where each was."""
  if value in lines:
    refuse(
        where, f'the {name} of line {lines[value]} again; change or drop it.'
    )
  lines[value] = line


def show(value: Any) -> str:
  """Returns a value as Python would write it, in one short line."""
  text = repr(value)
  return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + '...'


def listing(names: Iterable[str]) -> str:
  """Returns the first few names, and how many more there are."""
  names = [show(name) for name in names]
  more = len(names) - _MAX_NAMED
  text = ', '.join(names[:_MAX_NAMED])
  return f'{text} and {more} more' if more > 0 else text


def kind(value: Any) -> str:
  """Returns the name that JSON has for the type of a value."""
  if value is None:
    return 'null'
  kinds = {bool: 'true or false', dict: 'an object', list: 'a list'}
  kinds |= {int: 'a number', float: 'a number', str: 'a string'}
  return kinds[type(value)]


def _string(where: str, name: str, value: Any) -> str:
  if not isinstance(value, str):
    refuse(where, f'{name!r} is {kind(value)}; make it a string.')
  if not value.strip():
    refuse(where, f'{name!r} is empty; write it, or delete the line.')
  illegal = _ILLEGAL.search(value)
  if illegal:
    refuse(
        where,
        f'{name!r} has the control character U+{ord(illegal[0]):04X} as its'
        f' character {illegal.start() + 1}; remove it.',
    )
  return value


def _label(where: str, name: str, value: Any) -> str:
  value = _string(where, name, value)
  if value != ' '.join(value.split()):
    refuse(
        where,
        f'{name!r} is {show(value)}; write it without spaces around it, double'
        ' spaces or line ends.',
    )
  return value
