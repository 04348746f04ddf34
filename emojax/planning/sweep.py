"""The programs of a sweep: prompts, texts, and the texts read back.

The plan is of texts that all become as long as they may. So they end together,
and another whole batch comes in. Each has a prompt of its own and is steered
from block 0 on, and some are steered from their first token and some from their
last: of a prompt, what may be shared and what may not are both padded to all.
"""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from emojax import steering
from emojax.models import config as config_lib
from emojax.models import decoding
from emojax.models import engine
from emojax.models import layers
from emojax.models import prompts
from emojax.models import readback
from emojax.models import sampling as sampling_lib
from emojax.models import sharding
from emojax.models import streams
from emojax.models import transformer
from emojax.planning import program

_TRAITS = 1, False  # One direction a row; none is projected out.
_HALVINGS = 31  # Of `sampling`, until the least kept probability is found.
_LOOPS = 5  # Over blocks, in `readback.read_back`.


@dataclasses.dataclass(frozen=True)
class _Sizes:
  """What the shapes of a sweep follow from.

  Attributes:
    model: its config.
    mesh: that everything lies on.
    rows: B.
    prompt: tokens of a prompt, as padded.
    new: tokens of a text.
    emotions: E, that finished texts are read with.
    bank: E', that rows are steered with.
    read: N layers and E directions that are read of every token, or None.
  """

  model: config_lib.TransformerConfig
  mesh: jax.sharding.Mesh
  rows: int
  prompt: int
  new: int
  emotions: int
  bank: int
  read: tuple[int, int] | None

  @property
  def heads(self) -> int:
    """U, the prompts that are run for B rows."""
    key = np.zeros(2, np.uint32)
    every = [prompts.Request((i,), key) for i in range(self.rows)]
    least = sharding.round_up_rows(self.mesh, 1)
    return len(prompts.group(every, least).heads)

  def array(self, axes: str, shape: tuple[int, ...], dtype) -> Any:
    return program.array(self.mesh, axes, shape, dtype)

  def by_row(self, dtype, *shape: int) -> Any:
    """[B, ...], split over the mesh."""
    return self.array('B' + '.' * (len(shape) - 1), shape, dtype)

  def whole(self, *shape: int) -> Any:
    """A float32 array that every device has."""
    return self.array('.' * len(shape), shape, jnp.float32)

  def model_of(self) -> tuple[transformer.Transformer, Any]:
    return program.model_of(self.model, self.mesh)

  def state(self, slots: int) -> decoding.State:
    return engine.state_of(
        self.model, self.rows, slots, _TRAITS, self.read, self.array
    )

  def ring(self) -> decoding.State:
    """The rows that write, with room for the longest head, tail and text."""
    return self.state(2 * self.prompt + self.new)

  def directions(self) -> Any:
    return self.whole(self.bank, self.model.num_layers, self.model.width)

  def steering(self, tokens: int) -> steering.Interventions:
    """The steering of [B, T] tokens."""
    steered = self.state(1).rows.steered
    mask = self.by_row(bool, self.rows, _TRAITS[0], tokens)
    return steered.of_tokens(self.directions(), mask)

  def stream(self, rows: int, tokens: int, slots: int) -> streams.Stream:
    """[B, T] tokens between two blocks."""
    return streams.Stream(
        x=self.by_row(jnp.float32, rows, tokens, self.model.width),
        position=self.by_row(jnp.int32, rows, tokens),
        key_position=self.by_row(jnp.int32, rows, slots),
        key_valid=self.by_row(bool, rows, slots),
        cache=self.cache(rows, slots),
    )

  def cache(self, rows: int, slots: int) -> layers.Cache:
    return layers.cache_of(self.model, rows, slots, self.array)


