"""Caches, prompts that fill them, and what a prompt is likely to go on with."""

from collections.abc import Sequence
import functools

import jax
import jax.numpy as jnp
import numpy as np

from emojax import steering
from emojax.models import config as config_lib
from emojax.models import layers
from emojax.models import sharding
from emojax.models import transformer

Array = jax.Array


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
    b, c = interventions.index.shape
    interventions = interventions.for_tokens(jnp.ones((b, c, shape[1]), bool))
  logits, _ = model.apply(
      params,
      jnp.broadcast_to(word[:-1], shape),
      cache=cache,
      interventions=interventions,
  )
  log_probs = jax.nn.log_softmax(logits)
  steps = jnp.arange(shape[1])
  return log_probs[:, steps, word[1:]].sum(axis=1)


def repeated_trigrams(ids: np.ndarray) -> float:
  """The fraction of trigrams of a text that it has had before: 0 to 1."""
  grams = list(zip(ids, ids[1:], ids[2:]))
  return 1 - len(set(grams)) / len(grams) if grams else 0.0
