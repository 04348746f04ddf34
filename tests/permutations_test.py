"""p is exact where it can be, never 0, and uniform where the null holds."""

import itertools
import json
import math

import numpy as np
import pytest
import scipy.stats

from emojax import errors
from emojax import permutations
from emojax import statistics


def _assert_uniform(p):
  """Of p values under the null; they are discrete, so never below uniform."""
  p = np.array(p)
  # The largest distance of 400 uniform draws is below 0.081 with 99 %.
  assert scipy.stats.kstest(p, 'uniform').statistic < 1.63 / np.sqrt(len(p))
  sd = np.sqrt(0.05 * 0.95 / len(p))
  assert abs(np.mean(p <= 0.05) - 0.05) < 3 * sd


def test_seven_monotone_points_have_the_least_p_there_is():
  x = np.arange(7.0)
  for y, rho in ((np.exp(x), 1), (-(x**3), -1)):
    got = permutations.spearman(x, y, 0)
    np.testing.assert_allclose(got['value'], rho)
    np.testing.assert_allclose(got['p'], 2 / 5040)
    assert got['n'] == 7 and got['exact'] and got['permutations'] == 5040


@pytest.mark.parametrize('n', [2, 3, 5, 6])
def test_the_orders_are_all_there_are(n):
  got = permutations._orders(n)
  assert sorted(map(tuple, got)) == list(itertools.permutations(range(n)))


@pytest.mark.parametrize(
    'x, y',
    [
        ([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5]),
        ([1, 2, 2, 3, 3, 3], [0.5, 0.1, 0.1, 0.9, 0.7, 0.9]),  # Ties in both.
        ([1, 1, 1, 1, 1, 2], [3, 1, 2, 6, 5, 4]),
        ([0, 0, 1, 1, 1, 1], [0, 1, 0, 0, 0, 0]),
    ],
)
def test_an_exact_spearman_agrees_with_scipys(x, y):
  rho = lambda x: scipy.stats.spearmanr(x, y).statistic
  expected = scipy.stats.permutation_test(
      [x], rho, permutation_type='pairings', n_resamples=np.inf
  )
  got = permutations.spearman(np.array(x), np.array(y), 0)
  np.testing.assert_allclose(got['value'], expected.statistic)
  np.testing.assert_allclose(got['p'], expected.pvalue)


def test_ten_pairs_are_permuted_at_random_and_p_is_not_0():
  x = np.arange(10.0)
  got = permutations.spearman(x, x, 0, draws=499)
  assert not got['exact'] and got['permutations'] == 499
  assert got['p'] == 2 * 1 / 500


def test_spearmans_p_is_uniform_without_an_association():
  draw = np.random.default_rng(3).normal
  _assert_uniform(
      [
          permutations.spearman(draw(size=n), draw(size=n), 0, draws=399)['p']
          for n in (8, 20)
          for _ in range(200)
      ]
  )


def test_the_null_of_spearman_spreads_as_theory_says():
  x, y = np.random.default_rng(4).normal(size=(2, 50))
  null = permutations.spearman(x, y, 0)['null']
  half = scipy.stats.norm.ppf(0.975) / np.sqrt(49)
  np.testing.assert_allclose(
      [null['low'], null['value'], null['high']], [-half, 0, half], atol=0.02
  )


@pytest.mark.parametrize('n', [5, 30])
def test_a_constant_has_no_correlation_and_no_p(n):
  got = permutations.spearman(np.ones(n), np.arange(n), 0, draws=99)
  assert np.isnan(got['value']) and got['p'] is None and got['null'] is None


def _confounded(rng, r=0.0):
  """Eight categories of eight that differ in both x and y."""
  group = np.repeat(np.arange(8), 8)
  x, noise = rng.normal(size=(2, 64))
  y = r * x + np.sqrt(1 - r**2) * noise
  return x + 2 * group, y + 2 * group, group


