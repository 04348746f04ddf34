"""Readings by hand."""

import numpy as np

from emojax import readings


def test_a_cosine_is_the_projection_by_the_length():
  # Activation (3, 4), unit vectors (1, 0), (0, -1) and (0.6, 0.8).
  got = readings.cosines(np.array([[3.0, -4, 5]]), np.array([5.0]))
  np.testing.assert_allclose(got, [[0.6, -0.8, 1]])


def test_cosines_of_any_leading_axes():
  projection = np.arange(24.0).reshape(2, 3, 4)
  norm = np.array([[1.0, 2, 4], [8, 16, 32]])
  got = readings.cosines(projection, norm)
  assert got.shape == (2, 3, 4)
  assert got[1, 2].tolist() == [20 / 32, 21 / 32, 22 / 32, 23 / 32]


def test_an_activation_of_length_zero_points_nowhere():
  got = readings.cosines(np.zeros((1, 2)), np.zeros(1))
  assert got.tolist() == [[0, 0]]


def test_scores_are_deviations_from_the_same_emotions_mean():
  got = readings.standardised(
      np.array([[0.5, 0.5], [0.1, -0.1]]),
      np.array([0.1, 0.4]),
      np.array([0.2, 0.05]),
  )
  np.testing.assert_allclose(got, [[2, 2], [0, -10]])


def test_neutral_tokens_score_zero_on_average_with_deviation_one():
  cosine = np.random.default_rng(0).normal(0.3, 0.1, size=(500, 4))
  got = readings.standardised(cosine, cosine.mean(axis=0), cosine.std(axis=0))
  np.testing.assert_allclose(got.mean(axis=0), np.zeros(4), atol=1e-9)
  np.testing.assert_allclose(got.std(axis=0), np.ones(4), atol=1e-9)


def test_an_emotion_without_spread_has_a_finite_score():
  got = readings.standardised(np.array([0.2]), np.array([0.2]), np.array([0.0]))
  assert got.tolist() == [0]
