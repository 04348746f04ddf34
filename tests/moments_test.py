"""Sums and sketches are what the rows themselves would give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emojax import errors
from emojax import moments
from emojax import vectors

L, D = 3, 24


def _rows(n, seed=0, rank=D):
  """Rows with a mean that is large beside what varies, as residuals have."""
  rng = np.random.default_rng(seed)
  factors = rng.normal(size=(n, L, rank)) * 0.7 ** np.arange(rank)
  mixing = np.stack([np.linalg.qr(rng.normal(size=(D, D)))[0]] * L)[:, :rank]
  x = np.einsum('NLC,LCD->NLD', factors, mixing)
  return (x + 50 * rng.normal(size=D)).astype(np.float32)


def _sketch(rows, test, batch=7):
  size = test.shape[1]
  state = moments.Sketch(
      count=jnp.float32(0),
      origin=jnp.zeros((L, D)),
      total=jnp.zeros((L, D)),
      square=jnp.zeros(L),
      product=jnp.zeros((L, D, size)),
  )
  for start in range(0, len(rows), batch):
    part = rows[start : start + batch]
    x = np.full((L, batch, D), 1e3, np.float32)  # What fillers hold is no row.
    x[:, : len(part)] = part.swapaxes(0, 1)
    real = (np.arange(batch) < len(part)).astype(np.float32)
    state = moments.add_to_sketch(state, x, real, test)
  return {
      name: np.asarray(getattr(state, name))
      for name in ('count', 'origin', 'total', 'square', 'product')
  }


def _projector(components):
  return np.einsum('LCD,LCE->LDE', components, components)


def test_sums_of_cells_are_those_of_their_rows_and_fillers_count_nowhere():
  rng = np.random.default_rng(0)
  stream = rng.normal(size=(L, 6, D)).astype(np.float32)
  embed = rng.normal(size=(6, D)).astype(np.float32)
  cell = np.array([2, 0, 2, 3, 3, 0], np.int32)  # 3: there are three cells.
  start = moments.CellSums(jnp.ones((3, L, D)), jnp.zeros((3, D)))
  got = moments.add_to_cells(start, stream, embed, cell)
  for c in range(3):
    own = cell == c
    np.testing.assert_allclose(
        got.stream[c], 1 + stream[:, own].sum(axis=1), atol=1e-6
    )
    np.testing.assert_allclose(got.embed[c], embed[own].sum(axis=0), atol=1e-6)


@pytest.mark.parametrize('fraction', [0.3, 0.5, 0.9])
def test_a_sketch_as_wide_as_the_rank_finds_the_exact_components(fraction):
  rows = _rows(200, rank=6)
  test = moments.test_matrix(0, D, 12)
  exact, counts = vectors.neutral_components(rows, fraction)
  got, got_counts = moments.sketched_components(
      _sketch(rows, test), test, fraction
  )
  assert got_counts.tolist() == counts.tolist()
  np.testing.assert_allclose(_projector(got), _projector(exact), atol=1e-3)


def test_a_narrow_sketch_removes_nearly_the_variance_asked_for():
  rows, test = _rows(500), moments.test_matrix(1, D, 10)
  got, _ = moments.sketched_components(_sketch(rows, test), test, 0.5)
  centred = rows - rows.mean(axis=0)
  left = centred - np.einsum('NLD,LDE->NLE', centred, _projector(got))
  share = (left**2).sum(axis=(0, 2)) / (centred**2).sum(axis=(0, 2))
  assert np.all(share < 0.51)
  random = np.linalg.qr(np.random.default_rng(2).normal(size=(D, got.shape[1])))
  along = np.einsum('NLD,DC->NLC', centred, random[0])
  control = 1 - (along**2).sum(axis=(0, 2)) / (centred**2).sum(axis=(0, 2))
  assert np.all(control > 0.7)  # As many random directions remove little.


def test_the_order_and_the_batches_do_not_matter():
  rows, test = _rows(60, rank=5), moments.test_matrix(0, D, 8)
  one, _ = moments.sketched_components(_sketch(rows, test), test, 0.6)
  two, _ = moments.sketched_components(_sketch(rows[::-1], test, 11), test, 0.6)
  np.testing.assert_allclose(_projector(one), _projector(two), atol=1e-3)


def test_components_are_orthonormal_and_the_rest_is_zero():
  rows, test = _rows(300), moments.test_matrix(0, D, 12)
  got, counts = moments.sketched_components(_sketch(rows, test), test, 0.8)
  for layer, count in enumerate(counts):
    kept = got[layer, :count]
    np.testing.assert_allclose(kept @ kept.T, np.eye(count), atol=1e-5)
    assert not got[layer, count:].any()


def test_too_narrow_a_sketch_is_refused_with_what_to_do():
  rows, test = _rows(300), moments.test_matrix(0, D, 2)
  with pytest.raises(errors.InputError, match='config.sketch=2.*double it'):
    moments.sketched_components(_sketch(rows, test), test, 0.95)


def test_text_that_does_not_vary_has_no_components():
  rows, test = np.ones((9, L, D), np.float32), moments.test_matrix(0, D, 4)
  _, counts = moments.sketched_components(_sketch(rows, test), test, 0.5)
  assert counts.tolist() == [0] * L


def test_a_test_matrix_is_orthonormal_and_the_seeds_own():
  one = moments.test_matrix(3, D, 5)
  np.testing.assert_allclose(one.T @ one, np.eye(5), atol=1e-6)
  np.testing.assert_array_equal(one, moments.test_matrix(3, D, 5))
  assert not np.allclose(one, moments.test_matrix(4, D, 5))
  assert jax.numpy.asarray(one).dtype == jnp.float32
