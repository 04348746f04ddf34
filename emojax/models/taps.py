"""Taps: the named, readable points of the residual stream."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

Array = jax.Array


@flax.struct.dataclass
class Readout:
  """What the taps reduce with, inside the forward pass.

  Attributes:
    pool: [B, T] float32, the weight of each token in `mean`.
    directions: [E, L, D] float32 that `project` multiplies with, or None.
  """

  pool: Array
  directions: Array | None = None


def only(*sites: str) -> Callable[[nn.Module, str], bool]:
  """Makes the filter of `capture_intermediates` for some taps.

  Args:
    *sites: the end of a module path, such as 'resid_post' (the whole stream),
      'resid_post/mean' or 'embed/mean'.

  Returns:
    A filter; the capture is read with `captured`.
  """
  paths = tuple(tuple(site.split('/')) for site in sites)

  def matches(module: nn.Module, method: str) -> bool:
    ends = (module.path[-len(path) :] == path for path in paths)
    return method == '__call__' and any(ends)

  return matches


def captured(state: dict[str, Any], site: str) -> Array:
  """Finds a capture: [L, B, ...] for the sites of blocks, else [B, ...]."""
  found = state['intermediates']
  in_block = site.split('/')[0].startswith('resid')
  for name in (['layers'] if in_block else []) + site.split('/'):
    found = found[name]
  return found['__call__'][0]


class Mean(nn.Module):
  """The weighted mean over tokens: [B, T, D], [B, T] -> [B, D]."""

  def __call__(self, x: Array, pool: Array) -> Array:
    total = jnp.einsum('BTD,BT->BD', x, pool, precision='highest')
    return total / jnp.maximum(pool.sum(axis=1), 1)[:, None]


class Norm(nn.Module):
  """The length of each token's vector: [B, T, D] -> [B, T]."""

  def __call__(self, x: Array) -> Array:
    return jnp.linalg.norm(x, axis=-1)


class Project(nn.Module):
  """Products with directions: [B, T, D], [E, D] -> [B, T, E]."""

  def __call__(self, x: Array, directions: Array) -> Array:
    return jnp.einsum('BTD,ED->BTE', x, directions, precision='highest')


class Tap(nn.Module):
  """The identity, under a name that `capture_intermediates` can ask for.

  Its children reduce what passes. Whoever captures `resid_post/mean` and not
  `resid_post` never holds the stream of all layers: what is not captured is
  dropped by the compiler.
  """

  @nn.compact
  def __call__(
      self, x: Array, readout: Readout | None, directions: Array | None = None
  ) -> Array:
    if readout is not None:
      Mean(name='mean')(x, readout.pool)
      Norm(name='norm')(x)
    if directions is not None:
      Project(name='project')(x, directions)
    return x
