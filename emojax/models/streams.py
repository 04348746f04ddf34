"""What passes through the blocks: tokens and their places, layer by layer."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from emojax import steering
from emojax.models import config as config_lib
from emojax.models import layers
from emojax.models import rope
from emojax.models import taps

Array = jax.Array


@flax.struct.dataclass
class Stream:
  """Tokens on their way through the blocks.

  Attributes:
    x: [B, T, D] float32, the residual stream.
    position: [B, T] int32.
    key_position: [B, S] int32, of what they may see; S is T without a cache.
    key_valid: [B, S] bool.
    cache: its `position`, `valid` and `used` are those before these tokens.
  """

  x: Array
  position: Array
  key_position: Array
  key_valid: Array
  cache: layers.Cache | None


@flax.struct.dataclass
class PerLayer:
  """What differs between layers: every leaf is scanned along its L axis."""

  layer: Array
  rope: Array
  local: Array
  directions: Array | None = None
  strength: Array | None = None
  probes: Array | None = None


@flax.struct.dataclass
class Shared:
  """What every layer is given alike."""

  sin: Array
  cos: Array
  mask: Array
  local_mask: Array
  interventions: steering.Interventions | None
  readout: taps.Readout | None


def inputs(
    config: config_lib.TransformerConfig,
    stream: Stream,
    interventions: steering.Interventions | None,
    readout: taps.Readout | None,
) -> tuple[PerLayer, Shared]:
  """What blocks are given, beside the stream itself."""
  behind = stream.position[:, :, None] - stream.key_position[:, None, :]
  mask = stream.key_valid[:, None, :] & (behind >= 0)
  local_mask = mask
  if config.window is not None:
    local_mask = mask & (behind < config.window)
  sin, cos, which = rope.tables(config, stream.position)
  shared = Shared(sin, cos, mask, local_mask, interventions, readout)
  return _per_layer(config, which, interventions, readout), shared


def positions(
    valid: Array, cache: layers.Cache | None
) -> tuple[Array, Array, Array]:
  """Counts valid tokens: positions [B, T], and [B, S] and validity of keys."""
  position = jnp.maximum(jnp.cumsum(valid, axis=1, dtype=jnp.int32) - 1, 0)
  if cache is None:
    return position, position, valid
  before = cache.valid.sum(axis=1, keepdims=True, dtype=jnp.int32)
  position = position + before
  place = lambda old, new: jax.lax.dynamic_update_slice(
      old, new, (0, cache.slot)
  )
  return position, place(cache.position, position), place(cache.valid, valid)


def _per_layer(
    config: config_lib.TransformerConfig,
    which_angles: np.ndarray,
    interventions: steering.Interventions | None,
    readout: taps.Readout | None,
) -> PerLayer:
  out = PerLayer(
      layer=jnp.arange(config.num_layers),
      rope=jnp.asarray(which_angles),
      local=jnp.asarray(config.local_layers),
  )
  if interventions is not None:
    out = out.replace(
        directions=interventions.directions.swapaxes(0, 1),
        strength=jnp.moveaxis(interventions.strength, -1, 0),
    )
  if readout is not None and readout.directions is not None:
    out = out.replace(probes=readout.directions.swapaxes(0, 1))
  return out


@jax.jit
def take_rows(x: Any, rows: Array) -> Any:
  """Copies rows of a cache or a stream: [N] indices into its B rows."""
  if isinstance(x, layers.Cache):
    return x.replace(
        k=x.k[:, rows],
        v=x.v[:, rows],
        position=x.position[rows],
        valid=x.valid[rows],
    )
  return Stream(
      x.x[rows],
      x.position[rows],
      x.key_position[rows],
      x.key_valid[rows],
      take_rows(x.cache, rows),
  )
