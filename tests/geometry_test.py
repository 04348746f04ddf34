"""Planted structure is found, whatever the order, the scale or the seed."""

import numpy as np
import pytest
import scipy.spatial.distance

from emojax import geometry
from emojax import statistics


def _planted(seed, noise=0.1):
  """Three clusters of four vectors about three axes: (vectors, cluster)."""
  cluster = np.repeat([0, 1, 2], 4)
  rng = np.random.default_rng(seed)
  return np.eye(3, 6)[cluster] + noise * rng.normal(size=(12, 6)), cluster


def test_cosines_by_hand():
  got = geometry.cosine_matrix(np.array([[2.0, 0], [3, 3], [0, -5]]))
  half = np.sqrt(0.5)
  expected = [[1, half, 0], [half, 1, -half], [0, -half, 1]]
  np.testing.assert_allclose(got, expected, atol=1e-12)


def test_the_cosine_matrix_is_symmetric_with_a_diagonal_of_ones():
  x = np.random.default_rng(0).normal(size=(24, 576)).astype(np.float32)
  got = geometry.cosine_matrix(x)
  np.testing.assert_array_equal(got, got.T)
  np.testing.assert_allclose(np.diag(got), 1, atol=1e-12)
  expected = 1 - scipy.spatial.distance.cdist(x, x, 'cosine')
  np.testing.assert_allclose(got, expected, atol=1e-6)


def test_the_order_puts_two_planted_clusters_side_by_side():
  cluster = np.array([0, 1, 0, 1, 1, 0])
  noise = 0.1 * np.random.default_rng(1).normal(size=(6, 4))
  order = geometry.hierarchical_order(np.eye(2, 4)[cluster] + noise)
  assert sorted(order) == [0, 1, 2, 3, 4, 5]
  assert cluster[order].tolist() in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])


def test_the_order_of_an_arc_is_the_arc():
  angle = np.radians([50, 0, 80, 20, 65, 10])
  order = geometry.hierarchical_order(
      np.stack([np.cos(angle), np.sin(angle)], axis=1)
  )
  assert order.tolist() in ([1, 5, 3, 0, 4, 2], [2, 4, 0, 3, 5, 1])


def test_the_order_ignores_lengths():
  x, _ = _planted(2)
  scale = np.random.default_rng(3).uniform(0.1, 9, size=(12, 1))
  a, b = (geometry.hierarchical_order(v) for v in (x, x * scale))
  np.testing.assert_array_equal(a, b)


def test_principal_components_by_hand():
  # Centred: (3, 0), (-3, 0), (0, 1) and (0, -1).
  x = np.array([[4.0, 1], [-2, 1], [1, 2], [1, 0]])
  scores, explained = geometry.principal_components(x, 2)
  np.testing.assert_allclose(explained, [0.9, 0.1])
  np.testing.assert_allclose(
      np.abs(scores), [[3, 0], [3, 0], [0, 1], [0, 1]], atol=1e-12
  )


def test_the_variance_of_the_scores_is_what_they_explain():
  x = np.random.default_rng(4).normal(size=(24, 50)).astype(np.float32)
  scores, explained = geometry.principal_components(x, 5)
  share = scores.var(axis=0) / x.astype(float).var(axis=0).sum()
  np.testing.assert_allclose(share, explained, atol=1e-9)
  assert np.all(np.diff(explained) < 0)


def test_scores_are_uncorrelated_and_centred():
  scores, _ = geometry.principal_components(
      np.random.default_rng(5).normal(size=(24, 50)), 4
  )
  np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-12)
  product = np.einsum('EC,EK->CK', scores, scores)
  off = product - np.diag(np.diag(product))
  np.testing.assert_allclose(off, np.zeros((4, 4)), atol=1e-9)


def test_the_largest_score_of_a_component_is_positive():
  x = np.random.default_rng(6).normal(size=(9, 20))
  for flipped in (x, -x):
    scores, _ = geometry.principal_components(flipped, 3)
    largest = np.take_along_axis(
        scores, np.abs(scores).argmax(axis=0)[None], axis=0
    )
    assert np.all(largest > 0)


@pytest.mark.parametrize('seed', range(5))
def test_planted_clusters_are_found_in_any_order_with_any_seed(seed):
  x, cluster = _planted(7)
  order = np.random.default_rng(seed).permutation(12)
  got = geometry.clusters(x[order], 3, seed)
  same = got[:, None] == got[None]
  expected = cluster[order][:, None] == cluster[order][None]
  np.testing.assert_array_equal(same, expected)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('seed', range(10))
