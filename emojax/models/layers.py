"""The parts of a block: norm, rotary attention over a cache, gated mlp."""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from emojax.models import config as config_lib

Array = jax.Array
TransformerConfig = config_lib.TransformerConfig


@flax.struct.dataclass
class Cache:
  """Keys and values of the tokens so far. Slots are filled left to right.

  A slot is not a position: a row's padding takes up slots, is never attended
  to and does not count in `position`.

  Attributes:
    k: [L, B, S, K, H], rotated.
    v: [L, B, S, K, H].
    position: [B, S] int32.
    valid: [B, S] bool.
    used: [] int32, slots filled so far, the same in every row.
  """

  k: Array
  v: Array
  position: Array
  valid: Array
  used: Array


class Einsum(nn.Module):
  """Contracts the input with a weight whose axes the equation names."""

  equation: str
  config: TransformerConfig

  @nn.compact
  def __call__(self, x: Array) -> Array:
    c = self.config
    axes = self.equation.split(',')[1].split('->')[0]
    shape = tuple(c.sizes(axes).values())
    w = self.param('w', nn.initializers.normal(0.02), shape, c.dtype)
    return jnp.einsum(
        self.equation, x.astype(c.dtype), w, precision=c.precision
    )


class RMSNorm(nn.Module):
  """Divides by the root mean square over D and scales; float32 in and out."""

  config: TransformerConfig

  @nn.compact
  def __call__(self, x: Array) -> Array:
    c = self.config
    scale = self.param('scale', nn.initializers.ones, (c.width,), jnp.float32)
    variance = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(variance + c.norm_epsilon) * scale


def rotate(x: Array, position: Array, base: float) -> Array:
  """Rotary position embedding, halves convention: [B, T, ..., H] -> same."""
  half = x.shape[-1] // 2
  frequency = base ** (-jnp.arange(half, dtype=jnp.float32) / half)
  angle = position[..., None].astype(jnp.float32) * frequency
  angle = angle.reshape(position.shape + (1,) * (x.ndim - 3) + (half,))
  sin, cos = jnp.sin(angle), jnp.cos(angle)
  a, b = jnp.split(x.astype(jnp.float32), 2, axis=-1)
  out = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
  return out.astype(x.dtype)


def attend(
    q: Array, k: Array, v: Array, mask: Array, precision: jax.lax.Precision
) -> Array:
  """Softmax attention; logits and softmax in float32.

  The G queries of a head are stacked along T, so that each product is one large
  matrix multiplication: a quarter of attention's time on a CPU.

  Args:
    q: [B, T, K, G, H], scaled.
    k: [B, S, K, H].
    v: [B, S, K, H].
    mask: [B, T, S] bool, True where T may see S.
    precision: of the products.

  Returns:
    [B, T, K, G, H].
  """
  b, t, heads, groups, h = q.shape
  q = q.transpose(0, 2, 3, 1, 4).reshape(b, heads, groups * t, h)
  logits = jnp.einsum(
      'BKXH,BSKH->BKXS',
      q,
      k,
      precision=precision,
      preferred_element_type=jnp.float32,
  ).reshape(b, heads, groups, t, -1)
  logits = jnp.where(mask[:, None, None], logits, jnp.finfo(jnp.float32).min)
  weights = jax.nn.softmax(logits).astype(v.dtype)
  out = jnp.einsum(
      'BKXS,BSKH->BKXH',
      weights.reshape(b, heads, groups * t, -1),
      v,
      precision=precision,
  )
  return out.reshape(b, heads, groups, t, h).transpose(0, 3, 1, 2, 4)


class Attention(nn.Module):
  """Causal attention with grouped queries and rotary positions."""

  config: TransformerConfig

  @nn.compact
  def __call__(
      self,
      x: Array,
      position: Array,
      mask: Array,
      cache: Cache | None,
      layer: Array,
  ) -> tuple[Array, Cache | None]:
    """[B, T, D], [B, T], [B, T, S] -> [B, T, D] and the fuller cache."""
    c = self.config
    q = Einsum('BTD,DKGH->BTKGH', c, name='q')(x)
    k = Einsum('BSD,DKH->BSKH', c, name='k')(x)
    v = Einsum('BSD,DKH->BSKH', c, name='v')(x)
    q = rotate(q, position, c.rope_base)
    k = rotate(k, position, c.rope_base)
    if cache is not None:
      start = (layer, 0, cache.used, 0, 0)
      cache = cache.replace(
          k=jax.lax.dynamic_update_slice(cache.k, k[None], start),
          v=jax.lax.dynamic_update_slice(cache.v, v[None], start),
      )
      k, v = cache.k[layer], cache.v[layer]
    out = attend(q * c.head_dim**-0.5, k, v, mask, c.precision)
    return Einsum('BTKGH,KGHD->BTD', c, name='o')(out), cache


class Mlp(nn.Module):
  """The gated feed-forward layer, SiLU as its gate."""

  config: TransformerConfig

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """[B, T, D] -> [B, T, D]."""
    c = self.config
    gate = Einsum('BTD,DF->BTF', c, name='gate')(x)
    up = Einsum('BTD,DF->BTF', c, name='up')(x)
    return Einsum('BTF,FD->BTD', c, name='down')(jax.nn.silu(gate) * up)