def test_a_confound_between_groups_is_taken_off():
  x, y, group = _confounded(np.random.default_rng(5))
  assert statistics.correlation(x, y)['r'] > 0.9
  got = permutations.within_group_correlation(x, y, group, 0)
  assert abs(got['value']) < 0.25 and got['p'] > 0.05
  assert got['low'] < 0 < got['high']
  assert got['n'] == 64 and got['groups'] == 8


def test_a_correlation_within_groups_is_found_under_an_opposite_confound():
  x, y, group = _confounded(np.random.default_rng(6), r=0.6)
  y = y - 4 * group
  assert statistics.correlation(x, y)['r'] < -0.8
  got = permutations.within_group_correlation(x, y, group, 0)
  assert 0.4 < got['value'] < 0.8 and got['p'] < 0.001
  assert 0 < got['low'] < got['value'] < got['high']


def test_within_groups_is_pearson_after_their_means_and_order_is_nothing():
  x, y, group = _confounded(np.random.default_rng(7), r=0.3)
  off = [v - np.repeat(v.reshape(8, 8).mean(axis=1), 8) for v in (x, y)]
  got = permutations.within_group_correlation(x, y, group, 0)
  np.testing.assert_allclose(got['value'], np.corrcoef(*off)[0, 1])
  at = np.random.default_rng(8).permutation(64)
  names = np.array(list('abcdefgh'))[group]
  again = permutations.within_group_correlation(x[at], y[at], names[at], 0)
  np.testing.assert_allclose(again['value'], got['value'])


def test_one_group_is_pearson_without_an_interval():
  x, y, _ = _confounded(np.random.default_rng(9), r=0.5)
  got = permutations.within_group_correlation(x, y, np.zeros(64), 0)
  np.testing.assert_allclose(got['value'], np.corrcoef(x, y)[0, 1])
  assert got['low'] is None and got['high'] is None
  assert abs(got['p'] - scipy.stats.pearsonr(x, y).pvalue) < 0.005


def test_permutations_stay_within_groups_and_reach_all_orders():
  group = np.array([0, 0, 1, 1, 1])
  seen = set()

  def statistic(at):
    seen.update(map(tuple, at))
    return at[:, 0]

  permutations._shuffled(statistic, group, 0, draws=300, width=5)
  assert seen == {
      first + last
      for first in itertools.permutations((0, 1))
      for last in itertools.permutations((2, 3, 4))
  }


def test_smaller_batches_draw_the_same(monkeypatch):
  x, y, group = _confounded(np.random.default_rng(10))
  whole = permutations.within_group_correlation(x, y, group, 0, draws=199)
  monkeypatch.setattr(permutations, '_BATCH', 64 * 30)
  parts = permutations.within_group_correlation(x, y, group, 0, draws=199)
  # A matrix product of fewer rows may be rounded otherwise.
  for a, b in ((whole.pop('null'), parts.pop('null')), (whole, parts)):
    assert a == pytest.approx(b, rel=1e-9)


def test_the_p_within_groups_is_uniform_under_a_confound():
  rng = np.random.default_rng(11)
  _assert_uniform(
      [
          permutations.within_group_correlation(
              *_confounded(rng), 0, resamples=1, draws=399
          )['p']
          for _ in range(400)
      ]
  )


