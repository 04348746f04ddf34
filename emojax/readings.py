"""Readings: how far each token points along each emotion vector."""

from collections.abc import Mapping

import numpy as np


def cosines(projection: np.ndarray, norm: np.ndarray) -> np.ndarray:
  """Cosine of activations with unit vectors.

  Args:
    projection: [..., E], products of activations with unit vectors.
    norm: [...], lengths of the activations.

  Returns:
    [..., E] from -1 to 1 (the paper's reading).
  """
  return projection / np.maximum(norm, 1e-12)[..., None]


def standardised(
    cosine: np.ndarray, mean: np.ndarray, deviation: np.ndarray
) -> np.ndarray:
  """Scores in standard deviations of the same emotion over neutral dialogues.

  Raw cosines of different emotions do not compare: each vector has its own
  offset and spread over ordinary tokens.

  Args:
    cosine: [..., E].
    mean: [E], over the tokens of neutral dialogues.
    deviation: [E], likewise.

  Returns:
    [..., E].
  """
  return (cosine - mean) / np.maximum(deviation, 1e-12)


def scores(
    cosine: np.ndarray,
    response: int,
    baselines: Mapping[str, np.ndarray],
    layer: int,
) -> np.ndarray:
  """Standardises a chat; the token before the reply has its own baseline.

  Args:
    cosine: [T, E] at one layer.
    response: index of the last template token before the reply.
    baselines: [E, L] each: the mean and the standard deviation over neutral
      dialogues of `neutral_cosine` and of `neutral_response`.
    layer: which of L.

  Returns:
    [T, E].
  """

  def of(name: str) -> list[np.ndarray]:
    return [baselines[f'{name}_{x}'][:, layer] for x in ('mean', 'std')]

  out = standardised(cosine, *of('neutral_cosine'))
  out[response] = standardised(cosine[response], *of('neutral_response'))
  return out
