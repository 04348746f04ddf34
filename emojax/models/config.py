"""The sizes and constants of a transformer."""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class RopeScaling:
  """How rotary frequencies are slowed down to reach further.

  Attributes:
    factor: what a frequency is divided by.
    low, high, context: wavelengths below `context / high` are kept, those above
      `context / low` are stretched, and the ones between blended (Llama 3). All
      are stretched alike if `context` is None.
  """

  factor: float
  low: float = 1.0
  high: float = 1.0
  context: int | None = None


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
  """The sizes and constants of a model; one row a checkpoint.

  Attributes:
    rope_base_local: base of the layers with a window, unscaled; that of the
      others if None.
    query_scale: what attention logits are multiplied with; head_dim ** -0.5 if
      None.
    attention_softcap, final_softcap: x becomes cap * tanh(x / cap); None: not.
    window: tokens that a local layer sees, the token itself included.
    local: of each layer, whether it is local; () if none is.
    attention_bias: whether q, k and v have biases.
    qk_norm: whether q and k are normalised before they are rotated.
    post_norms: whether what attention and mlp write is normalised.
    norm_offset: norms multiply with this plus their scale: Gemma's are stored
      minus 1.
    embedding_scale: what embeddings are multiplied with.
    int8: whether the matrices of attention and mlp are int8, with a scale for
      every output channel (`quantise`).
    unroll: whether blocks follow each other instead of being scanned: for cost
      analyses, which count what is scanned once.
    wide_sums: whether products are written in float32 before they are rounded
      to `dtype`. They are the same up to the order of sums; a CPU has a fast
      kernel for this alone in jax 0.10, other devices move twice the bytes.
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
  rope_scaling: RopeScaling | None = None
  rope_base_local: float | None = None
  query_scale: float | None = None
  attention_softcap: float | None = None
  final_softcap: float | None = None
  window: int | None = None
  local: tuple[bool, ...] = ()
  attention_bias: bool = False
  qk_norm: bool = False
  post_norms: bool = False
  norm_offset: float = 0.0
  embedding_scale: float = 1.0
  activation: Literal['silu', 'gelu_tanh'] = 'silu'
  int8: bool = False
  unroll: bool = False
  wide_sums: bool = False
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
  def local_layers(self) -> tuple[bool, ...]:
    """Of each of the L layers, whether it sees a window only."""
    return self.local or (False,) * self.num_layers

  @property
  def sum_dtype(self) -> Any:
    """What products are written in; see `wide_sums`."""
    return jnp.float32 if self.wide_sums else self.dtype

  @property
  def precision(self) -> jax.lax.Precision:
    """A TPU multiplies float32 in bfloat16 unless it is told not to."""
    if self.dtype == jnp.float32:
      return jax.lax.Precision.HIGHEST
    return jax.lax.Precision.DEFAULT
