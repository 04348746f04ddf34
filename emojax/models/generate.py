"""Prefill and decode over a cache; every row samples with its own key."""

from collections.abc import Sequence
import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from emojax import steering
from emojax.models import config as config_lib
from emojax.models import layers
from emojax.models import sharding
from emojax.models import transformer

Array = jax.Array


@flax.struct.dataclass
class Generation:
  """What `decode` wrote.

  Attributes:
    tokens: [B, T] int32, 0 after the end of a row.
    alive: [B, T] bool, True for tokens that were written, the stop token
      included.
  """

  tokens: Array
  alive: Array


def empty_cache(
    config: config_lib.TransformerConfig,
    rows: int,
    slots: int,
    mesh: jax.sharding.Mesh | None = None,
) -> layers.Cache:
  """Makes a cache with `slots` free slots in each row.

  Args:
    config: of the model.
    rows: B.
    slots: S.
    mesh: that it lies on; the default device alone if None.
  """

  def zeros(axes: str, shape: tuple[int, ...], dtype) -> Array:
    where = mesh and sharding.place(mesh, tuple(axes), shape)
    return jnp.zeros(shape, dtype, device=where)

  return layers.cache_of(config, rows, slots, zeros)


@jax.jit
def take_rows(cache: layers.Cache, rows: Array) -> layers.Cache:
  """Copies rows of a cache: [N] indices into its B rows -> N rows."""
  return cache.replace(
      k=cache.k[:, rows],
      v=cache.v[:, rows],
      position=cache.position[rows],
      valid=cache.valid[rows],
  )


@functools.partial(jax.jit, static_argnames='model', donate_argnames='cache')
def prefill(
    model: transformer.Transformer,
    params,
    tokens: Array,
    valid: Array,
    cache: layers.Cache,
    interventions: steering.Interventions | None,
) -> tuple[Array, layers.Cache]:
  """Runs prompts, or what follows those that the cache holds already.

  Args:
    model: a `Transformer`.
    params: its weights.
    tokens: [B, T], padded on any side.
    valid: [B, T], each row has at least one valid token.
    cache: with T free slots; it is used up.
    interventions: the steering of these tokens, or None.

  Returns:
    The logits [B, V] after each row's last valid token, and the cache.
  """
  x, cache = model.apply(
      params,
      tokens,
      valid=valid,
      cache=cache,
      interventions=interventions,
      method='stream',
  )
  last = tokens.shape[1] - 1 - jnp.argmax(valid[:, ::-1], axis=1)
  x = jnp.take_along_axis(x, last[:, None, None], axis=1)[:, 0]
  return model.apply(params, x, method='unembed'), cache


def word_log_probs(
    model: transformer.Transformer,
    params,
    cache: layers.Cache,
    logits: Array,
    words: Sequence[Sequence[int]],
    interventions: steering.Interventions | None,
) -> Array:
  """Scores continuations: log p(word | prompt), summed over its tokens.

  Args:
    model: a `Transformer`.
    params: its weights.
    cache: of B prompts, with as many free slots as the longest word has tokens.
    logits: [B, V] after the prompts.
    words: W continuations of one token or more.
    interventions: the steering of the words' tokens; its `tokens` is ignored.

  Returns:
    [B, W] float32, nats.
  """
  first = jax.nn.log_softmax(logits)
  columns = []
  for word in words:
    column = first[:, word[0]]
    if len(word) > 1:
      column = column + _rest_of_word(
          model, params, cache, np.asarray(word, np.int32), interventions
      )
    columns.append(column)
  return jnp.stack(columns, axis=1)


@functools.partial(jax.jit, static_argnames='model')
def _rest_of_word(model, params, cache, word, interventions) -> Array:
  """[W] -> the log-probability [B] of all its tokens but the first."""
  shape = (cache.valid.shape[0], len(word) - 1)
  if interventions is not None:
    interventions = interventions.for_tokens(jnp.ones(shape, bool))
  logits, _ = model.apply(
      params,
      jnp.broadcast_to(word[:-1], shape),
      cache=cache,
      interventions=interventions,
  )
  log_probs = jax.nn.log_softmax(logits)
  steps = jnp.arange(shape[1])
  return log_probs[:, steps, word[1:]].sum(axis=1)


