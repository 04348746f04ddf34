"""The sizes and constants of a transformer."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
  """The sizes and constants of a model; one row a checkpoint.

  Attributes:
    dtype: of the weights and of what is multiplied with them. The residual
      stream, norms and softmax are float32 in every case: they are what is
      measured, and bfloat16 keeps 8 bits.
  """

  num_layers: int
  width: int
  mlp_width: int
  vocab_size: int
  num_kv_heads: int
  queries_per_kv: int
  head_dim: int
  context: int
  rope_base: float
  norm_epsilon: float
  tied_embeddings: bool
  dtype: Any = jnp.float32

  def sizes(self, axes: str) -> dict[str, int]:
    """Returns the size of each named axis, in the order of `axes`."""
    table = {
        'L': self.num_layers,
        'D': self.width,
        'F': self.mlp_width,
        'V': self.vocab_size,
        'K': self.num_kv_heads,
        'G': self.queries_per_kv,
        'H': self.head_dim,
    }
    return {axis: table[axis] for axis in axes}

  @property
  def precision(self) -> jax.lax.Precision:
    """A TPU multiplies float32 in bfloat16 unless it is told not to."""
    if self.dtype == jnp.float32:
      return jax.lax.Precision.HIGHEST
    return jax.lax.Precision.DEFAULT
