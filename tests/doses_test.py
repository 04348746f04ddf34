"""Doses and responses of a table small enough to add up by eye."""

import numpy as np
import pytest

from emojax import doses

# Two emotions' words, each steered with either emotion and two random
# directions, at two strengths; two prompts.
DELTA = np.array(
    [
        # Strength 0.5, prompt 0: emotions 0 and 1, then random a and b.
        [3.0, 1.0],
        [0.0, 5.0],
        [1.0, 1.0],
        [-1.0, 0.0],
        # Strength 0.5, prompt 1.
        [5.0, 1.0],
        [0.0, 7.0],
        [1.0, 3.0],
        [-2.0, -1.0],
        # Strength -1, prompt 0.
        [-6.0, 2.0],
        [4.0, -8.0],
        [0.5, 0.5],
        [1.5, -0.5],
    ]
)
EMOTION = np.array([0, 1, -1, -1] * 3)
DIRECTION = np.array(['joy', 'fear', 'a', 'b'] * 3)
STRENGTH = np.array([0.5] * 8 + [-1.0] * 4)


KIND = np.where(EMOTION < 0, 'random', 'emotion')
ROWS = doses.Steered(
    DELTA, EMOTION, KIND, DIRECTION, STRENGTH, np.full(12, np.nan)
)


def _curves(**changes):
  return doses.curves(ROWS._replace(**changes), 0)


def test_own_and_other_words_are_told_apart():
  own, other = doses.own_and_other(
      np.array([[1.0, 2, 6], [4.0, 5, 0]]), np.array([2, 0])
  )
  assert own.tolist() == [6, 4]
  assert other.tolist() == [1.5, 2.5]


def test_curves_by_hand():
  got = _curves()
  values = {
      name: [(point['strength'], point['value'], point['n']) for point in curve]
      for name, curve in got.items()
      if name != 'permuted' and not name.endswith('_difference')  # See below.
  }
  assert values == {
      'matched': [(-1, -7, 2), (0.5, 5, 4)],  # 3, 5, 5 and 7.
      'unmatched': [(-1, 3, 2), (0.5, 0.5, 4)],  # 1, 0, 1 and 0.
      'difference': [(-1, -10, 2), (0.5, 4.5, 4)],
      # a: 1.5 and b: -1 over words and prompts; at -1, 0.5 and 0.5.
      'random': [(-1, 0.5, 2), (0.5, 0.25, 2)],
      'shuffled': [],
  }


def test_intervals_are_over_emotions_and_not_over_rows():
  point = _curves()['matched'][1]
  # Means of the two emotions: 4 and 6.
  assert (point['low'], point['high']) == (4, 6)


def test_the_random_band_is_over_directions():
  point = _curves()['random'][1]
  # Values -1 and 1.5: 2.5 % and 97.5 % of the way.
  np.testing.assert_allclose(
      [point['low'], point['high']], [-1 + 0.0625, 1.5 - 0.0625]
  )


def test_random_rows_do_not_enter_the_emotions_curves_nor_the_reverse():
  noisy = DELTA.copy()
  noisy[EMOTION < 0] += 100
  changed, before = _curves(delta=noisy), _curves()
  for name in ('matched', 'unmatched', 'difference'):
    assert changed[name] == before[name]
  noisy = DELTA.copy()
  noisy[EMOTION >= 0] += 100
  assert _curves(delta=noisy)['random'] == before['random']


def test_curves_do_not_depend_on_the_order_of_the_rows():
  order = np.random.default_rng(0).permutation(12)
  assert doses.curves(ROWS.where(order), 0) == _curves()


def test_curves_of_one_emotion_by_hand():
  got = doses.emotion_curves(ROWS, 1)
  matched, random = got['matched'], got['random']
  assert [point['strength'] for point in matched] == [-1, 0.5]
  # One prompt at -1: no interval. At 0.5, 5 and 7: t(0.975, 1) = 12.7062.
  assert matched[0] == {
      'strength': -1,
      'value': -8,
      'low': None,
      'high': None,
      'n': 1,
  }
  np.testing.assert_allclose(
      [matched[1][name] for name in ('value', 'low', 'high')],
      [6, 6 - 12.7062, 6 + 12.7062],
      atol=1e-4,
  )
  # What random directions do to this word: 1, 0, 3 and -1.
  assert (random[1]['value'], random[1]['n']) == (0.75, 4)
  np.testing.assert_allclose(random[1]['high'], 1 + 0.925 * 2)


