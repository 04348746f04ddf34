"""What is kept of transcripts while they are read: where directions peak.

Batches come in any order, so that what is equal is settled by the transcript's
index: the earlier one counts.
"""

from collections.abc import Sequence
import heapq
from typing import Any

import numpy as np

from emojax import passages
from emojax.data import chats

_CONTEXT = 8  # Tokens that are shown on either side of a passage.


class Passages:
  """The best passages of different transcripts for each of E emotions."""

  def __init__(self, emotions: Sequence[str], window: int, top: int):
    """Keeps `top` passages of `window` tokens of each emotion."""
    self._emotions, self._window, self._top = emotions, window, top
    self._heaps: list[list] = [[] for _ in emotions]

  def offer(
      self,
      text: int,
      cosine: np.ndarray,
      score: np.ndarray,
      counted: np.ndarray,
      chat: chats.Chat,
  ) -> None:
    """Takes a transcript's best passage of each emotion.

    Args:
      text: its index.
      cosine: [T, E], that colours are made of.
      score: [T, E], that passages are ranked by.
      counted: [T] bool, the tokens that count.
      chat: its tokens.
    """
    if not counted.any():
      return
    best, spans = passages.best_windows(score, counted, self._window)
    shown = cosine / passages.display_scale(cosine)
    for e, heap in enumerate(self._heaps):
      # The index before what cannot be compared.
      passage = _passage(chat, spans[e], shown[:, e])
      heapq.heappush(heap, (float(best[e]), -text, passage))
      if len(heap) > self._top:
        heapq.heappop(heap)

  def ranked(self) -> dict[str, list[dict[str, Any]]]:
    """Returns the passages by emotion, best first."""
    return {
        name: [
            {'score': score, 'transcript': -i} | passage
            for score, i, passage in sorted(
                heap, key=lambda entry: entry[:2], reverse=True
            )
        ]
        for name, heap in zip(self._emotions, self._heaps, strict=True)
    }


def _passage(
    chat: chats.Chat, span: np.ndarray, shown: np.ndarray
) -> dict[str, Any]:
  """Text around a window, token by token, each with its colour from -1 to 1."""
  begin = max(0, span[0] - _CONTEXT)
  end = min(len(chat.ids), span[1] + _CONTEXT)
  return {
      'tokens': list(chat.pieces[begin:end]),
      'roles': list(chat.roles[begin:end]),
      'shown': np.clip(shown[begin:end], -1, 1).round(3).tolist(),
      'window': [int(span[0] - begin), int(span[1] - begin)],
  }


class Peaks:
  """The highest token of all transcripts for each of A directions.

  Attributes:
    structural: [A] bool, whether it is one of no word.
    pieces: A, its text.
  """

  def __init__(self, size: int):
    self._best = np.full(size, -np.inf)
    self._from = np.full(size, -1)
    self.structural = np.zeros(size, bool)
    self.pieces = [''] * size

  def offer(
      self,
      text: int,
      cosine: np.ndarray,
      counted: np.ndarray,
      chat: chats.Chat,
  ) -> None:
    """Takes the [T, A] cosines of a transcript, of the counted tokens."""
    at = np.flatnonzero(counted)
    if not len(at):
      return
    peak = at[cosine[at].argmax(axis=0)]
    value = cosine[peak, np.arange(len(peak))]
    higher = value > self._best
    higher |= (value == self._best) & (text < self._from)
    for a in np.flatnonzero(higher):
      self._best[a], self._from[a] = value[a], text
      self.pieces[a] = chat.pieces[peak[a]]
      self.structural[a] = (
          peak[a] == 0
          or chat.message[peak[a]] < 0
          or not any(x.isalnum() for x in chat.pieces[peak[a]])
      )
