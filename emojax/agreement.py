"""How far readings agree: with the emotions implied, and with each other."""

from collections.abc import Callable
import functools

import numpy as np

from emojax import statistics

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


def centred(x: np.ndarray) -> np.ndarray:
  """Takes the mean over the other texts off each reading.

  Each vector has an offset of its own, so that the same few are the highest in
  every text. A text's own reading is no part of its centre. That makes all of
  them N / (N - 1) times as far from the plain mean and changes no rank.

  Args:
    x: [..., N, E], 2 texts or more.

  Returns:
    [..., N, E].
  """
  n = x.shape[-2]
  return (x - x.mean(axis=-2, keepdims=True)) * (n / (n - 1))


def own_of(x: np.ndarray, own: np.ndarray) -> np.ndarray:
  """The reading of each text's own emotion: [..., N, E], [N] -> [..., N]."""
  return x[..., np.arange(len(own)), own]


def hits(x: np.ndarray, own: np.ndarray, top: int) -> np.ndarray:
  """Whether a text's own emotion is among the `top` highest; [..., N] bool.

  A tie counts against it: readings that are all equal say nothing.

  Args:
    x: [..., N, E].
    own: [N], from 0 to E - 1.
    top: 1 or more.
  """
  others = (x >= own_of(x, own)[..., None]).sum(axis=-1) - 1
  return others < top


def percentile(x: np.ndarray, own: np.ndarray) -> np.ndarray:
  """The share of other emotions that are below a text's own one.

  A tie counts half, so that it is 0.5 on average where readings say nothing.

  Args:
    x: [..., N, E], 2 emotions or more.
    own: [N], from 0 to E - 1.

  Returns:
    [..., N], from 0 to 1.
  """
  mine = own_of(x, own)[..., None]
  below = (x < mine).sum(axis=-1) + ((x == mine).sum(axis=-1) - 1) / 2
  return below / (x.shape[-1] - 1)


def contrast(x: np.ndarray, own: np.ndarray) -> np.ndarray:
  """A text's own emotion minus the mean of the others, in SD over all readings.

  Over texts, the mean of a matrix's diagonal minus that of the rest. Cosines of
  two places differ in spread, so that only in SD do they compare.

  Args:
    x: [..., N, E], 2 emotions or more.
    own: [N], from 0 to E - 1.

  Returns:
    [..., N]; 0 where all readings are equal.
  """
  mine, size = own_of(x, own), x.shape[-1]
  off = mine - (x.sum(axis=-1) - mine) / (size - 1)
  return off / np.maximum(x.std(axis=(-2, -1)), 1e-12)[..., None]


def measures(top: int, size: int) -> dict[str, tuple[Measure, float]]:
  """Functions of [..., N, E] and [N], each with its mean by chance.

  Args:
    top: of the hits that are called 'topk'.
    size: E.
  """
  return {
      'top1': (functools.partial(hits, top=1), 1 / size),
      'topk': (functools.partial(hits, top=top), min(1.0, top / size)),
      'percentile': (percentile, 0.5),
      'contrast': (contrast, 0.0),
  }


def by_emotion(x: np.ndarray, own: np.ndarray) -> np.ndarray:
  """Means over the texts of each emotion that has some.

  Args:
    x: [N, E].
    own: [N].

  Returns:
    [F, E], in the order of the F different values of `own`.
  """
  return np.stack([x[own == e].mean(axis=0) for e in np.unique(own)])


def renamed(own: np.ndarray, seed: int, draws: int) -> np.ndarray:
  """Deals the emotions' names out anew: what labels without meaning would be.

  The texts of one emotion keep one name: they are alike, so that dealing out
  names to single texts would make chance look narrower than it is.

  Args:
    own: [N].
    seed: of the draws.
    draws: how many.

  Returns:
    [draws, N].
  """
  names, index = np.unique(own, return_inverse=True)
  rng = np.random.default_rng(seed)
  return np.stack([rng.permutation(names)[index] for _ in range(draws)])


def point_correlation(
    x: np.ndarray, y: np.ndarray, axis: int = 0, centre: bool = False
) -> np.ndarray:
  """Pearson's r over the points of N texts and E probes.

  Args:
    x: [..., N, E].
    y: [..., N, E].
    axis: of the texts; that of the probes is the last.
    centre: whether each probe's mean over the texts is taken off first. If not,
      r is high wherever probes have offsets that two places share, whatever the
      texts say.

  Returns:
    [...]; NaN where x or y is constant.
  """
  if centre:
    x, y = (v - v.mean(axis=axis, keepdims=True) for v in (x, y))
  x, y = (np.moveaxis(v, axis, -2) for v in (x, y))
  flat = lambda v: v.reshape(*v.shape[:-2], -1)
  return statistics.pearson(flat(x), flat(y))
