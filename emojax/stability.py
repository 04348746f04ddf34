"""Would other topics give the same vectors? Resampling over topics.

All of it goes one layer at a time, so that memory does not grow with depth.
"""

from collections.abc import Callable
import functools

import numpy as np

from emojax import vectors as vectors_lib


def bootstrap_cosines(
    pooled: np.ndarray,
    emotion: np.ndarray,
    topic: np.ndarray,
    components: np.ndarray,
    count: np.ndarray,
    seed: int,
    draws: int,
) -> np.ndarray:
  """Cosines of vectors of resampled topics with those of all topics.

  A resample shares two thirds of its topics with the whole, so that vectors of
  noise alone have a cosine of about 0.7: read it beside shuffled labels.

  Args:
    pooled: [N, L, D], the mean activation of each story, or of several.
    emotion: [N], from 0 to E - 1.
    topic: [N].
    components: [L, C, D] to project out of the vectors.
    count: [N], of how many stories each row is the mean.
    seed: of the resampling.
    draws: how many times as many topics are drawn with replacement.

  Returns:
    [L, E], the mean over draws.
  """
  names, index = np.unique(topic, return_inverse=True)
  rng = np.random.default_rng(seed)
  picks = rng.integers(len(names), size=(draws, len(names)))
  times = np.stack([np.bincount(row, minlength=len(names)) for row in picks])
  weights = np.concatenate([np.ones((1, len(topic))), times[:, index]])

  def compare(vectors: np.ndarray) -> np.ndarray:
    return _mean(np.einsum('RED,ED->RE', vectors[1:], vectors[0]))

  return _by_layer(compare, pooled, emotion, components, count * weights)


def split_half_cosines(
    pooled: np.ndarray,
    emotion: np.ndarray,
    topic: np.ndarray,
    components: np.ndarray,
    count: np.ndarray,
    seed: int,
    splits: int,
) -> np.ndarray:
  """Cosines of vectors of one half of the topics with those of the other.

  Unlike a resample and the whole, halves share nothing: 0 for noise.

  Args:
    pooled: [N, L, D].
    emotion: [N], from 0 to E - 1.
    topic: [N], two or more.
    components: [L, C, D] to project out of the vectors.
    count: [N], of how many stories each row is the mean.
    seed: of the splits.
    splits: how many.

  Returns:
    [L, E], the mean over splits; NaN for an emotion that is never in both.
  """
  names, index = np.unique(topic, return_inverse=True)
  rng = np.random.default_rng(seed)
  first = np.zeros((splits, len(names)), bool)
  for row in first:
    row[rng.permutation(len(names))[: len(names) // 2]] = True
  weights = count * np.concatenate([first, ~first])[:, index]

  def compare(vectors: np.ndarray) -> np.ndarray:
    halves = vectors[:splits], vectors[splits:]
    return _mean(np.einsum('RED,RED->RE', *halves))

  return _by_layer(compare, pooled, emotion, components, weights)


def spearman_brown(half: float) -> float:
  """What the correlation of halves says of the whole: 2 r / (1 + r).

  Not below -1, where halves are more opposed than two of anything.
  """
  return max(2 * half / (1 + half), -1.0) if half > -1 else -1.0


def vectors_of(
    pooled: np.ndarray,
    emotion: np.ndarray,
    weights: np.ndarray,
    components: np.ndarray,
) -> np.ndarray:
  """Emotion vectors of one layer, for many weightings of the stories.

  Args:
    pooled: [N, D].
    emotion: [N], from 0 to E - 1.
    weights: [R, N], 0 for a story that is left out.
    components: [C, D] to project out.

  Returns:
    [R, E, D]; NaN for an emotion that has no weight. The mean over emotions
    that is taken off is over the others then.
  """
  size = int(emotion.max()) + 1
  means = np.empty((len(weights), size, pooled.shape[1]), pooled.dtype)
  for e in range(size):
    own = emotion == e
    share = weights[:, own].astype(pooled.dtype)
    total = share.sum(axis=1, keepdims=True)
    means[:, e] = share @ pooled[own] / np.where(total > 0, total, np.nan)
  means -= np.nanmean(means, axis=1, keepdims=True)
  along = np.einsum('RED,CD->REC', means, components, optimize=True)
  return means - np.einsum('REC,CD->RED', along, components, optimize=True)


def leave_out(topic: np.ndarray, count: np.ndarray) -> np.ndarray:
  """Weights [K, N] of N stories, without each of their K topics in turn."""
  return count * (topic != np.unique(topic)[:, None])


def _by_layer(
    compare: Callable[[np.ndarray], np.ndarray],
    pooled: np.ndarray,
    emotion: np.ndarray,
    components: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
  """[L, E] of what compares unit vectors [R, E, D]."""
  make = functools.partial(vectors_of, emotion=emotion, weights=weights)
  return np.stack(
      [
          compare(vectors_lib.unit(make(x, components=c)))
          for x, c in zip(pooled.swapaxes(0, 1), components, strict=True)
      ]
  )


def _mean(cosines: np.ndarray) -> np.ndarray:
  """[R, E] -> [E] over those that are known; NaN where none is."""
  known = ~np.isnan(cosines)
  total = np.where(known, cosines, 0).sum(axis=0, dtype=float)
  count = known.sum(axis=0)
  return total / np.where(count > 0, count, np.nan)
