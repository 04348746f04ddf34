"""Directions as data: what is added, where, and how long it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emojax import errors
from emojax import steering


def _bits(x):
  return np.asarray(x).view(np.uint16 if x.dtype == jnp.bfloat16 else np.uint32)


def steer(x, directions, index, strength, tokens, ablate=None):
  """One direction a row, unless more are given."""
  index, strength, tokens = map(jnp.asarray, (index, strength, tokens))
  if index.ndim == 1:
    index, strength, tokens = index[:, None], strength[:, None], tokens[:, None]
  return jax.jit(steering.steer)(
      jnp.asarray(x),
      jnp.asarray(directions),
      index,
      strength.astype(jnp.float32),
      tokens,
      None if ablate is None else jnp.asarray(ablate),
  )


def test_a_row_is_moved_along_its_own_direction_by_its_own_strength():
  directions = np.array([[1.0, 0], [0, 10]], np.float32)
  got = steer(
      jnp.zeros((3, 1, 2)),
      directions,
      [1, 0, 1],
      [0.5, -2, 1],
      np.ones((3, 1), bool),
  )
  assert got.tolist() == [[[0, 5]], [[-2, 0]], [[0, 10]]]


def test_only_tokens_of_the_mask_are_moved():
  got = steer(
      jnp.ones((2, 3, 1)),
      jnp.ones((1, 1)),
      [0, 0],
      [1, 1],
      [[True, False, True], [False, False, True]],
  )
  assert got[:, :, 0].tolist() == [[2, 1, 2], [1, 1, 2]]


def test_two_directions_add_each_at_its_own_tokens():
  got = steer(
      jnp.zeros((1, 3, 2)),
      np.array([[1.0, 0], [0, 10]], np.float32),
      [[0, 1]],
      [[3, 0.5]],
      [[[True, True, False], [False, True, True]]],
  )
  assert got[0].tolist() == [[3, 0], [3, 5], [0, 5]]


def test_two_directions_at_once_equal_their_sum():
  rng = np.random.default_rng(0)
  x, directions = rng.normal(size=(1, 4, 9)), rng.normal(size=(2, 9))
  x, directions = x.astype(np.float32), directions.astype(np.float32)
  both = np.ones((1, 2, 4), bool)
  got = steer(x, directions, [[0, 1]], [[0.5, -1]], both)
  total = 0.5 * directions[:1] - directions[1:]
  one = steer(x, total, [0], [1], both[:, 0])
  np.testing.assert_allclose(got, one, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_strength_zero_and_unsteered_tokens_keep_their_very_bits(dtype):
  x = jnp.array([[[-0.0, 1e-40], [np.inf, 3]], [[-0.0, 0], [1, 2]]], dtype)
  for ablate in (None, [[False], [False]]):
    got = steer(
        x,
        jnp.ones((1, 2)),
        [[0], [0]],
        [[0.0], [1.0]],
        [[[True, True]], [[False, True]]],
        ablate,
    )
    assert got.dtype == dtype
    np.testing.assert_array_equal(_bits(got[0]), _bits(x[0]))
    np.testing.assert_array_equal(_bits(got[1, 0]), _bits(x[1, 0]))
    assert got[1, 1].tolist() == [2, 3]


def test_ablation_leaves_no_component_and_nothing_else_changes():
  rng = np.random.default_rng(1)
  x = rng.normal(size=(3, 5, 8)).astype(np.float32)
  directions = rng.normal(size=(4, 8)).astype(np.float32) * 7
  directions[2] = directions[1] + 0.1 * directions[2]  # Far from orthogonal.
  index = [[0, 3], [1, 2], [2, 0]]
  tokens = np.zeros((3, 2, 5), bool)
  tokens[:, :, 1:4] = True
  got = np.asarray(
      steer(
          x, directions, index, np.ones((3, 2)), tokens, np.ones((3, 2), bool)
      )
  )
  unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
  for row, own in enumerate(index):
    left = got[row, 1:4] @ unit[own].T
    np.testing.assert_allclose(left, 0, atol=2e-6)
    # What is gone lies in the span of the row's directions.
    gone = (x - got)[row, 1:4].T
    fitted, *_ = np.linalg.lstsq(unit[own].T, gone, rcond=None)
    np.testing.assert_allclose(unit[own].T @ fitted, gone, atol=1e-5)
  np.testing.assert_array_equal(got[:, [0, 4]], x[:, [0, 4]])


def test_a_row_can_lose_one_direction_and_gain_another():
  got = steer(
      jnp.ones((2, 1, 2)),
      np.array([[5.0, 0], [0, 10]], np.float32),
      [[0, 1], [0, 1]],
      [[1, 0.5], [1, 0.5]],
      np.ones((2, 2, 1), bool),
      [[True, False], [False, False]],
  )
  assert got[:, 0].tolist() == [[0, 6], [6, 6]]


def test_a_direction_of_strength_zero_is_not_projected_out():
  got = steer(
      jnp.ones((1, 1, 2)),
      np.array([[5.0, 0]], np.float32),
      [0],
      [0],
      np.ones((1, 1), bool),
      [[True]],
  )
  assert got.tolist() == [[[1, 1]]]


def test_steering_for_other_tokens_changes_the_tokens_alone():
  before = steering.Interventions(
      directions=jnp.ones((1, 1, 1)),
      index=jnp.zeros((1, 1), jnp.int32),
      strength=jnp.ones((1, 1, 1)),
      tokens=jnp.zeros((1, 1, 1), bool),
  )
  tokens = jnp.ones((1, 1, 4), bool)
  after = before.for_tokens(tokens)
  assert after == before.replace(tokens=tokens)


def test_the_ordinary_norm_is_the_mean_without_outliers():
  norms = np.array([[1.0, 2, 3, 200], [10.0, 20, 30, 40]])
  assert steering.ordinary_norm(norms).tolist() == [2, 25]


def test_a_token_a_hundred_times_as_long_changes_no_norm():
  norms = np.random.default_rng(0).uniform(8, 12, size=(3, 101))
  before = steering.ordinary_norm(norms[:, :-1])
  norms[:, -1] = 100 * 12
  np.testing.assert_array_equal(steering.ordinary_norm(norms), before)


def test_scaled_directions_are_as_long_as_their_layers_norm():
  x = np.random.default_rng(1).normal(size=(4, 3, 7))
  norms = np.array([1.0, 20, 300])
  got = steering.scaled_directions(x, norms)
  assert got.dtype == np.float32
  lengths = np.linalg.norm(got, axis=-1)
  np.testing.assert_allclose(lengths, np.tile(norms, (4, 1)), rtol=1e-6)


def test_scaling_keeps_the_direction_and_forgets_the_length():
  x = np.array([[[3.0, 4]]])
  got = [steering.scaled_directions(s * x, np.array([10])) for s in (1, 7)]
  np.testing.assert_allclose(got, [[[[6, 8]]]] * 2, rtol=1e-6)


def test_a_direction_of_length_zero_is_refused():
  x = np.array([[[1.0, 0]], [[0, 0]]])
  with pytest.raises(errors.InputError, match='length 0'):
    steering.scaled_directions(x, np.ones(1))


def test_random_directions_have_length_one_and_are_the_same_by_seed():
  a, b, c = (steering.random_directions(seed, 5, 3, 64) for seed in (1, 1, 2))
  assert a.shape == (5, 3, 64) and a.dtype == np.float32
  np.testing.assert_allclose(np.linalg.norm(a, axis=-1), 1, rtol=1e-6)
  np.testing.assert_array_equal(a, b)
  assert not np.any(a == c)


def test_random_directions_favour_no_direction():
  x = steering.random_directions(3, 4000, 1, 3)[:, 0]
  # Of 4000 unit vectors in three dimensions: mean 0, second moments 1/3.
  np.testing.assert_allclose(x.mean(axis=0), np.zeros(3), atol=0.04)
  moments = np.einsum('ND,NF->DF', x, x) / 4000
  np.testing.assert_allclose(moments, np.eye(3) / 3, atol=0.03)


def test_a_strength_is_spread_to_the_layers_named():
  got = steering.at_layers(0.5, [1], 3)
  assert got.tolist() == [0, 0.5, 0]
  assert got.dtype == np.float32
  assert steering.at_layers(-1, range(1, 3), 4).tolist() == [0, -1, -1, 0]


@pytest.mark.parametrize('layer', [-1, -30, 30, 31])
def test_a_layer_out_of_range_is_refused_with_the_range(layer):
  for call in (
      lambda layer: steering.at_layers(1.0, [0, layer], 30),
      lambda layer: steering.check_layer(layer, 30),
  ):
    with pytest.raises(errors.InputError) as caught:
      call(layer)
    assert f'Layer {layer} ' in str(caught.value)
    assert 'layers 0 to 29' in str(caught.value)


def test_the_first_and_the_last_layer_are_in_range():
  assert steering.at_layers(1, [0], 2).tolist() == [1, 0]
  assert steering.at_layers(1, [1], 2).tolist() == [0, 1]
