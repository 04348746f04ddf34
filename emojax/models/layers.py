"""The parts of a block: norm, rotary attention over a cache, gated mlp."""

from collections.abc import Callable
import functools
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from emojax.models import config as config_lib
from emojax.models import rope

Array = jax.Array
TransformerConfig = config_lib.TransformerConfig


@flax.struct.dataclass
class Cache:
  """Keys and values of the tokens so far, in a ring of slots.

  A slot is not a position: a row's padding takes up slots, is never attended
  to and does not count in `position`. After the last slot comes the first, so
  that rows can begin at different times and all write into the same slot.

  Attributes:
    k: [L, B, K, S, H], rotated, or a tuple of L arrays [B, K, S, H]. Heads
      before slots: as attention multiplies.
    v: likewise.
    position: [B, S] int32.
    valid: [B, S] bool.
    used: [] int32, slots filled so far, the same in every row; the tokens of
      one pass never go beyond the last slot.
  """

  k: Array | tuple[Array, ...]
  v: Array | tuple[Array, ...]
  position: Array
  valid: Array
  used: Array

  @property
  def slot(self) -> Array:
    """[] int32, the slot that is filled next."""
    return self.used % self.position.shape[1]


def cache_of(
    config: TransformerConfig,
    rows: int,
    slots: int,
    array: Callable[[str, tuple[int, ...], Any], Any],
    apart: bool = False,
) -> Cache:
  """Lays out a cache; `array` makes each of its arrays.

  Args:
    config: of the model.
    rows: B.
    slots: S.
    array: (a letter an axis, shape, dtype) -> an array.
    apart: whether each layer has arrays of its own.
  """
  shape = (rows, config.num_kv_heads, slots, config.head_dim)

  def heads():
    if apart:
      each = range(config.num_layers)
      return tuple(array('BKSH', shape, config.dtype) for _ in each)
    return array('LBKSH', (config.num_layers, *shape), config.dtype)

  return Cache(
      k=heads(),
      v=heads(),
      position=array('BS', (rows, slots), jnp.int32),
      valid=array('BS', (rows, slots), bool),
      used=array('', (), jnp.int32),
  )


class Einsum(nn.Module):
  """Contracts the input with a weight whose axes the equation names.

  A bias has those axes of the weight that are left in the output.
  """

  equation: str
  config: TransformerConfig
  bias: bool = False

  @nn.compact
  def __call__(self, x: Array) -> Array:
    c = self.config
    axes, out_axes = self.equation.split(',')[1].split('->')
    left = ''.join(axis for axis in out_axes if axis in axes)
    if c.int8:
      w = self._param('w', nn.initializers.zeros, axes, jnp.int8)
    else:
      w = self._param('w', nn.initializers.normal(0.02), axes, c.dtype)
    out = jnp.einsum(
        _in_order(self.equation),
        x.astype(c.dtype),
        w.astype(c.dtype),
        precision=c.precision,
        preferred_element_type=c.sum_dtype,
    )
    if c.int8:  # Scaled afterwards, so that only int8 is read from memory.
      ones = nn.initializers.ones
      scale = self._param('w_scale', ones, left, jnp.float32)
      out = out.astype(jnp.float32) * scale
    out = out.astype(c.dtype)
    if self.bias:
      out = out + self._param('b', nn.initializers.zeros, left, c.dtype)
    return out

  def _param(self, name: str, init, axes: str, dtype) -> Array:
    shape = tuple(self.config.sizes(axes).values())
    init = nn.with_logical_partitioning(init, tuple(axes))
    return self.param(name, init, shape, dtype)


def _in_order(equation: str) -> str:
  """Renames axes by where they come first: BTKGH,KGHD->BTD, abcde,cdef->abf.

  `jnp.einsum` contracts axes in the order of the alphabet. If that is not the
  order in memory, they are transposed before.
  """
  letters = dict.fromkeys(axis for axis in equation if axis.isalpha())
  new = {ord(x): chr(ord('a') + i) for i, x in enumerate(letters)}
  return equation.translate(new)


class RMSNorm(nn.Module):
  """Divides by the root mean square of the last axis and scales; float32."""

  config: TransformerConfig
  axis: str = 'D'

  @nn.compact
  def __call__(self, x: Array) -> Array:
    c = self.config
    init = nn.with_logical_partitioning(
        nn.initializers.constant(1 - c.norm_offset), (self.axis,)
    )
    shape = tuple(c.sizes(self.axis).values())
    scale = self.param('scale', init, shape, jnp.float32)
    x = x.astype(jnp.float32)
    variance = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    return (
        x * jax.lax.rsqrt(variance + c.norm_epsilon) * (c.norm_offset + scale)
    )