def of_sweep(
    config: ml_collections.ConfigDict,
    model_config: config_lib.TransformerConfig,
    mesh: jax.sharding.Mesh,
) -> list[program.Program]:
  """Returns the programs of a sweep of `config.plan`'s size."""
  p, depth = config.plan, model_config.num_layers
  bank = p.emotions + config.random_directions + config.shuffled_directions
  read = None
  if config.readout:
    read = len(config.readout_layers) or 1, len(config.readout)
  s = _Sizes(
      model=model_config,
      mesh=mesh,
      rows=sharding.round_up_rows(mesh, config.sweep_batch),
      prompt=prompts.width(p.prompt_tokens),
      new=config.new_tokens,
      emotions=p.emotions,
      bank=bank,
      read=read,
  )
  sampling = sampling_lib.Sampling(
      config.temperature, config.top_k, config.top_p
  )
  filters = (sampling.top_k > 0) + (sampling.top_p < 1)
  calls = -(-p.generations // s.rows)
  slots, text = 2 * s.prompt, s.prompt + s.new
  return [
      program.Program(
          'prefill',
          lambda _: _prefill(s),
          calls=calls,
          blocks=False,
          also=(
              (lambda: _share(s), 1),
              *_blocks(s, s.prompt, slots, depth - 2),
          ),
      ),
      program.Program(
          'decode',
          lambda n: _decode(_short(s, n), sampling),
          steps=s.new,
          calls=calls,
          blocks=False,
          # Once a text XLA lays the cache out anew, which is no part of a step.
          itself=False,
          also=(
              (lambda: _decode(_short(s, 1), sampling), 1),
              *_blocks(s, 1, slots + s.new, depth - 1),
              (lambda: _halving(s), filters * (_HALVINGS - 1)),
          ),
      ),
      program.Program(
          'divergence',
          lambda _: _read_back(s),
          calls=calls,
          blocks=False,
          also=(
              # The lowest block once, the others with and without steering.
              *_blocks(s, text, slots + s.new, 2 * depth - 1 - _LOOPS),
              (lambda: _compare(s), s.new - 1),
          ),
      ),
  ]


def _short(s: _Sizes, blocks: int | None) -> _Sizes:
  return dataclasses.replace(s, model=program.some_blocks(s.model, blocks))


def _beside(held: Any, function: Callable[..., Any], *args: Any) -> Any:
  """Lowers a function, of whose call other arrays on the devices know nothing.

  They are arguments that it does not use: the compiler keeps off their memory.
  """
  both = lambda held, *args: function(*args)
  return jax.jit(both, keep_unused=True).lower(held, *args)


def _share(s: _Sizes) -> Any:
  """The first block of every prompt."""
  model, params = s.model_of()
  of = lambda dtype: s.by_row(dtype, s.heads, s.prompt)
  return prompts._share.lower(
      model,
      params,
      of(jnp.int32),
      of(bool),
      s.cache(s.heads, 2 * s.prompt),
      np.int32(0),
  )


def _prefill(s: _Sizes) -> Any:
  """The other blocks, of every row; meanwhile rows' places wait for them."""
  model, params = s.model_of()
  return _beside(
      s.ring(),
      functools.partial(prompts._part, model),
      params,
      s.stream(s.heads, s.prompt, 2 * s.prompt),
      s.by_row(jnp.int32, s.rows),
      s.steering(s.prompt),
      np.int32(0),
  )


def _admit(s: _Sizes) -> Any:
  state = s.ring()
  source = s.by_row(jnp.int32, s.rows)
  admit, _ = decoding.compiled(state)
  return admit.lower(state, s.state(2 * s.prompt).rows, source)


def _decode(s: _Sizes, sampling: sampling_lib.Sampling) -> Any:
  model, params = s.model_of()
  state, probe = s.ring(), None
  if s.read is not None:
    count, directions = s.read
    probe = decoding.Probe(
        s.whole(directions, s.model.num_layers, s.model.width),
        s.array('.', (count,), jnp.int32),
    )
  _, decode = decoding.compiled(state)
  return decode.lower(
      model,
      params,
      state,
      s.directions(),
      probe,
      np.int32(0),
      np.int32(s.new),
      sampling=sampling,
      stop=(0,),
  )


def _halving(s: _Sizes) -> Any:
  """One pass along the probabilities of every row."""
  kept = lambda x, least: jnp.where(x >= least[:, None], x, 0).sum(axis=-1)
  return jax.jit(kept).lower(
      s.array('BV', (s.rows, s.model.vocab_size), jnp.float32),
      s.by_row(jnp.float32, s.rows),
  )


def _read_back(s: _Sizes) -> Any:
  """Finished texts are read with and without steering."""
  model, params = s.model_of()
  text = s.prompt + s.new
  of = lambda dtype: s.by_row(dtype, s.rows, text)
  return readback.read_back.lower(
      model,
      params,
      s.cache(s.heads, s.prompt + text),
      s.by_row(jnp.int32, s.rows),
      of(jnp.int32),
      of(bool),
      s.steering(text),
      np.int32(0),
      (s.whole(s.emotions, s.model.width), np.int32(0)),
      first=s.prompt,
  )


def _compare(s: _Sizes) -> Any:
  """The distributions that one token of every text was drawn from."""
  model, params = s.model_of()
  x = s.by_row(jnp.float32, s.rows, 2, s.model.width)
  compare = functools.partial(readback._compare, model)
  tokens = s.by_row(jnp.int32, s.rows, 2)
  return jax.jit(compare, static_argnums=3).lower(params, (x, x), tokens, 1)


def _blocks(
    s: _Sizes, tokens: int, slots: int, times: int
) -> tuple[tuple[Callable[[], Any], int], ...]:
  """So many blocks: two loops over one each, without what one adds to none."""
  one, two = (
      functools.partial(_loops, s, tokens, slots, count) for count in (1, 2)
  )
  return (two, times), (one, -times)


def _loops(s: _Sizes, tokens: int, slots: int, count: int) -> Any:
  """Loops over blocks, whose bounds the compiler does not know."""
  model, params = s.model_of()
  stream = s.stream(s.rows, tokens, slots)

  def run(params, stream, interventions, bounds):
    for i in range(count):
      stream = transformer.through(
          model, params, stream, bounds[i], bounds[i + 1], interventions
      )
    return stream

  out = jax.tree.map(lambda x: x.sharding, stream)
  return jax.jit(run, donate_argnums=1, out_shardings=out).lower(
      params, stream, s.steering(tokens), np.zeros(count + 1, np.int32)
  )
