"""Texts in chunks that outlive the process, with a progress bar."""

from collections.abc import Callable, Sequence
import dataclasses
import json
from typing import Any

from emojax import chunks
from emojax import files
from emojax import hosts
from emojax import progress


@dataclasses.dataclass(frozen=True)
class Unit:
  """What the bar counts.

  Attributes:
    name: in the plural.
    most: how many an item has at most.
    of_row: how many a row has that is done.
  """

  name: str = 'texts'
  most: int = 1
  of_row: Callable[[Any], int] = lambda row: 1


def run(
    artefact: files.Path,
    items: Sequence[Any],
    size: int,
    label: str,
    write: Callable[[Sequence[Any], progress.Pass], list[Any]],
    unit: Unit = Unit(),
) -> list[Any]:
  """Turns items into rows, and saves those of every `size` items.

  Args:
    artefact: what the rows become; chunks lie beside it.
    items: whatever decides what a row is; their `repr` tells runs apart.
    size: items a chunk.
    label: of the progress bar.
    write: (items of a chunk, what is told of each unit that is done, or will
      not come) -> their rows, as JSON has them.
    unit: what the bar counts.

  Returns:
    The rows of all items. Read back even if just written: both ways lead to the
    same bytes.

  Raises:
    Stopped: the run was told to stop; the chunk is saved.
  """
  parts = chunks.folder(artefact, repr((size, items)).encode())
  out = []
  total = unit.most * len(items)
  with progress.begun(label, unit.name, total) as tick:
    for number, start in enumerate(range(0, len(items), size)):
      chunk = items[start : start + size]
      data = kept = chunks.get(parts, 'rows', number)
      if kept is None:
        data = json.dumps(write(chunk, tick), allow_nan=False).encode()
        chunks.put(parts, 'rows', number, data)
        hosts.stop_if_asked()
      rows = json.loads(data)
      if kept is not None:
        done = sum(map(unit.of_row, rows))
        tick.skip(done)
        tick.fewer(unit.most * len(chunk) - done)
      out += rows
  return out
