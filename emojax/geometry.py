"""How emotion vectors lie: cosines, order, components and clusters.

A pair is of two different emotions, of E (E - 1) / 2 in the order of the upper
triangle of an [E, E] matrix.
"""

import warnings

import numpy as np
import scipy.cluster.hierarchy
import scipy.cluster.vq

from emojax import vectors as vectors_lib


def cosine_matrix(vectors: np.ndarray) -> np.ndarray:
  """[E, D] -> [E, E]."""
  x = vectors_lib.unit(vectors.astype(np.float64))
  return np.einsum('ED,FD->EF', x, x)


def pairs(matrix: np.ndarray) -> np.ndarray:
  """The upper triangle, without the diagonal: [E, E] -> [P]."""
  return matrix[np.triu_indices(len(matrix), 1)]


def pair_cosines(vectors: np.ndarray) -> np.ndarray:
  """Cosines of every two emotions' vectors: [E, L, D] -> [L, P]."""
  return np.stack(
      [pairs(cosine_matrix(vectors[:, i])) for i in range(vectors.shape[1])]
  )


def similarity(
    cosines: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
  """How alike layers lie: Pearson's r of their cosines (paper, figure 9).

  Args:
    cosines: [L, P], of `pair_cosines`.
    weights: [P] of the pairs, such as those of `pair_weights`; 1 if None.

  Returns:
    [L, L]; NaN for a layer where all pairs are alike.
  """
  weights = np.ones(cosines.shape[1]) if weights is None else weights
  mean = cosines @ weights / weights.sum()
  off = (cosines - mean[:, None]) * np.sqrt(weights)
  length = np.linalg.norm(off, axis=1, keepdims=True)
  least = 1e-12 * np.linalg.norm(cosines, axis=1, keepdims=True)
  off = off / np.where(length > least, length, np.nan)
  return np.clip(np.einsum('LP,MP->LM', off, off), -1, 1)


def pair_weights(picks: np.ndarray, size: int) -> np.ndarray:
  """Weights [P] of the pairs among emotions that were drawn, with repeats.

  An emotion and its repeat are no pair: their cosine of 1 would be agreement
  that nothing was measured for.

  Args:
    picks: [N] indices from 0 to E - 1.
    size: E.
  """
  times = np.bincount(picks, minlength=size).astype(float)
  return pairs(np.einsum('E,F->EF', times, times))


def pair_agreement(
    a: np.ndarray, b: np.ndarray, weights: np.ndarray
) -> np.ndarray | float:
  """The adjusted Rand index of weighted pairs.

  `statistics.adjusted_rand_index` where all weights are 1.

  Args:
    a: [P] bool, whether one clustering has the two of a pair together.
    b: [P] bool, of the other.
    weights: [P].
  """
  both, together_a, together_b = (
      (weights * x).sum() / weights.sum() for x in (a & b, a, b)
  )
  chance, most = together_a * together_b, (together_a + together_b) / 2
  return 1.0 if most == chance else (both - chance) / (most - chance)


def together(labels: np.ndarray) -> np.ndarray:
  """Which pairs a clustering has together: [E] -> [P] bool."""
  return pairs(labels[:, None] == labels)


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
  u, s, _ = np.linalg.svd(_turned(centred), full_matrices=False)
  scores = (u * s)[:, :count]
  signs = np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(count)])
  return scores * signs, (s**2 / np.sum(s**2))[:count]


def clusters(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
  """k-means on unit vectors, best of 20 starts: [E, D] -> [E] labels.

  Labels are numbered by first appearance.
  """
  x = _turned(vectors_lib.unit(vectors.astype(np.float64)))
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


def _turned(x: np.ndarray) -> np.ndarray:
  """The same vectors on axes of their own span: [E, D] -> [E, min(E, D)].

  Products and distances stay; where D is thousands, all else is faster.
  """
  return np.linalg.qr(x.T, mode='r').T
