"""Correlations with a number, and tests of what was expected of them."""

import numpy as np
import pytest
import scipy.stats

from emojax import ladders
from emojax.data import prompt_sets
from emojax.experiments.measures import ladder_rows

VALUES = (2, 7, 14, 25, 50, 100)
NAMES = ('sad', 'calm')


def ladder(name='days', values=VALUES, matched='I own {x} books.'):
  return prompt_sets.Ladder(
      name=name,
      template='It has been {x} days.',
      values=values,
      rises=('sad', 'weary'),
      falls=('calm',),
      paraphrases=('{x} days have gone by.',),
      matched=matched,
  )


def planted(noise=0.0, seed=0):
  """Two ladders and readings that go as expected, but not if it means nothing.

  Returns:
    The ladders and their readings, [N, L, E] with 2 layers.
  """
  rng = np.random.default_rng(seed)
  parts, texts = [], []
  for name in ('days', 'weeks'):
    own, written = ladder_rows.texts_of(ladder(name), NAMES, len(texts))
    parts.append(own)
    texts += written
  x = noise * rng.standard_normal((len(texts), 2, len(NAMES)))
  for own in parts:
    x[own.meant] += np.log(VALUES)[:, None, None] * [1, -1]
    x[own.matched, 0] += np.array([0, 1, 0, 1, 0, 1.0])[:, None]
  return parts, x


@pytest.mark.parametrize(
    'values, scale',
    [
        ((1, 2, 11), 'log'),
        ((1, 2, 10), 'rank'),
        ((0, 5, 500), 'rank'),
        ((-5, 5, 500), 'rank'),
    ],
)
def test_values_are_ratios_if_positive_and_over_more_than_ten_times(
    values, scale
):
  assert ladders.scale_of(values) == scale


def test_slopes_are_per_e_fold_or_per_rung():
  values = (1, 10, 100)
  readings = np.array([[0.0, 1, 2], [5, 5, 5]])
  np.testing.assert_allclose(
      ladders.slopes(values, readings), [1 / np.log(10), 0], atol=1e-12
  )
  np.testing.assert_allclose(
      ladders.slopes((20, 25, 40), readings), [1, 0], atol=1e-12
  )


def test_rank_correlations_are_spearmans():
  rng = np.random.default_rng(0)
  readings = rng.integers(4, size=(5, 6)).astype(float)  # With ties.
  expected = [scipy.stats.spearmanr(VALUES, row).statistic for row in readings]
  np.testing.assert_allclose(
      ladders.rank_correlations(VALUES, readings), expected
  )


def test_readings_without_order_have_no_correlation():
  assert ladders.rank_correlations(VALUES, np.ones((2, 6))).tolist() == [0, 0]


def test_a_sign_is_positive_if_as_expected():
  x = np.zeros((2, 6, 3, 2))  # Wordings, values, layers, expectations.
  x[..., 0] = np.arange(6)[:, None]
  x[..., 1] = -np.arange(6)[:, None]
  got = ladders.signed_correlations(VALUES, x, np.array([1, -1]))
  np.testing.assert_allclose(got, np.ones((2, 3, 2)))
  turned = ladders.signed_correlations(VALUES, x, np.array([-1, 1]))
  np.testing.assert_allclose(turned, -np.ones((2, 3, 2)))


def test_a_profile_is_about_zero_and_ends_at_the_last_rung():
  got = ladders.profile(np.array([1.0, 2, 6]), 5)
  np.testing.assert_allclose(got, [-2, -1.5, -1, 1, 3])


def test_numbers_stand_in_texts_as_in_the_file():
  own, texts = ladder_rows.texts_of(
      ladder(values=(0.5, 2000000, 12)), NAMES, first=7
  )
  assert own.ladder.values == (0.5, 12, 2000000)
  assert own.meant.tolist() == [[7, 8, 9], [10, 11, 12]]
  assert own.matched.tolist() == [[13, 14, 15]]
  assert texts[2] == 'It has been 2000000 days.'
  assert texts[3] == '0.5 days have gone by.'
  assert texts[7] == 'I own 12 books.'


