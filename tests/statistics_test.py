"""Intervals agree with closed forms and with an independent computation."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from emojax import statistics


def _width(estimate):
  return estimate['high'] - estimate['low']


def test_equal_clusters_have_an_interval_of_no_width():
  values = np.array([0.0, 1, 0, 1, 0, 1])
  got = statistics.cluster_bootstrap(values, np.array([0, 0, 1, 1, 2, 2]), 0)
  assert got == {'value': 0.5, 'low': 0.5, 'high': 0.5, 'n': 6}


def test_clusters_that_differ_widen_the_interval_over_a_naive_bootstrap():
  cluster = np.repeat(np.arange(10), 20)
  values = (cluster % 2).astype(float)  # Each topic all hits or all misses.
  got = statistics.cluster_bootstrap(values, cluster, 0)
  naive = statistics.cluster_bootstrap(values, np.arange(200), 0)
  # Ten draws of a coin against 200: sqrt(20) = 4.5 times as wide.
  assert 3.5 < _width(got) / _width(naive) < 5.5


def test_one_story_a_cluster_agrees_with_scipys_bootstrap():
  values = np.random.default_rng(0).exponential(size=60)
  got = statistics.cluster_bootstrap(values, np.arange(60), 1, resamples=20000)
  expected = scipy.stats.bootstrap(
      (values,), np.mean, method='percentile', n_resamples=20000, rng=2
  ).confidence_interval
  # The percentiles of 20,000 means are known to about 2 % of the width.
  margin = 0.04 * (expected.high - expected.low)
  assert abs(got['low'] - expected.low) < margin
  assert abs(got['high'] - expected.high) < margin


def test_a_resampled_mean_weighs_clusters_by_their_size():
  values, cluster = np.array([0.0, 1, 1, 1]), np.array([0, 1, 1, 1])
  # One resample each: clusters 00, 01, 10 or 11, of one story and three.
  means = {
      statistics.cluster_bootstrap(values, cluster, seed, resamples=1)['low']
      for seed in range(20)
  }
  assert means == {0, 0.75, 1}


def test_the_bootstrap_is_the_same_by_seed_and_another_by_another():
  values, cluster = np.arange(40.0) ** 2, np.arange(40) // 4
  first, same, other = (
      statistics.cluster_bootstrap(values, cluster, seed) for seed in (5, 5, 6)
  )
  assert first == same
  assert first['low'] != other['low']
  assert first['value'] == other['value'] == values.mean()


def test_one_cluster_has_a_mean_and_no_interval():
  got = statistics.cluster_bootstrap(np.array([1.0, 3]), np.array([4, 4]), 0)
  assert got == {'value': 2.0, 'low': None, 'high': None, 'n': 2}


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says():
  rng = np.random.default_rng(3)
  cluster = np.repeat(np.arange(20), 5)
  hits = 0
  for trial in range(200):
    values = rng.normal(size=20)[cluster] + 0.5 * rng.normal(size=100)
    got = statistics.cluster_bootstrap(values, cluster, trial, resamples=400)
    hits += got['low'] <= 0 <= got['high']
  # A percentile bootstrap of 20 clusters: some 93 %; 200 trials, sd 1.8 %. One
  # that took the 100 stories for independent would cover 60 %.
  assert 0.87 < hits / 200 < 0.985


@pytest.mark.parametrize('hits, n', [(0, 10), (3, 10), (10, 10), (170, 288)])
def test_wilson_is_the_closed_form(hits, n):
  z = scipy.special.ndtri(0.975)
  p = hits / n
  centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
  half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
  got = statistics.wilson(hits, n)
  assert got['value'] == p and got['n'] == n
  np.testing.assert_allclose(got['low'], centre - half, atol=1e-12)
  np.testing.assert_allclose(got['high'], centre + half, atol=1e-12)


def test_students_interval_is_the_closed_form():
  # Mean 3, variance 5/2 with n - 1 = 4, t(0.975, 4) = 2.7764451.
  got = statistics.student_mean(np.array([1.0, 2, 3, 4, 5]))
  half = 2.7764451 * np.sqrt(2.5 / 5)
  assert got['value'] == 3 and got['n'] == 5
  np.testing.assert_allclose(got['low'], 3 - half, atol=1e-6)
  np.testing.assert_allclose(got['high'], 3 + half, atol=1e-6)


def test_equal_values_have_a_mean_without_doubt():
  got = statistics.student_mean(np.array([2.0, 2, 2]))
  assert got == {'value': 2.0, 'low': 2.0, 'high': 2.0, 'n': 3}


def test_one_value_has_no_students_interval():
  got = statistics.student_mean(np.array([2.0]))
  assert got == {'value': 2.0, 'low': None, 'high': None, 'n': 1}


def test_a_band_is_where_the_central_95_per_cent_of_the_values_lie():
  got = statistics.band(np.arange(1001.0))
  assert got == {'value': 500.0, 'low': 25.0, 'high': 975.0, 'n': 1001}


def test_a_band_does_not_shrink_with_more_values():
  values = np.random.default_rng(4).normal(size=1000)
  few = statistics.band(values)
  many = statistics.band(np.tile(values, 50))
  np.testing.assert_allclose(_width(many), _width(few), rtol=0.01)


def test_the_correlation_has_fishers_interval_and_students_p():
  x = np.array([1.0, 2, 3, 4, 5, 6])
  y = np.array([1.0, 3, 2, 5, 4, 6])
  # Deviations: sum xy 15.5, sums of squares 17.5 and 17.5.
  r = 15.5 / 17.5
  z, half = np.arctanh(r), scipy.special.ndtri(0.975) / np.sqrt(6 - 3)
  t = r * np.sqrt(4 / (1 - r**2))
  got = statistics.correlation(x, y)
  assert got['n'] == 6
  np.testing.assert_allclose(got['r'], r, atol=1e-12)
  np.testing.assert_allclose(got['low'], np.tanh(z - half), atol=1e-12)
  np.testing.assert_allclose(got['high'], np.tanh(z + half), atol=1e-12)
  np.testing.assert_allclose(got['p'], 2 * scipy.stats.t.sf(t, 4), atol=1e-12)


def test_chance_correlations_spread_as_theory_says():
  x = np.random.default_rng(5).normal(size=24)
  y = np.random.default_rng(6).normal(size=24)
  got = statistics.null_correlations(
      lambda permuted: np.corrcoef(x, permuted)[0, 1], y, 0, draws=4000
  )
  # Under no association |r| is below 0.404 in 95 % of samples of 24.
  np.testing.assert_allclose(
      [got['low'], got['high']], [-0.404, 0.404], atol=0.03
  )
  assert abs(got['value']) < 0.02 and got['n'] == 4000


def test_permuting_keeps_the_values_and_is_the_same_by_seed():
  y = np.array([1.0, 2, 3, 4])
  seen = []

  def statistic(permuted):
    seen.append(tuple(permuted))
    return permuted[0]

  first = statistics.null_correlations(statistic, y, 7, draws=50)
  assert {tuple(sorted(row)) for row in seen} == {(1, 2, 3, 4)}
  assert len(set(seen)) > 10
  assert statistics.null_correlations(statistic, y, 7, draws=50) == first
  assert y.tolist() == [1, 2, 3, 4]
