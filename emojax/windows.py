"""Coherent texts, and the strengths at which steering can be used."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from emojax import doses
from emojax import statistics


class Limits(NamedTuple):
  """What a text must keep to, to be called coherent.

  Attributes:
    repetition: share of repeated trigrams that it stays under. 0.25 is that of
      a rule that another reproduction froze in advance.
    perplexity_ratio: how many times as perplexing to the unsteered model as
      that model's own texts it may be. 98 % of 64 unsteered texts of 40 tokens
      of the default model are within 4 times their prompt's median.
    tokens: how many it has at least: too short a text repeats nothing. That
      rule asked for more than 15 words, of replies longer than ours.
  """

  repetition: float = 0.25
  perplexity_ratio: float = 4.0
  tokens: int = 8


LIMITS = Limits()


def coherent(
    repetition: np.ndarray,
    perplexity: np.ndarray,
    base_perplexity: np.ndarray,
    n_tokens: np.ndarray,
    limits: Limits,
) -> np.ndarray:
  """[N] bool: whether each text keeps to the limits.

  Args:
    repetition: [N], shares of repeated trigrams; NaN, of a text that is not
      finite, breaks the limit.
    perplexity: [N], of each text under the unsteered model; likewise.
    base_perplexity: [N], of that model's own texts on the same prompt; where it
      is NaN there is nothing to compare with, and that limit does not count.
    n_tokens: [N].
    limits: the three.
  """
  bound = limits.perplexity_ratio * base_perplexity
  return (
      (repetition < limits.repetition)
      & ((perplexity <= bound) | np.isnan(base_perplexity))
      & (n_tokens >= limits.tokens)
  )


def shares_by_strength(
    hits: np.ndarray, strength: np.ndarray
) -> list[doses.Point]:
  """Shares of [N] that hold, with Wilson's interval, one point a strength."""
  return [
      {'strength': float(s)}
      | statistics.wilson(
          int(hits[strength == s].sum()), int((strength == s).sum())
      )
      for s in np.unique(strength)
  ]


def usable(
    curves: dict[str, list[doses.Point]],
    coherence: Sequence[doses.Point],
    sign: int,
    share: float,
) -> dict[str, Any] | None:
  """The window of strengths that steer towards the emotion and stay coherent.

  At a strength that can be used, the whole interval of matched minus unmatched
  lies beyond the bands of all controls (above them; below them if the strength
  is negative), and `share` of the texts are coherent. Strengths are judged one
  by one, at 95 % each.

  Args:
    curves: those of `doses.curves`.
    coherence: shares of coherent texts of emotions' vectors, by strength.
    sign: +1 or -1: which strengths are looked at.
    share: of texts, 0 to 1.

  Returns:
    'lowest' and 'highest' of the longest run of usable strengths that follow
    one another (of equally long ones the weaker), None if there is none; 'n',
    its rows; 'table', what was judged, one row a strength, the weakest first,
    with 'why' it cannot be used. None if no strength has this sign.
  """
  at = {
      name: {point['strength']: point for point in points}
      for name, points in [*curves.items(), ('coherent', coherence)]
  }
  strengths = sorted((s for s in at['coherent'] if s * sign > 0), key=abs)
  if not strengths:
    return None
  table = [
      _judge({name: points.get(s) for name, points in at.items()}, sign, share)
      | {'strength': s}
      for s in strengths
  ]
  run = _longest_run([row['why'] is None for row in table])
  return {
      'lowest': strengths[run.start] if run else None,
      'highest': strengths[run.stop - 1] if run else None,
      'n': sum(at['coherent'][strengths[i]]['n'] for i in run),
      'table': table,
  }


def _judge(
    points: dict[str, doses.Point | None], sign: int, share: float
) -> dict[str, Any]:
  """The measurements at one strength, and why it cannot be used, if so."""
  names = [f'{kind}_difference' for kind in doses.CONTROLS]
  directions = [points[name] for name in names if points[name]]
  controls = [c for c in (points['permuted'], *directions) if c]
  difference = points['difference']
  why = None
  if difference is None:
    why = 'not measured'
  elif difference['low'] is None:
    why = 'one emotion has no interval'
  elif not directions or any(c['low'] is None for c in directions):
    why = 'fewer than two control directions'
  else:
    near, far = ('low', 'high') if sign > 0 else ('high', 'low')
    beyond = [sign * (difference[near] - c[far]) > 0 for c in controls]
    if not all(beyond):
      why = 'within a control'
  if points['coherent']['value'] < share:
    why = f'{why}, incoherent' if why else 'incoherent'
  kept = ('difference', 'permuted', *names, 'coherent')
  return {name: _estimate(points[name]) for name in kept} | {'why': why}


def _estimate(point: doses.Point | None) -> doses.Point | None:
  return point and {k: v for k, v in point.items() if k != 'strength'}


def _longest_run(flags: Sequence[bool]) -> range:
  """The indices of the longest run of True, the first of equals."""
  best = range(0)
  start = 0
  for i, flag in enumerate([*flags, False]):
    if not flag:
      best = max(best, range(start, i), key=len)  # The first if equal.
      start = i + 1
  return best