def test_only_emotions_with_a_vector_are_expected_to_move():
  own, _ = ladder_rows.texts_of(ladder(), NAMES, 0)
  assert own.emotions == ('sad', 'calm')
  assert own.sign.tolist() == [1, -1]


def test_planted_ladders_are_found_where_the_number_means_something():
  parts, x = planted(noise=0.01)
  meant, matched = (
      ladder_rows.signed(parts, NAMES, x, part) for part in ladder_rows.PARTS
  )
  np.testing.assert_allclose(meant, np.ones((2, 4)))
  assert np.abs(matched).max() < 0.9
  estimate = ladder_rows.mean(parts, meant[0], 0)
  assert estimate['value'] == pytest.approx(1) and estimate['n'] == 4


def test_sets_of_controls_go_through_the_same_correlation():
  parts, x = planted(noise=0.1)
  sets = np.stack([x, -x])
  got = ladder_rows.signed(parts, NAMES, sets, 'meant')
  one = ladder_rows.signed(parts, NAMES, x, 'meant')
  np.testing.assert_allclose(got, np.stack([one, -one]))


def test_an_expectation_holds_or_fails_by_exact_permutations():
  parts, x = planted(noise=0.01)
  x[parts[1].meant, :, 0] *= -1  # The second ladder's sadness falls.
  rows = ladder_rows.tests(parts, NAMES, x[:, 0], 'meant', 0)
  assert [row['p'] for row in rows] == pytest.approx([2 / 720] * 4)
  assert [row['holm'] for row in rows] == pytest.approx([8 / 720] * 4)
  found = {(r['ladder'], r['emotion']): r['found'] for r in rows}
  assert found == {
      ('days', 'sad'): 1,
      ('days', 'calm'): -1,
      ('weeks', 'sad'): -1,
      ('weeks', 'calm'): -1,
  }
  nothing = ladder_rows.tests(parts, NAMES, x[:, 0], 'matched', 0)
  assert [row['found'] for row in nothing] == [0] * 4


def test_an_order_that_some_test_of_many_has_by_chance_is_no_find():
  parts, x = planted()
  for own in parts:
    x[own.meant] = np.array([1, 0, 3, 2, 4, 5])[:, None, None]
  for row in ladder_rows.tests(parts, NAMES, x[:, 0], 'meant', 0):
    assert row['rho'] == pytest.approx(1 - 6 * 4 / 210)
    assert row['p'] < 0.05 < row['holm'] and row['found'] == 0


def test_slopes_have_an_interval_over_wordings():
  parts, x = planted(noise=0.05)
  for row in ladder_rows.tests(parts, NAMES, x[:, 0], 'meant', 0):
    slope = row['slope']
    assert slope['n'] == 2 and slope['low'] < slope['value'] < slope['high']
    assert slope['value'] == pytest.approx(row['expected'], abs=0.1)


def test_a_ladder_without_matched_numbers_counts_only_where_it_can():
  parts, x = planted(noise=0.01)
  own, _ = ladder_rows.texts_of(ladder('bare', matched=''), NAMES, 0)
  assert own.matched is None
  parts = [own, *parts]
  matched = ladder_rows.signed(parts, NAMES, x, 'matched')[0]
  assert np.isnan(matched).tolist() == [True] * 2 + [False] * 4
  assert ladder_rows.mean(parts, matched, 0)['n'] == 4
  assert ladder_rows.mean(parts, np.full(6, np.nan), 0) is None
  assert len(ladder_rows.tests(parts, NAMES, x[:, 0], 'matched', 0)) == 4


def test_profiles_rise_and_fall_as_planted():
  parts, x = planted(noise=0.01)
  got = ladder_rows.profiles(parts, NAMES, x[:, 0], 0)
  rises, falls = (
      [point['value'] for point in got['meant'][way]]
      for way in ('rises', 'falls')
  )
  assert np.diff(rises).min() > 0 > np.diff(falls).max()
  assert np.mean(rises) == pytest.approx(0, abs=0.3)
