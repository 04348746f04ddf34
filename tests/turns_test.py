"""Correlations of two places of a chat, by planted truth."""

import numpy as np

from emojax.experiments.measures import turn_readings

N, L, E, SETS = 40, 2, 5, 8


def planted(seed=0):
  """Two places with offsets in common, and at the last layer prompts, too."""
  rng = np.random.default_rng(seed)
  offsets = 30 * rng.standard_normal(E)
  common = rng.standard_normal((N, E))
  out = []
  for _ in range(2):
    own = rng.standard_normal((N, L, E))
    own[:, 1] = 0.2 * own[:, 1] + common
    sets = rng.standard_normal((2, SETS, N, L, E)) + offsets
    out.append(
        {'emotions': own + offsets, 'shuffled': sets[0], 'random': sets[1]}
    )
  return out


def test_offsets_in_common_look_like_agreement_until_they_are_taken_off():
  x, y = planted()
  first, last = turn_readings.correlations(x, y, False, 0, 100)
  assert first['value'] > 0.95 and last['value'] > 0.95
  # The control of permuted prompts shows that the prompts do not matter.
  assert first['permuted']['low'] > 0.95
  first, last = turn_readings.correlations(x, y, True, 0, 100)
  assert first['low'] < 0 < first['high']
  assert last['low'] > 0.9


def test_controls_are_bands_about_nothing_where_nothing_is_shared():
  x, y = planted()
  for row in turn_readings.correlations(x, y, True, 0, 200):
    for kind in ('permuted', 'shuffled', 'random'):
      assert row[kind]['low'] < 0 < row[kind]['high']
      assert row[kind]['high'] < 0.5
    assert row['permuted']['n'] == 200 and row['random']['n'] == SETS


def test_a_place_agrees_with_itself_wholly():
  x, _ = planted()
  for row in turn_readings.correlations(x, x, True, 0, 10):
    np.testing.assert_allclose(row['value'], 1)
