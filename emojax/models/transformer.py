"""The one decoder-only transformer: taps to read, interventions to steer.

Axes, here and everywhere: B batch, T position, S key position, L layer, D
residual stream, F mlp, V vocabulary, K key-value heads, G queries per key-value
head, H head, E emotions or other directions, C directions of one row.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from emojax import steering
from emojax.models import config as config_lib
from emojax.models import layers
from emojax.models import streams
from emojax.models import taps

Array = jax.Array


class Block(nn.Module):
  """One layer: attention, mlp, then steering of what they wrote."""

  config: config_lib.TransformerConfig

  @nn.compact
  def __call__(
      self,
      carry: tuple[Array, layers.Cache | None],
      per_layer: streams.PerLayer,
      shared: streams.Shared,
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
          shared.interventions.ablate,
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
    stream = self.enter(tokens, valid=valid, cache=cache, readout=readout)
    per_layer, shared = streams.inputs(
        self.config, stream, interventions, readout
    )
    (x, cache), _ = self.layers((stream.x, stream.cache), per_layer, shared)
    return self.leave(stream.replace(x=x, cache=cache), readout)

  def enter(
      self,
      tokens: Array,
      *,
      valid: Array | None = None,
      cache: layers.Cache | None = None,
      readout: taps.Readout | None = None,
  ) -> streams.Stream:
    """Embeds tokens and finds their places; takes what `stream` takes."""
    c = self.config
    if valid is None:
      valid = jnp.ones(tokens.shape, bool)
    # Rounded as the weights are, for so the model was trained.
    scale = jnp.asarray(c.embedding_scale, c.dtype).astype(jnp.float32)
    x = self.embed(self.embedding[tokens].astype(jnp.float32) * scale, readout)
    return streams.Stream(x, *streams.positions(valid, cache), cache)

  def leave(
      self, stream: streams.Stream, readout: taps.Readout | None = None
  ) -> tuple[Array, layers.Cache | None]:
    """Returns [B, T, D] after the final norm, and the cache with the tokens."""
    cache = stream.cache
    if cache is not None:
      cache = cache.replace(
          position=stream.key_position,
          valid=stream.key_valid,
          used=cache.used + stream.x.shape[1],
      )
    return self.final_norm(self.norm(stream.x), readout), cache

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


def through(
    model: Transformer,
    params,
    stream: streams.Stream,
    first: int | Array,
    last: int | Array,
    interventions: steering.Interventions | None = None,
) -> streams.Stream:
  """Runs some of the blocks, `first` to `last - 1`; other ones are other data.

  Args:
    model: a `Transformer`.
    params: its weights.
    stream: as it enters block `first`.
    first: [] int.
    last: [] int.
    interventions: the steering of these tokens by these blocks.

  Returns:
    The stream as it leaves block `last - 1`, its cache filled by these blocks.
  """
  per_layer, shared = streams.inputs(model.config, stream, interventions, None)
  block = Block(model.config)
  each = params['params']['layers'], per_layer

  def run(layer: Array, carry: tuple[Array, layers.Cache | None]):
    weights, own = jax.tree.map(lambda x: x[layer], each)
    return block.apply({'params': weights}, carry, own, shared)[0]

  x, cache = jax.lax.fori_loop(first, last, run, (stream.x, stream.cache))
  return stream.replace(x=x, cache=cache)


def apart(params) -> list:
  """Each block's weights by themselves."""
  stacked = params['params']['layers']
  depth = len(jax.tree.leaves(stacked)[0])
  return [jax.tree.map(lambda x, i=i: x[i], stacked) for i in range(depth)]


def through_apart(
    model: Transformer,
    blocks: list,
    stream: streams.Stream,
    interventions: steering.Interventions | None,
    readout: taps.Readout | None,
) -> tuple[streams.Stream, list[Array] | None]:
  """Runs all blocks one after the other, as a program without a loop.

  A CPU and a GPU copy what a loop takes of a stack, weights and cache: half of
  a decoding step.

  Args:
    model: a `Transformer`.
    blocks: of `apart`.
    stream: with a cache that is a tuple.
    interventions: the steering of these tokens.
    readout: what they are projected on, or None.

  Returns:
    The stream, and each block's `resid_post/project` [B, T, E] or None.
  """
  per_layer, shared = streams.inputs(
      model.config, stream, interventions, readout
  )
  block, site = Block(model.config), 'resid_post/project'
  carry, read = (stream.x, stream.cache), []
  for i, weights in enumerate(blocks):
    own = jax.tree.map(lambda x, i=i: x[i], per_layer).replace(layer=i)
    (carry, _), state = block.apply(
        {'params': weights},
        carry,
        own,
        shared,
        capture_intermediates=taps.only(site) if readout else False,
        mutable=['intermediates'],
    )
    if readout:
      found = state['intermediates']['resid_post']['project']
      read.append(found['__call__'][0])
  x, cache = carry
  return stream.replace(x=x, cache=cache), read if readout else None


def steer_after(
    stream: streams.Stream,
    layer: Array,
    interventions: steering.Interventions,
) -> streams.Stream:
  """Steers what block `layer` wrote, as the block itself would have."""
  x = steering.steer(
      stream.x,
      interventions.directions[:, layer],
      interventions.index,
      interventions.strength[:, :, layer],
      interventions.tokens,
      interventions.ablate,
  )
  return stream.replace(x=x)
