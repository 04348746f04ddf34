"""Rotary position embedding: frequencies of each layer, and the rotation."""

import jax
import jax.numpy as jnp
import numpy as np

from emojax.models import config as config_lib

Array = jax.Array


def frequencies(config: config_lib.TransformerConfig) -> np.ndarray:
  """Radians per token of each pair of dimensions: [L, H / 2] float32."""
  c = config
  near = far = _scaled(_plain(c.rope_base, c.head_dim), c.rope_scaling)
  if c.rope_base_local is not None:
    near = _plain(c.rope_base_local, c.head_dim)
  rows = [near if local else far for local in c.local_layers]
  return np.stack(rows).astype(np.float32)


def _plain(base: float, head_dim: int) -> np.ndarray:
  return float(base) ** (-np.arange(0, head_dim, 2) / head_dim)


def _scaled(
    frequency: np.ndarray, scaling: config_lib.RopeScaling | None
) -> np.ndarray:
  """Slows frequencies down; the blend is that of Llama 3.1's release."""
  if scaling is None:
    return frequency
  slow = frequency / scaling.factor
  if scaling.context is None:
    return slow
  turns = scaling.context * frequency / (2 * np.pi)
  blend = (turns - scaling.low) / (scaling.high - scaling.low)
  blend = np.clip(blend, 0, 1)
  return (1 - blend) * slow + blend * frequency


def rotate(x: Array, position: Array, frequency: Array) -> Array:
  """Rotates the first half of H against the second.

  Args:
    x: [B, T, ..., H].
    position: [B, T].
    frequency: [H / 2].

  Returns:
    The same shape and dtype as x.
  """
  angle = position[..., None].astype(jnp.float32) * frequency
  angle = angle.reshape(position.shape + (1,) * (x.ndim - 3) + frequency.shape)
  sin, cos = jnp.sin(angle), jnp.cos(angle)
  a, b = jnp.split(x.astype(jnp.float32), 2, axis=-1)
  out = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
  return out.astype(x.dtype)
