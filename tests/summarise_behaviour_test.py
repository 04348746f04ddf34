"""A summary of episodes finds what was built into them, and nothing else."""

import functools
import json

import ml_collections
import numpy as np
import pytest
import simulated_episodes as simulated

from emojax.experiments import summarise_behaviour
from emojax.experiments.measures import behaviour_power

CONFIG = ml_collections.ConfigDict({'seed': 0})
BASE = 0.25


def _planted(kind, direction, strength):
  """Desperate cheats, and nothing else differs."""
  del kind
  return 0.8 if (direction, strength) == ('desperate', 0.1) else BASE


def _nothing(kind, direction, strength):
  del kind, direction, strength
  return BASE


def _summary(rows, opinions=None):
  out = summarise_behaviour.summarise(
      CONFIG,
      simulated.EMOTIONS,
      {'invented': simulated.BEHAVIOUR},
      {'invented': rows},
      opinions or {},
  )
  json.dumps(out, allow_nan=False)  # It goes into a file of JSON.
  return out


@functools.cache
def _whole():
  return _summary(simulated.rows(_planted, 0, scenarios=30, shuffled=2))


def _measure(summary, name='cheats'):
  return summary['behaviours']['invented']['measures'][name]


def _at(rows, direction, strength):
  (row,) = [
      r
      for r in rows
      if (r['direction'], r['strength']) == (direction, strength)
  ]
  return row


@pytest.mark.parametrize('samples, spread', [(1, 0.5), (3, 0.8)])
def test_rates_and_changes_lie_in_their_intervals(samples, spread):
  # Of 600 seeds 94 % of the changes do: fewer than 87 of 100 would be three
  # standard errors below that.
  held, trials = np.zeros(3), 100
  for seed in range(trials):
    found = _measure(
        _summary(
            simulated.rows(
                _planted,
                seed,
                scenarios=20,
                samples=samples,
                emotions=('desperate',),
                strengths=(0.1,),
                random=0,
                spread=spread,
            )
        )
    )
    steered = _at(found['rates'], 'desperate', 0.1)
    change = _at(found['effects'], 'desperate', 0.1)['difference']
    pairs = ((found['base'], BASE), (steered, 0.8), (change, 0.8 - BASE))
    held += [x['low'] <= truth <= x['high'] for x, truth in pairs]
  assert (held / trials >= 0.87).all(), held / trials


def test_a_planted_change_is_found_and_no_other():
  found = _measure(_whole())
  assert len(found['effects']) == 6  # 3 emotions at 2 strengths.
  for row in found['effects']:
    planted = (row['direction'], row['strength']) == ('desperate', 0.1)
    assert (row['p_holm'] <= 0.05) == planted
    assert (row['beyond'] is True) == planted
    assert row['p'] <= row['p_holm']
  slopes = {row['direction']: row for row in found['slopes']}
  assert (
      slopes['desperate']['p_holm'] <= 0.05 and slopes['desperate']['low'] > 0
  )
  assert all(slopes[e]['p_holm'] > 0.05 for e in ('calm', 'angry'))


def test_where_nothing_happens_grids_find_something_as_seldom_as_alpha():
  finds = 0
  for seed in range(20):
    rows = simulated.rows(_nothing, seed, scenarios=12, random=0)
    finds += any(
        r['p_holm'] <= 0.05 for r in _measure(_summary(rows))['effects']
    )
  assert finds <= 2


def test_what_random_directions_do_as_well_is_not_beyond_them():
  rows = simulated.rows(
      lambda kind, *_: BASE if kind == 'unsteered' else 0.8, 1, scenarios=30
  )
  found = _measure(_summary(rows))
  assert all(row['p_holm'] <= 0.05 for row in found['effects'])
  assert not any(row['beyond'] for row in found['effects'])
  (control,) = found['controls']  # Of both signs.
  assert control['strength'] == 0.1 and control['random']['n'] == 6
  assert control['shuffled'] is None
  assert control['random']['value'] == pytest.approx(0.55, abs=0.1)


def test_a_measure_counts_what_counts_for_it():
  found = _measure(_whole(), 'admits')  # None where an episode cheats.
  ends = _whole()['behaviours']['invented']['table']
  assert found['base']['n'] == 30 - ends[0]['counts']['cheats']
  assert ends[0]['condition']['kind'] == 'unsteered'
  assert all(sum(row['counts'].values()) == row['n'] == 30 for row in ends)


