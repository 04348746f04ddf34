"""The one decoder-only transformer: taps to read, interventions to steer.

Axes, here and everywhere: B batch, T position, S key position, L layer, D
residual stream, F mlp, V vocabulary, K key-value heads, G queries per key-value
head, H head, E emotions or other directions.
"""

import flax.linen as nn
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


class Block(nn.Module):
  """One layer: attention, mlp, then steering of what they wrote."""

  config: config_lib.TransformerConfig

  @nn.compact
  def __call__(
      self,
      carry: tuple[Array, layers.Cache | None],
      per_layer: PerLayer,
      shared: Shared,
  ) -> tuple[tuple[Array, layers.Cache | None], None]:
    c = self.config
    x, cache = carry
    tap = lambda name, x: taps.Tap(name=name)(
        x, shared.readout, per_layer.probes
    )
    norm = lambda name: layers.RMSNorm(c, name=name)
    x = tap('resid_pre', x)
    out, cache = layers.Attention(c, name='attn')(
        norm('attn_norm')(x),
        (shared.sin[per_layer.rope], shared.cos[per_layer.rope]),
        jnp.where(per_layer.local, shared.local_mask, shared.mask),
        cache,
        per_layer.layer,
    )
    if c.post_norms:
      out = norm('attn_post_norm')(out)
    x = tap('resid_mid', x + out.astype(jnp.float32))
    out = layers.Mlp(c, name='mlp')(norm('mlp_norm')(x))
    if c.post_norms:
      out = norm('mlp_post_norm')(out)
    x = x + out.astype(jnp.float32)
    if shared.interventions is not None:
      x = steering.steer(
          x,
          per_layer.directions,
          shared.interventions.index,
          per_layer.strength,
          shared.interventions.tokens,
      )
    return (tap('resid_post', x), cache), None


class Transformer(nn.Module):
  """A decoder-only language model.

  `__call__` gives logits; `stream` gives what they are computed from, for those
  who need no logits or few of them; `unembed` computes them.
  """

  config: config_lib.TransformerConfig

  def setup(self):
    c = self.config
    normal = nn.initializers.normal(0.02)
    init = nn.with_logical_partitioning(normal, ('V', 'D'))
    self.embedding = self.param(
        'embedding', init, (c.vocab_size, c.width), c.dtype
    )
    if not c.tied_embeddings:
      self.unembedding = self.param(
          'unembedding', init, (c.vocab_size, c.width), c.dtype
      )
    self.embed = taps.Tap()
    # One compiled block for all layers: compile time does not grow with L.
    self.layers = nn.scan(
        Block,
        variable_axes={'params': 0, 'intermediates': 0},
        split_rngs={'params': True},
        in_axes=(0, nn.broadcast),
        length=c.num_layers,
        unroll=c.num_layers if c.unroll else 1,
        metadata_params={nn.PARTITION_NAME: 'L'},
    )(c)
    self.norm = layers.RMSNorm(c)
    self.final_norm = taps.Tap()

  def __call__(
      self, tokens: Array, **kwargs
  ) -> tuple[Array, layers.Cache | None]:
    """Takes what `stream` takes; returns logits [B, T, V] and the cache."""
    x, cache = self.stream(tokens, **kwargs)
    return self.unembed(x), cache

  def stream(
      self,
      tokens: Array,
      *,
      valid: Array | None = None,
      cache: layers.Cache | None = None,
      interventions: steering.Interventions | None = None,
      readout: taps.Readout | None = None,
  ) -> tuple[Array, layers.Cache | None]:
    """Runs all blocks and the final norm.

    Positions count valid tokens only, so that padding on either side, or in the
    middle, cannot be told from no padding.

    Args:
      tokens: [B, T] int32.
      valid: [B, T] bool, False for padding; all True if None.
      cache: of the tokens before these, with T free slots.
      interventions: the steering of these tokens.
      readout: what the children of the taps reduce with.

    Returns:
      [B, T, D] float32 after the final norm, and the cache if one was given.
    """
    c = self.config
    if valid is None:
      valid = jnp.ones(tokens.shape, bool)
    position, key_position, key_valid = _positions(valid, cache)
    behind = position[:, :, None] - key_position[:, None, :]
    mask = key_valid[:, None, :] & (behind >= 0)
    local_mask = mask if c.window is None else mask & (behind < c.window)
    # Rounded as the weights are, for so the model was trained.
    scale = jnp.asarray(c.embedding_scale, c.dtype).astype(jnp.float32)
    x = self.embed(self.embedding[tokens].astype(jnp.float32) * scale, readout)
    sin, cos, which = rope.tables(c, position)
    per_layer = _per_layer(c, which, interventions, readout)
    shared = Shared(sin, cos, mask, local_mask, interventions, readout)
    (x, cache), _ = self.layers((x, cache), per_layer, shared)
    if cache is not None:
      cache = cache.replace(
          position=key_position,
          valid=key_valid,
          used=cache.used + tokens.shape[1],
      )
    return self.final_norm(self.norm(x), readout), cache

  def unembed(self, x: Array) -> Array:
    """[..., D] after the final norm -> logits [..., V], float32."""
    c = self.config
    table = self.embedding if c.tied_embeddings else self.unembedding
    logits = jnp.einsum(
        '...D,VD->...V',
        x.astype(c.dtype),
        table,
        precision=c.precision,
        preferred_element_type=jnp.float32,
    )
    return layers.softcap(logits, c.final_softcap)


def _positions(
    valid: Array, cache: layers.Cache | None
) -> tuple[Array, Array, Array]:
  """Counts valid tokens: positions [B, T], and [B, S] and validity of keys."""
  position = jnp.maximum(jnp.cumsum(valid, axis=1, dtype=jnp.int32) - 1, 0)
  if cache is None:
    return position, position, valid
  before = cache.valid.sum(axis=1, keepdims=True, dtype=jnp.int32)
  position = position + before
  place = lambda old, new: jax.lax.dynamic_update_slice(
      old, new, (0, cache.used)
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
        strength=interventions.strength.T,
    )
  if readout is not None and readout.directions is not None:
    out = out.replace(probes=readout.directions.swapaxes(0, 1))
  return out
