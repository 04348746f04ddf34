"""Rates and differences hold the truth as often as they say."""

import itertools

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats import proportion

from emojax import rates
from emojax import statistics

NAN = float('nan')


def _ends(estimate):
  return [estimate['low'], estimate['high']]


def test_one_sample_a_scenario_has_wilsons_interval():
  hit = np.array([1.0] * 3 + [0.0] * 17 + [NAN])
  got = rates.share(hit, np.arange(21))
  assert got == pytest.approx(statistics.wilson(3, 20))
  assert rates.share(hit[20:], np.arange(1)) is None


def test_samples_of_a_scenario_that_are_all_alike_count_as_one():
  hit = np.repeat([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 10)
  got = rates.share(hit, np.repeat(np.arange(8), 10))
  assert _ends(got) == pytest.approx(_ends(statistics.wilson(2, 8)))
  assert (got['value'], got['n']) == (0.25, 80)
  # Of shares that are all 0 nobody can tell: the wider one.
  none = rates.share(0 * hit, np.repeat(np.arange(8), 10))
  assert _ends(none) == pytest.approx(_ends(statistics.wilson(0, 8)))


def test_samples_that_are_independent_count_in_full():
  hit = np.tile([1.0, 0.0, 0.0, 0.0], 30)  # Every scenario has a quarter.
  got = rates.share(hit, np.repeat(np.arange(30), 4))
  assert got == pytest.approx(statistics.wilson(30, 120))


@pytest.mark.parametrize('x, y', [(0, 0), (20, 20), (20, 0), (3, 0)])
def test_without_variation_the_score_interval_is_that_of_independent_arms(x, y):
  # The reference has no correlation of pairs; nor have these.
  ones = lambda hits: np.array([1.0] * hits + [0.0] * (20 - hits))
  expected = proportion.confint_proportions_2indep(
      x, 20, y, 20, method='newcomb'
  )
  got = rates.paired_score_interval(ones(x), ones(y))
  assert got == pytest.approx(expected)


def test_pairs_that_go_together_have_a_narrower_score_interval():
  x = np.array([1.0] * 10 + [0.0] * 10)
  low, high = rates.paired_score_interval(x, x)
  apart_low, apart_high = rates.paired_score_interval(
      x, np.tile([0.0, 1.0], 10)
  )
  assert low == pytest.approx(0) and high == pytest.approx(0)
  assert apart_high - apart_low > 0.4


def test_nothing_against_nothing_is_no_certainty():
  none, at = np.zeros(20), np.arange(20)
  got = rates.difference(none, at, none, at, seed=0)
  assert got['value'] == 0 and got['p'] == 1 and got['interval'] == 'score'
  assert got['low'] == pytest.approx(-0.161, abs=1e-3)
  assert got['high'] == pytest.approx(0.161, abs=1e-3)


def test_signs_flipped_of_single_samples_are_mcnemars_exact_test():
  for up, down in ((6, 0), (9, 2), (3, 3), (1, 8)):
    off = np.array([1.0] * up + [-1.0] * down + [0.0] * 5)
    expected = scipy.stats.binomtest(up, up + down).pvalue
    assert rates.sign_flip(off) == pytest.approx(expected)


def test_the_sign_flip_counts_all_flips():
  rng = np.random.default_rng(0)
  for parts in (3, 4, 20):
    off = rng.integers(-parts, parts + 1, 9) / parts
    flips = np.array(list(itertools.product((-1, 1), repeat=9)))
    sums = np.round(np.abs(flips @ off), 9)
    expected = np.mean(sums >= np.round(abs(off.sum()), 9))
    assert rates.sign_flip(off, parts) == pytest.approx(expected)


@pytest.mark.parametrize('count', [1, 7, 3000])
def test_no_p_is_below_that_of_all_on_one_side(count):
  p = rates.sign_flip(np.ones(count))
  assert p > 0
  assert p == pytest.approx(max(2.0 ** (1 - count), 1e-300), abs=1e-300)


def test_a_test_of_rounded_differences_is_near_that_of_the_differences():
  rng = np.random.default_rng(1)
  off = rng.choice([-0.4, -0.1, 0.2, 0.5, 0.7], 50)
  assert rates.sign_flip(off, 10**6) == pytest.approx(
      rates.sign_flip(off, 10), rel=0.01
  )


def test_a_difference_is_paired_by_scenario():
  # The last two scenarios have one side alone.
  hit = np.array([1.0, 0.0, 1.0, 1.0, NAN, 1.0])
  base = np.array([0.0, 0.0, 1.0, 0.0, 1.0])
  got = rates.difference(
      hit, np.array(list('aabbcd')), base, np.array(list('abbce')), seed=0
  )
  assert got['n'] == 2
  assert got['value'] == pytest.approx((0.5 + 0.5) / 2)
  alone = rates.difference(
      hit[:1], np.array(['a']), base[:1], np.array(['b']), 0
  )
  assert alone is None


def _draw(rng, rate, spread, scenarios, samples):
  """Hits and scenarios: half of these tempt more, the other half less."""
  sign = np.where(rng.permutation(scenarios) % 2, 1, -1)
  out = []
  for each in rate:
    own = each + spread * sign * min(each, 1 - each)
    out.append((rng.random((samples, scenarios)) < own).ravel().astype(float))
  return out, np.tile(np.arange(scenarios), samples)


@pytest.mark.parametrize(
    'scenarios, samples, rate, spread',
    [
        (40, 1, (0.25, 0.03), 0),
        (40, 1, (0.03, 0.03), 0),
        (20, 1, (0.3, 0.1), 1),
        (12, 5, (0.3, 0.1), 0.8),
    ],
)
def test_intervals_hold_the_truth(scenarios, samples, rate, spread):
  rng, held, base, trials = np.random.default_rng(0), 0, 0, 120
  for _ in range(trials):
    (hit, other), at = _draw(rng, rate, spread, scenarios, samples)
    got = rates.difference(hit, at, other, at, seed=0, resamples=300)
    held += got['low'] <= rate[0] - rate[1] <= got['high']
    share = rates.share(other, at)
    base += share['low'] <= rate[1] <= share['high']
  assert held / trials >= 0.9 and base / trials >= 0.9


def _found(rate, spread, scenarios=20, samples=1, tests=6, trials=400):
  """How often the first condition, and any, is found after Holm."""
  rng, first, any_ = np.random.default_rng(1), 0, 0
  for _ in range(trials):
    each = (*rate, *[rate[1]] * (tests - 1))
    hits, _ = _draw(rng, each, spread, scenarios, samples)
    hit, base, *others = (
        x.reshape(samples, scenarios).mean(axis=0) for x in hits
    )
    # All tests share the unsteered episodes, as those of a grid do.
    p = [rates.sign_flip(x - base, samples) for x in (hit, *others)]
    holm = statistics.holm(np.array(p))
    first += holm[0] <= 0.05
    any_ += holm.min() <= 0.05
  return first / trials, any_ / trials


@pytest.mark.parametrize('spread', [0, 0.8])
def test_where_nothing_happens_something_is_found_as_often_as_alpha(spread):
  # Exact tests of coarse shares find less, and those of one base go together.
  _, any_ = _found((0.4, 0.4), spread, scenarios=40, samples=5)
  assert 0.01 <= any_ <= 0.06


def test_scenarios_that_differ_widely_do_not_hide_an_effect():
  alike, _ = _found((0.75, 0.25), 0)
  apart, _ = _found((0.75, 0.25), 1)
  assert apart > alike > 0.4


def test_a_slope_is_what_a_tenth_of_strength_adds():
  rng, scenarios = np.random.default_rng(2), 60
  strength = np.repeat([-0.1, 0.0, 0.05, 0.1], scenarios)
  at = np.tile(np.arange(scenarios), 4)
  level = np.where(np.arange(scenarios) % 2, 0.7, 0.3)[at]
  hit = (rng.random(len(at)) < level + 2 * strength).astype(float)
  hit[::17] = NAN
  got = rates.slope(hit, at, strength, seed=0)
  assert got['low'] < 0.2 < got['high'] and got['n'] == scenarios
  assert got['value'] == pytest.approx(0.2, abs=0.08)
  assert got['p'] == pytest.approx(2 / 2000)
  # Strengths that mean nothing have no slope.
  flat = (rng.random(len(at)) < level).astype(float)
  none = rates.slope(flat, at, strength, seed=0)
  assert none['low'] < 0 < none['high'] and none['p'] > 0.05


def test_a_slope_of_nothing_has_no_interval_and_no_find():
  at, strength = np.tile(np.arange(6), 2), np.repeat([0.0, 0.1], 6)
  got = rates.slope(np.zeros(12), at, strength, seed=0)
  assert (got['value'], got['low'], got['p']) == (0, None, 1)
  assert rates.slope(np.ones(6), np.arange(6), np.full(6, 0.1), 0) is None


def test_few_controls_have_their_range_and_many_their_middle():
  few = rates.control_band([0.1, -0.2, 0.0])
  assert (few['low'], few['high'], few['n']) == (-0.2, 0.1, 3)
  one = rates.control_band([0.1])
  assert (one['value'], one['low'], one['n']) == (0.1, None, 1)
  values = np.linspace(0, 1, 101)
  assert rates.control_band(values) == statistics.band(values)