def test_means_by_strength_are_over_clusters_of_one_strength():
  got = doses.means_by_strength(
      np.array([1.0, 3, 10, 20]),
      np.array([0, 0, 0, 1]),
      np.array([2, 2, 1, 1]),
      0,
  )
  assert got == [
      {'strength': 1, 'value': 15, 'low': 10, 'high': 20, 'n': 2},
      {'strength': 2, 'value': 2, 'low': None, 'high': None, 'n': 2},
  ]


def test_permuted_words_leave_no_difference_but_what_chance_leaves():
  rng = np.random.default_rng(0)
  emotion = np.repeat(np.arange(12), 3)
  delta = rng.normal(size=(36, 12))
  delta[np.arange(36), emotion] += 5
  null = doses.permuted_differences(delta, emotion, seed=1)
  own, other = doses.own_and_other(delta, emotion)
  # A permutation hits each word with odds of 1 in 12: 5 nats / 12, plus what
  # takes the same word out of the other eleven.
  assert abs(null.mean()) < 0.1
  assert (own - other).mean() > null.max()


def test_permuting_two_words_gives_the_difference_or_its_opposite():
  delta, emotion = np.array([[3.0, 1.0], [0.0, 5.0]]), np.array([0, 1])
  null = doses.permuted_differences(delta, emotion, seed=0)
  assert set(null.tolist()) == {3.5, -3.5}


def test_against_others_is_own_minus_other_of_every_emotion():
  delta = np.array([[1.0, 2, 6], [4.0, 5, 0]])
  got = doses.against_others(delta)
  for e in range(3):
    own, other = doses.own_and_other(delta, np.array([e, e]))
    np.testing.assert_allclose(got[:, e], own - other)


def test_a_control_in_a_vectors_place_gives_what_its_words_do():
  effects = np.array([[3.0, 1.0], [0.0, 4.0]])
  # Own minus other: 2 and -2 of the first direction, -4 and 4 of the second.
  got = doses.chance_differences(effects, np.array([0, 1]), seed=0)
  # Either direction for both emotions: 0. One for each: (2 + 4) / 2 or -3.
  assert set(got.tolist()) == {0.0, 3.0, -3.0}
  only = doses.chance_differences(effects, np.array([1]), seed=0)
  assert set(only.tolist()) == {-2.0, 4.0}


def test_shuffled_directions_have_a_band_beside_the_random_one():
  shuffled = ROWS.where(EMOTION < 0)
  shuffled = shuffled._replace(
      kind=np.full(6, 'shuffled'), delta=shuffled.delta + 7
  )
  got = doses.curves(doses.join(ROWS, shuffled), 0)
  for random, other in zip(got['random'], got['shuffled'], strict=True):
    assert other['value'] == pytest.approx(random['value'] + 7)
  assert got['shuffled_difference'] == got['random_difference']
  assert {k: v for k, v in got.items() if 'shuffled' not in k} == {
      k: v for k, v in _curves().items() if 'shuffled' not in k
  }


def test_one_control_direction_has_no_interval():
  got = doses.curves(ROWS.where(DIRECTION != 'b'), 0)
  for name in ('random', 'random_difference'):
    for point in got[name]:
      assert (point['low'], point['high'], point['n']) == (None, None, 1)


def test_a_single_emotion_has_no_others():
  rows = ROWS.where(EMOTION <= 0)
  got = doses.curves(rows._replace(delta=rows.delta[:, :1]), 0)
  assert [point['value'] for point in got['matched']] == [-6, 4]
  assert got['matched'][0]['low'] is None
  assert [point['n'] for point in got['random']] == [2, 2]
  for name in ('unmatched', 'difference', 'permuted', 'random_difference'):
    assert got[name] == []


def test_controls_are_turned_round_only_where_there_are_none():
  strengths = np.where(EMOTION < 0, -STRENGTH, STRENGTH)
  rows = ROWS._replace(strength=strengths)
  assert [p['strength'] for p in doses.curves(rows, 0)['random']] == [-0.5, 1]
  turned = doses.curves(doses.mirror_controls(rows), 0)
  for name, points in _curves().items():
    for point in points:
      assert point in turned[name]
  both = doses.join(ROWS, ROWS._replace(strength=-STRENGTH))
  for before, after in zip(both, doses.mirror_controls(both), strict=True):
    np.testing.assert_array_equal(before, after)