def test_a_bad_start_is_made_good_by_another(seed):
  # Of single starts on these eight clusters, four in ten end in a worse place.
  cluster = np.repeat(np.arange(8), 4)
  noise = 0.1 * np.random.default_rng(7).normal(size=(32, 12))
  got = geometry.clusters(np.eye(8, 12)[cluster] + noise, 8, seed)
  assert got.tolist() == cluster.tolist()


def test_clusters_are_numbered_by_first_appearance():
  x, cluster = _planted(8)
  order = np.argsort(-cluster, kind='stable')  # The last cluster first.
  assert (
      geometry.clusters(x[order], 3, 0).tolist() == [0] * 4 + [1] * 4 + [2] * 4
  )


def test_clusters_are_the_same_by_seed():
  x = np.random.default_rng(9).normal(size=(24, 8))
  a, b = (geometry.clusters(x, 4, 11) for _ in range(2))
  np.testing.assert_array_equal(a, b)


def test_clusters_ignore_lengths():
  x, cluster = _planted(10, noise=0.02)
  scale = np.where(np.arange(12) % 2, 100.0, 0.01)[:, None]
  assert geometry.clusters(x * scale, 3, 0).tolist() == cluster.tolist()


def _layers(seed):
  """Three layers of nine vectors; the second is the first, turned."""
  rng = np.random.default_rng(seed)
  first, last = rng.normal(size=(2, 9, 6))
  second = first @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
  return np.stack([first, second, last], axis=1)


def test_pairs_are_of_two_different_emotions():
  x = np.arange(9).reshape(3, 3)
  assert geometry.pairs(x).tolist() == [1, 2, 5]


def test_a_turned_layer_is_wholly_alike_and_an_unrelated_one_is_not():
  got = geometry.similarity(geometry.pair_cosines(_layers(0)))
  np.testing.assert_allclose(got, got.T)
  np.testing.assert_allclose(np.diag(got), 1)
  assert got[0, 1] == pytest.approx(1) and abs(got[0, 2]) < 0.5


def test_likeness_is_pearsons_r_of_the_pairs_cosines():
  cosines = geometry.pair_cosines(_layers(1))
  np.testing.assert_allclose(geometry.similarity(cosines), np.corrcoef(cosines))


def test_a_layer_whose_pairs_are_all_alike_is_like_none():
  cosines = np.stack([np.full(6, 0.1), np.arange(6.0)])
  got = geometry.similarity(cosines)
  assert np.isnan(got[0]).all() and got[1, 1] == pytest.approx(1)


def test_what_all_layers_share_is_no_likeness_of_the_emotions():
  # A token that takes all attention adds the same to every story.
  x = _layers(2).astype(np.float32)
  sink = np.full((1, 3, 6), 1000, np.float32)
  centred = (x + sink) - (x + sink).mean(axis=0)
  expected = geometry.pair_cosines(x - x.mean(axis=0))
  got = geometry.pair_cosines(centred)
  np.testing.assert_allclose(got, expected, atol=1e-3)


def test_an_emotion_that_is_drawn_twice_is_no_pair_with_itself():
  # Emotion 0 twice, 1 once, 2 not at all: the pair (0, 1) counts twice.
  got = geometry.pair_weights(np.array([0, 1, 0]), 3)
  assert got.tolist() == [2, 0, 0]


def test_weights_count_pairs_as_often_as_they_say():
  cosines = geometry.pair_cosines(_layers(3))
  weights = np.arange(cosines.shape[1]) % 4
  repeated = np.repeat(cosines, weights, axis=1)
  np.testing.assert_allclose(
      geometry.similarity(cosines, weights.astype(float)),
      np.corrcoef(repeated),
  )


@pytest.mark.parametrize('seed', range(4))
def test_agreement_of_pairs_is_the_adjusted_rand_index(seed):
  a, b = np.random.default_rng(seed).integers(4, size=(2, 15))
  got = geometry.pair_agreement(
      geometry.together(a), geometry.together(b), np.ones(15 * 14 // 2)
  )
  assert got == pytest.approx(statistics.adjusted_rand_index(a, b))


def test_clusterings_that_are_the_same_agree_wholly_whatever_the_weights():
  same = geometry.together(np.array([0, 0, 1, 2, 1]))
  weights = np.arange(10.0)
  assert geometry.pair_agreement(same, same, weights) == pytest.approx(1)
