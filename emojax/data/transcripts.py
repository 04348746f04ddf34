"""Transcripts of chats: a file, or a folder of many."""

from collections.abc import Iterator
import dataclasses
import os

from emojax import files
from emojax.data import rows
from emojax.data import stories

_ENDS = ('.jsonl', '.json')


@dataclasses.dataclass(frozen=True)
class Transcript:
  """A chat and the place that it is from, as messages name it."""

  place: str
  text: stories.Text


def load_transcripts(path: files.Path | None = None) -> tuple[Transcript, ...]:
  """Returns the transcripts of a file or of a folder, in the order of names.

  Args:
    path: JSON lines as `stories.load_texts` reads them; or, if it ends in
      .json, one such object or a list of them; or a folder, of which all files
      at any depth that end in .jsonl or .json are read.

  Raises:
    InputError: a malformed line or object, or a folder without transcripts.
  """
  path = stories.location(path, 'chats')
  below = files.find(path)
  found = [x for x in below if x.suffix in _ENDS]
  if not below and not os.path.isdir(path):  # A file, or none at all.
    found = [path]
  if not found:
    rows.refuse(
        str(path), f'no file that ends in {" or ".join(_ENDS)}; put some there.'
    )
  read = lambda x: _of_json(x) if x.suffix == '.json' else _of_lines(x)
  return tuple(one for file in found for one in read(file))


def _of_lines(path: files.Path) -> Iterator[Transcript]:
  for where, line, row in rows.read(path, ('messages',)):
    yield Transcript(where, stories.text_of(where, line, row))


def _of_json(path: files.Path) -> Iterator[Transcript]:
  data = files.read_json(path)
  several = isinstance(data, list)
  for number, row in enumerate(data if several else [data]):
    where = f'{path}: [{number}]' if several else str(path)
    if not isinstance(row, dict):
      rows.refuse(
          where, f'{rows.kind(row)}; make it an object with its messages.'
      )
    yield Transcript(where, stories.text_of(where, number + 1, row))