def test_broken_text_is_counted_and_does_not_count():
  rows = simulated.rows(_planted, 2, scenarios=24, broken=0.4)
  rows[0]['room'] = False
  summary = _summary(rows)
  found = summary['behaviours']['invented']
  damage = found['damage']
  assert damage['table'][0]['value'] == 0  # Unsteered.
  steered = [row['value'] for row in damage['table'][1:]]
  assert np.mean(steered) == pytest.approx(0.4, abs=0.1)
  assert 'Unsteered, 0.00 of 24' in damage['line']
  assert f'at most {max(steered):.2f}' in damage['line']
  table, measure = found['table'], found['measures']['cheats']
  assert (table[0]['no_room'], measure['base']['n']) == (1, 23)
  left_out = [row['not_finite'] for row in table]
  assert sum(left_out) > 20
  assert [r['n'] for r in measure['rates'][1:]] == [
      24 - count for count in left_out[1:]
  ]
  change = _at(measure['effects'], 'desperate', 0.1)
  assert change['coherent']['n'] < change['difference']['n']


def test_the_sign_of_opposite_vectors_is_in_their_strength():
  rows = simulated.rows(_planted, 3, scenarios=24)
  for row in rows:
    if row['kind'] == 'emotion' and row['strength'] < 0:
      row['kind'] = 'opposite'
  plain = _measure(_summary(simulated.rows(_planted, 3, scenarios=24)))
  turned = _measure(_summary(rows))
  assert turned['slopes'] == plain['slopes']
  for one, other in zip(turned['effects'], plain['effects'], strict=True):
    assert one | {'kind': ''} == other | {'kind': ''}


def test_numbers_say_what_the_grid_cannot_show():
  rows = simulated.rows(
      lambda kind, direction, _: 0.5 * (direction == 'desperate'), 4
  )
  base, largest = _summary(rows)['numbers']
  assert base['id'] == 'behaviour_invented_base'
  assert (base['value'], base['n'], base['low']) == (0, 20, 0)
  assert largest['behaviour'] == 'invented' and largest['value'] > 0.2
  assert 'largest of 6' in largest['note'] and 'after Holm' in largest['note']
  assert 'a fall cannot be shown at all' in largest['note']
  assert largest['controls'][0]['n'] == 6


def test_a_behaviour_without_anything_that_counts_has_no_numbers():
  rows = simulated.rows(_nothing, 5, scenarios=4)
  for row in rows:
    row['hits'] = {}
  found = _summary(rows)
  assert found['numbers'] == []
  assert found['behaviours']['invented']['measures'] == {}
  assert _summary([])['behaviours'] == {}


def test_examples_are_short_and_of_every_outcome():
  rows = simulated.rows(_nothing, 6)
  for row in rows:
    row['messages'] = [{'role': 'user', 'content': 'x' * 5000, 'event': 'task'}]
  examples = _summary(rows)['behaviours']['invented']['examples']
  assert {e['outcome'] for e in examples} == set(simulated.BEHAVIOUR.OUTCOMES)
  assert {e['kind'] for e in examples} == {'unsteered', 'emotion'}
  assert all(len(e['messages'][0]['content']) < 700 for e in examples)


def test_what_a_judge_says_stands_beside_the_rates():
  judged = {'model': 'a', 'kappa': {}}
  rows = simulated.rows(_nothing, 7, scenarios=3)
  found = _summary(rows, {'invented': judged})
  assert found['behaviours']['invented']['judge'] == judged
  assert _summary(rows)['behaviours']['invented']['judge'] is None


def test_unsteered_episodes_tell_what_the_rest_of_the_grid_can():
  config = ml_collections.ConfigDict(
      {
          'positions': ('all',),
          'layers': (),
          'bands': (),
          'operations': ('add',),
          'strengths': (-0.1, 0.1),
          'random_directions': 3,
          'shuffled_directions': 2,
      }
  )
  rows = simulated.rows(_nothing, 8, shuffled=2)
  base = [row for row in rows if row['kind'] == 'unsteered']
  first, second = summarise_behaviour.say_base(
      config, simulated.BEHAVIOUR, base, len(rows) - len(base)
  )
  found = _measure(_summary(rows))
  assert f'{found["base"]["value"]:.2f} of 20 unsteered' in first
  assert second == f'invented: {found["power"]["verdict"]}'
  (alone,) = summarise_behaviour.say_base(config, simulated.BEHAVIOUR, base, 0)
  assert alone == first


@pytest.mark.parametrize(
    'arguments, words',
    [
        ((0.03, 40, 40, 6), 'to 0.34 or more; a fall cannot be shown at all.'),
        ((0.5, 60, 60, 6), ' or less.'),
        ((1.0, 40, 40, 6), 'less; a rise cannot be shown at all.'),
        (
            (0.2, 70, 7, 6),
            'of 7 scenarios no p is below 0.016, and Holm over 6',
        ),
        ((0.5, 8, 8, 3), 'can show no change at all.'),
    ],
)
def test_a_verdict_says_which_rates_would_be_found(arguments, words):
  found = behaviour_power.of(*arguments)
  n = arguments[1]
  assert found['verdict'].startswith(
      f'With n = {n} a condition and a base rate'
  )
  assert words in found['verdict']
  if found['detectable_up'] is not None:
    assert f'a rise to {found["detectable_up"]:.2f}' in found['verdict']
