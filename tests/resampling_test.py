"""Whole clusters are drawn, and the intervals cover what they say."""

import numpy as np
import pytest
import scipy.stats

from emojax import errors
from emojax import resampling
from emojax import statistics

SKEWED = np.random.default_rng(0).exponential(size=30)


def _ends(estimate):
  return estimate['low'], estimate['high']


def _pairs(rng, n, r):
  x = rng.normal(size=n)
  return x, r * x + np.sqrt(1 - r**2) * rng.normal(size=n)


@pytest.mark.parametrize('method', ['bca', 'percentile'])
@pytest.mark.parametrize('statistic', [np.mean, np.var, np.median])
def test_one_item_a_cluster_agrees_with_scipy(method, statistic):
  got = resampling.bootstrap(statistic, [SKEWED], np.arange(30), 3, 999, method)
  expected = scipy.stats.bootstrap(
      [SKEWED],
      statistic,
      n_resamples=999,
      method=method.replace('bca', 'BCa'),
      rng=np.random.default_rng(3),
  ).confidence_interval
  np.testing.assert_allclose(_ends(got), expected, rtol=1e-9)
  assert got['value'] == statistic(SKEWED) and got['n'] == 30


def test_pairs_are_drawn_together_as_scipy_does():
  x, y = _pairs(np.random.default_rng(1), 25, 0.8)
  got = resampling.bootstrap(statistics.pearson, [x, y], np.arange(25), 4)
  expected = scipy.stats.bootstrap(
      [x, y],
      statistics.pearson,
      paired=True,
      n_resamples=2000,
      method='BCa',
      rng=np.random.default_rng(4),
  ).confidence_interval
  np.testing.assert_allclose(_ends(got), expected, rtol=1e-9)
  np.testing.assert_allclose(got['value'], np.corrcoef(x, y)[0, 1])


def test_bca_moves_the_interval_of_a_skewed_sample_to_its_long_side():
  bca, plain = (
      _ends(resampling.bootstrap(np.mean, [SKEWED], np.arange(30), 0, 2000, m))
      for m in ('bca', 'percentile')
  )
  assert bca[0] > plain[0] and bca[1] > plain[1]


def _by_loops(statistic, arrays, cluster, seed, resamples):
  """Efron's steps one by one: the resamples and the jackknife's values."""
  names = np.unique(cluster)
  items = [np.flatnonzero(cluster == name) for name in names]
  rng = np.random.default_rng(seed)
  picks = rng.integers(len(names), size=(resamples, len(names)))
  each = lambda at: statistic(*[x[at] for x in arrays], axis=-1)
  drawn = [each(np.concatenate([items[k] for k in row])) for row in picks]
  rest = [each(np.flatnonzero(cluster != name)) for name in names]
  return np.array(drawn), np.array(rest)


def _unequal():
  rng = np.random.default_rng(5)
  cluster = rng.permutation(np.repeat([7, -2, 0, 4, 9, 1], [1, 6, 2, 9, 3, 4]))
  return _pairs(rng, len(cluster), 0.5), cluster


def test_unequal_clusters_agree_with_a_loop_over_resamples():
  arrays, cluster = _unequal()
  drawn, rest = _by_loops(statistics.pearson, arrays, cluster, 6, 500)
  got = resampling.bootstrap(
      statistics.pearson, arrays, cluster, 6, 500, 'percentile'
  )
  expected = np.percentile(drawn, [2.5, 97.5])
  np.testing.assert_allclose(_ends(got), expected, rtol=1e-12)

  got = resampling.bootstrap(statistics.pearson, arrays, cluster, 6, 500)
  normal = scipy.stats.norm
  # Each cluster once, in any order, is the data again: half of it is below.
  same = np.isclose(drawn, got['value'], rtol=1e-9)
  assert same.any()
  z0 = normal.ppf(np.mean(np.where(same, 0.5, drawn < got['value'])))
  off = rest.mean() - rest
  a = (off**3).sum() / (6 * (off**2).sum() ** 1.5)
  z = z0 + normal.ppf([0.025, 0.975])
  expected = np.percentile(drawn, 100 * normal.cdf(z0 + z / (1 - a * z)))
  np.testing.assert_allclose(_ends(got), expected, rtol=1e-12)


