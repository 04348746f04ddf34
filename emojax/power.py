"""How many observations a comparison needs, and what it could then detect."""

import math

import numpy as np
import scipy.stats
from statsmodels.stats import power as power_lib
from statsmodels.stats import proportion

from emojax import errors


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
