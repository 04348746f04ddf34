"""Equal damage and opposite signs, where both can be worked out by hand."""

import numpy as np
import pytest

from emojax import doses
from emojax import matched_doses

STRENGTHS = (0.1, 0.2, 0.4)


def _direction(kind, name, emotion, effect, kl, strengths=STRENGTHS):
  """Rows of one direction: what `effect` and `kl` make of each strength."""
  size = len(strengths)
  return doses.Steered(
      delta=np.array([effect(s) for s in strengths], float),
      emotion=np.full(size, emotion),
      kind=np.full(size, kind),
      direction=np.full(size, name),
      strength=np.array(strengths),
      kl=np.array([kl(s) for s in strengths], float),
  )


def _random(count=2):
  return [
      _direction(
          'random', f'random_{i}', -1, lambda s: [0, 0], lambda s: 6 * s**2
      )
      for i in range(count)
  ]


def _curves(*directions, sign=1):
  return matched_doses.at_equal_kl(doses.join(*directions), sign, 0)['curves']


def test_effects_are_read_at_one_kl_whatever_strength_that_takes():
  # Effects of 10 s, KL of 2 s^2 and 8 s^2: at k nats, s is root(k / 2) and
  # root(k / 8), and the line over the root of KL is exact.
  got = _curves(
      _direction(
          'emotion', 'joy', 0, lambda s: [10 * s, 0], lambda s: 2 * s**2
      ),
      _direction(
          'emotion', 'fear', 1, lambda s: [0, 10 * s], lambda s: 8 * s**2
      ),
      *_random(),
  )
  for point in got['matched']:
    joy, fear = (10 * np.sqrt(point['dose'] / c) for c in (2, 8))
    assert point['value'] == pytest.approx((joy + fear) / 2)
    assert (point['low'], point['high']) == pytest.approx((fear, joy))
    assert point['n'] == 2
  # From the least KL that anything was measured at to what all reach.
  ends = [got['matched'][i]['dose'] for i in (0, -1)]
  assert ends == pytest.approx([2 * 0.1**2, 2 * 0.4**2])


def test_at_equal_dose_the_length_of_a_vector_does_not_matter():
  def rows(scale):
    return [
        _direction(
            'emotion',
            name,
            i,
            lambda s, i=i: np.sin(3 * scale * s) * np.eye(2)[i],
            lambda s: (scale * s) ** 2,
            # The same changes of activations, under other names.
            tuple(np.array(STRENGTHS) / scale),
        )
        for i, name in enumerate(('joy', 'fear'))
    ]

  one, two = (_curves(*rows(scale), *_random()) for scale in (1.0, 2.0))
  for name in ('matched', 'difference'):
    for a, b in zip(one[name], two[name], strict=True):
      assert (a['dose'], a['value']) == pytest.approx((b['dose'], b['value']))


def test_where_kl_goes_back_the_first_strength_to_reach_a_dose_counts():
  kl = {0.1: 1.0, 0.2: 4.0, 0.4: 2.0}
  effect = {0.1: 1.0, 0.2: 3.0, 0.4: 100.0}
  both = [
      _direction(
          'emotion', name, i, lambda s, i=i: effect[s] * np.eye(2)[i], kl.get
      )
      for i, name in enumerate(('joy', 'fear'))
  ]
  got = _curves(*both, *_random())  # All reach 6 * 0.16 = 0.96 nats,
  assert got['matched'][-1]['dose'] == pytest.approx(0.96)
  assert got['matched'][-1]['value'] == pytest.approx(np.sqrt(0.96))
  got = _curves(*both)  # and without controls 4, by way of 1.
  assert [p['dose'] for p in got['matched']] == pytest.approx(
      [1, 1.25**2, 1.5**2, 1.75**2, 4]
  )
  assert [p['value'] for p in got['matched']] == pytest.approx(
      [1, 1.5, 2, 2.5, 3]
  )


def test_signs_are_kept_apart():
  def effect(s):
    return [10 * s, 0]

  rows = [
      _direction('emotion', 'joy', 0, effect, lambda s: s * s, (-0.4, 0.4)),
      *_random(),
  ]
  assert _curves(*rows)['matched'][-1]['value'] > 0
  assert _curves(rows[0], sign=-1)['matched'][-1]['value'] == pytest.approx(-4)


def test_there_is_no_dose_of_what_changes_nothing_or_was_not_measured():
  for kl in (lambda s: 0.0, lambda s: np.nan):
    still = _direction('emotion', 'joy', 0, lambda s: [1, 0], kl)
    assert (
        matched_doses.at_equal_kl(doses.join(still, *_random()), 1, 0) is None
    )
  assert matched_doses.at_equal_kl(doses.join(*_random()), 1, 0) is None
  joy = _direction('emotion', 'joy', 0, lambda s: [s, 0], lambda s: s)
  assert matched_doses.at_equal_kl(joy, -1, 0) is None


def test_one_strength_gives_one_dose():
  rows = [
      _direction(
          'emotion', 'joy', 0, lambda s: [s, 0], lambda s: 3 * s, (0.1,)
      ),
      _direction(
          'emotion', 'fear', 1, lambda s: [0, s], lambda s: 3 * s, (0.1,)
      ),
  ]
  (point,) = _curves(*rows)['difference']
  assert (point['dose'], point['value']) == pytest.approx((0.3, 0.1))


def _both_ways(plus, minus):
  """12 emotions with noise; own effects at 0.2 and at -0.2."""
  rng = np.random.default_rng(0)
  rows = []
  for e in range(12):
    for strength, size in ((0.2, plus[e]), (-0.2, minus[e])):
      delta = rng.normal(0, 0.1, (3, 12))
      delta[:, e] += size
      rows.append(
          doses.Steered(
              delta,
              np.full(3, e),
              np.full(3, 'emotion'),
              np.full(3, f'e{e}'),
              np.full(3, strength),
              np.full(3, np.nan),
          )
      )
  return doses.join(*rows)


def test_vectors_that_work_both_ways_are_told_from_those_that_do_not():
  sizes = np.linspace(1, 4, 12)
  (both,) = matched_doses.opposite_signs(_both_ways(sizes, -sizes), 0)
  assert both['strength'] == 0.2
  assert (both['both']['value'], both['both']['n']) == (1, 12)
  assert both['both_permuted']['high'] < both['both']['low']
  assert both['correlation']['r'] < -0.95
  assert both['correlation_permuted']['low'] > both['correlation']['high']
  (same,) = matched_doses.opposite_signs(_both_ways(sizes, sizes), 0)
  assert same['both']['value'] == 0
  assert same['correlation']['r'] > 0.95


def test_without_both_signs_or_other_emotions_nothing_is_said():
  rows = _both_ways(np.ones(12), np.ones(12))
  assert matched_doses.opposite_signs(rows.where(rows.strength > 0), 0) == []
  one = rows.where(rows.emotion == 0)
  assert (
      matched_doses.opposite_signs(one._replace(delta=one.delta[:, :1]), 0)
      == []
  )
  (few,) = matched_doses.opposite_signs(rows.where(rows.emotion < 3), 0)
  assert few['correlation'] is None and few['both']['n'] == 3
