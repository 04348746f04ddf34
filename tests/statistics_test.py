"""Intervals agree with closed forms and with an independent computation."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
from statsmodels.stats import multitest

from emojax import errors
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


def test_correlations_of_rows_are_pearsons_and_of_constants_undefined():
  x, y = np.random.default_rng(7).normal(size=(2, 5, 30))
  x[3] = 0.1  # Whose mean is off by its rounding.
  got = statistics.pearson(x, y, axis=1)
  assert np.isnan(got[3])
  expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(x, y) if a.std() > 0.01]
  np.testing.assert_allclose(got[[0, 1, 2, 4]], expected)


def _interval(low, high, value=None):
  return {'value': value, 'low': low, 'high': high}


@pytest.mark.parametrize(
    'controls, expected',
    [
        ([_interval(0, 1)], True),
        ([_interval(5, 6)], True),
        ([_interval(0, 1), _interval(5, 6)], True),
        ([_interval(0, 2)], False),  # They touch.
        ([_interval(2.5, 2.6)], False),
        ([_interval(0, 9)], False),
        ([_interval(0, 1), _interval(3, 9)], False),
        ([_interval(None, None, 1.0)], True),
        ([_interval(None, None, 3.0)], False),
        ([{'value': 1.0}], True),
        ([], None),
        ([_interval(None, None)], None),
        ([_interval(0, 1), _interval(None, None, np.nan)], None),
        ([_interval(0, 5), _interval(None, None)], False),
    ],
)
def test_an_estimate_is_beyond_controls_that_its_interval_does_not_meet(
    controls, expected
):
  assert statistics.beyond(_interval(2, 4, 3), controls) is expected


@pytest.mark.parametrize(
    ('controls', 'side', 'expected'),
    [
        ([_interval(0, 1)], 1, True),
        ([_interval(0, 1)], -1, False),
        ([_interval(5, 6)], 1, False),
        ([_interval(5, 6)], -1, True),
        ([_interval(0, 1), _interval(5, 6)], 1, False),
        ([_interval(0, 1), _interval(None, None)], 1, None),
        ([_interval(5, 6), _interval(None, None)], 1, False),
        ([_interval(None, None, 2)], 1, False),  # It ends where that is.
    ],
)
def test_an_estimate_on_the_other_side_of_controls_is_not_beyond_them(
    controls, side, expected
):
  assert statistics.beyond(_interval(2, 4, 3), controls, side) is expected


def test_an_estimate_without_an_interval_is_beyond_nothing():
  controls = [_interval(0, 1)]
  assert statistics.beyond(_interval(None, None, 3.0), controls) is None


def test_adjusted_p_values_by_hand():
  p = np.array([0.01, 0.04, 0.03, 0.005])
  # Sorted: 4 x 0.005, 3 x 0.01, 2 x 0.03, then no less than the one before.
  np.testing.assert_allclose(statistics.holm(p), [0.03, 0.06, 0.06, 0.02])
  # 4/4 x 0.04, 4/3 x 0.03, 4/2 x 0.01, 4/1 x 0.005: no more than the next.
  np.testing.assert_allclose(
      statistics.benjamini_hochberg(p), [0.02, 0.04, 0.04, 0.02]
  )


def test_holm_is_no_less_than_benjamini_and_hochberg_nor_they_than_p():
  rng = np.random.default_rng(8)
  for size in (1, 171):
    p = rng.beta(0.3, 1, size)
    holm, bh = statistics.holm(p), statistics.benjamini_hochberg(p)
    assert (holm >= bh).all() and (bh >= p).all() and (holm <= 1).all()
    for got, method in ((holm, 'holm'), (bh, 'fdr_bh')):
      expected = multitest.multipletests(p, method=method)[1]
      np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_a_test_that_was_not_made_is_not_counted():
  p = np.array([[0.01, np.nan, 0.04], [np.nan, 0.03, 0.005]])
  for adjust in (statistics.holm, statistics.benjamini_hochberg):
    got = adjust(p)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(p))
    known = ~np.isnan(p)
    np.testing.assert_array_equal(got[known], adjust(p[known]))
    assert np.isnan(adjust([None, np.nan])).all()
    assert adjust([]).shape == (0,)
    np.testing.assert_allclose(adjust([None, 0.2])[1], 0.2)


def test_a_p_above_1_is_refused():
  for adjust in (statistics.holm, statistics.benjamini_hochberg):
    with pytest.raises(errors.InputError, match='outside 0 to 1'):
      adjust([0.2, 1.2])


@pytest.mark.parametrize('alpha', [0.05, 0.2])
def test_adjusted_p_values_bound_false_finds(alpha):
  rng = np.random.default_rng(9)
  any_false, false_share = [], []
  for _ in range(1000):
    z = rng.normal(size=20)
    z[:10] += 3  # Ten effects, ten nulls.
    p = 2 * scipy.stats.norm.sf(np.abs(z))
    any_false.append((statistics.holm(p)[10:] <= alpha).any())
    found = statistics.benjamini_hochberg(p) <= alpha
    false_share.append(found[10:].sum() / max(1, found.sum()))
  sd = np.sqrt(alpha / 1000)
  assert 0.2 * alpha < np.mean(any_false) < alpha + 3 * sd
  # Half of the hypotheses are null, so the share is half of alpha.
  assert abs(np.mean(false_share) - alpha / 2) < 3 * sd


def test_the_adjusted_rand_index_agrees_with_sklearn():
  rng = np.random.default_rng(10)
  for n, groups in ((2, 2), (5, 2), (40, 6), (171, 10)):
    a, b = rng.integers(groups, size=(2, n))
    b = np.where(rng.random(n) < 0.5, a, b)
    for x, y in ((a, b), (b, a), (a, a), (a, 0 * b), (a, np.arange(n))):
      np.testing.assert_allclose(
          statistics.adjusted_rand_index(x, y),
          sklearn.metrics.adjusted_rand_score(x, y),
          atol=1e-12,
      )


def test_the_adjusted_rand_index_by_hand():
  # Pairs together: 2 in a, 1 in b and 1 in both, of 6; chance 2 x 1 / 6.
  got = statistics.adjusted_rand_index(list('xxyy'), [0, 0, 1, 2])
  np.testing.assert_allclose(got, (1 - 1 / 3) / (1.5 - 1 / 3))


def test_many_clusterings_at_once_are_one_by_one():
  rng = np.random.default_rng(11)
  a, b = rng.integers(4, size=30), rng.integers(5, size=(2, 3, 30))
  got = statistics.adjusted_rand_index(a, b)
  assert got.shape == (2, 3)
  for i in np.ndindex(2, 3):
    assert got[i] == statistics.adjusted_rand_index(a, b[i])


def test_labels_of_other_items_are_refused():
  for a, b in (([1, 2], [1, 2, 3]), ([1], [1])):
    with pytest.raises(errors.InputError, match='2 or more items'):
      statistics.adjusted_rand_index(a, b)