@pytest.mark.parametrize('constant', [0.1, 0.7, 1e6 / 3])
def test_groups_of_one_or_of_equal_values_say_nothing(constant):
  y = np.random.default_rng(12).normal(size=12)
  for x, group in (
      (y**2, np.arange(12)),
      (constant * (1 + np.arange(12) // 3), np.arange(12) // 3),
  ):
    got = permutations.within_group_correlation(x, y, group, 0)
    assert np.isnan(got['value']) and got['p'] is None
    assert got['low'] is None and got['high'] is None


def test_the_difference_of_two_samples_by_hand():
  # Of 20 splits only this one and its mirror are so far apart.
  got = permutations.difference_test(
      np.array([5.0, 6, 7]), np.array([1.0, 2, 3]), 0
  )
  assert got['value'] == 4 and got['n'] == 6
  assert got['exact'] and got['permutations'] == 20
  np.testing.assert_allclose(got['p'], 2 / 20)


def test_the_difference_of_pairs_by_hand():
  x = np.array([2.0, 3, 5, 9])
  # Differences 1, 1, 2, -1. Of 16 signs 1 sums to 5 and 4 to 3: 5 are 3 or up.
  got = permutations.difference_test(
      x, x - np.array([1, 1, 2, -1]), 0, paired=True
  )
  assert got['value'] == 0.75 and got['n'] == 4 and got['permutations'] == 16
  np.testing.assert_allclose(got['p'], 2 * 4 / 16)


def test_a_difference_that_no_permutation_reaches_has_a_p_above_0():
  x, y = np.arange(30.0) + 1000, np.arange(30.0)
  for paired in (False, True):
    got = permutations.difference_test(x, y, 0, draws=199, paired=paired)
    assert not got['exact'] and got['p'] == 2 / 200


@pytest.mark.parametrize(
    'n, paired', [(5, False), (8, True), (16, False), (16, True)]
)
def test_the_p_of_a_difference_is_uniform_under_the_null(n, paired):
  rng = np.random.default_rng(n)
  p = []
  for trial in range(400):
    x, y = rng.exponential(size=(2, n))
    got = permutations.difference_test(x, y, trial, draws=299, paired=paired)
    p.append(got['p'])
  _assert_uniform(p)


def test_pairs_that_agree_are_told_apart_only_as_pairs():
  rng = np.random.default_rng(13)
  x = 10 * rng.normal(size=20)
  y = x - 1 + 0.3 * rng.normal(size=20)
  assert permutations.difference_test(x, y, 0, paired=True)['p'] < 0.001
  assert permutations.difference_test(x, y, 0)['p'] > 0.5


def test_equal_samples_have_p_1():
  got = permutations.difference_test(np.full(5, 0.1), np.full(4, 0.1), 0)
  assert got['p'] == 1


def test_planted_clusters_are_recovered_and_random_ones_are_not():
  rng = np.random.default_rng(14)
  a = rng.integers(10, size=171)
  b = np.where(rng.random(171) < 0.7, a, rng.integers(10, size=171))
  got = permutations.rand_index_test(a, b, 0, draws=999)
  assert got['value'] > 0.4 and got['p'] == 2 / 1000 and got['n'] == 171
  assert got['null']['low'] < 0 < got['null']['high'] < 0.1
  chance = permutations.rand_index_test(a, rng.permutation(b), 0, draws=999)
  assert abs(chance['value']) < 0.1 and chance['p'] > 0.05


def test_the_p_of_a_rand_index_is_uniform_by_chance():
  rng = np.random.default_rng(15)
  _assert_uniform(
      [
          permutations.rand_index_test(
              *rng.integers(6, size=(2, 120)), trial, draws=199
          )['p']
          for trial in range(400)
      ]
  )


def test_every_result_can_be_written_as_json():
  x, y, group = _confounded(np.random.default_rng(16))
  few = x[:5], y[:5]
  for got in (
      permutations.spearman(*few, 0),
      permutations.within_group_correlation(x, y, group, 0, 99, 99),
      permutations.difference_test(*few, 0),
      permutations.difference_test(x, y, 0, 99),
      permutations.rand_index_test(group, group[::-1] // 2, 0, 99),
  ):
    assert json.loads(json.dumps(got)) == got
    assert math.isfinite(got['p'])


@pytest.mark.parametrize(
    'call',
    [
        lambda: permutations.spearman(np.ones(3), np.ones(4), 0),
        lambda: permutations.spearman(np.ones(1), np.ones(1), 0),
        lambda: permutations.rand_index_test(np.ones(3), np.ones(4), 0),
        lambda: permutations.difference_test(np.ones(1), np.ones(4), 0),
        lambda: permutations.difference_test(
            np.ones(3), np.ones(4), 0, paired=True
        ),
        lambda: permutations.within_group_correlation(
            np.ones(3), np.ones(3), np.ones(2), 0
        ),
    ],
)
def test_arrays_that_cannot_be_permuted_are_refused(call):
  with pytest.raises(errors.InputError, match='2 (values )?or more'):
    call()
