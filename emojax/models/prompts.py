"""Prompts of many rows, run once where the rows do not differ yet.

Rows of a sweep share few prompts. Before the first steered token they are all
the same, in every block; after it they are the same up to the lowest steered
block. Both parts are run once a prompt, and only the rest once a row.
"""

from collections.abc import Sequence
import dataclasses
import functools

import jax
import numpy as np

from emojax.data import batches
from emojax.models import decoding
from emojax.models import layers
from emojax.models import load
from emojax.models import sharding
from emojax.models import streams
from emojax.models import transformer

Array = jax.Array
Widths = tuple[int, int]  # The padded length of heads and of tails.


@dataclasses.dataclass(frozen=True)
class Term:
  """One direction that a row is steered with.

  Attributes:
    index: of it in the bank.
    strength: [L] float32, fractions of the mean residual norm; any number but 0
      where it is projected out.
    prompt: [T] bool, the tokens of the prompt that are steered.
    span: the first absolute position of written tokens that is steered, and the
      first after those.
    ablate: whether it is projected out rather than added.
  """

  index: int
  strength: np.ndarray
  prompt: np.ndarray
  span: tuple[int, int]
  ablate: bool = False


def unsteered(num_layers: int, size: int) -> Term:
  """Returns a term that steers all `size` tokens of a prompt, by nothing."""
  return Term(0, np.zeros(num_layers, np.float32), np.ones(size, bool), (0, 0))


@dataclasses.dataclass(frozen=True)
class Request:
  """A text that is asked for.

  Attributes:
    prompt: ids, one or more.
    key: [2] uint32, data of the PRNG key that the text is drawn with.
    terms: how it is steered; none: not at all.
  """

  prompt: tuple[int, ...]
  key: np.ndarray
  terms: tuple[Term, ...] = ()

  @property
  def cut(self) -> int:
    """The first steered token of the prompt, or the last token before that."""
    steered = [np.flatnonzero(term.prompt) for term in self.terms]
    firsts = [where[0] for where in steered if len(where)]
    return int(min([*firsts, len(self.prompt) - 1]))

  @property
  def layer(self) -> int | None:
    """The lowest steered layer; None if no layer is."""
    found = [np.flatnonzero(t.strength) for t in self.terms]
    return min((int(x[0]) for x in found if len(x)), default=None)


@dataclasses.dataclass(frozen=True)
class Group:
  """R rows and the U different prompts that they begin with.

  Attributes:
    heads: U lists of ids before the prompt's cut, the first of its rows' cuts;
      all may be empty.
    tails: U lists of ids from the cut on, none empty.
    row: [R], the prompt of each row.
    widths: the padded length of heads and of tails.
  """

  heads: list[tuple[int, ...]]
  tails: list[tuple[int, ...]]
  row: np.ndarray
  widths: Widths


def width(longest: int) -> int:
  """Returns the padded length of heads or tails."""
  return batches.width_for(longest, 8) if longest else 0


def widths_for(requests: Sequence[Request]) -> Widths:
  """Returns what the longest head and the longest tail need."""
  cuts = _cuts(requests)
  tail = max(len(prompt) - cut for prompt, cut in cuts.items())
  return width(max(cuts.values())), width(tail)


def _cuts(requests: Sequence[Request]) -> dict[tuple[int, ...], int]:
  """Where each prompt is cut: at the first of its rows' cuts."""
  cuts: dict[tuple[int, ...], int] = {}
  for r in requests:
    cuts[r.prompt] = min(r.cut, cuts.get(r.prompt, r.cut))
  return cuts


def group(
    requests: Sequence[Request], least: int, widths: Widths | None = None
) -> Group:
  """Finds what rows share.

  Args:
    requests: R of them.
    least: of rows that the mesh can split. The number of prompts is filled up
      to a power of two times it, so that few programs are compiled.
    widths: of `widths_for` these and other requests; of these alone if None.
  """
  widths = widths or widths_for(requests)
  # A head that is cut short is whole with what the tail then has more.
  cuts = {p: min(cut, widths[0]) for p, cut in _cuts(requests).items()}
  place = {prompt: i for i, prompt in enumerate(cuts)}
  size = least
  while size < len(cuts):
    size *= 2
  every = list(cuts.items())
  every += every[:1] * (size - len(every))
  return Group(
      heads=[prompt[:cut] for prompt, cut in every],
      tails=[prompt[cut:] for prompt, cut in every],
      row=np.array([place[r.prompt] for r in requests]),
      widths=widths,
  )


def steering_of(
    lm: load.LanguageModel,
    requests: Sequence[Request],
    terms: int,
    ablates: bool,
) -> decoding.Steered | None:
  """Lays out R rows' steering, `terms` directions each; None if that is 0."""
  if not terms:
    return None
  none = unsteered(lm.config.num_layers, 0)
  rows = [r.terms + (none,) * (terms - len(r.terms)) for r in requests]
  every = lambda x, kind: np.array([[x(t) for t in row] for row in rows], kind)
  return decoding.Steered(
      *put(
          lm,
          every(lambda t: t.index, np.int32),
          every(lambda t: t.strength, np.float32),
          every(lambda t: t.span, np.int32),
          every(lambda t: t.ablate, bool) if ablates else None,
      )
  )


