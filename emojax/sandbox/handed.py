"""What a program is handed: files by name, and text to read."""

from collections.abc import Iterator, Mapping
import contextlib
import pathlib
import re
import tempfile
from typing import IO

# Of a name: nothing hidden, no option, nothing that leads elsewhere.
_PART = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}')


def check_names(names: Mapping[str, str]) -> None:
  """Raises ValueError unless all are relative names of different files."""
  folders = {str(p) for name in names for p in pathlib.PurePath(name).parents}
  for name in names:
    plain = all(_PART.fullmatch(part) for part in name.split('/'))
    if not plain or name in folders:
      raise ValueError(f'{name!r} is not a plain relative name of a file')


def encoded(text: str) -> bytes:
  return text.encode('utf-8', 'replace')  # Half a surrogate pair is no text.


def unnamed(content: bytes) -> IO[bytes]:
  """An open file that has no name and can only be read."""
  with tempfile.TemporaryFile() as file:
    file.write(content)
    file.flush()
    return open(f'/dev/fd/{file.fileno()}', 'rb')


@contextlib.contextmanager
def folder(files: Mapping[str, str]) -> Iterator[str]:
  """A folder of read-only files that goes away."""
  with tempfile.TemporaryDirectory() as path:
    for name, text in files.items():
      file = pathlib.Path(path, name)
      file.parent.mkdir(parents=True, exist_ok=True)
      file.write_bytes(encoded(text))
      file.chmod(0o444)
    yield path