def softcap(x: Array, cap: float | None) -> Array:
  """Squeezes x into (-cap, cap); None leaves it as it is."""
  return x if cap is None else cap * jnp.tanh(x / cap)


def attend(
    q: Array, k: Array, v: Array, mask: Array, config: TransformerConfig
) -> Array:
  """Softmax attention; logits and softmax in float32.

  The G queries of a head are stacked along T, so that each product is one large
  matrix multiplication: a quarter of attention's time on a CPU.

  Args:
    q: [B, T, K, G, H], scaled.
    k: [B, K, S, H].
    v: [B, K, S, H].
    mask: [B, T, S] bool, True where T may see S.
    config: its precision and soft cap.

  Returns:
    [B, T, K, G, H].
  """
  precision = config.precision
  b, t, heads, groups, h = q.shape
  q = q.transpose(0, 2, 3, 1, 4).reshape(b, heads, groups * t, h)
  logits = jnp.einsum(
      'BKXH,BKSH->BKXS',
      q,
      k,
      precision=precision,
      preferred_element_type=jnp.float32,
  ).reshape(b, heads, groups, t, -1)
  logits = softcap(logits, config.attention_softcap)
  logits = jnp.where(mask[:, None, None], logits, jnp.finfo(jnp.float32).min)
  weights = jax.nn.softmax(logits).astype(v.dtype)
  out = jnp.einsum(
      'BKXS,BKSH->BKXH',
      weights.reshape(b, heads, groups * t, -1),
      v,
      precision=precision,
      preferred_element_type=config.sum_dtype,
  ).astype(v.dtype)
  return out.reshape(b, heads, groups, t, h).transpose(0, 3, 1, 2, 4)


def _store(
    old: Array | tuple[Array, ...], layer: Array | int, slot: Array, new: Array
) -> Array | tuple[Array, ...]:
  """Writes [B, K, T, H] of a layer into its slots."""
  if isinstance(old, tuple):  # Then the layer is known when this is compiled.
    start = (0, 0, slot, 0)
    own = jax.lax.dynamic_update_slice(old[layer], new, start)
    return (*old[:layer], own, *old[layer + 1 :])
  start = (layer, 0, 0, slot, 0)
  return jax.lax.dynamic_update_slice(old, new[None], start)


class Attention(nn.Module):
  """Causal attention with grouped queries and rotary positions."""

  config: TransformerConfig

  @nn.compact
  def __call__(
      self,
      x: Array,
      angles: tuple[Array, Array],
      mask: Array,
      cache: Cache | None,
      layer: Array | int,
  ) -> tuple[Array, Cache | None]:
    """Returns what is written, and the fuller cache.

    Args:
      x: [B, T, D].
      angles: sines and cosines of this layer, [B, T, H / 2].
      mask: [B, T, S].
      cache: of all layers.
      layer: [], this one; an int if the cache is a tuple.
    """
    c = self.config
    q = Einsum('BTD,DKGH->BTKGH', c, c.attention_bias, name='q')(x)
    k = Einsum('BSD,DKH->BSKH', c, c.attention_bias, name='k')(x)
    v = Einsum('BSD,DKH->BSKH', c, c.attention_bias, name='v')(x)
    if c.qk_norm:
      q = RMSNorm(c, 'H', name='q_norm')(q).astype(q.dtype)
      k = RMSNorm(c, 'H', name='k_norm')(k).astype(k.dtype)
    q = rope.rotate(q, *angles)
    k = rope.rotate(k, *angles).swapaxes(1, 2)
    v = v.swapaxes(1, 2)
    if cache is not None:
      cache = cache.replace(
          k=_store(cache.k, layer, cache.slot, k),
          v=_store(cache.v, layer, cache.slot, v),
      )
      k, v = cache.k[layer], cache.v[layer]
    scale = c.head_dim**-0.5 if c.query_scale is None else c.query_scale
    out = attend(q * scale, k, v, mask, c)
    return Einsum('BTKGH,KGHD->BTD', c, name='o')(out), cache


_ACTIVATIONS = {
    'silu': jax.nn.silu,
    'gelu_tanh': functools.partial(jax.nn.gelu, approximate=True),
}


class Mlp(nn.Module):
  """The gated feed-forward layer."""

  config: TransformerConfig

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """[B, T, D] -> [B, T, D]."""
    c = self.config
    gate = Einsum('BTD,DF->BTF', c, name='gate')(x)
    up = Einsum('BTD,DF->BTF', c, name='up')(x)
    # In float32: a CPU takes three times as long in bfloat16, and rounds twice.
    hidden = _ACTIVATIONS[c.activation](gate.astype(jnp.float32)) * up.astype(
        jnp.float32
    )
    return Einsum('BTF,FD->BTD', c, name='down')(hidden)
