"""Planted axes are found, and what picking the best one does is told."""

import numpy as np
import pytest

from emojax import axes
from emojax import geometry

SIZE, WIDTH = 40, 16


def _planted(seed, lengths, noise=0.3):
  """Vectors along orthogonal axes of so much spread: (vectors, positions)."""
  rng = np.random.default_rng(seed)
  along = rng.normal(size=(SIZE, len(lengths)))
  turned = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0][: len(lengths)]
  x = (along * lengths) @ turned + noise * rng.normal(size=(SIZE, WIDTH))
  return x, along


def _scores(x):
  return geometry.principal_components(x, 5)[0]


def test_known_axes_are_the_first_components():
  x, (valence, arousal) = (lambda x, a: (x, a.T))(*_planted(0, (5, 2.5)))
  scores = _scores(x)
  for component, ratings in ((0, valence), (1, arousal)):
    got = axes.correlation(scores[:, component], ratings)
    assert got['value'] > 0.9 and got['n'] == SIZE
    assert got['low'] > axes.permuted(scores[:, :1], ratings, 0)['high']


def test_a_louder_confound_takes_the_first_component_and_a_pick_hides_it():
  # Such as the length of texts: not valence, but of more variance.
  x, along = _planted(1, (8, 3))
  scores, valence = _scores(x), along[:, 1]
  beforehand = axes.correlation(scores[:, 0], valence)
  picked, best = axes.best(scores, valence)
  assert beforehand['value'] < 0.4 and picked == 1 and best['value'] > 0.9
  assert axes.correlation(scores[:, 0], along[:, 0])['value'] > 0.9


def test_the_best_of_five_is_high_by_chance_and_its_own_null_says_so():
  rng = np.random.default_rng(2)
  scores, ratings = rng.normal(size=(12, 5)), rng.normal(size=12)
  one, five = (axes.permuted(scores[:, :count], ratings, 0) for count in (1, 5))
  assert five['value'] > one['value'] + 0.1
  _, best = axes.best(scores, ratings)
  assert five['low'] < best['value'] < five['high']


def test_a_sink_that_all_share_moves_no_component():
  x, along = _planted(3, (5, 2))
  shifted = x + 1000 * np.eye(WIDTH)[4]
  for i in range(2):
    a, b = (
        axes.correlation(_scores(v)[:, i], along[:, i]) for v in (x, shifted)
    )
    assert a['value'] == pytest.approx(b['value'], abs=1e-6)


def test_the_sign_of_a_component_says_nothing():
  scores, ratings = np.random.default_rng(4).normal(size=(2, 9))
  a, b = (axes.correlation(x, ratings) for x in (scores, -scores))
  assert a == b and a['value'] >= 0
  signed = [axes.correlation(x, ratings, True) for x in (scores, -scores)]
  assert signed[0]['value'] == pytest.approx(-signed[1]['value'])


def test_turned_components_have_no_negative_correlation():
  rng = np.random.default_rng(5)
  scores, ratings = rng.normal(size=(9, 4)), rng.normal(size=9)
  ratings[[2, 5]] = np.nan
  got = axes.oriented(scores, ratings)
  np.testing.assert_array_equal(np.abs(got), np.abs(scores))
  known = np.isfinite(ratings)
  for x in got.T:
    assert np.corrcoef(x[known], ratings[known])[0, 1] >= 0


def test_words_without_a_rating_are_left_out():
  rng = np.random.default_rng(6)
  x, ratings = rng.normal(size=(2, 9))
  holes = ratings.copy()
  holes[[0, 7]] = np.nan
  rest = np.isfinite(holes)
  assert axes.correlation(x, holes) == axes.correlation(x[rest], ratings[rest])


def test_three_words_or_equal_ratings_tell_nothing():
  x = np.arange(5.0)
  few = np.array([1, 2, 4, np.nan, np.nan])
  assert axes.correlation(x, few) is None
  assert axes.correlation(x, np.full(5, 0.1)) is None
  assert axes.correlation(np.full(5, 0.1), x) is None
  assert axes.best(x[:, None], few) is None
