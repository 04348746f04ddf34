"""Components of emotion vectors beside ratings of the words.

A component's sign is arbitrary, so that only |r| says anything, and chance
gives |r| above 0. Ratings are NaN where a word has none.
"""

import numpy as np

from emojax import statistics

_LEAST = 4  # Fisher's interval divides by the root of n - 3.


def correlation(
    x: np.ndarray, ratings: np.ndarray, signed: bool = False
) -> statistics.Estimate | None:
  """Pearson's r with Fisher's 95 % interval.

  Args:
    x: [E], such as the scores on a component.
    ratings: [E].
    signed: whether x has a sign of its own. If not, it is turned so that r is
      not negative.

  Returns:
    The estimate; None if fewer than 4 words are rated or either is constant.
  """
  known = np.isfinite(ratings)
  x, y = x[known], ratings[known]
  if known.sum() < _LEAST or np.isnan(statistics.pearson(x, y)):
    return None
  turn = 1 if signed or statistics.pearson(x, y) >= 0 else -1
  found = statistics.correlation(turn * x, y)
  return statistics.Estimate(
      value=found['r'], low=found['low'], high=found['high'], n=found['n']
  )


def oriented(scores: np.ndarray, ratings: np.ndarray) -> np.ndarray:
  """Turns components so that none has a negative r: [E, C] -> [E, C]."""
  known = np.isfinite(ratings)
  r = statistics.pearson(scores[known], ratings[known, None], axis=0)
  return np.where(r < 0, -scores, scores)


def best(
    scores: np.ndarray, ratings: np.ndarray
) -> tuple[int, statistics.Estimate] | None:
  """The component of the highest |r|, and that |r|.

  Chosen by what it is then judged by: too high, and to be read beside
  `permuted` of the same components only.
  """
  found = [correlation(x, ratings) for x in scores.T]
  values = [-1.0 if each is None else each['value'] for each in found]
  i = int(np.argmax(values))
  return None if found[i] is None else (i, found[i])


def permuted(
    scores: np.ndarray, ratings: np.ndarray, seed: int, draws: int = 1000
) -> statistics.Estimate:
  """The band of the highest |r| of C components with ratings dealt out anew.

  Args:
    scores: [E, C]; of one component, its |r|.
    ratings: [E], four or more known.
    seed: of the permutations.
    draws: how many.
  """
  known = np.isfinite(ratings)
  x = statistics.unit_deviations(scores[known], axis=0)
  y = statistics.unit_deviations(ratings[known])
  return statistics.null_correlations(
      lambda dealt: float(np.nanmax(np.abs(dealt @ x))), y, seed, draws
  )
