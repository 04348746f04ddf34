"""Shares of yes and no under conditions, and what a condition changes.

Scenarios differ: some tempt every model, some none. So what a condition changes
is taken within scenarios, and whole scenarios are what intervals and tests draw
from: a scenario's share is its mean over samples, its difference the share
under the condition minus that without.
"""

from collections.abc import Sequence
import math

import numpy as np
import scipy.stats

from emojax import effects
from emojax import resampling
from emojax import statistics

# With fewer scenarios that differ, resamples of them are too alike to be an
# interval: of 40 scenarios with one hit, a third have none.
_FEW = 5
_CELLS = 2**18  # Sums that a sign-flip test tells apart.
_BATCH = 2**21  # Values that permutations take at once: 16 MiB in float64.
# From so many on, the central 95 % lie within the range.
_MANY = 40


class Difference(statistics.Estimate):
  """A difference of shares, its interval and its two-sided p.

  `n` is the number of scenarios that have both; `interval` is 'bootstrap', or
  'score' where too few scenarios differ for one.
  """

  p: float
  interval: str


class Slope(statistics.Estimate):
  """Change of a share per 0.1 of strength, with its two-sided p."""

  p: float


def share(hit: np.ndarray, scenario: np.ndarray) -> statistics.Estimate | None:
  """The share of hits, with Wilson's 95 % interval.

  Several samples of one scenario are no independent trials. The interval is
  that of as many trials as would vary as much as the scenarios do, at least the
  number of scenarios and at most that of samples; with one sample a scenario
  it is the plain one. Where all shares are 0 or all 1, nothing is seen of how
  alike samples are, and all of a scenario count as one.

  Args:
    hit: [N], 1, 0 or NaN where it does not count.
    scenario: [N].

  Returns:
    The share over those that count, and how many they are; None if none does.
  """
  hit = np.asarray(hit, float)
  known = ~np.isnan(hit)
  if not known.any():
    return None
  names = np.unique(np.asarray(scenario)[known])
  means, counts = _by_scenario(hit, scenario, names)
  value, n = float(hit[known].mean()), int(counts.sum())
  spread = means.var() / max(1, len(names) - 1)
  trials = n if 0 < value < 1 else len(names)
  if spread > 0:
    trials = value * (1 - value) / spread
  low, high = _wilson(value, float(np.clip(trials, len(names), n)))
  return statistics.Estimate(value=value, low=low, high=high, n=n)


def difference(
    hit: np.ndarray,
    scenario: np.ndarray,
    base_hit: np.ndarray,
    base_scenario: np.ndarray,
    seed: int,
    resamples: int = 2000,
) -> Difference | None:
  """A condition's share minus that without, paired by scenario.

  The interval is a BCa bootstrap over scenarios. Where fewer than 5 scenarios
  differ, and so wherever all differences are 0, it is `paired_score_interval`
  with each scenario as one trial: of 0 hits in 20 and 0 in 20 it says -0.16 to
  0.16, where a bootstrap says 0 to 0. With several samples a scenario it is
  wider than it need be. In simulations of 8 to 40 scenarios, alike or not, 88
  to 100 % of the intervals hold the truth, fewest of 8.

  p is that of `sign_flip`.

  Args:
    hit: [N], 1, 0 or NaN where it does not count, under the condition.
    scenario: [N].
    base_hit: [M], without it.
    base_scenario: [M].
    seed: of the bootstrap.
    resamples: of it.

  Returns:
    The mean over scenarios that have both; None if none has.
  """
  names = np.intersect1d(
      np.asarray(scenario)[~np.isnan(hit)],
      np.asarray(base_scenario)[~np.isnan(base_hit)],
  )
  if not len(names):
    return None
  x, count = _by_scenario(hit, scenario, names)
  y, base_count = _by_scenario(base_hit, base_scenario, names)
  off = x - y
  out = Difference(
      value=float(off.mean()),
      low=None,
      high=None,
      n=len(names),
      p=sign_flip(off, math.lcm(*count.tolist(), *base_count.tolist())),
      interval='score',
  )
  if np.count_nonzero(off) >= _FEW:
    found = resampling.bootstrap(
        np.mean, (off,), np.arange(len(off)), seed, resamples
    )
    if found['low'] is not None:
      return out | {
          'low': found['low'],
          'high': found['high'],
          'interval': 'bootstrap',
      }
  low, high = paired_score_interval(x, y)
  return out | {'low': low, 'high': high}


