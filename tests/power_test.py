"""Planned sizes find what they are planned for as often as they say."""

import numpy as np
import pytest
import scipy.stats

from emojax import errors
from emojax import power
from emojax import rates


@pytest.mark.parametrize('p0, expected', [(0.5, 58), (0.2, 199), (0.1, 435)])
def test_halving_a_base_rate_takes_as_many_as_the_tables_say(p0, expected):
  assert power.sample_size_for_proportions(p0, p0 / 2) == expected


def test_the_number_per_arm_is_the_closed_form():
  z, p0, p1 = scipy.stats.norm.ppf([0.99, 0.9]), 0.3, 0.42
  p = (p0 + p1) / 2
  null, other = 2 * p * (1 - p), p0 * (1 - p0) + p1 * (1 - p1)
  n = (z[0] * np.sqrt(null) + z[1] * np.sqrt(other)) ** 2 / (p1 - p0) ** 2
  for pair in ((p0, p1), (p1, p0), (1 - p0, 1 - p1)):
    got = power.sample_size_for_proportions(*pair, power=0.9, alpha=0.02)
    assert got == np.ceil(n)


@pytest.mark.parametrize('p0, p1', [(0.5, 0.25), (0.2, 0.1), (0.1, 0.05)])
def test_simulated_arms_of_that_number_find_the_difference(p0, p1):
  n = power.sample_size_for_proportions(p0, p1)
  rng = np.random.default_rng(0)
  x, y = (rng.binomial(n, p, 20000) / n for p in (p0, p1))
  pooled = (x + y) / 2
  found = np.abs(x - y) > 1.959964 * np.sqrt(2 * pooled * (1 - pooled) / n)
  # The normal curve stands in for the binomial: 1 or 2 % off.
  assert abs(found.mean() - 0.8) < 0.02


def test_a_detectable_correlation_is_fishers():
  # (1.959964 + 0.841621) / sqrt(64 - 3) = 0.358706.
  np.testing.assert_allclose(
      power.detectable_correlation(64), np.tanh(0.358706), atol=1e-6
  )


@pytest.mark.parametrize('n, chance', [(20, 0.8), (64, 0.8), (64, 0.5)])
def test_simulated_correlations_of_that_size_are_found(n, chance):
  r = power.detectable_correlation(n, chance)
  rng = np.random.default_rng(n)
  x, noise = rng.normal(size=(2, 8000, n))
  y = r * x + np.sqrt(1 - r**2) * noise
  found = scipy.stats.pearsonr(x, y, axis=1).pvalue < 0.05
  # Fisher's z is biased upwards by r / (2 (n - 1)): of 20 pairs, 2 % more.
  assert -0.015 < found.mean() - chance < 0.03


def test_more_pairs_detect_less_down_to_nothing():
  sizes = [power.detectable_correlation(n) for n in (4, 10, 100, 10**6)]
  assert sizes == sorted(sizes, reverse=True)
  assert sizes[0] > 0.99 and sizes[-1] < 0.003


def test_the_power_of_a_difference_is_cohens():
  # Cohen (1988), table 2.3.5: d = 0.5 and 64 in each group, 80 %.
  assert abs(power.power_of_difference(0.5, 64, 64) - 0.8015) < 1e-4
  assert power.power_of_difference(-0.5, 64, 64) == pytest.approx(0.8015, 1e-4)


@pytest.mark.parametrize('effect, n0, n1', [(0.8, 12, 40), (1.5, 3, 8)])
def test_simulated_groups_are_told_apart_that_often(effect, n0, n1):
  rng = np.random.default_rng(1)
  x = rng.normal(size=(8000, n0)) + effect
  y = rng.normal(size=(8000, n1))
  found = scipy.stats.ttest_ind(x, y, axis=1).pvalue < 0.05
  expected = power.power_of_difference(effect, n0, n1)
  assert abs(found.mean() - expected) < 0.02
  assert power.power_of_difference(effect, n1, n0) == pytest.approx(expected)


