"""Coherent texts, and windows of strengths built by hand."""

import numpy as np
import pytest

from emojax import windows

NAN = float('nan')


def _coherent(repetition=0.0, perplexity=10.0, base=10.0, n_tokens=40):
  columns = (repetition, perplexity, base, n_tokens)
  (got,) = windows.coherent(*(np.array([x]) for x in columns), windows.LIMITS)
  return bool(got)


def test_every_limit_of_a_coherent_text_counts():
  assert _coherent()
  assert _coherent(repetition=0.249) and not _coherent(repetition=0.25)
  assert _coherent(perplexity=40.0) and not _coherent(perplexity=40.1)
  assert _coherent(n_tokens=8) and not _coherent(n_tokens=7)


def test_perplexity_counts_only_where_there_is_a_text_to_compare_with():
  assert _coherent(perplexity=1e9, base=NAN)
  assert not _coherent(perplexity=1e9, base=NAN, repetition=0.3)
  assert not _coherent(perplexity=NAN)
  assert not _coherent(repetition=NAN)


def test_shares_by_strength_by_hand():
  got = windows.shares_by_strength(
      np.array([True, True, False, True]), np.array([0.2, 0.1, 0.2, 0.2])
  )
  assert [(p['strength'], p['value'], p['n']) for p in got] == [
      (0.1, 1, 1),
      (0.2, pytest.approx(2 / 3), 3),
  ]
  assert got[1]['low'] < 2 / 3 < got[1]['high']


def _points(by_strength, half=0.1):
  return [
      {'strength': s, 'value': v, 'low': v - half, 'high': v + half, 'n': 10}
      for s, v in sorted(by_strength.items())
  ]


def _usable(effects, share=None, control=0.3, sign=1, **changes):
  """Bands of the controls go from -control to control."""
  zeros = dict.fromkeys(effects, 0.0)
  curves = {
      'difference': _points(effects),
      'permuted': _points(zeros, control),
      'random_difference': _points(zeros, control),
      'shuffled_difference': _points(zeros, control),
  }
  shares = dict.fromkeys(effects, 1.0) | (share or {})
  return windows.usable(curves | changes, _points(shares), sign, 0.8)


def _window(*args, **kwargs):
  got = _usable(*args, **kwargs)
  return got['lowest'], got['highest'], got['n']


def test_the_window_is_between_no_effect_and_no_sense():
  effects = {0.1: 0.3, 0.2: 0.5, 0.3: 1.0, 0.5: 2.0, 0.8: 9.0}
  # 0.5 - 0.1 is above 0.3, 0.3 - 0.1 is not; 0.8 has too few that make sense.
  share = {0.5: 0.8, 0.8: 0.79}
  assert _window(effects, share) == (0.2, 0.5, 30)
  why = [row['why'] for row in _usable(effects, share)['table']]
  assert why == ['within a control', None, None, None, 'incoherent']


def test_negative_strengths_have_a_window_of_their_own():
  effects = {-0.4: -2.0, -0.2: -1.0, -0.1: 0.0, 0.2: 0.0}
  assert _window(effects, sign=-1) == (-0.2, -0.4, 20)
  assert _window(effects) == (None, None, 0)
  # An effect against the sign of the strength is none.
  assert _window({-0.2: 1.0}, sign=-1) == (None, None, 0)
  assert _usable({0.2: 1.0}, sign=-1) is None


@pytest.mark.parametrize(
    'control', ['permuted', 'random_difference', 'shuffled_difference']
)
def test_no_control_may_do_as_much(control):
  effects = {0.1: 1.0, 0.2: 1.0}
  wide = {control: _points({0.1: 0.0, 0.2: 0.95})}
  assert _window(effects, **wide) == (0.1, 0.1, 10)


def test_the_longest_run_counts_and_of_two_the_weaker():
  effects = {
      0.1: 1.0,
      0.2: 0.0,
      0.3: 1.0,
      0.4: 1.0,
      0.5: 0.0,
      0.6: 1.0,
      0.7: 1.0,
  }
  assert _window(effects) == (0.3, 0.4, 20)


def test_what_has_no_interval_or_no_control_is_not_called_usable():
  effects = {0.1: 1.0}
  alone = [{'strength': 0.1, 'value': 1.0, 'low': None, 'high': None, 'n': 4}]
  for changes, why in (
      ({'difference': alone}, 'one emotion has no interval'),
      ({'difference': []}, 'not measured'),
      ({'random_difference': alone}, 'fewer than two control directions'),
      (
          {'random_difference': [], 'shuffled_difference': []},
          'fewer than two control directions',
      ),
  ):
    got = _usable(effects, **changes)
    assert (got['lowest'], got['table'][0]['why']) == (None, why)
  # Either kind of control is enough.
  assert _window(effects, shuffled_difference=[]) == (0.1, 0.1, 10)
