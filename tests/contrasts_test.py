"""Pairs, negations and texts of two people: planted effects, and no others."""

import numpy as np
import pytest

from emojax.experiments.measures import bindings
from emojax.experiments.measures import minimal_pairs
from emojax.experiments.measures import negations
from emojax.experiments.measures import prompt_readings
from emojax.experiments.measures import swap_readings

E, L = 5, 3


def test_a_difference_is_the_high_text_minus_the_low_one():
  own = np.array([4, 0])
  x = np.zeros((4, L, E))  # High and low of one pair, then of the other.
  x[0, :, 4], x[1, :, 4] = 3, 1
  x[2, :, 0], x[3, :, 0] = 1, 2
  got = minimal_pairs.differences({'word': x}, own)['word']
  np.testing.assert_allclose(got, [[2] * L, [-1] * L])


def test_expressed_takes_affirmed_sentences_before_negated_ones():
  rng = np.random.default_rng(0)
  x = np.zeros((2 * E, L, E)) + rng.standard_normal((L, E))
  each = np.arange(E)
  x[each, :, each] += 2.0
  x[E + each, :, each] -= 0.5
  got = negations.expressed({'end': x})['end']
  for form, value in (('affirmed', 2), ('negated', -0.5), ('difference', 2.5)):
    np.testing.assert_allclose(got[form], np.full((E, L), value))


@pytest.mark.parametrize('binding', [0.0, 0.4])
def test_people_are_bound_to_their_emotions_in_both_assignments(binding):
  rng = np.random.default_rng(1)
  emotions = np.array([[0, 1], [3, 2], [4, 0], [1, 3]])
  n = len(emotions)
  # As given, then swapped; what a text or a person adds is the same in both.
  read = {}
  for place in bindings.PLACES:
    for person in (0, 1):
      x = np.concatenate([rng.standard_normal((n, L, E))] * 2)
      for i, pair in enumerate(emotions):
        x[i, :, pair[person]] += binding
        x[n + i, :, pair[1 - person]] += binding
        # The last emotion of a text is read at both people.
        x[i, :, pair[1]] += 0.7
        x[n + i, :, pair[0]] += 0.7
      read[f'{place} {person}'] = x
  got = bindings.bound(read, emotions)
  for place in bindings.PLACES:
    np.testing.assert_allclose(got[place], np.full((n, L), binding), atol=1e-12)
  sets = bindings.bound(
      {k: np.stack([x, 2 * x]) for k, x in read.items()}, emotions
  )
  np.testing.assert_allclose(sets['name'][1], 2 * got['name'], atol=1e-12)


def test_blanks_are_filled_in_the_order_of_names_wherever_they_stand():
  for text in ('Ann is {a}, Bo is {b}.', 'Bo is {b}, and Ann is {a}.'):
    filled, spans = bindings.fill(text, ('glad', 'mournful'))
    assert [filled[start:end] for start, end in spans] == ['glad', 'mournful']
    assert '{' not in filled


def test_a_name_inside_another_word_is_no_mention():
  text = 'Ann met Bo. Annette saw Ann, and Annie waved.'
  end = bindings.last_mention(text, 'Ann')
  assert text[:end].endswith('saw Ann')


def test_layers_have_means_over_items_and_bands_over_sets():
  rng = np.random.default_rng(2)
  effects = {'emotions': 5 + rng.standard_normal((12, L))}
  for kind in prompt_readings.CONTROLS:
    effects[kind] = rng.standard_normal((7, 12, L))
  rows = swap_readings.over_layers(effects, 0)
  for i, row in enumerate(rows):
    np.testing.assert_allclose(
        row['emotions']['value'], effects['emotions'][:, i].mean()
    )
    means = effects['random'][..., i].mean(axis=1)
    np.testing.assert_allclose(row['random']['value'], means.mean())
    assert row['random']['n'] == 7 and row['random']['high'] < 4
  averaged = swap_readings.averaged(
      effects | {swap_readings.EMBEDDING: np.zeros((12, 1))}, slice(1, 3)
  )
  np.testing.assert_allclose(
      averaged['emotions'], effects['emotions'][:, 1:].mean(axis=1)
  )
  labels = [c['label'] for c in swap_readings.controls_of(averaged, 0)]
  assert len(labels) == 3 and labels[-1] == 'embedding layer'
