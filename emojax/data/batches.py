"""Ragged rows of ids in a few padded shapes."""

from collections.abc import Iterator, Sequence
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Batch:
  """A rectangle of tokens, or the part of it that one process needs.

  Attributes:
    rows: [B] int, the index of each row in the input; -1 for a filler row.
    own: [B'] int, which of the B rows are here: all, in a single process.
    tokens: [B', T] int32.
    valid: [B', T] bool.
    pool: [B', T] float32, the weight of each token in a mean.
  """

  rows: np.ndarray
  own: np.ndarray
  tokens: np.ndarray
  valid: np.ndarray
  pool: np.ndarray


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


def width_for(length: int, least: int = 32) -> int:
  """Rounds a length up to one of few widths: four an octave.

  Args:
    length: of the longest row.
    least: all widths are multiples of it.
  """
  octave = 1 << max(length - 1, 1).bit_length() - 1
  step = max(least, octave // 4)
  return -(-length // step) * step


def plan(
    lengths: Sequence[int], size: int, least: int = 32
) -> list[tuple[np.ndarray, int]]:
  """Puts rows of like length together.

  Args:
    lengths: N of them, none 0.
    size: rows a batch, B.
    least: see `width_for`.

  Returns:
    Of each batch the rows [B], -1 for those that fill up the last one, and the
    width T. Every row is in one batch.
  """
  order = np.argsort(lengths, kind='stable')
  batches = []
  for start in range(0, len(order), size):
    rows = order[start : start + size]
    width = width_for(lengths[rows[-1]], least)
    filler = np.full(size - len(rows), -1)
    batches.append((np.concatenate([rows, filler]), width))
  return batches


def assemble(
    sequences: Sequence[Sequence[int]],
    pools: Sequence[np.ndarray] | None,
    rows: np.ndarray,
    width: int,
    own: np.ndarray | None = None,
) -> Batch:
  """Builds one batch of a plan.

  Args:
    sequences: N lists of ids.
    pools: of each the weights of its tokens, [T]; all 1 if None.
    rows: [B], of `plan`.
    width: T.
    own: which of the B rows are wanted; all if None.
  """
  own = np.arange(len(rows)) if own is None else own
  wanted = rows[own]
  tokens, valid = padded(
      [sequences[i] if i >= 0 else () for i in wanted], width
  )
  pool = valid.astype(np.float32)
  if pools is not None:
    for row, i in enumerate(wanted):
      if i >= 0:
        pool[row, : len(pools[i])] = pools[i]
  return Batch(rows, own, tokens, valid, pool)


def bucketed(
    sequences: Sequence[Sequence[int]], size: int, least: int = 32
) -> Iterator[Batch]:
  """Yields every sequence once, those of like length together.

  Args:
    sequences: N lists of ids, none empty.
    size: rows a batch; the last one is filled up, never dropped.
    least: see `width_for`.
  """
  for rows, width in plan([len(ids) for ids in sequences], size, least):
    yield assemble(sequences, None, rows, width)