def test_no_effect_is_found_as_often_as_alpha_says():
  assert power.power_of_difference(0, 10, 10, 0.01) == pytest.approx(0.01)
  assert power.power_of_difference(9, 100, 100) == pytest.approx(1)


@pytest.mark.parametrize('p0, p1', [(0.5, 0.25), (0.2, 0.1), (0.1, 0.05)])
def test_of_many_pairs_the_detectable_share_is_the_one_they_were_planned_for(
    p0, p1
):
  n = power.sample_size_for_proportions(p0, p1)
  _, lower = power.detectable_proportions(p0, n)
  # The exact test asks for a little more than the normal curve.
  assert p1 - 0.02 < lower < p1


def _share_found(p0, p1, groups, samples, alpha, trials=600):
  rng = np.random.default_rng(3)
  x, y = (rng.binomial(samples, p, (trials, groups)) for p in (p1, p0))
  return np.mean(
      [
          rates.sign_flip(off, samples) <= alpha
          and np.sign(off.sum()) == np.sign(p1 - p0)
          for off in (x - y) / samples
      ]
  )


@pytest.mark.parametrize(
    'p0, groups, samples, tests',
    [
        (0.0, 40, 1, 6),
        (0.03, 40, 1, 6),
        (0.5, 20, 1, 1),
        (0.2, 8, 10, 6),
        (0.3, 20, 4, 6),
    ],
)
def test_simulated_grids_find_the_detectable_shares_that_often(
    p0, groups, samples, tests
):
  alpha = 0.05 / tests
  found = power.detectable_proportions(
      p0, groups * samples, alpha=alpha, groups=groups
  )
  for p1 in found:
    if p1 is not None:
      got = _share_found(p0, p1, groups, samples, alpha)
      assert abs(got - 0.8) < 0.05, p1
  assert found[0] > p0 and (found[1] is None or found[1] < p0)


def test_a_base_rate_near_an_end_leaves_one_direction():
  higher, lower = power.detectable_proportions(0.0, 40, alpha=0.05 / 6)
  assert lower is None and 0.2 < higher < 0.3
  mirrored = power.detectable_proportions(1.0, 40, alpha=0.05 / 6)
  assert mirrored[0] is None and mirrored[1] == pytest.approx(1 - higher)
  assert power.detectable_proportions(0.03, 40)[1] is None


def test_more_pairs_detect_nearer_shares_and_more_tests_further_ones():
  near = [power.detectable_proportions(0.2, n)[0] for n in (20, 40, 160)]
  assert near == sorted(near, reverse=True)
  far = [
      power.detectable_proportions(0.2, 40, alpha=0.05 / k)[0] for k in (1, 9)
  ]
  assert far == sorted(far)


def test_too_few_scenarios_show_nothing_however_many_samples():
  # 2^-6 = 0.016 is above 0.05 / 6.
  few = power.detectable_proportions(0.2, 7000, alpha=0.05 / 6, groups=7)
  assert few == (None, None)
  assert power.detectable_proportions(0.5, 5) == (None, None)


@pytest.mark.parametrize(
    'call, reason',
    [
        (lambda: power.sample_size_for_proportions(0.2, 0.2), 'two different'),
        (lambda: power.sample_size_for_proportions(0, 0.2), 'between 0 and 1'),
        (lambda: power.sample_size_for_proportions(0.1, 20), 'between 0 and 1'),
        (
            lambda: power.sample_size_for_proportions(0.1, 0.2, 80),
            'power is 80',
        ),
        (lambda: power.detectable_proportions(1.1, 9), 'rate of 0 to 1'),
        (lambda: power.detectable_proportions(0.1, 0), 'a pair or more'),
        (lambda: power.detectable_proportions(0.1, 9, groups=10), '10 groups'),
        (lambda: power.detectable_correlation(3), '4 or more'),
        (lambda: power.detectable_correlation(9, alpha=5), 'alpha is 5'),
        (lambda: power.power_of_difference(1, 1, 9), '2 or more'),
    ],
)
def test_what_cannot_be_planned_is_refused(call, reason):
  with pytest.raises(errors.InputError, match=reason):
    call()
