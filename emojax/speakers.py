"""Vectors of the one who speaks and of the other one (paper, section 2.3).

Two kinds of tokens, the user's and the assistant's, by two labels, the emotion
of the user and that of the assistant, are four kinds of vectors. Those of the
emotion of whoever speaks are called present.
"""

import numpy as np

from emojax import likeness

# Tokens and label: 0 is the user's, 1 the assistant's.
KINDS = likeness.Kinds(
    made=((0, 0), (1, 1), (0, 1), (1, 0)),
    pairs={
        'present_present': ((0, 1),),
        'other_other': ((2, 3),),
        'present_other': ((0, 2), (1, 3)),
        'same_speaker': ((0, 3), (1, 2)),
        'story_present': ((0, 4), (1, 4)),
        'story_other': ((2, 4), (3, 4)),
    },
)
NAMES = (
    'user, present',
    'assistant, present',
    'user, other',
    'assistant, other',
    'stories',
)


def other_to_present(cosine: np.ndarray, size: int) -> np.ndarray:
  """Cosines of vectors of the other speaker with those of the present one.

  Args:
    cosine: [..., 5 E, 5 E], kind by kind.
    size: E.

  Returns:
    [..., E, E], of other emotions with present ones, the mean over the user's
    tokens and the assistant's.
  """
  count = len(NAMES)
  x = cosine.reshape(*cosine.shape[:-2], count, size, count, size)
  parts = [x[..., j, :, i, :] for i, j in KINDS.pairs['present_other']]
  return np.mean(parts, axis=0)


def pointed_rating(table: np.ndarray, rating: np.ndarray) -> np.ndarray:
  """The ratings of the present emotions that each other emotion is like.

  Weighted by the cosines, as in the paper's Fig. 59; but not divided by their
  sum, which is near 0 for vectors that sum to 0.

  Args:
    table: [..., E, E] of `other_to_present`.
    rating: [E], such as valence.

  Returns:
    [..., E].
  """
  return table @ (rating - rating.mean())
