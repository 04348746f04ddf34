"""What transcripts gave -> `wild.json`: passages, roles, and their controls."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emojax import resampling
from emojax import statistics
from emojax.experiments import numbers

NAME = 'wild'
_MIN_BOTH = 4  # Transcripts with both roles, for a correlation over them.


def summarise(
    found: Any,
    emotions: Sequence[str],
    layer: int,
    left_out: Mapping[str, str],
    seed: int,
) -> dict[str, Any]:
  """Makes the contents of `wild.json`.

  Args:
    found: a `wild.Found`.
    emotions: E names.
    layer: that was read.
    left_out: why transcripts were not read, by place.
    seed: of the resampling.
  """
  size = len(emotions)
  return {
      'layer': layer,
      'emotions': list(emotions),
      'transcripts': len(found.places),
      'places': found.places,
      'tokens': found.lengths,
      'left_out': dict(left_out),
      'top': found.top,
      'peaks': {name: x[:size] for name, x in found.peaks.items()},
      'roles': by_role(found.means[:, :, :size], emotions, seed),
      'numbers': [
          *retrieval(found.top, found.implies),
          *across_roles(found.means, size, seed),
          *(structural(found.structural[x], size, x) for x in found.structural),
      ],
  }


def structural(is_: np.ndarray, size: int, how: str) -> numbers.Number:
  """How many vectors' highest token carries no word.

  Args:
    is_: [A] bool, of E emotions and then of random directions.
    size: E.
    how: 'raw' or 'guarded'.
  """
  title = {
      'raw': 'any token may be the peak',
      'guarded': 'tokens of messages, not the first, of ordinary length',
  }
  own, random = is_[:size], is_[size:]
  return numbers.number(
      f'{NAME}_structural_{how}',
      f'Vectors whose highest token is no word: {title[how]}',
      statistics.wilson(int(own.sum()), len(own)),
      'fraction of vectors',
      '95 % Wilson',
      [
          numbers.control(
              'random directions',
              statistics.wilson(int(random.sum()), len(random)),
          )
      ],
      'The confound of lists of top passages, not a finding: lower is better.',
  )


def retrieval(
    top: Mapping[str, Sequence[Mapping[str, Any]]],
    implies: Sequence[str | None],
) -> list[numbers.Number]:
  """Whether an emotion's best passage is of a transcript about it."""
  asked = [e for e in top if e in implies and top[e]]
  if not asked:
    return []
  hits = sum(implies[top[e][0]['transcript']] == e for e in asked)
  chance = np.mean([implies.count(e) / len(implies) for e in asked])
  return [
      numbers.number(
          f'{NAME}_retrieval',
          'Best passage of an emotion is of a transcript said to be about it',
          statistics.wilson(hits, len(asked)),
          'fraction of emotions',
          '95 % Wilson',
          [numbers.exactly('chance', float(chance), len(asked))],
          side=1,
      )
  ]


def across_roles(
    means: np.ndarray, size: int, seed: int
) -> list[numbers.Number]:
  """Whether user and assistant of one transcript read alike.

  Args:
    means: [N, 2, A] of `wild.Found`.
    size: E; the rest of A are random directions.
    seed: of the resampling.
  """
  both = np.isfinite(means).all(axis=(1, 2))
  if both.sum() < _MIN_BOTH:
    return []
  user, assistant = (x - x.mean(axis=0) for x in means[both].swapaxes(0, 1))
  each = np.arange(len(user))

  def agreement(a, b, axis):
    flat = lambda x: x.reshape(*x.shape[:axis], -1)
    return statistics.pearson(flat(a), flat(b))

  null = statistics.null_correlations(
      lambda order: agreement(user[:, :size], assistant[order, :size], 0),
      each,
      seed,
  )
  of = lambda kept: resampling.bootstrap(
      agreement, [user[:, kept], assistant[:, kept]], each, seed
  )
  return [
      numbers.number(
          f'{NAME}_roles',
          'Readings of the user’s and of the assistant’s tokens',
          of(slice(size)),
          "Pearson's r over transcripts and emotions, each emotion centred",
          f'95 % bootstrap over {len(user)} transcripts',
          [
              numbers.control('random directions', of(slice(size, None))),
              numbers.control('transcripts dealt out at random', null),
          ],
          side=1,
      )
  ]


def by_role(
    means: np.ndarray, emotions: Sequence[str], seed: int
) -> list[dict[str, Any]]:
  """Mean cosines by role, with a bootstrap over transcripts.

  Args:
    means: [N, 2, E].
    emotions: E names.
    seed: of the bootstrap.
  """
  rows = []
  for e, name in enumerate(emotions):
    row: dict[str, Any] = {'emotion': name}
    for r, role in enumerate(('user', 'assistant')):
      x = means[:, r, e]
      x = x[np.isfinite(x)]
      row[role] = (
          statistics.cluster_bootstrap(x, np.arange(len(x)), seed)
          if len(x)
          else None
      )
    rows.append(row)
  return rows
