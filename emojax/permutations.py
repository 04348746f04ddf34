"""Permutation tests: what a statistic is where the labels mean nothing."""

from collections.abc import Callable
import functools
import math
from typing import TypedDict

import numpy as np
import scipy.stats

from emojax import errors
from emojax import resampling
from emojax import statistics

_BATCH = 2**22  # Values that permutations take at once: 32 MiB in float64.
_EXACT = 9  # 9! orders are 362,880; those of 10 would take 290 MB.
_ROUNDING = 1e-12  # Sums in another order differ by less.


class PermutationTest(TypedDict):
  """A statistic, its two-sided p, and its band where the null holds.

  Two-sided is twice the smaller tail, 1 at most. An exact test has gone through
  all permutations, the data's own among them; else p is (b + 1) / (m + 1) with
  b of m random ones as far out (Phipson & Smyth 2010). p is never 0, and None
  where the statistic is undefined.
  """

  value: float
  p: float | None
  n: int
  permutations: int
  exact: bool
  null: statistics.Estimate | None


class GroupedCorrelation(PermutationTest):
  """A correlation within groups, with its interval over groups."""

  low: float | None
  high: float | None
  groups: int


def spearman(
    x: np.ndarray, y: np.ndarray, seed: int, draws: int = 9999
) -> PermutationTest:
  """Spearman's rank correlation and its p, exact for up to 9 pairs.

  Ties have their mean rank, in the data and in all permutations. The least p of
  n untied pairs is 2 / n!: 5 pairs at least for one below 0.05.

  Args:
    x: [N].
    y: [N].
    seed: of the permutations, where they are drawn.
    draws: how many for more than 9 pairs.
  """
  _check_pairs(x, y)
  x, y = (statistics.unit_deviations(scipy.stats.rankdata(v)) for v in (x, y))
  n, exact = len(x), len(x) <= _EXACT
  if exact:
    null = y[_orders(n)] @ x
  else:
    null = _shuffled(lambda at: y[at] @ x, np.zeros(n), seed, draws, n)
  return _test(float(y @ x), null, n, exact)


def within_group_correlation(
    x: np.ndarray,
    y: np.ndarray,
    group: np.ndarray,
    seed: int,
    resamples: int = 2000,
    draws: int = 9999,
) -> GroupedCorrelation:
  """Pearson's r once each group's means are taken off x and y.

  What is left of a correlation where groups, such as categories of activities,
  differ in both. The interval is a BCa bootstrap of whole groups; p is of y
  permuted within groups. A group of one item says nothing.

  Args:
    x: [N].
    y: [N].
    group: [N].
    seed: of the resampling and of the permutations.
    resamples: of the bootstrap.
    draws: of the permutations.
  """
  _check_pairs(x, y, group)
  _, index = np.unique(group, return_inverse=True)
  order = np.argsort(index, kind='stable')
  index = index[order]
  x, y = (_off_means(np.asarray(v, float)[order], index) for v in (x, y))
  interval = resampling.bootstrap(
      statistics.pearson, (x, y), index, seed, resamples
  )
  x, y = statistics.unit_deviations(x), statistics.unit_deviations(y)
  null = _shuffled(lambda at: y[at] @ x, index, seed, draws, len(x))
  return GroupedCorrelation(
      **_test(float(y @ x), null, len(x), exact=False),
      low=interval['low'],
      high=interval['high'],
      groups=int(index[-1]) + 1,
  )


def _off_means(values: np.ndarray, index: np.ndarray) -> np.ndarray:
  off = values - (np.bincount(index, values) / np.bincount(index))[index]
  # A group of equal values has none, but for the rounding of its mean.
  return np.where(np.abs(off) > _ROUNDING * np.abs(values).max(), off, 0)


