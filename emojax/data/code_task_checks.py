"""What the files and the limits of a programming task must be."""

import ast
from collections.abc import Mapping
import re
import sys
from typing import Any

from emojax.data import rows

SOLUTION = 'solution.py'  # What is to be written.
TESTS = 'test_solution.py'  # What it is tested with, in sight.
COUNTED = 'counted.py'  # Has the class `Counted`, whose `reads` counts.
_NAME = re.compile(r'[A-Za-z_]\w{0,60}(\.[A-Za-z0-9]{1,8})?', re.ASCII)


def is_file_name(name: str) -> bool:
  """Whether a file beside the solution can be called so."""
  return _NAME.fullmatch(name) is not None


def hides_library(name: str) -> bool:
  """Whether a file would be imported in the place of a standard module."""
  return name.split('.')[0] in sys.stdlib_module_names


def files(where: str, texts: Any) -> dict[str, str]:
  """Returns the files of a task, text by name."""
  if not isinstance(texts, dict):
    rows.refuse(
        where, f"'files' is {rows.kind(texts)}; make it an object of texts."
    )
  place = f'{where}: files'
  for name in texts:
    if not is_file_name(name) or name in (SOLUTION, TESTS):
      rows.refuse(
          place,
          f'the name {rows.show(name)} does not do; make it another, of letters'
          ' and digits, such as prices.json.',
      )
    if hides_library(name):
      rows.refuse(
          place, f'{rows.show(name)} hides a module of Python; rename it.'
      )
    rows.string(place, texts, name)
  return dict(texts)


def check_tests(where: str, text: str, function: str) -> None:
  """Refuses tests that are more than imports and functions of asserts."""
  names, imported = [], False
  for node in _parse(where, 'tests', text).body:
    if isinstance(node, ast.ImportFrom) and node.module == 'solution':
      imported |= [(x.name, x.asname) for x in node.names] == [(function, None)]
    if isinstance(node, ast.Import | ast.ImportFrom):
      continue
    plain = isinstance(node, ast.FunctionDef) and node.name.startswith('test_')
    if not plain or node.args.args or node.decorator_list:
      rows.refuse(
          where,
          f"line {node.lineno} of 'tests' is neither an import nor a function"
          ' test_... without arguments; move it into one.',
      )
    if not any(isinstance(inner, ast.Assert) for inner in ast.walk(node)):
      rows.refuse(where, f'{node.name!r} asserts nothing; add an assert.')
    if node.name in names:
      rows.refuse(where, f'{node.name!r} is there twice; rename one.')
    names.append(node.name)
  if not imported:
    rows.refuse(
        where, f"'tests' must have: from solution import {function}; add it."
    )
  if not names:
    rows.refuse(where, "'tests' has no function test_...; add one.")


def limits(
    where: str, value: Any, texts: Mapping[str, str]
) -> tuple[float | None, int | None]:
  """Returns the seconds and the reads of a call."""
  if not isinstance(value, dict):
    rows.refuse(
        where,
        f"'limits' is {rows.kind(value)}; make it an object, perhaps {{}}.",
    )
  rows.check_fields(f'{where}: limits', value, (), ('seconds', 'reads'))
  seconds, reads = value.get('seconds'), value.get('reads')
  if seconds is not None and not (_is_number(seconds) and seconds > 0):
    rows.refuse(where, "'seconds' must be a number above 0; change it.")
  if reads is not None:
    if not isinstance(reads, int) or isinstance(reads, bool) or reads < 1:
      rows.refuse(where, "'reads' must be a whole number from 1; change it.")
    classes = [
        node.name
        for node in _parse(where, COUNTED, texts.get(COUNTED, '')).body
        if isinstance(node, ast.ClassDef)
    ]
    if 'Counted' not in classes:
      rows.refuse(
          where,
          f"'reads' needs a class Counted in {COUNTED} of 'files'; add it.",
      )
  return seconds, reads


def _parse(where: str, name: str, text: str) -> ast.Module:
  try:
    return ast.parse(text)
  except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
    line = getattr(error, 'lineno', None)
    at = f' (its line {line})' if line else ''
    rows.refuse(where, f'{name!r} is not Python{at}; mend it.')


def _is_number(value: Any) -> bool:
  return type(value) in (int, float) and abs(value) <= sys.float_info.max
