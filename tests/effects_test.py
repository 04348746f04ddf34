"""Vectors of two labels, told apart where they are planted."""

import itertools

import numpy as np
import pytest

from emojax import effects
from emojax import likeness
from emojax import vectors as vectors_lib

E, D, TOPICS = 6, 40, 5
PAIRS = np.array(list(itertools.permutations(range(E), 2))).T  # [2, 30]
N = PAIRS.shape[1]
TOPIC = (2 * PAIRS[0] + PAIRS[1]) % TOPICS
NONE = np.zeros(N, int)


def planted(seed, noise=0.0, second=1.0, topics=3.0):
  """Activations that add up: a vector a label, a topic, and noise."""
  rng = np.random.default_rng(seed)
  first, other = rng.standard_normal((2, E, D))
  first, other = (x - x.mean(axis=0) for x in (first, other))
  # So that vectors of the two labels have nothing to do with each other.
  other -= other @ np.linalg.pinv(first) @ first
  subject = topics * rng.standard_normal((TOPICS, D))
  x = first[PAIRS[0]] + second * other[PAIRS[1]] + subject[TOPIC]
  return x + noise * rng.standard_normal((N, D)), first, second * other


def own_cosines(weights, x):
  """Cosines of the two labels' vectors of each emotion."""
  made = vectors_lib.unit(weights.effects @ x)
  return np.sum(made[0] * made[1], axis=1)


def design(method):
  return effects.Design(PAIRS, E, TOPIC, method)


def test_least_squares_find_what_was_planted():
  x, first, other = planted(0)
  made = design('within blocks').weights()
  np.testing.assert_allclose(made.effects[0] @ x, first, atol=1e-9)
  np.testing.assert_allclose(made.effects[1] @ x, other, atol=1e-9)
  np.testing.assert_allclose(own_cosines(made, x), 0, atol=1e-9)


def test_a_text_is_its_base_and_its_two_vectors():
  x, *_ = planted(1)
  made = design('within blocks').weights()
  first, other = made.effects @ x
  whole = (made.base @ x)[TOPIC] + first[PAIRS[0]] + other[PAIRS[1]]
  np.testing.assert_allclose(whole, x, atol=1e-9)


def test_means_by_label_are_those_of_emotion_vectors():
  x, *_ = planted(2, 1.0)
  made = design('grouped').weights()
  for label, weights in zip(PAIRS, made.effects, strict=True):
    expected, mean = vectors_lib.emotion_vectors(x[:, None], label, E)
    np.testing.assert_allclose(weights @ x, expected[:, 0], atol=1e-9)
  np.testing.assert_allclose((made.base @ x)[0], mean[0], atol=1e-9)


def test_means_by_label_draw_unrelated_vectors_apart():
  x, *_ = planted(3, topics=0)
  grouped = own_cosines(design('grouped').weights(), x)
  np.testing.assert_allclose(grouped.mean(), -2 / (E - 1), atol=0.05)
  # The weaker the second label, the nearer its mean is to the first reversed.
  x, *_ = planted(3, second=0.1, topics=0)
  assert own_cosines(design('grouped').weights(), x).mean() < -0.8


@pytest.mark.parametrize(
    'method, sign', [('grouped', -1), ('together', 1), ('within blocks', 1)]
)
def test_in_noise_alone_vectors_of_two_labels_are_not_free_of_each_other(
    method, sign
):
  rng = np.random.default_rng(4)
  made = design(method).weights()
  found = [
      own_cosines(made, rng.standard_normal((N, D))).mean() for _ in range(50)
  ]
  assert np.mean(found) == pytest.approx(sign / (E - 1), abs=0.05)


def test_shuffled_labels_have_the_bias_of_the_design():
  rng = np.random.default_rng(5)
  x = rng.standard_normal((N, D))
  made = design('grouped').variants(0, 200)['shuffled']
  cosines = likeness.cosines(likeness.products(made.reshape(200, 2 * E, N), x))
  own = np.diagonal(cosines[:, :E, E:], axis1=1, axis2=2)
  assert own.mean() == pytest.approx(-1 / (E - 1), abs=0.03)


def test_without_a_text_weights_are_those_of_the_others():
  found = design('within blocks').variants(0, 1)['left_out']
  assert found.shape == (N, 2, E, N)
  kept = np.delete(np.arange(N), 7)
  part = effects.Design(PAIRS[:, kept], E, TOPIC[kept], 'within blocks')
  np.testing.assert_allclose(
      found[7][..., kept], part.weights().effects, atol=1e-12
  )
  assert np.all(found[7][..., 7] == 0)


def test_many_texts_are_left_out_in_64_groups():
  parts = effects.left_out(200)
  assert len(parts) == 64
  left = [np.setdiff1d(np.arange(200), kept) for kept in parts]
  assert sorted(np.concatenate(left)) == list(range(200))


def test_permutations_stay_within_their_blocks():
  rng = np.random.default_rng(6)
  orders = effects.permuted_within(rng, TOPIC, 20)
  for order in orders:
    assert sorted(order) == list(range(N))
    np.testing.assert_array_equal(TOPIC[order], TOPIC)
  assert len(np.unique(orders, axis=0)) == 20
  # Of all permutations where there is one block.
  orders = effects.permuted_within(rng, NONE, 500)
  assert np.mean(orders[:, 0]) == pytest.approx((N - 1) / 2, abs=2)


def test_labels_that_cannot_be_told_apart_have_no_design_but_the_means():
  every = effects.designs(PAIRS, E, TOPIC)
  assert list(every) == ['grouped', 'together', 'within blocks']
  # A topic of its own for every text leaves nothing to tell labels from.
  assert list(effects.designs(PAIRS, E, np.arange(N))) == [
      'grouped',
      'together',
  ]
  # The second label follows from the first.
  cycle = np.stack([np.arange(12) % 4, (np.arange(12) + 1) % 4])
  assert list(effects.designs(cycle, 4, np.zeros(12, int))) == ['grouped']


def test_residuals_are_what_no_label_explains():
  rng = np.random.default_rng(8)
  wide = 20_000
  shared, own = rng.standard_normal((2, N, wide))
  noise = np.stack([2 * shared, shared + own])
  first, other = rng.standard_normal((2, E, wide))
  x = first[PAIRS[0]] + other[PAIRS[1]] + noise
  got = effects.residual(x, design('together')) / wide
  np.testing.assert_allclose(got, [[4, 2], [2, 2]], atol=0.05)


def test_nothing_left_over_is_no_noise_but_unknown():
  few = np.array([[0, 1, 2], [1, 2, 0]])
  part = effects.Design(few, 3, np.zeros(3, int), 'together')
  assert np.isnan(effects.residual(np.ones((1, 3, D)), part)).all()
