"""What preferences go with, and which of them steering can move."""

from typing import Any

import numpy as np

from emojax import permutations
from emojax import resampling
from emojax import statistics

MEASURES = ('raw', 'within', 'benign')
_KEPT = ('value', 'low', 'high', 'n', 'p', 'null')


def split(category: np.ndarray, seed: int) -> np.ndarray:
  """Says which half is steered, [N] bool: as many of each category, at random.

  Args:
    category: [N].
    seed: of the split.
  """
  rng = np.random.default_rng(seed)
  drawn = rng.permutation(len(category))
  # Alternately through all categories, so that odd ones make up for another.
  order = drawn[np.argsort(np.asarray(category)[drawn], kind='stable')]
  out = np.zeros(len(category), bool)
  out[order[::2]] = True
  return out


def steered_pairs(steered: np.ndarray, each: int, seed: int) -> np.ndarray:
  """The pairs that steering can change, in both orders: [P, 2].

  Args:
    steered: [N] bool.
    each: how many opponents of the other half a steered activity meets, all of
      them about as often; 0: all pairs with a steered activity, those of two
      steered ones too.
    seed: of the draw.
  """
  inside, outside = np.flatnonzero(steered), np.flatnonzero(~steered)
  if each == 0:
    one, two = np.nonzero(steered[:, None] | steered)
    return np.stack([one, two], axis=1)[one != two]
  rng = np.random.default_rng(seed)
  inside, outside = rng.permutation(inside), rng.permutation(outside)
  places = np.arange(len(inside))[:, None] + np.arange(min(each, len(outside)))
  pairs = np.stack(
      [
          np.repeat(inside, places.shape[1]),
          outside[places % len(outside)].ravel(),
      ],
      axis=1,
  )
  return np.concatenate([pairs, pairs[:, ::-1]])


def spread(values: np.ndarray, count: int) -> np.ndarray:
  """Picks `count` indices whose values are evenly spaced in rank: all if 0."""
  order = np.argsort(values, kind='stable')
  count = len(order) if count == 0 else min(count, len(order))
  places = np.linspace(0, len(order) - 1, count).round().astype(int)
  return order[places]


def correlations(
    values: np.ndarray,
    strength: np.ndarray,
    category: np.ndarray,
    benign: np.ndarray,
) -> dict[str, np.ndarray]:
  """Pearson's r of readings with strengths, three ways.

  Args:
    values: [N, A] readings.
    strength: [N], such as Elo.
    category: [N].
    benign: [N] bool.

  Returns:
    Of MEASURES, [A]: over all activities, within categories (each category's
    means taken off both), and over the benign ones. NaN where there is none.
  """
  index = np.unique(category, return_inverse=True)[1]
  both = np.column_stack([values, strength]).astype(np.float64)
  means = np.zeros((index.max() + 1, both.shape[1]))
  np.add.at(means, index, both)
  off = both - (means / np.bincount(index)[:, None])[index]
  parts = {'raw': both, 'within': off, 'benign': both[benign]}
  return {
      name: statistics.pearson(x[:, :-1], x[:, -1:], axis=0)
      for name, x in parts.items()
  }


def with_intervals(
    values: np.ndarray,
    strength: np.ndarray,
    category: np.ndarray,
    benign: np.ndarray,
    seed: int,
) -> list[dict[str, dict[str, Any]]]:
  """The same of every reading, with intervals, p values and what chance gives.

  Intervals are BCa over whole categories. p is of strengths permuted: within
  categories for r within, else among all. `adjusted` is by Benjamini and
  Hochberg over the A.

  Args:
    values: [N, A]; the others as of `correlations`.
    strength: [N].
    category: [N].
    benign: [N] bool.
    seed: of resampling.

  Returns:
    A entries: of MEASURES, `value`, `low`, `high`, `n`, `p`, `adjusted` and
    `null`, the band of r under the permutations.
  """
  rows: list[dict[str, dict[str, Any]]] = []
  every, one = np.full(len(benign), True), np.zeros(len(benign))
  for x in values.T.astype(np.float64):
    row = {}
    for name, kept, group in (
        ('raw', every, one),
        ('within', every, category),
        ('benign', benign, one),
    ):
      a, b = x[kept], strength[kept]
      found: dict[str, Any] = dict(
          permutations.within_group_correlation(a, b, group[kept], seed)
      )
      if name != 'within':
        found |= resampling.bootstrap(
            statistics.pearson, (a, b), category[kept], seed
        )
      row[name] = {key: found[key] for key in _KEPT}
    rows.append(row)
  for name in MEASURES:
    adjusted = statistics.benjamini_hochberg(
        np.array([row[name]['p'] for row in rows], float)
    )
    for row, p in zip(rows, adjusted.tolist()):
      row[name]['adjusted'] = p
  return rows


def largest(
    values: np.ndarray,
    strength: np.ndarray,
    category: np.ndarray,
    seed: int,
) -> statistics.Estimate:
  """The largest |r| of A readings; each resample picks its own largest."""

  def statistic(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    return np.abs(statistics.pearson(x, y[..., None], axis)).max(axis=-1)

  return resampling.bootstrap(
      statistic, (values.astype(np.float64), strength), category, seed
  )


def largest_of(r: np.ndarray, size: int, seed: int) -> statistics.Estimate:
  """The band of the largest |r| of `size` of the directions: [A]."""
  rng = np.random.default_rng(seed)
  picks = np.stack(
      [
          rng.choice(len(r), min(size, len(r)), replace=False)
          for _ in range(1000)
      ]
  )
  return statistics.band(np.abs(r)[picks].max(axis=1))
