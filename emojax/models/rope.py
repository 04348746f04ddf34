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


def tables(
    config: config_lib.TransformerConfig, position: Array
) -> tuple[Array, Array, np.ndarray]:
  """Sines and cosines, once for all layers that have the same frequencies.

  Inside of a layer XLA would compute them again for every head: an eighth of a
  pass on a CPU.

  Args:
    config: of U different frequencies, at most two.
    position: [B, T].

  Returns:
    sin and cos [U, B, T, H / 2], and which of the U each layer has, [L].
  """
  rows, which = np.unique(frequencies(config), axis=0, return_inverse=True)
  angle = position[..., None].astype(jnp.float32) * rows[:, None, None]
  return jnp.sin(angle), jnp.cos(angle), which.reshape(-1).astype(np.int32)


def rotate(x: Array, sin: Array, cos: Array) -> Array:
  """Rotates the first half of H against the second.

  Args:
    x: [B, T, ..., H].
    sin: [B, T, H / 2] of each token's angles.
    cos: likewise.

  Returns:
    The same shape and dtype as x.
  """
  shape = sin.shape[:2] + (1,) * (x.ndim - 3) + sin.shape[2:]
  sin, cos = sin.reshape(shape), cos.reshape(shape)
  # Halves as an axis: on a CPU a quarter of the time of splitting and joining.
  halves = x.reshape(*x.shape[:-1], 2, x.shape[-1] // 2).astype(jnp.float32)
  a, b = halves[..., 0, :], halves[..., 1, :]
  out = jnp.stack([a * cos - b * sin, b * cos + a * sin], axis=-2)
  return out.astype(x.dtype).reshape(x.shape)
