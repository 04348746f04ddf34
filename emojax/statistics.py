"""Intervals and tests; every number that is reported goes through here."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import numpy as np
import scipy.stats


class Estimate(TypedDict):
  """A number with its 95 % interval and its n; None where there is none."""

  value: float
  low: float | None
  high: float | None
  n: int


def _estimate(value: float, low: float, high: float, n: int) -> Estimate:
  low, high = (float(x) if np.isfinite(x) else None for x in (low, high))
  return Estimate(value=float(value), low=low, high=high, n=int(n))


def cluster_bootstrap(
    values: np.ndarray, cluster: np.ndarray, seed: int, resamples: int = 2000
) -> Estimate:
  """The mean, with a percentile bootstrap over clusters.

  Stories on one topic are alike; whole topics are resampled, not stories.

  Args:
    values: [N].
    cluster: [N], such as the topic of each.
    seed: of the resampling.
    resamples: how many.

  Returns:
    The mean over N, its interval, and N.
  """
  names = np.unique(cluster)
  sums = np.array([values[cluster == name].sum() for name in names])
  sizes = np.array([(cluster == name).sum() for name in names])
  rng = np.random.default_rng(seed)
  picks = rng.integers(len(names), size=(resamples, len(names)))
  means = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
  low, high = np.percentile(means, [2.5, 97.5])
  if len(names) == 1:  # One cluster tells nothing of the spread.
    low = high = np.nan
  return _estimate(values.mean(), low, high, len(values))


def student_mean(values: np.ndarray) -> Estimate:
  """The mean with Student's 95 % interval, for a handful of values, [N]."""
  if len(values) < 2:
    return _estimate(values.mean(), np.nan, np.nan, len(values))
  mean, error = values.mean(), scipy.stats.sem(values)
  half = scipy.stats.t.ppf(0.975, len(values) - 1) * error
  return _estimate(mean, mean - half, mean + half, len(values))


def wilson(hits: int, n: int) -> Estimate:
  """A proportion with Wilson's 95 % interval."""
  result = scipy.stats.binomtest(hits, n).proportion_ci(0.95, method='wilson')
  return _estimate(hits / n, result.low, result.high, n)


def band(values: np.ndarray) -> Estimate:
  """The mean of a control and the central 95 % of its values, [N].

  Where a new draw of the control would fall, not where its mean is: the
  interval does not shrink with N.
  """
  low, high = np.percentile(values, [2.5, 97.5])
  return _estimate(values.mean(), low, high, len(values))


def correlation(x: np.ndarray, y: np.ndarray) -> dict[str, float | int | None]:
  """Pearson's r with Fisher's 95 % interval and a two-sided p: [N], [N]."""
  result = scipy.stats.pearsonr(x, y)
  interval = result.confidence_interval(0.95)
  return {
      'r': float(result.statistic),
      'low': float(interval.low),
      'high': float(interval.high),
      'p': float(result.pvalue),
      'n': len(x),
  }


def null_correlations(
    statistic: Callable[[np.ndarray], float],
    y: np.ndarray,
    seed: int,
    draws: int = 1000,
) -> Estimate:
  """The band of a statistic under permutations of y: what chance gives."""
  rng = np.random.default_rng(seed)
  return band(np.array([statistic(rng.permutation(y)) for _ in range(draws)]))


def repeated_trigrams(items: Sequence[Any]) -> float:
  """The fraction of trigrams of a text that it has had before: 0 to 1.

  Args:
    items: its words, or token ids.
  """
  grams = list(zip(items, items[1:], items[2:]))
  return 1 - len(set(grams)) / len(grams) if grams else 0.0
