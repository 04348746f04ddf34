"""A long stage in chunks, so that a run that is killed goes on where it was.

A chunk is a file in a folder beside the artefact that it will be part of. Its
name has a digest of its bytes: a chunk that was damaged is found out and
computed again. The folder goes when the artefact is there.
"""

from collections.abc import Sequence
import hashlib

from absl import logging

from emojax import files

Path = files.Path


def folder(artefact: Path, plan: bytes) -> Path:
  """Returns the folder of an artefact's chunks.

  Args:
    artefact: what the chunks become.
    plan: whatever decides what is in which chunk, such as the rows of each
      batch. Chunks of another plan are left alone.
  """
  digest = hashlib.sha256(plan).hexdigest()[:8]
  return artefact.parent / f'{artefact.stem}.parts' / digest


def put(parts: Path, kind: str, number: int, data: bytes) -> None:
  """Writes chunk `number` of one kind, whole or not at all."""
  files.write_bytes(parts / f'{_stem(kind, number)}{_digest(data)}', data)


def get(parts: Path, kind: str, number: int) -> bytes | None:
  """Reads a chunk; None if it is not there, or damaged, which is said."""
  return _whole(files.find(parts, _stem(kind, number)))


def count(parts: Path, kind: str) -> int:
  """Returns how many chunks there are from the first on, without a gap."""
  named: dict[str, list[Path]] = {}
  # Listed once: in a bucket, every listing is a round trip.
  for path in files.find(parts, f'{kind}-'):
    stem = path.name[: len(_stem(kind, 0))]
    named.setdefault(stem, []).append(path)
  number = 0
  while _whole(named.get(_stem(kind, number), ())) is not None:
    number += 1
  return number


def drop(parts: Path, kind: str, number: int) -> None:
  """Deletes a chunk, if it is there."""
  for path in files.find(parts, _stem(kind, number)):
    files.remove(path)


def clear(artefact: Path) -> None:
  """Deletes all chunks of an artefact, which is there by now."""
  files.remove_folder(artefact.parent / f'{artefact.stem}.parts')


def _whole(paths: Sequence[Path]) -> bytes | None:
  """Reads the first that is not damaged, and deletes those that are."""
  for path in paths:
    data = files.read_bytes(path)
    if path.name.endswith(_digest(data)):
      return data
    logging.warning('%s is damaged: what was in it is computed again.', path)
    files.remove(path)
  return None


def _stem(kind: str, number: int) -> str:
  return f'{kind}-{number:06d}-'


def _digest(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()[:32]
