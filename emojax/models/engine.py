"""Texts for any number of requests: a batch whose ended rows are replaced."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
from typing import Any

from absl import logging
import jax
import jax.numpy as jnp
import numpy as np

from emojax import hosts
from emojax.data import batches
from emojax.models import config as config_lib
from emojax.models import decoding
from emojax.models import layers
from emojax.models import load
from emojax.models import prompts
from emojax.models import sampling as sampling_lib
from emojax.models import sharding

Array = jax.Array

# New rows come in when an eighth of the batch has ended: prompts are then run
# in one pass, and few places lie idle for a few steps.
_REFILL = 8


@dataclasses.dataclass(frozen=True)
class Settings:
  """How texts are written.

  Attributes:
    batch: rows that are written at once, B.
    new_tokens: of the longest text.
    sampling: how tokens are drawn.
    stop: ids that end a text, and are its last token.
  """

  batch: int
  new_tokens: int
  sampling: sampling_lib.Sampling
  stop: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Written:
  """A finished text.

  Attributes:
    tokens: ids, the stop token included; at most `new_tokens`.
    finite: False if it ended because activations were not finite.
    readings: [T, N, E] float32, the projections of each token, or None.
  """

  tokens: tuple[int, ...]
  finite: bool
  readings: np.ndarray | None


def write(
    lm: load.LanguageModel,
    bank: Array | None,
    requests: Sequence[prompts.Request],
    settings: Settings,
    probe: decoding.Probe | None = None,
    tick: Callable[[int, int], None] = lambda count, tokens: None,
    among: Sequence[prompts.Request] | None = None,
) -> list[Written]:
  """Writes a text for every request.

  A text depends on its own request only: on no other row, nor on the size of
  the batch or the mesh, up to the rounding of sums in another order.

  Args:
    lm: the model.
    bank: [E, L, D] on the devices, of `steering.scaled_directions`; None if no
      request is steered.
    requests: any number.
    settings: how texts are written.
    probe: what is read of every written token, or None.
    tick: is told how many texts have ended since it was last called, and how
      many tokens they are.
    among: all that are asked for, in this call and others: programs that are
      compiled once then do for all calls. None: these are all.

  Returns:
    The texts, in the order of the requests.
  """
  out: list[Written | None] = [None] * len(requests)
  among = requests if among is None else among
  for ended in _stream(lm, bank, requests, settings, probe, among):
    for i, text in ended:
      out[i] = text
    tick(len(ended), sum(len(text.tokens) for _, text in ended))
  return out


def _stream(
    lm, bank, requests, settings, probe, among
) -> Iterator[list[tuple[int, Written]]]:
  """Yields texts when they have ended, all that end together at once."""
  # Those with one prompt come in together, so that it is run once for them.
  waiting = sorted(range(len(requests)), key=lambda i: requests[i].prompt)
  # One shape for all prompts, and few for the batch: padding takes less time
  # than compiling.
  few = 1 << (len(among) - 1).bit_length()
  size = sharding.round_up_rows(lm.mesh, min(settings.batch, few))
  widths, traits = prompts.widths_for(among), prompts.traits(among)
  share = sharding.round_up_rows(lm.mesh, -(-size // _REFILL))
  state = _empty(lm, widths, traits, settings, probe, size)
  admit, decode = decoding.compiled(state)
  places = np.full(size, -1)  # The request in each place.
  while waiting or (places >= 0).any():
    free = np.flatnonzero(places < 0)
    count = size if len(free) == size else share
    # What is not a whole share waits until the batch has no other row.
    while waiting and len(free) >= min(count, len(waiting)):
      come, waiting = waiting[:count], waiting[count:]
      places[free[: len(come)]] = come
      source = np.full(size, -1, np.int32)
      source[free[: len(come)]] = np.arange(len(come))
      state = admit(  # No name for the new rows: their memory is free at once.
          state,
          _fresh(lm, bank, requests, traits, come, count, widths),
          *prompts.put(lm, source),
      )
      free = free[len(come) :]
      count = share
    busy = int((places >= 0).sum())
    state = decode(
        lm.model,
        lm.params,
        state,
        bank,
        probe,
        np.int32(max(busy - min(share, len(waiting)), 0) if waiting else 0),
        np.int32(settings.new_tokens),
        sampling=settings.sampling,
        stop=settings.stop,
    )
    ended = (places >= 0) & ~hosts.fetch(state.alive)
    yield [
        (int(places[place]), text)
        for place, text in texts(state, np.flatnonzero(ended))
    ]
    places[ended] = -1


def _fresh(lm, bank, requests, traits, come, count, widths) -> decoding.Rows:
  """Runs the prompts of requests, filled up to `count` rows."""
  filled = [requests[i] for i in come]
  filled += filled[:1] * (count - len(come))
  return prompts.run(lm, bank, filled, *traits, widths=widths)


def _empty(lm, widths, traits, settings, probe, size) -> decoding.State:
  """A batch without rows."""
  read = None
  if probe is not None:
    read = len(probe.layers), len(probe.directions)
  # The program of an empty batch has no step: only its shapes are used.
  return state_of(
      lm.config,
      size,
      slots_for(widths, settings),
      traits,
      read,
      sharding.zeros(lm.mesh),
      decodes_apart(lm),
  )


def decodes_apart(lm: load.LanguageModel) -> bool:
  """Whether blocks are decoded without a loop; see `through_apart`.

  The weights are then there twice. Where they fill a GPU to more than a third,
  they are rather copied at every step. Only sizes decide: what is free differs
  between processes, which must all run one program.
  """
  device = lm.mesh.local_devices[0]
  if device.platform != 'gpu':
    return device.platform == 'cpu'
  limit = (device.memory_stats() or {}).get('bytes_limit', 0)
  weights = sum(
      x.addressable_shards[0].data.nbytes for x in jax.tree.leaves(lm.params)
  )
  return weights < limit / 3


def state_of(
    config: config_lib.TransformerConfig,
    rows: int,
    slots: int,
    traits: tuple[int, bool],
    read: tuple[int, int] | None,
    array: Callable[[str, tuple[int, ...], Any], Any],
    apart: bool = False,
) -> decoding.State:
  """Lays out a batch; `array` makes each of its arrays.

  Args:
    config: of the model.
    rows: B.
    slots: S.
    traits: C and whether any direction is projected out, of `prompts.traits`.
    read: N layers and E directions that are read of every token, or None.
    array: (a letter an axis, shape, dtype) -> an array.
    apart: whether each layer of the cache has arrays of its own.
  """
  of = lambda dtype, *shape: array(
      'B' + '.' * len(shape), (rows, *shape), dtype
  )
  (terms, ablates), steered = traits, None
  if terms:
    steered = decoding.Steered(
        index=of(jnp.int32, terms),
        strength=of(jnp.float32, terms, config.num_layers),
        span=of(jnp.int32, terms, 2),
        ablate=of(bool, terms) if ablates else None,
    )
  return decoding.State(
      rows=decoding.Rows(
          cache=layers.cache_of(config, rows, slots, array, apart),
          x=of(jnp.float32, config.width),
          keys=of(jnp.uint32, 2),
          steered=steered,
      ),
      begin=of(jnp.int32),
      written=of(jnp.int32),
      alive=of(bool),
      finite=of(bool),
      tokens=of(jnp.int32, slots),
      readings=None if read is None else of(jnp.float32, slots, *read),
  )


def slots_for(widths: prompts.Widths, settings: Settings) -> int:
  """Returns S: room for the longest head, tail and text, as they are padded.

  A little more, so that prompts of about one length have one program.
  """
  needed = sum(widths) + settings.new_tokens
  return batches.width_for(needed)


def log_memory(
    lm: load.LanguageModel,
    settings: Settings,
    longest: int,
) -> None:
  """Says what writing after prompts of up to `longest` tokens takes at most."""
  c = lm.config
  slots = batches.width_for(2 * prompts.width(longest) + settings.new_tokens)
  size = sharding.round_up_rows(lm.mesh, settings.batch)
  token = 2 * c.num_layers * c.num_kv_heads * c.head_dim
  token *= jnp.dtype(c.dtype).itemsize
  gib = 2**30
  logging.info(
      'writing %d texts at once: up to %.2f GiB for keys and values (%d slots'
      ' each), twice that while prompts come in, and %.2f GiB for logits, on'
      ' %d device(s) together',
      size,
      size * slots * token / gib,
      slots,
      2 * size * c.vocab_size * 4 / gib,
      lm.mesh.size,
  )


def texts(state, places) -> Iterator[tuple[int, Written]]:
  """What rows that have ended wrote."""
  if not len(places):
    return
  begin, written, finite, tokens = hosts.fetch(
      (state.begin, state.written, state.finite, state.tokens)
  )
  readings = None
  if state.readings is not None:
    readings = hosts.fetch(state.readings)
  slots = tokens.shape[1]
  for place in places:
    at = (begin[place] + np.arange(written[place])) % slots
    yield place, Written(
        tokens=tuple(tokens[place, at].tolist()),
        finite=bool(finite[place]),
        readings=None if readings is None else readings[place, at],
    )
