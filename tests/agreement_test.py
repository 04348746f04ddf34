"""Ranks, contrasts and correlations of readings, by hand and planted."""

import numpy as np
import pytest
import scipy.stats

from emojax import agreement

# Three texts, of emotions 0, 2 and 2, and three vectors; the second is high.
X = np.array([[0.3, 0.9, 0.1], [0.2, 0.8, 0.2], [0.1, 0.7, 0.6]])
OWN = np.array([0, 2, 2])


def planted(noise, offsets, seed=0, texts=3, size=12):
  """Readings in which each text's own emotion is 1 higher."""
  rng = np.random.default_rng(seed)
  own = np.repeat(np.arange(size), texts)
  x = noise * rng.standard_normal((len(own), size)) + offsets
  x[np.arange(len(own)), own] += 1
  return x, own


def test_a_centre_is_the_mean_over_the_other_texts():
  got = agreement.centred(X)
  np.testing.assert_allclose(got[0], X[0] - X[1:].mean(axis=0))
  np.testing.assert_allclose(got[2], X[2] - X[:2].mean(axis=0))


def test_a_texts_own_reading_does_not_move_its_centre():
  moved = X.copy()
  moved[1, 2] += 5
  change = agreement.centred(moved) - agreement.centred(X)
  np.testing.assert_allclose(change[1, 2], 5)


def test_centring_takes_offsets_out_and_keeps_the_plain_ranks():
  offsets = np.array([3.0, -1, 0.5])
  got = agreement.centred(X + offsets)
  np.testing.assert_allclose(got, agreement.centred(X), atol=1e-12)
  plain = X - X.mean(axis=0)
  np.testing.assert_allclose(got, plain * 3 / 2, atol=1e-12)


def test_hits_and_percentiles_by_hand():
  assert agreement.hits(X, OWN, 1).tolist() == [False, False, False]
  # The second text's own emotion is as high as another: that is no hit.
  assert agreement.hits(X, OWN, 2).tolist() == [True, False, True]
  np.testing.assert_allclose(agreement.percentile(X, OWN), [0.5, 0.25, 0.5])


def test_equal_readings_hit_nothing_and_stand_in_the_middle():
  x = np.zeros((4, 5))
  own = np.array([0, 1, 2, 4])
  assert not agreement.hits(x, own, 3).any()
  assert agreement.percentile(x, own).tolist() == [0.5] * 4
  assert agreement.contrast(x, own).tolist() == [0] * 4


def test_the_contrast_is_the_diagonal_less_the_rest_in_deviations():
  x, own = planted(0.5, 0.0, texts=1, size=4)
  off = x[~np.eye(4, dtype=bool)]
  expected = (np.diag(x).mean() - off.mean()) / x.std()
  np.testing.assert_allclose(agreement.contrast(x, own).mean(), expected)
  np.testing.assert_allclose(
      agreement.contrast(1000 * x, own), agreement.contrast(x, own)
  )


def test_measures_take_any_axes_before_texts():
  x = np.stack([X, X[:, ::-1], -X])
  for measure, _ in agreement.measures(2, 3).values():
    got = measure(x, OWN)
    assert got.shape == (3, 3)
    for row, each in zip(got, x, strict=True):
      np.testing.assert_allclose(row, measure(each, OWN))


def test_readings_that_say_nothing_have_the_means_of_chance():
  rng = np.random.default_rng(1)
  x, own = rng.standard_normal((40000, 8)), rng.integers(8, size=40000)
  for measure, chance in agreement.measures(3, 8).values():
    assert abs(measure(x, own).mean() - chance) < 0.02


def test_an_offset_hides_what_centring_finds():
  offsets = np.where(np.arange(12) == 5, 30.0, 0)
  x, own = planted(0.1, offsets)
  # Whatever the text, the vector with the offset is the highest.
  assert agreement.hits(x, own, 1).mean() == 1 / 12
  assert agreement.hits(agreement.centred(x), own, 1).all()


def test_a_matrix_has_the_means_of_each_emotions_texts():
  got = agreement.by_emotion(X, OWN)
  np.testing.assert_allclose(got, [X[0], X[1:].mean(axis=0)])


def test_names_are_dealt_out_anew_to_all_texts_of_an_emotion_at_once():
  own = np.array([4, 4, 7, 7, 7, 9])
  dealt = agreement.renamed(own, 0, 200)
  assert dealt.shape == (200, 6)
  assert (dealt[:, 0] == dealt[:, 1]).all()
  assert (dealt[:, [2]] == dealt[:, 3:5]).all()
  assert (np.sort(dealt[:, [0, 2, 5]], axis=1) == [4, 7, 9]).all()
  assert len(np.unique(dealt, axis=0)) == 6


def test_names_without_meaning_bring_planted_emotions_down_to_chance():
  x, own = planted(0.1, 0.0)
  dealt = agreement.renamed(own, 0, 400)
  null = [agreement.hits(x, d, 1).mean() for d in dealt]
  assert agreement.hits(x, own, 1).all()
  assert abs(np.mean(null) - 1 / 12) < 0.02


def test_points_correlate_as_scipy_says():
  rng = np.random.default_rng(2)
  x, y = rng.standard_normal((2, 10, 6))
  expected = scipy.stats.pearsonr(x.ravel(), y.ravel()).statistic
  np.testing.assert_allclose(agreement.point_correlation(x, y), expected)
  both = agreement.point_correlation(np.stack([x, y]), np.stack([y, y]), axis=1)
  np.testing.assert_allclose(both, [expected, 1])


@pytest.mark.parametrize('centre', [False, True])
def test_offsets_of_probes_correlate_until_they_are_taken_off(centre):
  rng = np.random.default_rng(3)
  offsets = 10 * rng.standard_normal(6)
  x, y = rng.standard_normal((2, 200, 6)) + offsets
  r = agreement.point_correlation(x, y, centre=centre)
  assert abs(r) < 0.1 if centre else r > 0.95
