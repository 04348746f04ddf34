"""What a prompt is likely to go on with."""

from collections.abc import Sequence
import functools

import jax
import jax.numpy as jnp
import numpy as np

from emojax.models import decoding
from emojax.models import transformer

Array = jax.Array


def log_probs(
    model: transformer.Transformer,
    params,
    rows: decoding.Rows,
    bank: Array | None,
    words: Sequence[Sequence[int]],
) -> Array:
  """Scores continuations: log p(word | prompt), summed over its tokens.

  Args:
    model: a `Transformer`.
    params: its weights.
    rows: B prompts that have been run, their cache with as many free slots as
      the longest word has tokens.
    bank: [E, L, D] that rows are steered with, or None.
    words: W continuations of one token or more, steered like any written token.

  Returns:
    [B, W] float32, nats.
  """
  first = _first(model, params, rows.x)
  columns = []
  for word in words:
    column = first[:, word[0]]
    if len(word) > 1:
      ids = np.asarray(word, np.int32)
      column = column + _rest(model, params, rows, bank, ids)
    columns.append(column)
  return jnp.stack(columns, axis=1)


@functools.partial(jax.jit, static_argnames='model')
def _first(model, params, x) -> Array:
  return jax.nn.log_softmax(model.apply(params, x, method='unembed'))


@functools.partial(jax.jit, static_argnames='model')
def _rest(model, params, rows, bank, word) -> Array:
  """[W] -> the log-probability [B] of all its tokens but the first."""
  b, steps = len(rows.x), jnp.arange(len(word) - 1)
  interventions = None
  if rows.steered is not None:
    before = rows.cache.valid.sum(axis=1, dtype=jnp.int32)
    interventions = rows.steered.at(bank, before[:, None] + steps)
  logits, _ = model.apply(
      params,
      jnp.broadcast_to(word[:-1], (b, len(steps))),
      cache=rows.cache,
      interventions=interventions,
  )
  return jax.nn.log_softmax(logits)[:, steps, word[1:]].sum(axis=1)