def sign_flip(differences: np.ndarray, parts: int = 1) -> float:
  """The two-sided p of a mean difference, exact over all flips of signs.

  Where a condition changes nothing, either of a scenario's shares could be the
  other's. Of single samples it is McNemar's exact test. All 2^S flips are
  counted, one scenario after another; p is never 0 and at least 2^(1 - S).

  Args:
    differences: [S], of shares.
    parts: all are multiples of 1 / parts. Where sums could be more than 262,144
      parts are coarser: the test is of rounded differences, and as valid.
  """
  parts = max(1, min(parts, _CELLS // max(1, len(differences))))
  steps = np.rint(np.asarray(differences, float) * parts).astype(int)
  steps = steps[steps != 0]
  total = int(np.abs(steps).sum())
  chance = np.zeros(total + 1)  # Of the sum of those with a plus.
  chance[0] = 1
  for step in np.abs(steps):
    kept = chance / 2
    kept[step:] += chance[: total + 1 - step] / 2
    chance = kept
  sums = 2 * np.arange(total + 1) - total
  p = chance[np.abs(sums) >= abs(steps.sum())].sum()
  return float(np.clip(p, np.finfo(float).tiny, 1))


def paired_score_interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
  """Newcombe's hybrid score interval of the difference of paired shares.

  Newcombe (1998), Statistics in Medicine 17:2635, without corrections for
  continuity: Wilson's limits of both, and how far the pairs are correlated, 0
  where one does not vary.

  Args:
    x: [S] shares, 0 to 1.
    y: [S].

  Returns:
    The ends of the 95 % interval of the mean of x - y.
  """
  a, b = float(np.mean(x)), float(np.mean(y))
  (low_a, high_a), (low_b, high_b) = _wilson(a, len(x)), _wilson(b, len(y))
  r = float(np.nan_to_num(statistics.pearson(np.asarray(x), np.asarray(y))))

  def distance(first: float, second: float) -> float:
    return math.sqrt(max(0, first**2 - 2 * r * first * second + second**2))

  return (
      a - b - distance(a - low_a, high_b - b),
      a - b + distance(high_a - a, b - low_b),
  )


def slope(
    hit: np.ndarray,
    scenario: np.ndarray,
    strength: np.ndarray,
    seed: int,
    resamples: int = 2000,
    draws: int = 1999,
) -> Slope | None:
  """The change of a share per 0.1 of strength, by least squares in scenarios.

  Each scenario has its own level, and all the same slope. The interval is a BCa
  bootstrap over scenarios, None where it has none; p is of strengths permuted
  within scenarios, 1 where all hits of each are alike.

  Args:
    hit: [N], 1, 0 or NaN where it does not count.
    scenario: [N].
    strength: [N], 0 where unsteered.
    seed: of the bootstrap and of the permutations.
    resamples: of the bootstrap.
    draws: of the permutations.

  Returns:
    The slope; its n is the number of scenarios with two strengths or more.
    None if there is none.
  """
  hit, strength = np.asarray(hit, float), np.asarray(strength, float)
  known = ~np.isnan(hit)
  names, group = np.unique(np.asarray(scenario)[known], return_inverse=True)
  x, y = (_within(v[known], group, len(names)) for v in (strength, hit))
  over, under = (np.bincount(group, x * v, len(names)) for v in (y, x))
  used = under > 1e-12
  if not used.any():
    return None
  ratio = lambda a, b, axis: 0.1 * a.sum(axis) / b.sum(axis)
  found = resampling.bootstrap(
      ratio, (over[used], under[used]), np.arange(used.sum()), seed, resamples
  )
  p = _permuted_p(x, y, group, seed, draws)
  return Slope(**found, p=p)


def control_band(values: Sequence[float]) -> statistics.Estimate:
  """Where differences of directions of a control lie: [K].

  Their central 95 %; of fewer than 40 their whole range, which is no such
  share: of K alike, a further one is outside it in 2 of K + 1 cases, thus one
  in two for 3 of them. Of one there is no range.

  Returns:
    Their mean, the band, and K.
  """
  values = np.asarray(values, float)
  if len(values) >= _MANY:
    return statistics.band(values)
  several = len(values) > 1
  return statistics.Estimate(
      value=float(values.mean()),
      low=float(values.min()) if several else None,
      high=float(values.max()) if several else None,
      n=len(values),
  )


def _by_scenario(
    hit: np.ndarray, scenario: np.ndarray, names: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Means [S] and counts [S] of what counts, of the scenarios of `names`."""
  hit, scenario = np.asarray(hit, float), np.asarray(scenario)
  kept = ~np.isnan(hit) & np.isin(scenario, names)
  index = np.searchsorted(names, scenario[kept])
  count = np.bincount(index, minlength=len(names))
  return np.bincount(index, hit[kept], len(names)) / count, count


def _within(values: np.ndarray, group: np.ndarray, size: int) -> np.ndarray:
  """[N], less the mean of each group."""
  means = np.bincount(group, values, size) / np.bincount(group, minlength=size)
  return values - means[group]


def _permuted_p(x, y, group, seed, draws) -> float:
  """Twice the smaller tail of x @ y, x permuted within groups."""
  rng, value = np.random.default_rng(seed), float(x @ y)
  # Sums in another order differ by less.
  slack = 1e-12 * max(1.0, float(np.abs(x) @ np.abs(y)))
  above = below = 1  # The data's own order.
  step = max(1, _BATCH // len(x))
  for start in range(0, draws, step):
    orders = effects.permuted_within(rng, group, min(step, draws - start))
    null = x[orders] @ y
    above += int(np.sum(null >= value - slack))
    below += int(np.sum(null <= value + slack))
  return min(1.0, 2 * min(above, below) / (draws + 1))


def _wilson(value: float, n: float) -> tuple[float, float]:
  """Wilson's 95 % interval of a share of n trials, not always a whole n."""
  z = float(scipy.stats.norm.ppf(0.975))
  centre = (value + z**2 / (2 * n)) / (1 + z**2 / n)
  half = z / (1 + z**2 / n)
  half *= math.sqrt(value * (1 - value) / n + z**2 / (4 * n**2))
  return max(0.0, centre - half), min(1.0, centre + half)
