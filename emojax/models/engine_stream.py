"""One text, token by token, for whoever watches it being written."""

from collections.abc import Iterator
from concurrent import futures
import dataclasses
import queue

import jax
import numpy as np

from emojax.models import decoding
from emojax.models import engine
from emojax.models import load
from emojax.models import prompts
from emojax.models import sampling as sampling_lib
from emojax.models import sharding

Array = jax.Array

# Prompts are padded to a power of two, and to this at least: a chat that grows
# seldom comes to another program.
_LEAST_WIDTH = 128
# There is room for so long a text at least: a longer one is the same program.
_LEAST_ROOM = 256


class _Relay:
  """Brings tokens out of a program that runs, to whoever waits for them.

  One program does for all texts: it holds this, and never a queue of its own.
  """

  def __init__(self):
    self._items = queue.SimpleQueue()
    self.wanted = True

  def __call__(self, alive, token, readings) -> np.bool_:
    """As `decoding.Watch`; all rows are the same."""
    if alive[0]:
      self._items.put((int(token[0]), np.array(readings[0, 0])))
    return np.bool_(self.wanted)

  def end(self) -> None:
    """Says that there are no more."""
    self._items.put(None)

  def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
    return iter(self._items.get, None)


@dataclasses.dataclass(frozen=True)
class Writer:
  """A model that writes while someone watches, one text at a time.

  All that a text depends on is data, but for the length of its prompt to the
  next power of two, top-k and top-p.

  The program is not left between tokens: to enter it again takes the time of
  ten tokens on a CPU, which multiplies in float32 what is kept in bfloat16.

  Attributes:
    lm: the model.
    bank: [E, L, D] on the devices, of `steering.scaled_directions`.
    probe: what is read of every token.
    terms: the most directions that a text is steered with.
  """

  lm: load.LanguageModel
  bank: Array
  probe: decoding.Probe
  terms: int
  _relay: _Relay = dataclasses.field(default_factory=_Relay)

  def write(
      self,
      request: prompts.Request,
      new_tokens: int,
      sampling: sampling_lib.Sampling,
  ) -> Iterator[tuple[int, np.ndarray]]:
    """Writes the text that `engine.write` does, up to the rounding of sums.

    Who wants no more of it closes the iterator: then the program ends.

    Args:
      request: no more than `terms` directions, none of them projected out.
      new_tokens: of the longest text.
      sampling: how tokens are drawn.

    Yields:
      Each token as soon as it is there, and its projections [N, E].
    """
    relay = self._relay
    relay.wanted = True
    with futures.ThreadPoolExecutor(1) as pool:
      run = pool.submit(self._run, request, new_tokens, sampling)
      run.add_done_callback(lambda _: relay.end())
      try:
        yield from relay
        run.result()
      except GeneratorExit:
        relay.wanted = False
        for _ in relay:  # What comes of this text is not of the next.
          pass
        raise

  def _run(self, request, new_tokens, sampling) -> None:
    """Writes a text; the relay is told of it."""
    state, decode = self._begin(self._filled(request), new_tokens)
    jax.block_until_ready(
        decode(
            self.lm.model,
            self.lm.params,
            state,
            self.bank,
            self.probe,
            np.int32(new_tokens),
            np.float32(sampling.temperature),
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            stop=self.lm.tokenizer.stop,
            watch=self._relay,
        )
    )

  def _filled(self, request: prompts.Request) -> prompts.Request:
    """Adds steering by nothing, of every token: one shape for all requests."""
    nothing = prompts.unsteered(self.lm.config.num_layers, len(request.prompt))
    missing = self.terms + 1 - len(request.terms)
    return dataclasses.replace(
        request, terms=request.terms + (nothing,) * missing
    )

  def _begin(self, request, new_tokens):
    """A state whose rows are about to write, and what goes on with it."""
    lm = self.lm
    width, slots = shape_of(len(request.prompt), new_tokens)
    rows = sharding.round_up_rows(lm.mesh, 1)  # All the same.
    traits = len(request.terms), False
    state = engine.state_of(
        lm.config,
        rows,
        slots,
        traits,
        (len(self.probe.layers), len(self.probe.directions)),
        sharding.zeros(lm.mesh),
        engine.decodes_apart(lm),
    )
    admit, _ = decoding.compiled(state)
    decode = jax.jit(
        _decode,
        donate_argnames='state',
        out_shardings=jax.tree.map(lambda x: x.sharding, state),
        static_argnames=('model', 'top_k', 'top_p', 'stop', 'watch'),
    )
    fresh = prompts.run(
        lm, self.bank, [request] * rows, *traits, widths=(0, width)
    )
    source = prompts.put(lm, np.arange(rows, dtype=np.int32))
    return admit(state, fresh, *source), decode


def shape_of(size: int, new_tokens: int) -> tuple[int, int]:
  """What a prompt of `size` tokens is padded to, and S with a text after it."""
  up = lambda n: 1 << (n - 1).bit_length()
  width = up(max(size, _LEAST_WIDTH))
  return width, up(width + max(new_tokens, _LEAST_ROOM))


def _decode(
    model,
    params,
    state,
    bank,
    probe,
    limit,
    temperature,
    *,
    top_k,
    top_p,
    stop,
    watch,
) -> decoding.State:
  """`decoding.decode` with the temperature as data."""
  return decoding.decode(
      model,
      params,
      state,
      bank,
      probe,
      np.int32(0),
      limit,
      sampling=sampling_lib.Sampling(temperature, top_k, top_p),
      stop=stop,
      watch=watch,
  )
