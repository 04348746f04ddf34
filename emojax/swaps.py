"""Readings where a few words are swapped and all others are the same."""

import numpy as np


def ends(depth: int) -> dict[str, slice]:
  """The early and the late layers: the first and the last third of L."""
  third = max(1, depth // 3)
  return {'early': slice(0, third), 'late': slice(depth - third, depth)}


def of_own(readings: np.ndarray, own: np.ndarray) -> np.ndarray:
  """Of each text the reading of its own emotion.

  Args:
    readings: [..., N, L, E].
    own: [N], from 0 to E - 1.

  Returns:
    [..., N, L].
  """
  at = own.reshape(-1, 1, 1)
  at = np.broadcast_to(at, (*readings.shape[:-1], 1))
  return np.take_along_axis(readings, at, axis=-1)[..., 0]


def over_others(readings: np.ndarray) -> np.ndarray:
  """The reading of each text's own emotion, over that in the other texts.

  The offset of a vector at a place falls out.

  Args:
    readings: [..., E, L, E]: text i is about emotion i, and no other is.

  Returns:
    [..., E, L].
  """
  size = readings.shape[-1]
  own = of_own(readings, np.arange(size))
  whole = np.moveaxis(readings.sum(axis=-3), -1, -2)
  return own - (whole - own) / (size - 1)


def matched(readings: np.ndarray, emotions: np.ndarray) -> np.ndarray:
  """How far emotions are read where they belong rather than where not.

  Two people, or their places in a text, have two emotions; another text has
  them the other way around. So each emotion is read at each person once where
  it belongs and once where it does not, with all words the same; what depends
  on the person, on the emotion or on the order of the text falls out.

  Args:
    readings: [..., 2, 2, N, L, E], by text (as given, swapped) and person.
    emotions: [N, 2], of the first and the second person in the text as given.

  Returns:
    [..., N, L], the mean over the two persons and the two emotions.
  """
  as_given = readings[..., 0, :, :, :, :] - readings[..., 1, :, :, :, :]
  first, second = (of_own(as_given, own) for own in emotions.T)
  # [..., 2, N, L]; the first person has the first emotion as given.
  mine = first - second
  return (mine[..., 0, :, :] - mine[..., 1, :, :]) / 4
