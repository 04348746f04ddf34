"""Reported numbers: beside their controls, and beside what was published."""

import json
import math

import pytest

from emojax.experiments import numbers
from emojax.experiments import paper


def estimate(value, low=None, high=None, n=5, **more):
  return {'value': value, 'low': low, 'high': high, 'n': n} | more


def number(own, controls, id_='x_one'):
  return numbers.number(id_, 'One', own, 'nats', '95 %', controls)


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