def pick(logits: Array, keys: Array, temperature: float) -> Array:
  """Samples each row with its own key; the most likely at temperature 0.

  By inversion, one uniform number a row: noise for every word of a large
  vocabulary took a third of a decoding step on a CPU.

  Args:
    logits: [B, V].
    keys: [B].
    temperature: of the softmax.

  Returns:
    [B] int32.
  """
  if temperature == 0:
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)
  total = jnp.cumsum(jax.nn.softmax(logits / temperature), axis=-1)
  # Float32 sums to a little more or less than 1: the last entry is the whole.
  at = jax.vmap(jax.random.uniform)(keys) * total[:, -1]
  return jnp.argmax(total > at[:, None], axis=-1).astype(jnp.int32)


@functools.partial(
    jax.jit,
    static_argnames=('model', 'steps', 'temperature', 'stop'),
    donate_argnames='cache',
)
def decode(
    model: transformer.Transformer,
    params,
    cache: layers.Cache,
    logits: Array,
    keys: Array,
    interventions: steering.Interventions | None,
    *,
    steps: int,
    temperature: float,
    stop: tuple[int, ...],
) -> tuple[Generation, layers.Cache]:
  """Writes up to `steps` tokens in every row.

  Args:
    model: a `Transformer`.
    params: its weights.
    cache: of the prompts, with `steps` free slots; it is used up.
    logits: [B, V] after the prompts.
    keys: [B] PRNG keys. Token t of a row is drawn with `fold_in(key, t)`, so
      that a row's text depends on no other row.
    interventions: the steering of the written tokens, all of them, or None.
    steps: tokens to write.
    temperature: 0 for greedy.
    stop: ids after which a row is finished.

  Returns:
    The texts, and the cache with them.
  """
  rows = logits.shape[0]
  if interventions is not None:
    interventions = interventions.for_tokens(jnp.ones((rows, 1), bool))
  stops = np.asarray(stop, np.int32)

  def step(state, t):
    cache, logits, alive = state
    token = pick(
        logits, jax.vmap(jax.random.fold_in, (0, None))(keys, t), temperature
    )
    token = jnp.where(alive, token, 0)
    out = token, alive
    logits, cache = model.apply(
        params, token[:, None], cache=cache, interventions=interventions
    )
    return (cache, logits[:, 0], alive & ~jnp.isin(token, stops)), out

  start = (cache, logits, jnp.ones(rows, bool))
  (cache, *_), (tokens, alive) = jax.lax.scan(step, start, jnp.arange(steps))
  return Generation(tokens=tokens.T, alive=alive.T), cache


@functools.partial(jax.jit, static_argnames=('model', 'first'))
def divergence(
    model: transformer.Transformer,
    params,
    cache: layers.Cache,
    tokens: Array,
    valid: Array,
    interventions: steering.Interventions,
    *,
    first: int,
) -> Array:
  """How far steering moves the next-token distributions along a text.

  The finished text is read twice, with and without steering: on most machines
  one long pass costs less than a second model beside every decoding step.

  Args:
    model: a `Transformer`.
    params: its weights.
    cache: of what precedes the tokens, with T free slots.
    tokens: [B, T].
    valid: [B, T].
    interventions: the steering of these tokens.
    first: index of the first token whose choice counts, above 0.

  Returns:
    [B] float32: KL(steered || unsteered) in nats per token, the mean over the
    distributions that the valid tokens from `first` on were drawn from.
  """
  read = lambda interventions: model.apply(
      params,
      tokens,
      valid=valid,
      cache=cache,
      interventions=interventions,
      method='stream',
  )[0][:, first - 1 : -1].swapaxes(0, 1)

  def at_token(x):  # One token at a time: [B, V] is what fits.
    p, q = (
        jax.nn.log_softmax(model.apply(params, each, method='unembed'))
        for each in x
    )
    return jnp.sum(jnp.exp(p) * (p - q), axis=-1)

  kl = jax.lax.map(at_token, (read(interventions), read(None)))  # [T, B]
  counted = valid[:, first:].T.astype(jnp.float32)
  return (kl * counted).sum(axis=0) / counted.sum(axis=0)


def repeated_trigrams(ids: np.ndarray) -> float:
  """The fraction of trigrams of a text that it has had before: 0 to 1."""
  grams = list(zip(ids, ids[1:], ids[2:]))
  return 1 - len(set(grams)) / len(grams) if grams else 0.0
