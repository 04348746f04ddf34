"""Texts in chunks that outlive the process, with a progress bar."""

from collections.abc import Callable, Sequence
import json
from typing import Any

from emojax import chunks
from emojax import files
from emojax import hosts
from emojax import progress


def run(
    artefact: files.Path,
    items: Sequence[Any],
    size: int,
    label: str,
    write: Callable[[Sequence[Any], progress.Pass], list[Any]],
) -> list[Any]:
  """Turns items into rows, and saves those of every `size` items.

  Args:
    artefact: what the rows become; chunks lie beside it.
    items: whatever decides what a row is; their `repr` tells runs apart.
    size: items a chunk.
    label: of the progress bar.
    write: (items of a chunk, what is told of each that is done) -> their rows,
      as JSON has them.

  Returns:
    The rows of all items. Read back even if just written: both ways lead to the
    same bytes.

  Raises:
    Stopped: the run was told to stop; the chunk is saved.
  """
  parts = chunks.folder(artefact, repr((size, items)).encode())
  out = []
  with progress.begun(label, 'texts', len(items)) as tick:
    for number, start in enumerate(range(0, len(items), size)):
      chunk = items[start : start + size]
      data = chunks.get(parts, 'rows', number)
      if data is None:
        rows = write(chunk, tick)
        data = json.dumps(rows, allow_nan=False).encode()
        chunks.put(parts, 'rows', number, data)
        hosts.stop_if_asked()
      else:
        tick.skip(len(chunk))
      out += json.loads(data)
  return out
