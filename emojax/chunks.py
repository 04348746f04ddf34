"""A long stage in chunks, so that a run that is killed goes on where it was.

A chunk is a file in a folder beside the artefact that it will be part of. Its
name has a digest of its bytes: a chunk that was damaged is found out and
computed again. The folder goes when the artefact is there.
"""

import hashlib
import pathlib
import shutil

from absl import logging

from emojax import files

Path = pathlib.Path


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
  for path in sorted(parts.glob(f'{_stem(kind, number)}*')):
    data = path.read_bytes()
    if path.name.endswith(_digest(data)):
      return data
    logging.warning('%s is damaged: what was in it is computed again.', path)
    path.unlink()
  return None


def count(parts: Path, kind: str) -> int:
  """Returns how many chunks there are from the first on, without a gap."""
  number = 0
  while get(parts, kind, number) is not None:
    number += 1
  return number


def drop(parts: Path, kind: str, number: int) -> None:
  """Deletes a chunk, if it is there."""
  for path in parts.glob(f'{_stem(kind, number)}*'):
    path.unlink()


def clear(artefact: Path) -> None:
  """Deletes all chunks of an artefact, which is there by now."""
  shutil.rmtree(artefact.parent / f'{artefact.stem}.parts', ignore_errors=True)


def _stem(kind: str, number: int) -> str:
  return f'{kind}-{number:06d}-'


def _digest(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()[:32]
