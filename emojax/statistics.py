"""Intervals and tests; every number that is reported goes through here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import scipy.special
import scipy.stats

from emojax import errors


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


def pearson(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
  """Pearson's r along an axis of both; NaN where x or y is constant."""
  r = np.sum(unit_deviations(x, axis) * unit_deviations(y, axis), axis=axis)
  return np.clip(r, -1, 1)


def unit_deviations(values: np.ndarray, axis: int = -1) -> np.ndarray:
  """Deviations from the mean, of length 1; NaN where all values are equal."""
  off = values - values.mean(axis=axis, keepdims=True)
  length = np.linalg.norm(off, axis=axis, keepdims=True)
  # The mean of equal values is off by its rounding.
  least = 1e-12 * np.linalg.norm(values, axis=axis, keepdims=True)
  return off / np.where(length > least, length, np.nan)


def null_correlations(
    statistic: Callable[[np.ndarray], float],
    y: np.ndarray,
    seed: int,
    draws: int = 1000,
) -> Estimate:
  """The band of a statistic under permutations of y: what chance gives."""
  rng = np.random.default_rng(seed)
  return band(np.array([statistic(rng.permutation(y)) for _ in range(draws)]))


def beyond(
    estimate: Mapping[str, Any],
    controls: Iterable[Mapping[str, Any]],
    side: int = 0,
) -> bool | None:
  """Whether an estimate lies apart from every control.

  Stricter than a test: intervals may overlap where a difference is certain,
  but where they do not, no reader can take the one for the other.

  Args:
    estimate: with its 'low' and 'high'.
    controls: each with a 'value', and 'low' and 'high' where it has them; any
      may be None. Of what has no sign, such as a component, all are sizes.
    side: where the estimate must lie: 1 above the controls, -1 below them, 0 on
      either side of each.

  Returns:
    True if the whole interval is on that side of the interval of each control,
    or of its value where it has none; False if it meets one or is on the other
    side of it. None if there is nothing to say: no interval, no control, or one
    without a number.
  """
  low, high = _ends({name: estimate[name] for name in ('low', 'high')})
  spans = [_ends(control) for control in controls]
  if np.isnan([low, high]).any() or not spans:
    return None
  starts, ends = np.array(spans).T
  above, below = low > ends, high < starts
  apart = {1: above, -1: below, 0: above | below}[side]
  known = ~np.isnan(spans).any(axis=1)
  if not apart[known].all():
    return False
  return True if known.all() else None


def _ends(numbers: Mapping[str, Any]) -> tuple[float, float]:
  """The interval's ends, each the value where there is none; else NaN."""
  found = [numbers.get(name) for name in ('low', 'high')]
  value = numbers.get('value')
  found = [value if x is None else x for x in found]
  low, high = (np.nan if x is None else float(x) for x in found)
  return low, high


def holm(p: np.ndarray) -> np.ndarray:
  """p values adjusted so that the chance of any false find stays below alpha.

  Holm (1979), step down; no assumption about how the tests depend.

  Args:
    p: of any shape, NaN where a test could not be made.

  Returns:
    As many, to be compared with alpha. NaN stays NaN and counts as no test.

  Raises:
    InputError: for a p outside 0 to 1.
  """

  def step_down(known: np.ndarray) -> np.ndarray:
    # By hand: the one of statsmodels collects garbage, 0.15 s at each call.
    order = np.argsort(known)
    times = np.arange(len(known), 0, -1)
    out = np.empty(len(known))
    out[order] = np.maximum.accumulate(known[order] * times)
    return np.minimum(out, 1)

  return _adjusted(p, step_down)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
  """p values adjusted so that alpha bounds the share of false finds.

  Benjamini & Hochberg (1995), step up; for independent tests, or such as
  depend positively.

  Args:
    p: of any shape, NaN where a test could not be made.

  Returns:
    As many, to be compared with alpha. NaN stays NaN and counts as no test.

  Raises:
    InputError: for a p outside 0 to 1.
  """
  return _adjusted(p, scipy.stats.false_discovery_control)


def _adjusted(
    p: np.ndarray, adjust: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
  out = np.array(p, float)  # None becomes NaN.
  known = ~np.isnan(out)
  if np.any((out[known] < 0) | (out[known] > 1)):
    raise errors.InputError('A p value is outside 0 to 1: give probabilities.')
  if known.any():
    out[known] = adjust(out[known])
  return out


def adjusted_rand_index(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """How far two clusterings agree: 1 wholly, 0 as much as by chance.

  Hubert & Arabie (1985): of the pairs of items, those together in both, less
  what is expected of labels dealt out at random.

  Args:
    a: [N] labels, of any kind; 2 items or more.
    b: [..., N] labels.

  Returns:
    [...], below 0 where they agree less than by chance.

  Raises:
    InputError: for labels that are no pairs.
  """
  a, b = np.asarray(a), np.asarray(b)
  n = len(a)
  if n < 2 or b.shape[-1] != n:
    raise errors.InputError(
        f'{n} labels and {b.shape[-1]}: give two for each of 2 or more items.'
    )
  names_a, in_a = np.unique(a, return_inverse=True)
  names_b, in_b = np.unique(b, return_inverse=True)
  rows, size = in_b.size // n, len(names_a) * len(names_b)
  cell = in_a * len(names_b) + in_b.reshape(rows, n)
  cell += size * np.arange(rows)[:, None]
  table = np.bincount(cell.ravel(), minlength=rows * size)
  table = table.reshape(rows, len(names_a), len(names_b))
  both, pairs_a, pairs_b = (
      scipy.special.comb(counts, 2).reshape(rows, -1).sum(axis=1)
      for counts in (table, table.sum(axis=2), table.sum(axis=1))
  )
  chance = pairs_a * pairs_b / scipy.special.comb(n, 2)
  most = (pairs_a + pairs_b) / 2
  # All together or all apart in both: the same clustering, whatever chance.
  same = most == chance
  index = (both - chance) / np.where(same, 1, most - chance)
  return np.where(same, 1.0, index).reshape(b.shape[:-1])


def repeated_trigrams(items: Sequence[Any]) -> float:
  """The fraction of trigrams of a text that it has had before: 0 to 1.

  Args:
    items: its words, or token ids.
  """
  grams = list(zip(items, items[1:], items[2:]))
  return 1 - len(set(grams)) / len(grams) if grams else 0.0
