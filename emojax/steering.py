"""Directions added to the residual stream, as data: one row, one steering."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from emojax import errors

Array = jax.Array


@flax.struct.dataclass
class Interventions:
  """What is added to the residual stream, for every row of a batch.

  Everything is an array, so that another emotion, layer or strength is other
  data and never another program.

  Attributes:
    directions: [E, L, D] float32, a bank shared by all rows; each direction is
      as long as the mean residual norm of its layer (see `scaled_directions`).
    index: [B] int32, each row's direction in the bank.
    strength: [B, L] float32, in units of the mean residual norm of the layer;
      0 where the row is not steered.
    tokens: [B, T] bool, the tokens that are steered.
  """

  directions: Array
  index: Array
  strength: Array
  tokens: Array

  def for_tokens(self, tokens: Array) -> 'Interventions':
    """Returns the same steering for other tokens: [B, T] bool."""
    return self.replace(tokens=tokens)


def steer(
    x: Array, directions: Array, index: Array, strength: Array, tokens: Array
) -> Array:
  """Adds to the residual stream of one layer.

  Args:
    x: [B, T, D].
    directions: [E, D], this layer's.
    index: [B].
    strength: [B], this layer's.
    tokens: [B, T].

  Returns:
    [B, T, D]; rows of strength 0 and unsteered tokens keep their very bits.
  """
  offset = strength[:, None] * directions[index]
  active = tokens & (strength != 0)[:, None]
  # `where` and not a product: -0.0 + 0.0 would change a bit.
  return jnp.where(active[:, :, None], x + offset[:, None].astype(x.dtype), x)


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


def scaled_directions(vectors: np.ndarray, norms: np.ndarray) -> np.ndarray:
  """Makes strength 1 mean one mean residual norm.

  Args:
    vectors: [E, L, D], of any length but 0.
    norms: [L], the mean residual norm of each layer.

  Returns:
    [E, L, D] float32, each of its layer's norm (footnote 4 of the paper).
  """
  lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
  if not np.all(lengths > 0):
    raise errors.InputError('A direction of length 0 cannot steer.')
  return (vectors / lengths * norms[:, None]).astype(np.float32)


def random_directions(
    seed: int, count: int, num_layers: int, width: int
) -> np.ndarray:
  """Draws isotropic unit vectors, [count, L, D]: the control for `vectors`."""
  rng = np.random.default_rng(seed)
  x = rng.standard_normal((count, num_layers, width), dtype=np.float32)
  return x / np.linalg.norm(x, axis=-1, keepdims=True)


def at_layer(strengths: np.ndarray, layer: int, num_layers: int) -> np.ndarray:
  """Spreads [B] strengths to [B, L], all at one layer.

  Raises:
    InputError: there is no such layer (JAX would drop the update in silence).
  """
  check_layer(layer, num_layers)
  out = np.zeros((len(strengths), num_layers), np.float32)
  out[:, layer] = strengths
  return out


def check_layer(layer: int, num_layers: int) -> None:
  """Refuses a layer that the model does not have."""
  if not 0 <= layer < num_layers:
    raise errors.InputError(
        f'Layer {layer} is out of range: this model has layers 0 to'
        f' {num_layers - 1} (resid_post[i] is the output of block i).'
    )