def test_batches_that_fit_in_less_memory_change_nothing(monkeypatch):
  arrays, cluster = _unequal()
  whole = resampling.bootstrap(statistics.pearson, arrays, cluster, 0)
  monkeypatch.setattr(resampling, '_BATCH', 100)
  assert resampling.bootstrap(statistics.pearson, arrays, cluster, 0) == whole


def test_equal_clusters_take_one_call_for_all_resamples():
  calls = []

  def mean(x, axis):
    calls.append(x.shape)
    return x.mean(axis)

  resampling.bootstrap(mean, [np.arange(64.0)], np.repeat(np.arange(8), 8), 0)
  assert calls == [(1, 64), (2000, 64), (8, 56)]


def test_items_may_be_rows():
  rows = np.random.default_rng(7).normal(size=(24, 3))
  cluster = np.arange(24) // 2
  largest = lambda x, axis: x.mean(axis).max(axis=-1)
  got = resampling.bootstrap(largest, [rows], cluster, 0, method='percentile')
  drawn, _ = _by_loops(
      lambda x, axis: x.mean(axis=0).max(), [rows], cluster, 0, 2000
  )
  np.testing.assert_allclose(_ends(got), np.percentile(drawn, [2.5, 97.5]))


def test_cluster_names_are_but_names():
  (x, _), cluster = _unequal()
  words = np.array([chr(ord('m') + name) for name in cluster])
  assert resampling.bootstrap(np.mean, [x], words, 0) == resampling.bootstrap(
      np.mean, [x], cluster, 0
  )


def test_another_seed_draws_anew():
  first, same, other = (
      resampling.bootstrap(np.mean, [SKEWED], np.arange(30), seed)
      for seed in (1, 1, 2)
  )
  assert first == same and first['value'] == other['value']
  assert first['low'] != other['low']


def _coverage(draw, statistic, truth, trials=400, **options):
  hits = 0
  for trial in range(trials):
    arrays, cluster = draw(np.random.default_rng(trial))
    got = resampling.bootstrap(
        statistic, arrays, cluster, trial, 800, **options
    )
    hits += got['low'] <= truth <= got['high']
  return hits / trials


def _topics(rng):
  """60 topics of 2 to 8 stories, which share most of what they vary by."""
  cluster = np.repeat(np.arange(60), rng.integers(2, 9, 60))
  values = rng.normal(size=60)[cluster] + 0.5 * rng.normal(size=len(cluster))
  return [values], cluster


@pytest.mark.parametrize('method', ['bca', 'percentile'])
def test_intervals_over_topics_cover_the_truth_as_often_as_they_say(method):
  # 95 % in the limit, some 94 % of 60 topics; the sd of 400 trials is 1.1 %.
  assert 0.91 < _coverage(_topics, np.mean, 0, method=method) < 0.98


def test_taking_stories_for_independent_covers_far_too_seldom():
  def naive(rng):
    arrays, cluster = _topics(rng)
    return arrays, np.arange(len(cluster))

  assert _coverage(naive, np.mean, 0, trials=60) < 0.75


def test_the_interval_of_a_planted_correlation_covers_it():
  draw = lambda rng: (_pairs(rng, 50, 0.7), np.arange(50))
  assert 0.91 < _coverage(draw, statistics.pearson, 0.7) < 0.98


@pytest.mark.parametrize('method', ['bca', 'percentile'])
def test_one_cluster_has_no_interval(method):
  got = resampling.bootstrap(np.mean, [SKEWED], np.zeros(30), 0, method=method)
  assert got == {'value': SKEWED.mean(), 'low': None, 'high': None, 'n': 30}


@pytest.mark.parametrize('method', ['bca', 'percentile'])
@pytest.mark.parametrize(
    'values', [np.full(12, 0.1), np.tile([0.1, 0.2, 0.6], 4)]
)
def test_a_statistic_that_never_varies_has_no_interval(method, values):
  cluster = np.repeat(np.arange(4), 3)
  got = resampling.bootstrap(np.mean, [values], cluster, 0, method=method)
  assert _ends(got) == (None, None) and got['n'] == 12


