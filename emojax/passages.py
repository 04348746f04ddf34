"""Where in transcripts a direction is most active, guarded against sinks."""

import numpy as np


def ordinary_tokens(
    norm: np.ndarray, content: np.ndarray, factor: float = 4.0
) -> np.ndarray:
  """Says which tokens of a transcript a peak may be at.

  In a replication half of all vectors peak at tokens that carry no concept: the
  first position and template tokens, which hold massive activations.

  Args:
    norm: [T], lengths of the residual stream.
    content: [T] bool, the tokens of messages.
    factor: a token longer than this many medians is left out.

  Returns:
    [T] bool: tokens of messages, none at position 0, of ordinary length.
  """
  position = np.arange(len(norm))
  return content & (position > 0) & (norm <= factor * np.median(norm))


def display_scale(cosine: np.ndarray) -> float:
  """The value that is shown as 1: the paper's normalisation of a transcript.

  Args:
    cosine: [T, E], over all tokens and emotions of one transcript.

  Returns:
    The 99th percentile of the absolute value.
  """
  return float(np.percentile(np.abs(cosine), 99))


def best_windows(
    score: np.ndarray, counted: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
  """The window with the highest mean score, for each emotion.

  A mean over several tokens is not made by one odd one.

  Args:
    score: [T, E].
    counted: [T] bool, the tokens that go into means; at least one.
    width: of a window, in counted tokens; all of them if there are fewer.

  Returns:
    [E] means, and [E, 2], the first token of the window and the first after it.
  """
  at = np.flatnonzero(counted)
  width = min(width, len(at))
  # Sums over a long text would lose what float32 has of one token.
  score = score[at].astype(np.float64)
  sums = np.cumsum(np.vstack([np.zeros_like(score[:1]), score]), axis=0)
  means = (sums[width:] - sums[:-width]) / width
  best = means.argmax(axis=0)
  spans = np.stack([at[best], at[best + width - 1] + 1], axis=1)
  return np.take_along_axis(means, best[None], axis=0)[0], spans
