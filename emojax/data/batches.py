"""Ragged rows of ids in a few padded shapes."""

from collections.abc import Iterator, Sequence
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Batch:
  """A rectangle of tokens.

  Attributes:
    rows: [B] int, the index of each row in the input; -1 for a filler row.
    tokens: [B, T] int32.
    valid: [B, T] bool.
  """

  rows: np.ndarray
  tokens: np.ndarray
  valid: np.ndarray


def padded(
    sequences: Sequence[Sequence[int]], width: int, side: str = 'right'
) -> tuple[np.ndarray, np.ndarray]:
  """Pads to `width`: tokens and valid [B, T]; no result depends on the side."""
  tokens = np.zeros((len(sequences), width), np.int32)
  valid = np.zeros((len(sequences), width), bool)
  for row, ids in enumerate(sequences):
    start = 0 if side == 'right' else width - len(ids)
    place = slice(start, start + len(ids))
    tokens[row, place], valid[row, place] = ids, True
  return tokens, valid


def bucketed(
    sequences: Sequence[Sequence[int]], size: int, multiple: int = 32
) -> Iterator[Batch]:
  """Yields every sequence once, those of like length together.

  Args:
    sequences: N lists of ids, none empty.
    size: rows a batch; the last one is filled up, never dropped.
    multiple: widths are multiples of it, so that few shapes are compiled.
  """
  order = np.argsort([len(ids) for ids in sequences], kind='stable')
  for start in range(0, len(order), size):
    rows = order[start : start + size].tolist()
    longest = len(sequences[rows[-1]])
    filler = [()] * (size - len(rows))
    tokens, valid = padded(
        [sequences[i] for i in rows] + filler,
        -(-longest // multiple) * multiple,
    )
    yield Batch(np.array(rows + [-1] * len(filler)), tokens, valid)
