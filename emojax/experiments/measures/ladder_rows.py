"""Readings of ladders -> correlations with their numbers, and tests."""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from emojax import ladders as ladders_lib
from emojax import permutations
from emojax import resampling
from emojax import statistics
from emojax.data import prompt_sets

PARTS = ('meant', 'matched')
ALPHA = 0.05
_POINTS = 7  # Of a profile.
_DIGITS = 5


@dataclasses.dataclass(frozen=True)
class Texts:
  """A ladder, and which of all texts are its.

  Attributes:
    ladder: with its values in ascending order.
    meant: [W, V], those of its wordings.
    matched: [1, V], those where the number means nothing; or None.
    emotions: M names of those expected to move that have a vector.
    sign: [M], 1 for those that rise and -1 for those that fall.
  """

  ladder: prompt_sets.Ladder
  meant: np.ndarray
  matched: np.ndarray | None
  emotions: tuple[str, ...]
  sign: np.ndarray


def texts_of(
    ladder: prompt_sets.Ladder, emotions: Sequence[str], first: int
) -> tuple[Texts, list[str]]:
  """Writes a ladder's texts, with the numbers as the file has them.

  Args:
    ladder: with no, one or more emotions among `emotions`.
    emotions: that have a vector.
    first: the index that the first text will have.
  """
  ladder = dataclasses.replace(ladder, values=tuple(sorted(ladder.values)))
  moves = [(e, 1) for e in ladder.rises] + [(e, -1) for e in ladder.falls]
  moves = [(e, sign) for e, sign in moves if e in emotions]
  wordings = [ladder.template, *ladder.paraphrases]
  meant = len(wordings)
  wordings += [ladder.matched] if ladder.matched else []
  size = len(ladder.values)
  at = first + np.arange(len(wordings) * size).reshape(-1, size)
  return (
      Texts(
          ladder,
          at[:meant],
          at[meant:] if ladder.matched else None,
          tuple(name for name, _ in moves),
          np.array([sign for _, sign in moves]),
      ),
      [w.replace('{x}', str(x)) for w in wordings for x in ladder.values],
  )


def signed(
    ladders: Sequence[Texts], names: Sequence[str], x: np.ndarray, part: str
) -> np.ndarray:
  """Rank correlations by ladder and expected emotion, the mean over wordings.

  Args:
    ladders: of `texts_of`, M expectations together.
    names: E.
    x: [..., N, L, E].
    part: of PARTS.

  Returns:
    [..., L, M], above 0 if as expected; NaN for a ladder without that part.
  """
  out = []
  for each in ladders:
    at, index = getattr(each, part), [names.index(e) for e in each.emotions]
    if at is None:
      shape = (*x.shape[:-3], x.shape[-2], len(index))
      out.append(np.full(shape, np.nan))
    else:
      found = ladders_lib.signed_correlations(
          each.ladder.values, x[..., at, :, :][..., index], each.sign
      )
      out.append(found.mean(axis=-3))
  return np.concatenate(out, axis=-1)


def mean(
    ladders: Sequence[Texts], values: np.ndarray, seed: int
) -> statistics.Estimate | None:
  """The mean of [M] with an interval over ladders; None if all are NaN."""
  of = np.repeat(np.arange(len(ladders)), [len(x.sign) for x in ladders])
  kept = np.isfinite(values)
  if not kept.any():
    return None
  return resampling.bootstrap(np.mean, (values[kept],), of[kept], seed)


def by_ladder(ladders: Sequence[Texts], values: np.ndarray) -> np.ndarray:
  """Means over each ladder's emotions: [..., M] -> [..., ladders]."""
  cuts = np.cumsum([len(x.sign) for x in ladders])[:-1]
  parts = np.split(values, cuts, axis=-1)
  return np.stack([part.mean(axis=-1) for part in parts], axis=-1)


def tests(
    ladders: Sequence[Texts],
    names: Sequence[str],
    x: np.ndarray,
    part: str,
    seed: int,
) -> list[dict[str, Any]]:
  """Tests every expectation of every ladder, [N, E] readings at one layer.

  The readings of a number are averaged over wordings; p is of the permutations
  of the numbers, adjusted by Holm over all expectations. The interval of the
  slope is Student's, over wordings.
  """
  rows = []
  for each in ladders:
    at, values = getattr(each, part), each.ladder.values
    for emotion, sign in zip(each.emotions, each.sign.tolist()):
      if at is None:
        continue
      own = x[at, names.index(emotion)].astype(float)
      test = permutations.spearman(np.array(values), own.mean(axis=0), seed)
      rows.append(
          {
              'ladder': each.ladder.name,
              'emotion': emotion,
              'expected': sign,
              'rho': float(np.nan_to_num(test['value'])),
              'rho_of_wordings': ladders_lib.rank_correlations(
                  values, own
              ).tolist(),
              'p': test['p'],
              'slope': statistics.student_mean(ladders_lib.slopes(values, own)),
              'readings': np.round(own, _DIGITS).tolist(),
          }
      )
  adjusted = statistics.holm(np.array([row['p'] for row in rows], float))
  for row, p in zip(rows, adjusted.tolist(), strict=True):
    row['holm'] = p if np.isfinite(p) else None
    row['found'] = int(np.sign(row['rho'])) if p < ALPHA else 0
  return rows


def profiles(
    ladders: Sequence[Texts],
    names: Sequence[str],
    x: np.ndarray,
    seed: int,
) -> dict[str, dict[str, list[statistics.Estimate]]]:
  """Readings from the first rung to the last, as far from a ladder's mean.

  Args:
    ladders: of `texts_of`.
    names: E.
    x: [N, E], readings at one layer.
    seed: of the resampling, over ladders.

  Returns:
    By part, then for emotions that are to rise and to fall, the points.
  """
  sign = np.concatenate([each.sign for each in ladders])
  out = {}
  for part in PARTS:
    rows = []
    for each in ladders:
      at = getattr(each, part)
      for emotion in each.emotions:
        own = np.full(_POINTS, np.nan)
        if at is not None:
          mean_reading = x[at, names.index(emotion)].astype(float).mean(axis=0)
          own = ladders_lib.profile(mean_reading, _POINTS)
        rows.append(own)
    rows = np.array(rows)
    out[part] = {
        name: [
            point
            for column in np.where(sign[:, None] == way, rows, np.nan).T
            if (point := mean(ladders, column, seed)) is not None
        ]
        for name, way in (('rises', 1), ('falls', -1))
    }
  return out
