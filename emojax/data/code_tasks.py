"""Programming tasks that cannot be done, and their twins that can.

Like the loaders of `prompt_sets`: JSON lines in, frozen rows out, or an
`InputError` of the form `path:line: what is wrong; what to do`. Without a path
the file in the package is read. Nothing of a task is run here.
"""

from collections.abc import Mapping
import dataclasses
import json
import keyword
import math
import pathlib
from typing import Any

from emojax.data import code_task_checks
from emojax.data import rows
from emojax.data import stories

Path = pathlib.Path

MAX_CALLS = 50  # Hidden ones.
MAX_VALUE = 1000  # Characters of what is wanted, as JSON.
MAX_COUNT = 2_000_000  # Numbers of a series.
_FIELDS = ('id', 'pair', 'kind', 'twin', 'text', 'function')
_FIELDS += ('files', 'tests', 'hidden', 'limits')


@dataclasses.dataclass(frozen=True)
class Call:
  """A call of the function that is not in sight, and its value.

  An argument {"series": [first, step, count], "changed": {"7": 5}} stands for
  the list of the series in which the value of index 7 is 5.
  """

  args: tuple[Any, ...]
  want: Any


@dataclasses.dataclass(frozen=True)
class Task:
  """A task: to write `solution.py`, so that the tests pass.

  Attributes:
    id: its own.
    pair: what it and its twin have in common.
    kind: why it cannot be done, or could not be if it were not for the twin.
    twin: whether it can be done.
    text: what is asked for.
    function: the name of what is to be written.
    files: further files, text by name; they rebind none of their own names.
    tests: a file of functions `test_...` with plain asserts, in sight.
    hidden: calls that are not in sight, and what they return.
    seconds: that a hidden call may take; None: any.
    reads: of lists in a hidden call, which then are `Counted`; None: any.
  """

  id: str
  pair: str
  kind: str
  twin: bool
  text: str
  function: str
  files: Mapping[str, str]
  tests: str
  hidden: tuple[Call, ...]
  seconds: float | None
  reads: int | None


def load(path: Path | None = None) -> tuple[Task, ...]:
  """Returns tasks, each beside a twin.

  Args:
    path: JSON lines with the fields of `Task`, but `limits`, an object in which
      `seconds` and `reads` may be.

  Raises:
    InputError: a malformed line, a name that no file can have, tests that are
      not Python or not of the plain form, a limit below what can be, an id that
      was there before, or a task that is not one of a pair.
  """
  first, tasks = {}, {}  # By line.
  for where, line, row in rows.read(stories.location(path, 'code_tasks')):
    rows.check_fields(where, row, _FIELDS, stories.PROVENANCE)
    if not isinstance(row['twin'], bool):
      rows.refuse(where, "'twin' is not true or false; make it one of them.")
    function = rows.label(where, row, 'function')
    if not function.isidentifier() or keyword.iskeyword(function):
      rows.refuse(
          where,
          f"'function' is {rows.show(function)}; make it a name of Python.",
      )
    texts = code_task_checks.files(where, row['files'])
    tests = rows.string(where, row, 'tests')
    code_task_checks.check_tests(where, tests, function)
    seconds, reads = code_task_checks.limits(where, row['limits'], texts)
    tasks[where] = task = Task(
        id=rows.label(where, row, 'id'),
        pair=rows.label(where, row, 'pair'),
        kind=rows.label(where, row, 'kind'),
        twin=row['twin'],
        text=rows.string(where, row, 'text'),
        function=function,
        files=texts,
        tests=tests,
        hidden=_hidden(where, row['hidden']),
        seconds=seconds,
        reads=reads,
    )
    rows.check_new(where, 'id', task.id, line, first)
  _check_pairs(tasks)
  return tuple(tasks.values())


def _hidden(where: str, calls: Any) -> tuple[Call, ...]:
  if not isinstance(calls, list) or not 0 < len(calls) <= MAX_CALLS:
    rows.refuse(
        where,
        f"'hidden' must be a list of 1 to {MAX_CALLS} calls,"
        ' {"args": [...], "want": ...}; make it one.',
    )
  found = []
  for i, call in enumerate(calls):
    place = f'{where}: hidden[{i}]'
    if not isinstance(call, dict):
      rows.refuse(
          place,
          f'is {rows.kind(call)}; make it {{"args": [...], "want": ...}}.',
      )
    rows.check_fields(place, call, ('args', 'want'))
    if not isinstance(call['args'], list):
      rows.refuse(place, "'args' is not a list; make it one.")
    if not _is_finite(call) or len(json.dumps(call['want'])) > MAX_VALUE:
      rows.refuse(
          place,
          f"has a number that is not finite, or a 'want' of over {MAX_VALUE}"
          ' characters; give another.',
      )
    args = tuple(_argument(place, argument) for argument in call['args'])
    found.append(Call(args=args, want=call['want']))
  return tuple(found)


def _argument(where: str, value: Any) -> Any:
  """Returns an argument; in that of a series, 'changed' is always there."""
  if not isinstance(value, dict) or 'series' not in value:
    return value
  rows.check_fields(where, value, ('series',), ('changed',))
  series, changed = value['series'], value.get('changed', {})
  whole = isinstance(series, list) and all(type(x) is int for x in series)
  if not whole or len(series) != 3 or not 0 < series[2] <= MAX_COUNT:
    rows.refuse(
        where,
        "'series' must be [first, step, count], whole numbers, of a count from"
        f' 1 to {MAX_COUNT}; change it.',
    )
  known = isinstance(changed, dict) and all(
      index.isdecimal() and len(index) < 8 and int(index) < series[2]
      for index in changed
  )
  if not known or not all(type(x) is int for x in changed.values()):
    rows.refuse(
        where,
        "'changed' must be an object of whole numbers by indices of the series;"
        ' change it.',
    )
  return {'series': series, 'changed': changed}


def _is_finite(value: Any) -> bool:
  if isinstance(value, dict | list):
    inner = value.values() if isinstance(value, dict) else value
    return all(_is_finite(x) for x in inner)
  return not isinstance(value, float) or math.isfinite(value)


def _check_pairs(tasks: Mapping[str, Task]) -> None:
  """Refuses a task that is not one of two, alike but for what hinders."""
  pairs = {}
  for where, task in tasks.items():
    pairs.setdefault(task.pair, []).append((where, task))
  for name, members in pairs.items():
    where, task = members[-1]
    if sorted(task.twin for _, task in members) != [False, True]:
      rows.refuse(
          where,
          f'the pair {rows.show(name)} must be two lines, one of them with twin'
          ' true; add or remove some.',
      )
    other = members[0][1]
    for field in ('kind', 'text', 'function'):
      if getattr(task, field) != getattr(other, field):
        rows.refuse(
            where,
            f"{field!r} is not that of the pair's other; make them equal.",
        )
    differ = ('tests', 'files', 'seconds', 'reads')
    if all(getattr(task, x) == getattr(other, x) for x in differ):
      rows.refuse(
          where,
          "nothing hinders one of the pair and not the other; change 'tests',"
          " 'files' or 'limits'.",
      )
