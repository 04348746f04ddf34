"""Emotion vectors: means, neutral components, and the test on unseen topics."""

from typing import Literal

import numpy as np

from emojax import errors


def emotion_vectors(
    pooled: np.ndarray,
    emotion: np.ndarray,
    num_emotions: int,
    count: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """Mean per emotion, minus the mean over emotions (paper, section 1.1).

  Args:
    pooled: [N, L, D], the mean activation of each story, or of several.
    emotion: [N], its emotion.
    num_emotions: E; each has a story.
    count: [N], of how many stories each is the mean; 1 if None.

  Returns:
    Vectors [E, L, D], whose sum over E is 0, and that mean over emotions
    [L, D]; every emotion weighs the same, however many stories it has.

  Raises:
    InputError: an emotion has no story. Its mean would be NaN, and with it all.
  """
  member = np.equal(emotion, np.arange(num_emotions)[:, None])  # [E, N]
  empty = np.flatnonzero(~member.any(axis=1))
  if len(empty):
    raise errors.InputError(
        f'Emotion {empty[0]} of 0 to {num_emotions - 1} has no story to make a'
        ' vector of; each needs long enough stories on two topics or more.'
    )
  weights = member if count is None else member * count
  weights = (weights / weights.sum(axis=1, keepdims=True)).astype(pooled.dtype)
  means = np.einsum('NLD,EN->ELD', pooled, weights, optimize=True)
  mean = means.mean(axis=0)
  return means - mean, mean


def neutral_components(
    pooled: np.ndarray, fraction: float
) -> tuple[np.ndarray, np.ndarray]:
  """Principal components of neutral text, up to a share of its variance.

  On the host: a dense decomposition compiled for a TPU takes minutes.

  Args:
    pooled: [N, L, D], the mean activation of each neutral dialogue.
    fraction: components are kept until they explain this much, from 0 to 1.

  Returns:
    Components [L, C, D], orthonormal rows, and how many of the C rows count at
    each layer, [L]; the others are zero. Dialogues that do not vary have none.
  """
  centred = pooled - pooled.mean(axis=0)
  counts, rows = [], []
  for x in centred.swapaxes(0, 1):  # [N, D]
    _, s, v = np.linalg.svd(x, full_matrices=False)
    # Not divided by the whole: where nothing varies, that is 0.
    reached = np.cumsum(s**2)
    least = fraction * reached[-1]
    count = int((reached < least).sum() + 1) if least > 0 else 0
    counts.append(count)
    rows.append(v[:count])
  out = np.zeros((len(rows), max(counts), pooled.shape[-1]), np.float32)
  for layer, row in enumerate(rows):
    out[layer, : len(row)] = row
  return out, np.array(counts)


def project_out(vectors: np.ndarray, components: np.ndarray) -> np.ndarray:
  """Removes a subspace: [E, L, D], [L, C, D] orthonormal -> [E, L, D]."""
  along = np.einsum('ELD,LCD->ELC', vectors, components, optimize=True)
  return vectors - np.einsum('ELC,LCD->ELD', along, components, optimize=True)


def unit(x: np.ndarray) -> np.ndarray:
  """Divides by the length over the last axis; a zero vector stays zero."""
  length = np.linalg.norm(x, axis=-1, keepdims=True)
  return x / np.where(length > 0, length, 1)


def held_out_ranks(
    pooled: np.ndarray,
    emotion: np.ndarray,
    topic: np.ndarray,
    components: np.ndarray | None,
    centre: Literal['topic', 'train'] = 'topic',
    count: np.ndarray | None = None,
    train: np.ndarray | None = None,
) -> np.ndarray:
  """Ranks each story's emotion by vectors that never saw its topic.

  For each topic, vectors are made of the stories of all others; its own
  stories, centred, are compared with them by cosine.

  Args:
    pooled: [N, L, D].
    emotion: [N], from 0 to E - 1.
    topic: [N].
    components: [L, C, D] to project out of the vectors, or None.
    centre: what is subtracted from a story. 'topic': the mean over the stories
      of its own topic, which takes the subject matter out and uses no label,
      but needs them all. 'train': the mean over the other topics, so that a
      single story can be classified.
    count: [N], of how many stories each row is the mean; 1 if None.
    train: [N] bool, the stories that vectors are made of; the others are
      ranked, such as those of another author. None: all are both.

  Returns:
    [N, L], 0 for the stories of `train`. Of the others: 0 where the story's own
    emotion is the nearest of the E. A tie counts against it: a topic's only
    story, centred, is 0 and near to none.

  Raises:
    InputError: an emotion has stories on one topic only.
  """
  num_emotions = int(emotion.max()) + 1
  weight = np.ones(len(pooled)) if count is None else count
  ranks = np.zeros(pooled.shape[:2], np.int32)
  for fold in np.unique(topic):
    test, fit = topic == fold, topic != fold
    if train is not None:
      test, fit = test & ~train, fit & train
    vectors, mean = emotion_vectors(
        pooled[fit], emotion[fit], num_emotions, weight[fit]
    )
    if components is not None:
      vectors = project_out(vectors, components)
    x = pooled[test]
    if centre == 'topic':
      share = (weight[test] / weight[test].sum()).astype(x.dtype)
      mean = np.einsum('NLD,N->LD', x, share)
    x = x - mean
    cosine = np.einsum('NLD,ELD->NLE', unit(x), unit(vectors), optimize=True)
    own = np.take_along_axis(cosine, emotion[test][:, None, None], axis=2)
    ranks[test] = (cosine >= own).sum(axis=2) - 1  # Less itself.
  return ranks


def shuffled(
    rng: np.random.Generator, emotion: np.ndarray, topic: np.ndarray
) -> np.ndarray:
  """Permutes emotions within each topic: a control that keeps the design."""
  out = emotion.copy()
  for fold in np.unique(topic):
    out[topic == fold] = rng.permutation(emotion[topic == fold])
  return out


def shuffled_vectors(
    pooled: np.ndarray,
    emotion: np.ndarray,
    topic: np.ndarray,
    components: np.ndarray,
    number: int,
    seed: int,
    count: np.ndarray | None = None,
) -> np.ndarray:
  """Makes vectors as `emotion_vectors` does, of labels that mean nothing.

  Args:
    pooled: [N, L, D].
    emotion: [N], dealt out anew within each topic.
    topic: [N].
    components: [L, C, D] to project out.
    number: how many, each of another shuffle.
    seed: of the shuffles.
    count: [N], of how many stories each row is the mean; 1 if None.

  Returns:
    [number, L, D] float32: controls to steer with.
  """
  rng = np.random.default_rng(seed)
  size = int(emotion.max()) + 1
  out = np.zeros((number, *pooled.shape[1:]), np.float32)
  for i in range(number):
    labels = shuffled(rng, emotion, topic)
    vectors, _ = emotion_vectors(pooled, labels, size, count)
    out[i] = project_out(vectors, components)[i % size]
  return out


def nested_ranks(ranks: np.ndarray, topic: np.ndarray, top: int) -> np.ndarray:
  """Ranks at a layer that was chosen without the story's topic.

  For each topic, the layer with the best top-`top` accuracy on all others.

  Args:
    ranks: [N, L] of `held_out_ranks`.
    topic: [N].
    top: a rank below it is a hit.

  Returns:
    [N]: unlike the best layer's own accuracy, its mean is not inflated by the
    choice among L layers.
  """
  out = np.zeros(len(topic), ranks.dtype)
  for fold in np.unique(topic):
    test = topic == fold
    layer = np.argmax((ranks[~test] < top).mean(axis=0))
    out[test] = ranks[test, layer]
  return out