def steered_tokens(
    requests: Sequence[Request], shared: Group, terms: int
) -> np.ndarray:
  """Which tokens of the tails are steered, [R, C, T], padded on the left."""
  tail = shared.widths[1]
  out = np.zeros((len(requests), terms, tail), bool)
  for row, request in enumerate(requests):
    size = len(shared.tails[shared.row[row]])
    for c, term in enumerate(request.terms):
      out[row, c, tail - size :] = term.prompt[-size:]
  return out


def steered_text(
    requests: Sequence[Request], terms: int, width: int
) -> np.ndarray:
  """Which of `width` written tokens are steered, [R, C, T]."""
  out = np.zeros((len(requests), terms, width), bool)
  for row, request in enumerate(requests):
    place = len(request.prompt) + np.arange(width)
    for c, term in enumerate(request.terms):
      out[row, c] = (term.span[0] <= place) & (place < term.span[1])
  return out


def count_steered(request: Request, written: int) -> dict[str, int]:
  """How many tokens of the prompt and of a text are steered."""
  active = tuple(term for term in request.terms if term.strength.any())
  own = dataclasses.replace(request, terms=active)
  return {
      'prompt': int(np.any([t.prompt for t in active], axis=0).sum()),
      'written': int(steered_text([own], len(active), written).any(1).sum()),
  }


def traits(requests: Sequence[Request]) -> tuple[int, bool]:
  """C, the most directions of a row; whether any is projected out."""
  return (
      max(len(r.terms) for r in requests),
      any(term.ablate for r in requests for term in r.terms),
  )


def put(lm: load.LanguageModel, *arrays: np.ndarray | None) -> list:
  """Splits [B, ...] arrays over the mesh."""
  split = lambda x: sharding.put(lm.mesh, ('B', '', '', '')[: x.ndim], x)
  return [None if x is None else split(x) for x in arrays]


def run_heads(
    lm: load.LanguageModel, shared: Group, slots: int
) -> layers.Cache:
  """Runs what precedes the cuts; a cache of U rows with `slots` free ones."""
  head, zeros = shared.widths[0], sharding.zeros(lm.mesh)
  cache = layers.cache_of(lm.config, len(shared.heads), head + slots, zeros)
  if head:
    tokens, valid = put(lm, *batches.padded(shared.heads, head, 'left'))
    cache = _fill(lm.model, lm.params, tokens, valid, cache)
  return cache


@functools.partial(jax.jit, static_argnames='model', donate_argnames='cache')
def _fill(model, params, tokens, valid, cache) -> layers.Cache:
  inputs = dict(valid=valid, cache=cache, method='stream')
  return model.apply(params, tokens, **inputs)[1]


def run(
    lm: load.LanguageModel,
    bank: Array | None,
    requests: Sequence[Request],
    terms: int,
    ablates: bool,
    room: int = 0,
    widths: Widths | None = None,
) -> decoding.Rows:
  """Runs the prompts of R requests.

  Args:
    lm: the model.
    bank: [E, L, D] that rows are steered with, or None.
    requests: as many as the mesh can split.
    terms: C, the most directions that a row has.
    ablates: whether any row has one projected out.
    room: slots that stay free.
    widths: of `widths_for` more requests, so that one program does for all.

  Returns:
    The rows, about to write their first token.
  """
  shared = group(requests, sharding.round_up_rows(lm.mesh, 1), widths)
  _, tail = shared.widths
  cache = run_heads(lm, shared, tail + room)
  tokens, valid = put(lm, *batches.padded(shared.tails, tail, 'left'))
  layer = lowest(lm, requests)
  stream = _share(lm.model, lm.params, tokens, valid, cache, layer)
  steered = steering_of(lm, requests, terms, ablates)
  keys = np.stack([r.key for r in requests])
  mask = steered_tokens(requests, shared, terms)
  row, keys, mask = put(lm, shared.row, keys, mask)
  interventions = steered and steered.of_tokens(bank, mask)
  x, cache = _part(lm.model, lm.params, stream, row, interventions, layer)
  return decoding.Rows(cache, x, keys, steered)


def lowest(lm: load.LanguageModel, requests: Sequence[Request]) -> np.ndarray:
  """[] int32, the last block that no row is steered before."""
  found = [r.layer for r in requests if r.layer is not None]
  return np.int32(min([*found, lm.config.num_layers - 1]))


@functools.partial(jax.jit, static_argnames='model', donate_argnames='cache')
def _share(model, params, tokens, valid, cache, layer) -> streams.Stream:
  """Runs the tails of U prompts up to the first block that steers."""
  stream = model.apply(params, tokens, valid=valid, cache=cache, method='enter')
  return transformer.through(model, params, stream, 0, layer + 1)


@functools.partial(jax.jit, static_argnames='model')
def _part(
    model, params, stream, row, interventions, layer
) -> tuple[Array, layers.Cache]:
  """Runs the rest for each of R rows: [B, D] of the last token, the cache."""
  stream = streams.take_rows(stream, row)
  if interventions is not None:
    stream = transformer.steer_after(stream, layer, interventions)
  rest = layer + 1, model.config.num_layers
  stream = transformer.through(model, params, stream, *rest, interventions)
  x, cache = model.apply(params, stream, method='leave')
  return x[:, -1], cache
