"""The decoding loop: rows that write, end, and make room for others."""

from collections.abc import Callable
import functools

import flax.struct
import jax
from jax.experimental import io_callback
import jax.numpy as jnp
import numpy as np

from emojax import steering
from emojax.models import layers
from emojax.models import sampling as sampling_lib
from emojax.models import taps
from emojax.models import transformer

Array = jax.Array
# Is given which rows wrote a token [B], the tokens [B], and what was read of
# them [B, 1, N, E] or None; returns whether to go on.
Watch = Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.bool_]


@flax.struct.dataclass
class Rows:
  """All that the texts of B rows depend on, after their prompts.

  Attributes:
    cache: of the prompts and of what was written.
    x: [B, D] after the final norm, what the next token is drawn from.
    keys: [B, 2] uint32. Token t of a row is drawn with `fold_in(key, t)`.
    steered: see `Steered`; None if no row is steered.
  """

  cache: layers.Cache
  x: Array
  keys: Array
  steered: 'Steered | None'


@flax.struct.dataclass
class Steered:
  """How each row is steered, whichever token it is at.

  Attributes:
    index: [B, C] int32, as of `steering.Interventions`.
    strength: [B, C, L] float32, likewise.
    span: [B, C, 2] int32, the first absolute position of written tokens that is
      steered, and the first after those.
    ablate: [B, C] bool, or None.
  """

  index: Array
  strength: Array
  span: Array
  ablate: Array | None

  def at(self, bank: Array, position: Array) -> steering.Interventions:
    """The steering of written tokens at absolute positions [B, T]."""
    first, last = self.span[:, :, 0, None], self.span[:, :, 1, None]
    place = position[:, None]
    return self.of_tokens(bank, (first <= place) & (place < last))

  def of_tokens(self, bank: Array, tokens: Array) -> steering.Interventions:
    """The steering of the tokens [B, C, T] that are named."""
    return steering.Interventions(
        bank, self.index, self.strength, tokens, self.ablate
    )


@flax.struct.dataclass
class State:
  """Rows in the course of writing, in a ring of slots as their cache.

  Attributes:
    rows: B of them.
    begin: [B] int32, `used` of the cache when the row came in: its token t is
      in slot (begin + t) % S.
    written: [B] int32, tokens so far, the stop token included.
    alive: [B] bool, whether a row writes on.
    finite: [B] bool, False for a row that ended for its activations were not.
    tokens: [B, S] int32.
    readings: [B, S, N, E] float32 of what is read, or None.
  """

  rows: Rows
  begin: Array
  written: Array
  alive: Array
  finite: Array
  tokens: Array
  readings: Array | None


@flax.struct.dataclass
class Probe:
  """What is read of every written token.

  Attributes:
    directions: [E, L, D] float32.
    layers: [N] int32, those whose projections are kept.
  """

  directions: Array
  layers: Array


def compiled(state: State) -> tuple[Callable[..., State], Callable[..., State]]:
  """Compiles `admit` and `decode` for a state that stays where it lies.

  Else XLA would be free to gather it, and each call to bring another layout.
  """
  out = jax.tree.map(lambda x: x.sharding, state)
  keep = functools.partial(jax.jit, donate_argnames='state', out_shardings=out)
  static = ('model', 'sampling', 'stop')
  return keep(admit), keep(decode, static_argnames=static)


def admit(state: State, fresh: Rows, source: Array) -> State:
  """Puts new rows into the places of old ones.

  A row that comes in has its prompt in the slots before the one that all rows
  write into next, wherever that is in the ring.

  Args:
    state: of B rows; it is used up.
    fresh: any number of rows with P slots, all of them used; P is at most S.
    source: [B] int32, which of the fresh rows comes into a place; -1: none.

  Returns:
    The state.
  """
  new = source >= 0
  own = jnp.maximum(source, 0)
  cache, before = state.rows.cache, fresh.cache
  slots, width = cache.valid.shape[1], before.valid.shape[1]
  # Of each slot of the ring, which slot of the prompt comes into it.
  come = (jnp.arange(slots) - cache.used + width) % slots
  filled, come = come < width, jnp.minimum(come, width - 1)

  def merge(old: Array, new_rows: Array) -> Array:
    where = new.reshape(-1, *(1,) * (old.ndim - 1))
    return jnp.where(where, new_rows, old)

  def merge_heads(old, prompt):
    if isinstance(old, tuple):
      return tuple(map(merge_heads, old, prompt))
    # The last axes are B, K, S and H.
    moved = prompt[..., own, :, :, :][..., come, :]
    return jnp.where(new[:, None, None, None], moved, old)

  cache = cache.replace(
      k=merge_heads(cache.k, before.k),
      v=merge_heads(cache.v, before.v),
      position=merge(cache.position, before.position[own][:, come]),
      valid=merge(cache.valid, before.valid[own][:, come] & filled),
  )
  return state.replace(
      rows=Rows(
          cache,
          merge(state.rows.x, fresh.x[own]),
          merge(state.rows.keys, fresh.keys[own]),
          jax.tree.map(
              lambda old, x: merge(old, x[own]),
              state.rows.steered,
              fresh.steered,
          ),
      ),
      begin=jnp.where(new, cache.used, state.begin),
      written=jnp.where(new, 0, state.written),
      alive=state.alive | new,
      finite=state.finite | new,
  )


