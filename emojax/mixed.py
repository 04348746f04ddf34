"""Folds and controls for a probe of texts of several conditions."""

from typing import NamedTuple

import numpy as np

from emojax import statistics


class Part(NamedTuple):
  """Which texts are tested by a probe of which others: [N] bool each."""

  test: np.ndarray
  train: np.ndarray


def parts(*folds: np.ndarray) -> list[Part]:
  """Leaves out all that shares a fold of any kind with what is tested.

  Args:
    *folds: each [N], such as those of scenarios, and those of dialogues.
  """
  every = np.stack(folds)
  cells = np.unique(every, axis=1)
  return [
      Part(
          test=(every == cell[:, None]).all(axis=0),
          train=(every != cell[:, None]).all(axis=0),
      )
      for cell in cells.T
  ]


def random_folds(
    rng: np.random.Generator, stratum: np.ndarray, count: int
) -> np.ndarray:
  """Deals the texts of each stratum out over folds: [N] -> [N].

  The paper's way: what texts have in common is then on both sides.
  """
  order = np.lexsort((rng.random(len(stratum)), stratum))
  out = np.empty(len(stratum), int)
  out[order] = np.arange(len(stratum)) % count
  return out


def shuffled(
    rng: np.random.Generator,
    label: np.ndarray,
    unit: np.ndarray,
    group: np.ndarray,
) -> np.ndarray:
  """Permutes the labels of whole units within their groups.

  Args:
    rng: of the permutation.
    label: [N].
    unit: [N]; the items of one have one label, and keep one.
    group: [N], of the units.

  Returns:
    [N].
  """
  names, first, index = np.unique(unit, return_index=True, return_inverse=True)
  own, within = label[first], group[first]
  order = np.argsort(within, kind='stable')
  dealt = np.lexsort((rng.random(len(names)), within))
  out = np.empty_like(own)
  out[order] = own[dealt]
  return out[index]


def centred(x: np.ndarray, group: np.ndarray) -> np.ndarray:
  """Takes the mean of its group off each item: [N, ...], [N] -> [N, ...]."""
  out = np.empty_like(x)
  for name in np.unique(group):
    out[group == name] = x[group == name] - x[group == name].mean(axis=0)
  return out


def share(
    hits: np.ndarray, cluster: np.ndarray, seed: int
) -> statistics.Estimate:
  """The share of hits with a bootstrap over clusters.

  Where all are hits, or none, resamples agree; then Wilson's interval as if a
  cluster were one item.

  Args:
    hits: [N] bool.
    cluster: [N].
    seed: of the bootstrap.
  """
  values = hits.astype(float)
  if np.ptp(values) > 0:
    return statistics.cluster_bootstrap(values, cluster, seed)
  count = len(np.unique(cluster))
  one = statistics.wilson(int(count * values[0]), count)
  return one | {'n': len(hits)}
