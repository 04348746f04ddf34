"""Sums over any number of texts, in memory that does not grow with it.

A stream of rows [B] becomes sums on the devices; each device keeps a part of
every sum (see `sharding.place_widely`). What needs linear algebra is left to
the host: a dense decomposition compiled for a TPU takes minutes.
"""

from collections.abc import Mapping
import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from emojax import errors

Array = jax.Array

_einsum = functools.partial(jnp.einsum, precision='highest')


@flax.struct.dataclass
class CellSums:
  """Sums of the rows that fall into each cell.

  Attributes:
    stream: [C, L, D] float32.
    embed: [C, D] float32, of the embedding layer.
  """

  stream: Array
  embed: Array


def add_to_cells(
    sums: CellSums, stream: Array, embed: Array, cell: Array
) -> CellSums:
  """Adds a batch.

  Args:
    sums: of C cells.
    stream: [L, B, D], a mean activation a row.
    embed: [B, D].
    cell: [B] int32; a row whose cell is C or more counts nowhere.
  """
  return CellSums(
      stream=sums.stream.at[cell].add(stream.swapaxes(0, 1), mode='drop'),
      embed=sums.embed.at[cell].add(embed, mode='drop'),
  )


@flax.struct.dataclass
class Sketch:
  """What is kept of a covariance: its products with a few random vectors.

  Attributes:
    count: [] float32, rows so far.
    origin: [L, D] that is subtracted from every row, so that a large mean does
      not swallow what varies.
    total: [L, D], the sum of rows.
    square: [L], the sum of the rows' squared lengths.
    product: [L, D, C], the second moments times the test matrix.
  """

  count: Array
  origin: Array
  total: Array
  square: Array
  product: Array


def test_matrix(seed: int, width: int, size: int) -> np.ndarray:
  """Draws the orthonormal test matrix of a sketch: [D, C] float32."""
  rng = np.random.default_rng(seed)
  return np.linalg.qr(rng.standard_normal((width, size)))[0].astype(np.float32)


def add_to_sketch(
    sketch: Sketch, stream: Array, real: Array, test: Array
) -> Sketch:
  """Adds a batch.

  Args:
    sketch: of the rows so far.
    stream: [L, B, D].
    real: [B] float32, 1 for a row that counts and 0 for a filler.
    test: [D, C], of `test_matrix`.
  """
  # The mean of the first batch is near enough to that of all.
  first = _einsum('LBD,B->LD', stream, real / real.sum())
  origin = jnp.where(sketch.count == 0, first, sketch.origin)
  x = (stream - origin[:, None]) * real[None, :, None]
  along = _einsum('LBD,DC->LBC', x, test)
  return Sketch(
      count=sketch.count + real.sum(),
      origin=origin,
      total=sketch.total + x.sum(axis=1),
      square=sketch.square + _einsum('LBD,LBD->L', x, x),
      product=sketch.product + _einsum('LBD,LBC->LDC', x, along),
  )


def sketched_components(
    sketch: Mapping[str, np.ndarray], test: np.ndarray, fraction: float
) -> tuple[np.ndarray, np.ndarray]:
  """Principal components out of a sketch, on the host.

  The Nystrom approximation of a positive semidefinite matrix from its product
  with a random test matrix, shifted for stability (Tropp, Yurtsever, Udell and
  Cevher 2017, "Fixed-rank approximation of a positive-semidefinite matrix from
  streaming data", algorithm 3). Exact where the rank is at most C.

  Args:
    sketch: the fields of a `Sketch`, of N rows.
    test: [D, C].
    fraction: components are kept until they explain this share of the
      variance.

  Returns:
    As `vectors.neutral_components`.

  Raises:
    InputError: C is too small to reach the fraction.
  """
  test = test.astype(np.float64)
  n = float(sketch['count'])
  rows, counts = [], []
  for layer in range(len(sketch['square'])):
    mean = sketch['total'][layer].astype(np.float64) / n
    variance = float(sketch['square'][layer]) - n * float(mean @ mean)
    product = sketch['product'][layer] - n * np.outer(mean, mean @ test)
    axes, sizes = _nystrom(product, test)
    reached = np.cumsum(sizes)
    least = fraction * variance
    count = int((reached < least).sum() + 1) if least > 0 else 0
    if count > len(sizes):
      raise errors.InputError(
          f'config.sketch={test.shape[1]}: too few random vectors to find'
          f' {fraction:g} of the variance of neutral text at layer {layer};'
          ' double it.'
      )
    rows.append(axes[:, :count].T)
    counts.append(count)
  out = np.zeros((len(rows), max(counts), len(test)), np.float32)
  for layer, row in enumerate(rows):
    out[layer, : len(row)] = row
  return out, np.array(counts)


def _nystrom(
    product: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Eigenvectors [D, C] and eigenvalues [C], the largest first."""
  length = np.linalg.norm(product)
  if not length:
    return np.zeros_like(product), np.zeros(product.shape[1])
  # The sums are float32: below their rounding there is nothing to find.
  shift = np.sqrt(len(test)) * np.finfo(np.float32).eps * length
  shifted = product + shift * test
  inner = test.T @ shifted
  sizes, axes = np.linalg.eigh((inner + inner.T) / 2)
  kept = sizes > shift / 2
  root = shifted @ (axes[:, kept] / np.sqrt(sizes[kept]))
  left, singular, _ = np.linalg.svd(root, full_matrices=False)
  return left, np.maximum(singular**2 - shift, 0)