def decode(
    model: transformer.Transformer,
    params,
    state: State,
    bank: Array | None,
    probe: Probe | None,
    floor: Array,
    limit: Array,
    *,
    sampling: sampling_lib.Sampling,
    stop: tuple[int, ...],
    watch: Watch | None = None,
) -> State:
  """Writes until no more than `floor` rows are alive.

  Args:
    model: a `Transformer`.
    params: its weights.
    state: it is used up.
    bank: [E, L, D] that rows are steered with, or None.
    probe: what is read meanwhile, or None.
    floor: [] int32.
    limit: [] int32, the longest text.
    sampling: how tokens are drawn.
    stop: ids after which a row is finished.
    watch: is told of every token when it is written, or None.

  Returns:
    The state.
  """
  blocks = None
  if isinstance(state.rows.cache.k, tuple):  # Taken apart once, not each step.
    blocks = transformer.apart(params)
  step = functools.partial(
      _step, model, params, blocks, bank, probe, limit, sampling, stop, watch
  )
  return jax.lax.while_loop(lambda s: s.alive.sum() > floor, step, state)


def _step(
    model, params, blocks, bank, probe, limit, sampling, stop, watch, state
) -> State:
  """One token for every row; rows that have ended write into the void."""
  rows = state.rows
  finite = jnp.isfinite(rows.x).all(axis=-1)
  alive = state.alive & finite
  keys = jax.random.wrap_key_data(rows.keys)
  token = sampling_lib.pick(
      model.apply(params, rows.x, method='unembed'),
      jax.vmap(jax.random.fold_in)(keys, state.written),
      sampling,
  )
  token = jnp.where(alive, token, 0)
  slot = rows.cache.slot
  position = rows.cache.valid.sum(axis=1, dtype=jnp.int32)
  (x, cache), read = _forward(
      model,
      params,
      blocks,
      token[:, None],
      rows.cache,
      rows.steered and rows.steered.at(bank, position[:, None]),
      probe,
  )

  def note(old: Array, new: Array) -> Array:
    # Rows that have ended keep what they wrote until someone takes it.
    at = jax.lax.dynamic_slice_in_dim(old, slot, 1, axis=1)
    new = jnp.where(alive.reshape(-1, *(1,) * (old.ndim - 1)), new, at)
    return jax.lax.dynamic_update_slice_in_dim(old, new, slot, axis=1)

  written = state.written + alive.astype(jnp.int32)
  go_on = ~jnp.isin(token, np.array(stop, np.int32)) & (written < limit)
  if watch is not None:
    go_on &= io_callback(
        watch, jax.ShapeDtypeStruct((), bool), alive, token, read
    )
  return State(
      rows=rows.replace(cache=cache, x=x[:, 0]),
      begin=state.begin,
      written=written,
      alive=alive & go_on,
      finite=state.finite & (finite | ~state.alive),
      tokens=note(state.tokens, token[:, None]),
      readings=None if read is None else note(state.readings, read),
  )


def _forward(model, params, blocks, tokens, cache, interventions, probe):
  """`stream`, and the projections [B, 1, N, E] of these tokens or None."""
  readout = None
  if probe is not None:
    readout = taps.Readout(jnp.ones(tokens.shape), probe.directions)
  site = 'resid_post/project'
  if blocks is not None:
    stream = model.apply(params, tokens, cache=cache, method='enter')
    stream, read = transformer.through_apart(
        model, blocks, stream, interventions, readout
    )
    out = model.apply(params, stream, method='leave')
    read = jnp.stack(read) if read else None
  else:
    out, captured = model.apply(
        params,
        tokens,
        cache=cache,
        interventions=interventions,
        readout=readout,
        capture_intermediates=taps.only(site) if readout else False,
        mutable=['intermediates'],
        method='stream',
    )
    read = taps.captured(captured, site) if readout else None
  if read is not None:
    read = read[probe.layers].transpose(1, 2, 0, 3)
  return out, read