def test_bca_has_no_interval_where_all_resamples_are_on_one_side():
  x = np.arange(20.0)
  low = lambda x, axis: np.where(
      x.shape[0] == 1, x.mean(axis), x.mean(axis) - 100
  )
  assert _ends(resampling.bootstrap(low, [x], np.arange(20), 0)) == (None, None)
  plain = resampling.bootstrap(low, [x], np.arange(20), 0, method='percentile')
  assert plain['high'] < plain['value']


def _undefined_without_one(x, axis):
  return np.where(x.shape[axis] == 8, np.inf, x.mean(axis))


@pytest.mark.parametrize('statistic', [np.median, _undefined_without_one])
def test_bca_has_no_interval_where_the_jackknife_says_nothing(statistic):
  x = np.repeat([0.0, 1.0], [3, 6])  # Without any of them the median is 1.
  bca, plain = (
      resampling.bootstrap(statistic, [x], np.arange(9), 0, method=method)
      for method in ('bca', 'percentile')
  )
  assert _ends(bca) == (None, None)
  assert plain['low'] < plain['value'] <= plain['high']


def test_few_undefined_resamples_are_left_out():
  x = np.random.default_rng(8).normal(size=40)
  drawn, _ = _by_loops(np.mean, [x], np.arange(40), 0, 2000)
  cut = np.quantile(drawn, 0.97)
  holed = lambda x, axis: np.where(x.mean(axis) > cut, np.nan, x.mean(axis))
  got = resampling.bootstrap(holed, [x], np.arange(40), 0, method='percentile')
  expected = np.percentile(drawn[drawn <= cut], [2.5, 97.5])
  np.testing.assert_allclose(_ends(got), expected)


def test_many_undefined_resamples_leave_no_interval():
  # A third of the resamples lack the only pair that differs in x.
  x, y = np.eye(12)[0], np.arange(12.0)
  for method in ('bca', 'percentile'):
    got = resampling.bootstrap(
        statistics.pearson, [x, y], np.arange(12), 0, method=method
    )
    assert np.isfinite(got['value']) and _ends(got) == (None, None)


def test_an_undefined_statistic_is_nan_and_has_no_interval():
  got = resampling.bootstrap(
      statistics.pearson, [np.full(9, 0.1), np.arange(9.0)], np.arange(9), 0
  )
  assert np.isnan(got['value']) and _ends(got) == (None, None)


@pytest.mark.parametrize(
    'statistic, arrays, cluster, method, reason',
    [
        (np.mean, [np.ones(3)], np.ones(4), 'bca', r'\[3, 4\] items'),
        (np.mean, [], np.ones(0), 'bca', r'\[0\] items'),
        (np.mean, [np.ones(3)], np.ones(3), 'BCa', "Method 'BCa'"),
        (np.cumsum, [np.ones(3)], np.ones(3), 'bca', 'must reduce'),
    ],
)
def test_what_cannot_be_resampled_is_refused(
    statistic, arrays, cluster, method, reason
):
  with pytest.raises(errors.InputError, match=reason):
    resampling.bootstrap(statistic, arrays, cluster, 0, method=method)


def test_the_jackknife_of_a_mean_is_students():
  values = np.random.default_rng(7).exponential(size=12)
  others = np.array([np.delete(values, i).mean() for i in range(12)])
  got = resampling.jackknife(values.mean(), others, 12)
  expected = statistics.student_mean(values)
  for name in ('value', 'low', 'high', 'n'):
    assert got[name] == pytest.approx(expected[name])


def test_a_jackknife_that_is_undefined_somewhere_has_no_interval():
  got = resampling.jackknife(0.5, np.array([0.4, np.nan, 0.6]), 3)
  assert got == {'value': 0.5, 'low': None, 'high': None, 'n': 3}


def test_one_group_has_no_jackknife():
  assert resampling.jackknife(1.0, np.ones(1))['low'] is None
