"""Clusters of emotion vectors beside those that the paper publishes."""

import importlib.resources
import json
from typing import Any

import numpy as np

from emojax import geometry
from emojax import permutations
from emojax import resampling
from emojax import statistics
from emojax.experiments.measures import one_layer

_LEAST = 4  # Emotions.


def published(emotions: list[str]) -> list[str | None]:
  """The name of each emotion's cluster in the paper; None if it has none."""
  file = importlib.resources.files('emojax.data') / 'clusters.json'
  of = {
      emotion: name
      for name, members in json.loads(file.read_text('utf-8')).items()
      for emotion in members
  }
  return [of.get(emotion) for emotion in emotions]


def compare(
    emotions: list[str], vectors: one_layer.Vectors, count: int, seed: int
) -> dict[str, Any]:
  """k-means of vectors, and how far it agrees with the published clusters.

  Args:
    emotions: E names.
    vectors: of them, and the controls.
    count: k.
    seed: of k-means, of permutations and of the resampling.

  Returns:
    `labels` [E] and the `published` names, None for an emotion without one.
    `agreement`, the adjusted Rand index over emotions with one, with a
    bootstrap over emotions in which clusters stay as they are, or None if no
    two emotions are together in the paper; beside it `permuted` labels, `embed`
    and `shuffled`.
  """
  names = published(emotions)
  known = np.array([name is not None for name in names])
  theirs = np.array([name or '' for name in names])[known]
  labels = geometry.clusters(vectors.own, count, seed)
  out = {
      'k': count,
      'labels': labels.tolist(),
      'published': names,
      'agreement': None,
  }
  size = len(theirs)
  if size < _LEAST or not 1 < len(np.unique(theirs)) < size:
    return out

  def agree(found: np.ndarray) -> statistics.Estimate:
    """Over emotions; one that is drawn twice is not with itself."""
    pairs = geometry.together(found[known]), geometry.together(theirs)

    def redrawn(picks, axis):
      del axis
      weights = [geometry.pair_weights(row, size) for row in picks]
      return np.array([geometry.pair_agreement(*pairs, w) for w in weights])

    emotion = np.arange(size)
    return resampling.bootstrap(redrawn, (emotion,), emotion, seed)

  shuffled = [
      geometry.clusters(x, count, seed)[known] for x in vectors.shuffled
  ]
  test = permutations.rand_index_test(labels[known], theirs, seed)
  return out | {
      'agreement': agree(labels),
      'p': test['p'],
      'permuted': test['null'],
      'embed': agree(geometry.clusters(vectors.embed, count, seed)),
      'shuffled': statistics.band(
          statistics.adjusted_rand_index(theirs, np.array(shuffled))
      ),
  }
