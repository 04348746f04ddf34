"""Texts about emotions: planted ones are found, and their controls are not."""

import numpy as np
import pytest

from emojax.experiments.measures import own_emotion

SIZE, TEXTS, SETS, LAYERS = 8, 3, 6, 4
MEASURES = {'top1', 'topk', 'percentile', 'contrast'}


def planted(strength, seed=0):
  """[N, L, E] readings with offsets, own emotions, and sets of noise."""
  rng = np.random.default_rng(seed)
  own = np.repeat(np.arange(SIZE), TEXTS)
  x = rng.standard_normal((len(own), LAYERS, SIZE))
  x[np.arange(len(own)), 1:, own] += strength  # Not at the first layer.
  x += 100 * rng.standard_normal(SIZE)
  sets = {
      kind: rng.standard_normal((SETS, len(own), LAYERS, SIZE))
      for kind in ('shuffled', 'random')
  }
  return x, own, sets


def measured(x, own, sets, words=None, form='centred'):
  form = lambda v, how=form: own_emotion.formed(v, how, 0.0, 1.0)
  sets = {kind: form(v[:, :, 2]) for kind, v in sets.items()}
  return own_emotion.measure(form(x[:, 2]), own, sets, words, 3, 0, 200)


def test_planted_emotions_are_found_and_controls_are_not():
  found = measured(*planted(6.0))
  assert found.keys() == MEASURES
  assert found['top1']['value'] > 0.95
  for estimate in found.values():
    spans = [c['high'] or c['value'] for c in estimate['controls']]
    assert len(spans) == 4
    assert estimate['low'] is None or estimate['low'] > max(spans)


def test_nothing_is_found_where_nothing_was_planted():
  for name, estimate in measured(*planted(0.0)).items():
    chance = estimate['controls'][0]['value']
    assert estimate['low'] <= chance + 0.05, name


def test_raw_readings_with_offsets_hide_the_emotions():
  raw = measured(*planted(6.0), form='raw')
  # One vector is the highest in all texts: right for one emotion's.
  assert raw['top1']['value'] == pytest.approx(1 / SIZE)


def test_words_that_read_the_same_are_a_control_as_high():
  x, own, sets = planted(6.0)
  words = own_emotion.formed(x[:, 2], 'centred', 0.0, 1.0)
  found = measured(x, own, sets, words)
  for estimate in found.values():
    assert estimate['controls'][-1]['value'] == estimate['value']


def test_standardised_readings_are_relative_to_neutral_text():
  x, mean, deviation = np.ones((2, 3)), np.arange(3.0), np.array([1, 2, 4.0])
  got = own_emotion.formed(x, 'standardised', mean, deviation)
  np.testing.assert_allclose(got, [[1, 0, -0.25]] * 2)


def test_layers_show_where_the_emotions_are():
  x, own, sets = planted(6.0)
  rows = own_emotion.over_layers(x, own, sets, 0, 100)
  assert [row['layer'] for row in rows] == list(range(LAYERS))
  values = [row['percentile']['emotions']['value'] for row in rows]
  assert abs(values[0] - 0.5) < 0.15 and min(values[1:]) > 0.95
  for row in rows:
    for kind in ('renamed', 'shuffled', 'random'):
      band = row['percentile'][kind]
      assert band['low'] < 0.5 < band['high']