def difference_test(
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    draws: int = 9999,
    paired: bool = False,
) -> PermutationTest:
  """The mean of x less that of y, with a permutation p.

  Exact where there are no more permutations than draws: for 13 pairs, or for
  two samples of 7.

  Args:
    x: [N].
    y: [M], or [N] if paired.
    seed: of the permutations, where they are drawn.
    draws: how many.
    paired: whether x[i] and y[i] belong together. Then the null is that either
      could be the other, so signs of differences are flipped; else that both
      are draws from one population, so labels are dealt out anew.

  Returns:
    The test; its n is the number of pairs, or N + M.
  """
  if paired:
    _check_pairs(x, y)
  if min(len(x), len(y)) < 2:
    raise errors.InputError(
        f'Samples of {len(x)} and {len(y)}: give 2 values or more of each.'
    )
  if paired:
    data, n, every = (np.subtract(x, y),), len(x), 2 ** len(x)
  else:
    n = len(x) + len(y)
    data, every = (x, y), math.comb(n, len(x))
  result = scipy.stats.permutation_test(
      data,
      lambda *v, axis: v[0].mean(axis) - (0 if paired else v[1].mean(axis)),
      permutation_type='samples' if paired else 'independent',
      vectorized=True,
      n_resamples=draws,
      batch=max(1, _BATCH // n),
      rng=np.random.default_rng(seed),
  )
  null = result.null_distribution
  return _test(float(result.statistic), null, n, exact=every <= draws)


def rand_index_test(
    a: np.ndarray, b: np.ndarray, seed: int, draws: int = 9999
) -> PermutationTest:
  """The adjusted Rand index of two clusterings, with a permutation p.

  Args:
    a: [N] labels.
    b: [N] labels, dealt out anew to the items under the null.
    seed: of the permutations.
    draws: how many.
  """
  _check_pairs(a, b)
  b = np.unique(b, return_inverse=True)[1]
  width = max(len(a), len(np.unique(a)) * (int(b.max(initial=0)) + 1))
  index = functools.partial(statistics.adjusted_rand_index, a)
  null = _shuffled(
      lambda at: index(b[at]), np.zeros(len(a)), seed, draws, width
  )
  return _test(float(index(b)), null, len(a), exact=False)


def _check_pairs(*arrays: np.ndarray) -> None:
  lengths = [len(x) for x in arrays]
  if len(set(lengths)) > 1 or lengths[0] < 2:
    raise errors.InputError(
        f'Arrays of {lengths} items: give as many of each, 2 or more.'
    )


@functools.cache
def _orders(n: int) -> np.ndarray:
  """[n!, n], all orders of n things."""
  out = np.zeros((1, 1), np.int8)
  for new in range(1, n):
    places = [np.insert(out, place, new, axis=1) for place in range(new + 1)]
    out = np.concatenate(places)
  return out


def _shuffled(
    statistic: Callable[[np.ndarray], np.ndarray],
    group: np.ndarray,
    seed: int,
    draws: int,
    width: int,
) -> np.ndarray:
  """A statistic of random permutations within groups.

  Args:
    statistic: of indices [S, N], one permutation a row.
    group: [N], ascending.
    seed: of the permutations.
    draws: S of them all.
    width: numbers that the statistic needs for each.

  Returns:
    [draws].
  """
  rng, step, out = np.random.default_rng(seed), max(1, _BATCH // width), []
  for start in range(0, draws, step):
    keys = rng.random((min(step, draws - start), len(group))) + group
    out.append(statistic(np.argsort(keys, axis=1)))
  return np.concatenate(out)


def _test(
    value: float, null: np.ndarray, n: int, exact: bool
) -> PermutationTest:
  out = PermutationTest(
      value=value, p=None, n=n, permutations=len(null), exact=exact, null=None
  )
  if np.isfinite(value):
    slack = _ROUNDING * np.abs(null).max()
    tail = min(np.sum(null >= value - slack), np.sum(null <= value + slack))
    own = 0 if exact else 1  # The data's own permutation, if not among them.
    out['p'] = float(min(1, 2 * (tail + own) / (len(null) + own)))
    out['null'] = statistics.band(null)
  return out
