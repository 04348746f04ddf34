"""How emotion vectors lie: cosines, order, components and clusters."""

import warnings

import numpy as np
import scipy.cluster.hierarchy
import scipy.cluster.vq

from emojax import vectors as vectors_lib


def cosine_matrix(vectors: np.ndarray) -> np.ndarray:
  """[E, D] -> [E, E]."""
  x = vectors_lib.unit(vectors.astype(np.float64))
  return np.einsum('ED,FD->EF', x, x)


def hierarchical_order(vectors: np.ndarray) -> np.ndarray:
  """Orders emotions so that neighbours are alike: [E, D] -> [E] indices.

  Average linkage on 1 - cosine, leaves in optimal order.
  """
  tree = scipy.cluster.hierarchy.linkage(
      vectors, method='average', metric='cosine', optimal_ordering=True
  )
  return scipy.cluster.hierarchy.leaves_list(tree)


def principal_components(
    vectors: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
  """PCA over emotions.

  Args:
    vectors: [E, D]; centred over E here.
    count: C.

  Returns:
    Scores [E, C] and the fraction of variance that each explains [C]. A
    component's sign is arbitrary: here its largest score is positive.
  """
  centred = vectors.astype(np.float64) - vectors.mean(axis=0)
  u, s, _ = np.linalg.svd(centred, full_matrices=False)
  scores = (u * s)[:, :count]
  signs = np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(count)])
  return scores * signs, (s**2 / np.sum(s**2))[:count]


def clusters(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
  """k-means on unit vectors, best of 20 starts: [E, D] -> [E] labels.

  Labels are numbered by first appearance.
  """
  x = vectors_lib.unit(vectors.astype(np.float64))
  rng = np.random.default_rng(seed)
  best, labels = np.inf, np.zeros(len(x), int)
  for _ in range(20):
    with warnings.catch_warnings():
      # A start that leaves a cluster empty is only a bad one of the 20.
      warnings.simplefilter('ignore', UserWarning)
      centres, found = scipy.cluster.vq.kmeans2(x, count, minit='++', rng=rng)
    loss = np.sum((x - centres[found]) ** 2)
    if loss < best:
      best, labels = loss, found
  _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
  return np.argsort(np.argsort(first))[inverse]
