"""How many observations a comparison needs, and what it could then detect."""

import math

import numpy as np
import scipy.optimize
import scipy.stats
from statsmodels.stats import power as power_lib
from statsmodels.stats import proportion

from emojax import errors

_FEW = 12  # Groups whose signs are all tried: 4096.


def sample_size_for_proportions(
    p0: float, p1: float, power: float = 0.8, alpha: float = 0.05
) -> int:
  """How many trials each arm needs to tell two proportions apart.

  The two-sided z test of two proportions, its standard error pooled under the
  null and not under the alternative (Fleiss, Levin & Paik 2003, eq. 4.14, with
  no correction for continuity). With d = p1 - p0 and p the mean of the two:

    n = (z(1 - alpha/2) sqrt(2 p (1 - p))
         + z(power) sqrt(p0 (1 - p0) + p1 (1 - p1)))^2 / d^2

  rounded up: to halve 50, 20 or 10 % at 80 % power takes 57.7, 199.0 and 434.4,
  thus 58, 199 and 435. Tables may say one more or less, since they round to
  the nearest or round the quantiles first. Cohen's arcsine effect size, the
  other common formula, asks for 58, 195 and 424.

  Args:
    p0: the base rate, above 0 and below 1.
    p1: the rate that is to be told from it.
    power: the chance that the test then finds it.
    alpha: of the test, two-sided.

  Returns:
    The number per arm.

  Raises:
    InputError: for numbers that are no two different proportions.
  """
  _check(power, alpha)
  if not (0 < p0 < 1 and 0 < p1 < 1) or p0 == p1:
    raise errors.InputError(
        f'Proportions {p0} and {p1}: give two different ones between 0 and 1.'
    )
  return math.ceil(
      proportion.samplesize_proportions_2indep_onetail(
          p1 - p0, p0, power, alpha=alpha, alternative='two-sided'
      )
  )


def detectable_proportions(
    p0: float,
    n: int,
    power: float = 0.8,
    alpha: float = 0.05,
    groups: int | None = None,
) -> tuple[float | None, float | None]:
  """The nearest shares that n pairs tell from a base rate: what a grid can do.

  The other way round than `sample_size_for_proportions`, and exact, so that a
  base rate may be 0 or 1: the chance that McNemar's exact test (signs of the
  pairs that differ, flipped) finds the change, summed over how many differ. Of
  large n both agree. Pairs are taken as independent; where both of a pair are
  alike, as of one scenario, less is enough.

  Args:
    p0: the base rate, 0 to 1.
    n: pairs: trials of each of the two conditions.
    power: the chance that the test then finds it, with its sign.
    alpha: of the test, two-sided; of the first step of Holm's, 0.05 over the
      number of tests.
    groups: S scenarios that the trials are equally many samples of, so that
      signs are flipped by scenario; n if None. No p is then below 2^(1 - S),
      and the chance is at most that of S differences: simulated for up to 12,
      else that of Student's t test.

  Returns:
    The lowest share above p0 that is found, and the highest below; None where
    there is none.

  Raises:
    InputError: for a base rate outside 0 to 1, or no pairs.
  """
  _check(power, alpha)
  groups = n if groups is None else groups
  if not 0 <= p0 <= 1 or not 1 <= groups <= n:
    raise errors.InputError(
        f'A base rate of {p0}, {n} pairs and {groups} groups: give a rate of 0'
        ' to 1, and a pair or more in each group.'
    )

  least = _fewest_ups(n, alpha)

  def rise(base: float) -> float | None:
    def lacks(p1: float) -> float:
      return _chance_of_rise(base, p1, least, groups, alpha) - power

    if base >= 1 or 2.0 ** (1 - groups) > alpha or lacks(1.0) < 0:
      return None
    return float(scipy.optimize.brentq(lacks, base, 1.0, xtol=1e-4))

  higher, lower = rise(p0), rise(1 - p0)
  return higher, None if lower is None else 1 - lower


def _fewest_ups(n: int, alpha: float) -> np.ndarray:
  """[n + 1]: of so many pairs that differ, the fewest ups with a p of alpha."""
  differ = np.arange(n + 1)
  least = differ - scipy.stats.binom.ppf(alpha / 2, differ, 0.5)
  least += scipy.stats.binom.sf(least - 1, differ, 0.5) > alpha / 2
  return np.where(differ == 0, 1, least)


