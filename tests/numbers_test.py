"""Reported numbers: beside their controls, and beside what was published."""

import json
import math

import numpy as np
import pytest

from emojax.experiments import headlines
from emojax.experiments import map_geometry
from emojax.experiments import numbers
from emojax.experiments import paper


def estimate(value, low=None, high=None, n=5, **more):
  return {'value': value, 'low': low, 'high': high, 'n': n} | more


def number(own, controls, id_='x_one', side=0):
  return numbers.number(id_, 'One', own, 'nats', '95 %', controls, side=side)


def test_a_number_says_all_that_a_reader_needs():
  own = estimate(1.0, 0.8, 1.2, strength=0.5)
  control = numbers.control('random', estimate(0.0, -0.1, 0.1, n=6, r=3))
  got = numbers.number('x', 'One', own, 'nats', '95 %', [control], 'a note')
  assert got == {
      'id': 'x',
      'label': 'One',
      'value': 1.0,
      'low': 0.8,
      'high': 1.2,
      'n': 5,
      'unit': 'nats',
      'interval': '95 %',
      'controls': [
          {'label': 'random', 'value': 0.0, 'low': -0.1, 'high': 0.1, 'n': 6}
      ],
      'side': 0,
      'beyond': True,
      'note': 'a note',
  }


@pytest.mark.parametrize(
    ('controls', 'beyond'),
    [
        ([(0.0, -0.1, 0.1)], True),
        ([(0.0, -0.1, 0.1), (2.0, 1.3, 2.5)], True),  # One on either side.
        ([(0.0, -0.1, 0.9)], False),
        ([(0.0, -0.1, 0.1), (1.1, None, None)], False),
        ([(1.3, None, None)], True),
        ([], None),
        ([(0.0, -0.1, 0.1), (math.nan, None, None)], None),
    ],
)
def test_beyond_is_said_of_all_controls(controls, beyond):
  rows = [numbers.control('c', estimate(*c)) for c in controls]
  assert number(estimate(1.0, 0.8, 1.2), rows)['beyond'] is beyond


def test_a_correlation_with_the_wrong_sign_is_never_beyond_its_controls():
  control = numbers.control('dealt out', estimate(0.0, -0.2, 0.2))
  r = estimate(-0.6, -0.8, -0.4)
  by_side = {s: number(r, [control], side=s)['beyond'] for s in (-1, 0, 1)}
  assert by_side == {-1: True, 0: True, 1: False}
  # Nor below the one and above the other.
  far = numbers.control('embedding', estimate(-0.9, -0.95, -0.85))
  assert number(r, [control, far], side=1)['beyond'] is False
  assert number(r, [control, far], side=-1)['beyond'] is False
  assert number(r, [far], side=1)['beyond'] is True


def test_a_control_that_goes_the_other_way_does_not_count():
  other = numbers.control('embedding', estimate(-0.9, -0.95, -0.8))
  assert number(estimate(0.6, 0.4, 0.8), [other], side=1)['beyond'] is True


def axis_number(turn, turn_words):
  """Of an axis like valence in the layer, and more so in the embedding."""
  rng = np.random.default_rng(0)
  names = [f'e{i}' for i in range(20)]
  words = {name: float(x) for name, x in zip(names, rng.standard_normal(20))}
  rated = np.array(list(words.values()))[:, None]
  scores = turn * (rated + 0.7 * rng.standard_normal((20, 1)))
  embed = turn_words * (rated + 0.02 * rng.standard_normal((20, 1)))
  row = map_geometry.with_valence(0, scores, embed, names, words, 0)
  geometry = {'correlations': [row], 'pca': {'explained': [0.4]}}
  return headlines.geometry_numbers(geometry)[0]


def test_an_axis_whose_sign_is_arbitrary_is_compared_by_its_size():
  first, *others = (axis_number(a, b) for a in (1, -1) for b in (1, -1))
  assert first['low'] > first['controls'][1]['high']  # Of permuted valences.
  words = first['controls'][0]
  assert words['low'] > first['high'] and first['beyond'] is False
  for each in others:
    for row, expected in zip(
        (each, *each['controls']), (first, *first['controls']), strict=True
    ):
      for end in ('value', 'low', 'high'):
        assert row[end] == pytest.approx(expected[end]), (row, end)
      assert row['value'] >= 0
    assert each['beyond'] is False


def test_a_size_keeps_its_interval_whichever_way_it_was_turned():
  turned = {'value': 0.3, 'low': -0.1, 'high': 0.6, 'n': 5}
  assert numbers.size_of(estimate(-0.3, -0.6, 0.1)) == turned
  assert numbers.size_of(turned) == turned
  assert numbers.size_of(estimate(-0.3))['value'] == 0.3
  assert numbers.size_of(estimate(math.nan))['value'] is None


def test_chance_is_a_control_without_an_interval():
  chance = numbers.exactly('chance', 0.25, 40)
  assert chance == {
      'label': 'chance', 'value': 0.25, 'low': None, 'high': None, 'n': 40,
  }  # fmt: skip
  assert number(estimate(0.5, 0.3, 0.7), [chance])['beyond'] is True
  assert number(estimate(0.5, 0.2, 0.7), [chance])['beyond'] is False


def test_what_is_no_number_is_none_so_that_json_can_hold_it():
  nothing = estimate(math.nan, math.nan, math.inf)
  got = number(nothing, [numbers.control('same', nothing)])
  for each in (got, *got['controls']):
    assert each['value'] is each['low'] is each['high'] is None
  assert got['beyond'] is None
  json.dumps(got, allow_nan=False)


def test_a_correlation_is_an_estimate():
  found = {'r': 0.7, 'low': 0.5, 'high': 0.8, 'p': 0.01, 'n': 20}
  assert numbers.of_correlation(found) == estimate(0.7, 0.5, 0.8, n=20)


def test_published_values_stand_beside_the_number_of_their_id():
  known, unknown = (
      number(estimate(1.0), [], id_)
      for id_ in ('post_training_shift', 'post_training_none')
  )
  got = numbers.with_published('post_training', [known, unknown])
  assert got[0]['published']['paper'] == 'r = .90'
  assert got[0].items() > known.items()
  assert got[1] == unknown
  # A question of which nothing was published.
  assert numbers.with_published('nothing', [known]) == [known]


@pytest.mark.parametrize('question', paper.QUESTIONS)
def test_what_was_published_says_where(question):
  row = number(estimate(1.0), [])
  for id_ in numbers.published(question):
    (got,) = numbers.with_published(question, [row | {'id': id_}])
    entry = got['published']
    assert set(entry) == {'paper', 'replications', 'where'}, id_
    assert entry['paper'] or entry['replications'], id_
    assert entry['where'] or not entry['paper'], id_
    for text in entry.values():
      assert text is None or text == text.strip() != '', id_
