"""What swapped words do is told apart from all that does not depend on them."""

import numpy as np
import pytest

from emojax import agreement
from emojax import swaps


@pytest.mark.parametrize(
    'depth, early, late',
    [(1, [0], [0]), (2, [0], [1]), (3, [0], [2]), (30, [0, 9], [20, 29])],
)
def test_ends_are_thirds_and_never_empty(depth, early, late):
  layers = np.arange(depth)
  found = swaps.ends(depth)
  for name, expected in (('early', early), ('late', late)):
    part = layers[found[name]]
    assert [part[0], part[-1]] == [expected[0], expected[-1]]


def test_of_own_takes_each_texts_emotion_at_every_layer():
  readings = np.arange(2 * 3 * 4.0).reshape(2, 3, 4)  # N, L, E.
  got = swaps.of_own(readings, np.array([1, 3]))
  assert got.tolist() == [[1, 5, 9], [15, 19, 23]]
  both = swaps.of_own(np.stack([readings, -readings]), np.array([1, 3]))
  np.testing.assert_array_equal(both, np.stack([got, -got]))


def test_over_others_is_the_diagonal_of_centred_readings():
  readings = np.random.default_rng(0).standard_normal((2, 5, 3, 5))
  got = swaps.over_others(readings)
  assert got.shape == (2, 5, 3)
  for layer in range(3):
    centred = agreement.centred(readings[:, :, layer])
    np.testing.assert_allclose(
        got[:, :, layer], np.einsum('kee->ke', centred), atol=1e-12
    )


def test_an_offset_of_a_vector_falls_out_over_others():
  readings = np.random.default_rng(1).standard_normal((5, 3, 5))
  offset = np.random.default_rng(2).standard_normal((3, 5))
  np.testing.assert_allclose(
      swaps.over_others(readings + offset), swaps.over_others(readings)
  )


def bound(binding, seed=0, texts=6, depth=3, size=4):
  """Readings [2, 2, N, L, E] of all that is not binding, and some binding."""
  rng = np.random.default_rng(seed)
  emotions = np.stack([rng.permutation(size)[:2] for _ in range(texts)])
  x = np.zeros((2, 2, texts, depth, size))
  x += rng.standard_normal((texts, depth, size))  # Of the text and vector.
  x += rng.standard_normal((2, texts, depth, size))  # Of the person as well.
  x += rng.standard_normal((depth, size))  # Offsets of vectors.
  for order in (0, 1):
    for n, pair in enumerate(emotions):
      first, second = pair[::-1] if order else pair
      x[order, :, n, :, second] += 0.7  # What was said last is read everywhere.
      x[order, 0, n, :, first] += binding
      x[order, 1, n, :, second] += binding
  return x, emotions


@pytest.mark.parametrize('binding', [0.0, 0.3, -0.2])
def test_only_what_belongs_to_a_person_is_matched(binding):
  got = swaps.matched(*bound(binding))
  assert got.shape == (6, 3)
  np.testing.assert_allclose(got, np.full((6, 3), binding), atol=1e-12)


def test_sets_of_controls_are_matched_likewise():
  x, emotions = bound(0.3)
  got = swaps.matched(np.stack([x, -x]), emotions)
  one = swaps.matched(x, emotions)
  np.testing.assert_allclose(got, np.stack([one, -one]))