def _chance_of_rise(
    p0: float, p1: float, least: np.ndarray, groups: int, alpha: float
) -> float:
  """The chance that signs of pairs, flipped, find p1 above p0."""
  n = len(least) - 1
  up, down = p1 * (1 - p0), p0 * (1 - p1)
  ups = up / (up + down) if up + down > 0 else 0.0
  differ = np.arange(n + 1)
  found = scipy.stats.binom.sf(least - 1, differ, ups)
  chance = float(scipy.stats.binom.pmf(differ, n, up + down) @ found)
  if groups == n:
    return chance
  found = _by_few_groups if groups <= _FEW else _by_groups
  return min(chance, found(p0, p1, n / groups, groups, alpha))


def _by_groups(
    p0: float, p1: float, samples: float, groups: int, alpha: float
) -> float:
  """The chance that Student's t of means of groups finds the rise.

  Less the continuity correction of one sample: shares of few samples are
  coarse, and the signs of 0 do not count.
  """
  variance = p0 * (1 - p0) + p1 * (1 - p1)
  off = max(0.0, p1 - p0 - 1 / (samples * groups))
  shift = off * np.sqrt(samples * groups / max(variance, 1e-12))
  bound = scipy.stats.t.isf(alpha / 2, groups - 1)
  # Far above the bound scipy's has no number; the chance is then 1.
  found = scipy.stats.nct.sf(bound, groups - 1, shift)
  return float(np.nan_to_num(found, nan=1.0))


def _by_few_groups(
    p0: float, p1: float, samples: float, groups: int, alpha: float
) -> float:
  """The same by 1000 simulated grids and all 2^groups signs of each.

  From the same uniform numbers at any p1, so that it never falls as p1 rises.
  """
  uniform = np.random.default_rng(0).random((2, 1000, groups))
  base, risen = (
      scipy.stats.binom.ppf(u, round(samples), p)
      for u, p in zip(uniform, (p0, p1), strict=True)
  )
  signs = 1 - 2 * (np.arange(2**groups)[:, None] >> np.arange(groups) & 1)
  off = risen - base
  far = np.abs(off @ signs.T) >= np.abs(off.sum(axis=1))[:, None]
  return float(((far.mean(axis=1) <= alpha) & (off.sum(axis=1) > 0)).mean())


def detectable_correlation(
    n: int, power: float = 0.8, alpha: float = 0.05
) -> float:
  """The smallest correlation that n pairs find with this power, two-sided.

  By Fisher's z, whose standard error is 1 / sqrt(n - 3):
  tanh((z(1 - alpha/2) + z(power)) / sqrt(n - 3)). The chance to find it with
  the wrong sign is left out, as it is below alpha / 2.

  Raises:
    InputError: for fewer than 4 pairs.
  """
  _check(power, alpha)
  if n < 4:
    raise errors.InputError(
        f'{n} pairs have no power to speak of: use 4 or more.'
    )
  z = scipy.stats.norm.ppf(1 - alpha / 2) + scipy.stats.norm.ppf(power)
  return float(np.tanh(z / np.sqrt(n - 3)))


def power_of_difference(
    effect: float, n0: int, n1: int, alpha: float = 0.05
) -> float:
  """The chance that Student's two-sided t test tells two means apart.

  Args:
    effect: Cohen's d, the difference of the means over the standard deviation
      that both groups share.
    n0: observations in one group, 2 or more; clusters, where they are alike
      within clusters.
    n1: in the other.
    alpha: of the test.

  Returns:
    The power, by the noncentral t distribution; alpha where the effect is 0.

  Raises:
    InputError: for groups of fewer than 2.
  """
  _check(0.5, alpha)
  if min(n0, n1) < 2:
    raise errors.InputError(
        f'Groups of {n0} and {n1} have no spread: plan for 2 or more in each.'
    )
  return float(
      power_lib.TTestIndPower().power(effect, n0, alpha, ratio=n1 / n0)
  )


def _check(power: float, alpha: float) -> None:
  for name, value in (('power', power), ('alpha', alpha)):
    if not 0 < value < 1:
      raise errors.InputError(f'{name} is {value}: give one between 0 and 1.')
