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

from emojax.models import config as config_lib
from emojax.models import decoding
from emojax.models import prompts
from emojax.models import readback
from emojax.models import sampling as sampling_lib
from emojax.models import transformer
from emojax.planning import program
from emojax.planning import sizes

_HALVINGS = 31  # Of `sampling`, until the least kept probability is found.
_LOOPS = 5  # Over blocks, in `readback.read_back`.


def of_sweep(
    config: ml_collections.ConfigDict,
    model_config: config_lib.TransformerConfig,
    mesh: jax.sharding.Mesh,
) -> list[program.Program]:
  """Returns the programs of a sweep of `config.plan`'s size."""
  s = sizes.of_config(config, model_config, mesh)
  sampling = sampling_lib.Sampling(
      config.temperature, config.top_k, config.top_p
  )
  calls = -(-config.plan.generations // s.rows)
  return [
      prefill(s, calls, s.ring()),
      decode(s, calls, sampling),
      _divergence(s, calls),
  ]


def prefill(s: sizes.Sizes, calls: int, held: Any = None) -> program.Program:
  """Runs prompts, beside whatever else the devices hold meanwhile."""
  depth, slots = s.model.num_layers, 2 * s.prompt
  return program.Program(
      'prefill',
      lambda _: _prefill(s, held),
      calls=calls,
      blocks=False,
      also=(
          (lambda: _share(s), 1),
          *_blocks(s, s.prompt, slots, depth - 2),
      ),
  )


def decode(
    s: sizes.Sizes, calls: int, sampling: sampling_lib.Sampling
) -> program.Program:
  """Writes texts after their prompts."""
  filters = (sampling.top_k > 0) + (sampling.top_p < 1)
  slots = 2 * s.prompt + s.new
  return program.Program(
      'decode',
      lambda _: _decode(s, sampling),
      steps=s.new,
      calls=calls,
      blocks=False,
      # XLA lays the whole cache out anew, and counts that with each step.
      itself=False,
      also=(
          (lambda: _decode(_one_block(s), sampling), 1),
          *_blocks(s, 1, slots, s.model.num_layers - 1),
          (lambda: _halving(s), filters * (_HALVINGS - 1)),
      ),
  )


def _divergence(s: sizes.Sizes, calls: int) -> program.Program:
  """Reads texts with and without steering."""
  text, slots = s.prompt + s.new, 2 * s.prompt + s.new
  return program.Program(
      'divergence',
      lambda _: _read_back(s),
      calls=calls,
      blocks=False,
      also=(
          # The lowest block once, the others with and without steering.
          *_blocks(s, text, slots, 2 * s.model.num_layers - 1 - _LOOPS),
          (lambda: _compare(s), s.new - 1),
      ),
  )


def _one_block(s: sizes.Sizes) -> sizes.Sizes:
  return dataclasses.replace(s, model=program.some_blocks(s.model, 1))


def _beside(held: Any, function: Callable[..., Any], *args: Any) -> Any:
  """Lowers what runs while other arrays lie on the devices.

  They become arguments that it does not use, whose memory is not free.
  """
  both = lambda held, *args: function(*args)
  return jax.jit(both, keep_unused=True).lower(held, *args)


def _share(s: sizes.Sizes) -> Any:
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


def _prefill(s: sizes.Sizes, held: Any) -> Any:
  """The other blocks, of every row."""
  model, params = s.model_of()
  return _beside(
      held,
      functools.partial(prompts._part, model),
      params,
      s.stream(s.heads, s.prompt, 2 * s.prompt),
      s.by_row(jnp.int32, s.rows),
      s.interventions(s.prompt),
      np.int32(0),
  )


def _decode(s: sizes.Sizes, sampling: sampling_lib.Sampling) -> Any:
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


def _halving(s: sizes.Sizes) -> Any:
  """One pass along the probabilities of every row."""
  kept = lambda x, least: jnp.where(x >= least[:, None], x, 0).sum(axis=-1)
  return jax.jit(kept).lower(
      s.array('BV', (s.rows, s.model.vocab_size), jnp.float32),
      s.by_row(jnp.float32, s.rows),
  )


def _read_back(s: sizes.Sizes) -> Any:
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
      s.interventions(text),
      np.int32(0),
      (s.whole(s.emotions, s.model.width), np.int32(0)),
      first=s.prompt,
  )


def _compare(s: sizes.Sizes) -> Any:
  """The distributions that one token of every text was drawn from."""
  model, params = s.model_of()
  x = s.by_row(jnp.float32, s.rows, 2, s.model.width)
  compare = functools.partial(readback._compare, model)
  tokens = s.by_row(jnp.int32, s.rows, 2)
  return jax.jit(compare, static_argnums=3).lower(params, (x, x), tokens, 1)


def _blocks(
    s: sizes.Sizes, tokens: int, slots: int, times: int
) -> tuple[tuple[Callable[[], Any], int], ...]:
  """So many blocks: each is what a fourth loop adds to three.

  A second and a third may add more or less: what is laid out anew before all of
  them, or is kept beside the chip's arithmetic, is another thing for few.
  """
  three, four = (
      functools.partial(_loops, s, tokens, slots, count) for count in (3, 4)
  )
  return (four, times), (three, -times)


def _loops(s: sizes.Sizes, tokens: int, slots: int, count: int) -> Any:
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
      params, stream, s.interventions(tokens), np.zeros(count + 1, np.int32)
  )
