"""Kappa is that of tables worked out by hand, and says when it is none."""

import numpy as np
import pytest
from statsmodels.stats import inter_rater

from emojax import errors
from emojax import kappa

# Both yes, yes and no, no and yes, both no: of 50, 35 agree (0.7). The first
# says yes to 25 and the second to 30, so that 0.5 x 0.6 + 0.5 x 0.4 = 0.5 would
# agree by chance: (0.7 - 0.5) / (1 - 0.5) = 0.4.
HAND = np.array([[20, 5], [10, 15]])


def raters(table):
  """Returns the labels of two raters with these counts."""
  size = len(table)
  cells = np.repeat(np.arange(size * size), table.ravel())
  return cells // size, cells % size


def test_kappa_is_that_of_a_table_worked_out_by_hand():
  a, b = raters(HAND)
  assert kappa.cohen(a, b, 2) == pytest.approx(0.4)
  np.testing.assert_array_equal(kappa.confusion(a, b, 2), HAND)


def test_kappa_is_that_of_statsmodels_for_any_table():
  rng = np.random.default_rng(0)
  for size in (2, 3, 5):
    table = rng.integers(1, 30, (size, size))
    expected = inter_rater.cohens_kappa(table, return_results=False)
    assert kappa.cohen(*raters(table), size) == pytest.approx(expected)


def test_full_agreement_is_1_and_none_at_all_is_below_0():
  a = np.array([0, 1, 2, 0, 1, 2])
  assert kappa.cohen(a, a, 3) == pytest.approx(1)
  assert kappa.cohen(a, (a + 1) % 3, 3) < 0


def test_labels_dealt_out_at_random_have_a_kappa_of_0():
  a, b = np.random.default_rng(1).integers(4, size=(2, 20_000))
  assert abs(kappa.cohen(a, b, 4)) < 0.02


def test_raters_are_compared_along_any_axis():
  a, b = np.random.default_rng(2).integers(3, size=(2, 4, 30))
  expected = [kappa.cohen(x, y, 3) for x, y in zip(a, b)]
  np.testing.assert_allclose(kappa.cohen(a, b, 3, axis=1), expected)
  np.testing.assert_allclose(kappa.cohen(a.T, b.T, 3, axis=0), expected)


@pytest.mark.parametrize(
    ('a', 'b', 'who'),
    [
        ([0, 0, 0], [0, 1, 0], 'the first of the raters'),
        ([0, 1, 0], [1, 1, 1], 'the second of the raters'),
        ([1, 1], [1, 1], 'the first and the second'),
        ([], [], 'there is no episode'),
    ],
)
def test_one_label_only_is_no_kappa_and_says_so(a, b, who):
  found = kappa.estimate(a, b, 2, np.arange(len(a)), seed=0)
  assert (found['value'], found['low'], found['high']) == (None, None, None)
  assert found['n'] == len(a) and who in found['reason']


def test_an_interval_is_around_the_value_and_wider_where_clusters_repeat():
  a, b = raters(HAND)
  apart = kappa.estimate(a, b, 2, np.arange(len(a)), seed=0)
  assert apart['low'] < apart['value'] < apart['high']
  assert apart['reason'] is None and apart['n'] == 50
  a, b = np.repeat(a, 4), np.repeat(b, 4)
  single = kappa.estimate(a, b, 2, np.arange(len(a)), seed=0)
  whole = kappa.estimate(a, b, 2, np.arange(len(a)) // 4, seed=0)
  width = lambda x: x['high'] - x['low']
  assert width(whole) == pytest.approx(width(apart), rel=0.1)
  assert width(single) < 0.7 * width(whole)


def test_of_one_scenario_there_is_a_value_and_no_interval():
  a, b = raters(HAND)
  found = kappa.estimate(a, b, 2, np.zeros(len(a), int), seed=0)
  assert found['value'] == pytest.approx(0.4) and found['low'] is None
  assert 'no interval' in found['reason']


@pytest.mark.parametrize(
    ('a', 'b', 'part'),
    [
        ([0, 1], [0], '2 and 1 labels in 2 places'),
        ([0, 2], [0, 1], 'not one of 2'),
        ([0, -1], [0, 1], 'not one of 2'),
    ],
)
def test_labels_that_are_no_pairs_are_refused(a, b, part):
  with pytest.raises(errors.InputError, match=part):
    kappa.estimate(a, b, 2, np.arange(len(a)), seed=0)
