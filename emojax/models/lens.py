"""The logit lens: what a direction of the residual stream says in tokens."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from emojax import hosts
from emojax.models import load
from emojax.models import sharding
from emojax.models import transformer

Array = jax.Array

_BLOCK = 64  # Directions at once: of a vocabulary of 262,144 words, 67 MB.


def gain(lm: load.LanguageModel) -> np.ndarray:
  """What the final norm multiplies the stream by, [D] float32."""
  scale = hosts.fetch(lm.params['params']['norm']['scale'])
  return lm.config.norm_offset + scale.astype(np.float32)


def words(lm: load.LanguageModel) -> np.ndarray:
  """Which tokens can be text: [V] bool, False for control tokens.

  An embedding may have more rows than the tokenizer has tokens.
  """
  backend = lm.tokenizer.backend
  out = np.arange(lm.config.vocab_size) < backend.get_vocab_size()
  special = [
      i
      for i, token in backend.get_added_tokens_decoder().items()
      if token.special and i < len(out)
  ]
  out[special] = False
  return out


def ranks(
    lm: load.LanguageModel,
    directions: np.ndarray,
    tokens: np.ndarray,
    among: np.ndarray,
    kept: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  """Where tokens stand among all words, by their product with a direction.

  Neither the mean nor the size of the stream is known, so nothing is
  normalised. Scores of the whole vocabulary stay on the devices.

  Args:
    lm: the model.
    directions: [K, D].
    tokens: [K, W], of each direction the tokens that are looked up.
    among: [M] tokens whose scores are wanted.
    kept: [V] bool, of `words`.

  Returns:
    Ranks [K, W]: 0 where a token has the highest score of all; a tie counts
    against it. And the scores of `among`, [K, M].
  """
  rank, scores = [], []
  for x, own in _blocks(directions, tokens):
    found = _ranks(lm.model, lm.params, *_put(lm, x, own, among, kept))
    found = hosts.fetch(found)
    rank.append(found[0])
    scores.append(found[1])
  size = len(directions)
  return np.concatenate(rank)[:size], np.concatenate(scores)[:size]


def extremes(
    lm: load.LanguageModel,
    directions: np.ndarray,
    kept: np.ndarray,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
  """The tokens that directions raise the most and those that they lower.

  Args:
    lm: the model.
    directions: [K, D].
    kept: [V] bool, of `words`.
    count: how many of each.

  Returns:
    Ids [K, count], the highest first, and [K, count], the lowest first.
  """
  rows = []
  for x, _ in _blocks(directions, np.zeros((len(directions), 1), np.int32)):
    put = _put(lm, x, kept)
    rows.append(hosts.fetch(_extremes(lm.model, lm.params, *put, count)))
  top, bottom = (np.concatenate(part) for part in zip(*rows))
  return top[: len(directions)], bottom[: len(directions)]


def _blocks(directions: np.ndarray, tokens: np.ndarray):
  """Parts of one size, so that one program is compiled; the last repeats."""
  step = min(_BLOCK, len(directions))
  for start in range(0, len(directions), step):
    at = np.arange(start, start + step) % len(directions)
    yield directions[at].astype(np.float32), tokens[at].astype(np.int32)


def _put(lm: load.LanguageModel, *arrays: np.ndarray) -> list[Array]:
  return [sharding.replicate(lm.mesh, x) for x in arrays]


@functools.partial(jax.jit, static_argnames='model')
def _ranks(
    model: transformer.Transformer, params, x, tokens, among, kept
) -> tuple[Array, Array]:
  logits = model.apply(params, x, method='unembed')  # [K, V]
  own = jnp.take_along_axis(logits, tokens, axis=1)
  higher = (logits[:, None] >= own[:, :, None]) & kept
  return higher.sum(axis=2) - 1, logits[:, among]  # Less itself.


@functools.partial(jax.jit, static_argnames=('model', 'count'))
def _extremes(
    model: transformer.Transformer, params, x, kept, count
) -> tuple[Array, Array]:
  logits = model.apply(params, x, method='unembed')
  ids = lambda scores: jax.lax.top_k(jnp.where(kept, scores, -jnp.inf), count)[
      1
  ]
  return ids(logits), ids(-logits)
