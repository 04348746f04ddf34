"""Directions added to the residual stream, or taken out of it, as data."""

from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from emojax import errors

Array = jax.Array


@flax.struct.dataclass
class Interventions:
  """What is done to the residual stream, for every row of a batch.

  Everything is an array, so that another emotion, layer, strength or rule is
  other data and never another program. A row can have C directions at once.

  Attributes:
    directions: [E, L, D] float32, a bank shared by all rows; each direction is
      as long as the mean residual norm of its layer (see `scaled_directions`).
    index: [B, C] int32, each row's directions in the bank.
    strength: [B, C, L] float32, in units of the mean residual norm of the
      layer; 0 where the row is not steered.
    tokens: [B, C, T] bool, the tokens that are steered.
    ablate: [B, C] bool, True for a direction that is not added but projected
      out, wherever its strength is not 0; None if none is. Of a row, those that
      are projected out have the same tokens.
  """

  directions: Array
  index: Array
  strength: Array
  tokens: Array
  ablate: Array | None = None

  def for_tokens(self, tokens: Array) -> 'Interventions':
    """Returns the same steering for other tokens: [B, C, T] bool."""
    return self.replace(tokens=tokens)


def steer(
    x: Array,
    directions: Array,
    index: Array,
    strength: Array,
    tokens: Array,
    ablate: Array | None = None,
) -> Array:
  """Changes the residual stream of one layer: ablates first, then adds.

  Args:
    x: [B, T, D].
    directions: [E, D], this layer's.
    index: [B, C].
    strength: [B, C], this layer's.
    tokens: [B, C, T].
    ablate: [B, C] or None.

  Returns:
    [B, T, D]; rows of strength 0 and unsteered tokens keep their very bits.
  """
  own = directions[index]
  active = tokens & (strength != 0)[:, :, None]
  if ablate is not None:
    x = _project_out(x, own, active & ablate[:, :, None])
    active = active & ~ablate[:, :, None]
  # One by one: C is 1 or 2, and a sum of products would be rounded on a TPU.
  offset = 0.0
  for c in range(index.shape[1]):
    weight = jnp.where(active[:, c], strength[:, c, None], 0)
    offset = offset + weight[:, :, None] * own[:, c, None]
  # `where` and not a sum: -0.0 + 0.0 would change a bit.
  steered = jnp.any(active, axis=1)[:, :, None]
  return jnp.where(steered, x + offset.astype(x.dtype), x)


def _project_out(x: Array, directions: Array, active: Array) -> Array:
  """Removes what a row's directions span.

  Args:
    x: [B, T, D].
    directions: [B, C, D].
    active: [B, C, T]; directions of a row that are used have the same tokens.

  Returns:
    [B, T, D].
  """
  used = jnp.any(active, axis=2)[:, :, None]
  basis = []
  for c in range(directions.shape[1]):  # Gram and Schmidt.
    u = directions[:, c]
    for v in basis:
      u = u - jnp.sum(u * v, axis=-1, keepdims=True) * v
    u = u / jnp.linalg.norm(u, axis=-1, keepdims=True)
    basis.append(jnp.where(used[:, c], u, 0))
  basis = jnp.stack(basis, axis=1)
  component = jnp.einsum(
      'BTD,BCD->BCT', x.astype(jnp.float32), basis, precision='highest'
  )
  removed = jnp.einsum('BCT,BCD->BTD', component, basis, precision='highest')
  touched = jnp.any(active, axis=1)[:, :, None]
  return jnp.where(touched, x - removed.astype(x.dtype), x)


def ordinary_norm(norms: np.ndarray, factor: float = 4.0) -> np.ndarray:
  """The mean residual norm of each layer over ordinary tokens.

  The first position and a few others hold massive activations, hundreds of
  times longer than the rest; a mean with them says nothing of a usual token.

  Args:
    norms: [L, N] of N tokens, none at position 0.
    factor: a token longer than this many medians of its layer is left out.

  Returns:
    [L] float32.
  """
  limit = factor * np.median(norms, axis=1, keepdims=True)
  kept = norms <= limit
  return ((norms * kept).sum(axis=1) / kept.sum(axis=1)).astype(np.float32)


def scaled_directions(
    vectors: np.ndarray,
    norms: np.ndarray,
    layers: Sequence[int] | None = None,
) -> np.ndarray:
  """Makes strength 1 mean one mean residual norm.

  Args:
    vectors: [E, L, D], of any length but 0.
    norms: [L], the mean residual norm of each layer.
    layers: that will be steered, all if None; at others a length can be 0, and
      stays so.

  Returns:
    [E, L, D] float32, each of its layer's norm (footnote 4 of the paper).
  """
  lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
  steered = lengths if layers is None else lengths[:, list(layers)]
  if not np.all(steered > 0):
    raise errors.InputError('A direction of length 0 cannot steer.')
  lengths = np.where(lengths > 0, lengths, 1)
  return (vectors / lengths * norms[:, None]).astype(np.float32)


def directed_layers(vectors: np.ndarray) -> list[int]:
  """Returns the layers at which all of [E, L, D] have a length.

  Those of our own stories have one at all; other tools may know fewer layers.
  """
  lengths = np.linalg.norm(vectors, axis=-1)
  return np.flatnonzero(np.all(lengths > 0, axis=0)).tolist()


def check_directed(vectors: np.ndarray, layers: Sequence[int]) -> None:
  """Refuses a layer at which vectors of another tool have no direction."""
  known = directed_layers(vectors)
  for layer in layers:
    if layer not in known:
      raise errors.InputError(
          f'Layer {layer}: these vectors have no direction there; give one of'
          f' {", ".join(map(str, known))}.'
      )


def random_directions(
    seed: int, count: int, num_layers: int, width: int
) -> np.ndarray:
  """Draws isotropic unit vectors, [count, L, D]: the control for `vectors`."""
  rng = np.random.default_rng(seed)
  x = rng.standard_normal((count, num_layers, width), dtype=np.float32)
  return x / np.linalg.norm(x, axis=-1, keepdims=True)


def at_layers(
    strength: float, layers: Sequence[int], num_layers: int
) -> np.ndarray:
  """Spreads a strength to [L]: that at the layers named, 0 elsewhere.

  Raises:
    InputError: there is no such layer (JAX would drop the update in silence).
  """
  out = np.zeros(num_layers, np.float32)
  for layer in layers:
    check_layer(layer, num_layers)
    out[layer] = strength
  return out


def check_layer(layer: int, num_layers: int) -> None:
  """Refuses a layer that the model does not have."""
  if not 0 <= layer < num_layers:
    raise errors.InputError(
        f'Layer {layer} is out of range: this model has layers 0 to'
        f' {num_layers - 1}; give one of them (layer i is the output of block'
        ' i, counted from 0).'
    )
