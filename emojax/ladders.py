"""Whether a reading rises or falls with a number that means more or less."""

from collections.abc import Sequence

import numpy as np
import scipy.stats

from emojax import statistics

_DECADE = 10  # Values that span more are told apart by their ratios.


def scale_of(values: Sequence[float]) -> str:
  """'log' if all values are above 0 and span more than 10 times; else 'rank'.

  In words: in which steps a slope is measured.
  """
  low, high = min(values), max(values)
  return 'log' if low > 0 and high > _DECADE * low else 'rank'


def steps(values: Sequence[float]) -> np.ndarray:
  """The place of each value: its natural logarithm, or its rank from 0."""
  if scale_of(values) == 'log':
    return np.log(values)
  return scipy.stats.rankdata(values) - 1


def slopes(values: Sequence[float], readings: np.ndarray) -> np.ndarray:
  """Least-squares slopes over `steps`: [V], [..., V] -> [...]."""
  x = steps(values)
  x = x - x.mean()
  return readings @ x / (x @ x)


def rank_correlations(
    values: Sequence[float], readings: np.ndarray
) -> np.ndarray:
  """Spearman's correlations of readings with values; ties have a mean rank.

  Args:
    values: V of them.
    readings: [..., V].

  Returns:
    [...], 0 where all readings of a row are equal: they have no order.
  """
  ranks = scipy.stats.rankdata(readings, axis=-1)
  order = np.broadcast_to(scipy.stats.rankdata(values), ranks.shape)
  return np.nan_to_num(statistics.pearson(ranks, order), nan=0.0)


def signed_correlations(
    values: Sequence[float], readings: np.ndarray, sign: np.ndarray
) -> np.ndarray:
  """Rank correlations whose sign says whether they are as expected.

  Args:
    values: V of them.
    readings: [..., W, V, L, M], of W wordings and M expectations.
    sign: [M], 1 where the reading is to rise with the value and -1 where it is
      to fall.

  Returns:
    [..., W, L, M], 1 where all is in the order that was expected.
  """
  return rank_correlations(values, np.moveaxis(readings, -3, -1)) * sign


def profile(readings: np.ndarray, points: int) -> np.ndarray:
  """Readings over the rungs of a ladder, as far from their mean.

  Args:
    readings: [V], in the order of the values.
    points: P, evenly from the first rung to the last; ladders have different
      numbers of rungs.

  Returns:
    [P], interpolated.
  """
  rungs = np.linspace(0, 1, len(readings))
  return np.interp(np.linspace(0, 1, points), rungs, readings - readings.mean())
