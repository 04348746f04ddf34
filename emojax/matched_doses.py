"""Effects at equal damage, and at opposite strengths."""

from typing import Any

import numpy as np

from emojax import doses
from emojax import statistics


def at_equal_kl(
    rows: doses.Steered, sign: int, seed: int, steps: int = 5
) -> dict[str, Any] | None:
  """Dose-response curves over KL instead of strength.

  The curve of each direction starts at the unsteered model, which has neither
  KL nor effect. Its KL need not grow with the strength: a dose is taken where
  KL first reaches it, between two strengths by a straight line over the root of
  KL, which a small change of activations raises in proportion.

  Args:
    rows: steered ones; those without a KL do not count.
    sign: +1 or -1, of the strengths that are used.
    seed: of the bootstrap over emotions and of the controls' draws.
    steps: how many doses, equally far apart in the root of KL.

  Returns:
    'curves', those of `doses.curves` over 'dose' in nats a token, one row a
    direction, from the least KL that any direction was measured at to the
    highest that all of them reach, whose bounds by kind are in 'reach'; None if
    a direction leaves the model as it is, or if there are no rows.
  """
  rows = rows.where((rows.strength * sign > 0) & np.isfinite(rows.kl))
  directions = [
      _direction(rows.where((rows.kind == kind) & (rows.direction == name)))
      for kind, name in sorted(set(zip(rows.kind, rows.direction, strict=True)))
  ]
  if not any(first.emotion[0] >= 0 for first in directions):
    return None
  low = min(each.kl[0] for each in directions)
  high = min(each.kl.max() for each in directions)
  if high <= 0:
    return None
  steps = steps if low < high else 1
  levels = np.linspace(np.sqrt(low), np.sqrt(high), steps) ** 2
  levels[-1] = high  # The root and the square may have gone beyond it.
  return {
      'reach': {
          kind: statistics.band(
              np.array(
                  [each.kl.max() for each in directions if each.kind[0] == kind]
              )
          )
          for kind in sorted({str(each.kind[0]) for each in directions})
      },
      'curves': doses.curves(
          doses.join(*(_at(each, levels) for each in directions)),
          seed,
          at='dose',
      ),
  }


def _direction(rows: doses.Steered) -> doses.Steered:
  """One row a strength of one direction, the weakest first."""
  sizes = np.abs(rows.strength)
  out = []
  for size in np.unique(sizes):
    here = rows.where(sizes == size)
    out.append(
        here.where(np.arange(len(here.kl)) == 0)._replace(
            delta=here.delta.mean(axis=0, keepdims=True),
            kl=here.kl.mean(keepdims=True),
        )
    )
  return doses.join(*out)


def _at(curve: doses.Steered, levels: np.ndarray) -> doses.Steered:
  """One row a dose, of a curve with one row a strength: [S] -> [K]."""
  kl = np.concatenate([[0.0], curve.kl])
  delta = np.concatenate([np.zeros_like(curve.delta[:1]), curve.delta])
  after = np.array([np.argmax(kl >= level) for level in levels])
  before = np.maximum(after - 1, 0)
  root, low, high = np.sqrt(levels), np.sqrt(kl[before]), np.sqrt(kl[after])
  share = (root - low) / np.where(high > low, high - low, 1)
  between = delta[before] + share[:, None] * (delta[after] - delta[before])
  one = curve.where(np.zeros(len(levels), int))
  return one._replace(delta=between, kl=levels, strength=levels)


def opposite_signs(rows: doses.Steered, seed: int) -> list[dict[str, Any]]:
  """What an emotion's vector does at s against what it does at -s.

  Of each emotion that was steered with at both, its own measure minus the mean
  of the others.

  Args:
    rows: steered ones.
    seed: of the permutations.

  Returns:
    One dict a strength above 0 that has both signs:

    - 'both', the share of emotions raised at s and lowered at -s, with Wilson's
      interval; 'both_permuted', its band with the measures dealt out at random.
    - 'correlation' of the two over emotions, None if fewer than 4 or all alike;
      'correlation_permuted', its band with the emotions at -s dealt out anew.
  """
  if rows.delta.shape[1] < 2:
    return []
  rows = rows.where(rows.emotion >= 0)
  out = []
  for s in np.unique(rows.strength[rows.strength > 0]):
    plus, minus = (rows.where(rows.strength == x) for x in (s, -s))
    emotions = np.intersect1d(plus.emotion, minus.emotion)
    if len(emotions):
      tables = [
          np.stack(
              [
                  doses.against_others(
                      side.delta[side.emotion == e].mean(axis=0)
                  )
                  for e in emotions
              ]
          )
          for side in (plus, minus)
      ]
      out.append({'strength': float(s)} | _signs(*tables, emotions, seed))
  return out


def _signs(
    plus: np.ndarray, minus: np.ndarray, emotions: np.ndarray, seed: int
) -> dict[str, Any]:
  """The same of [K, E] effects at one strength and at its opposite."""
  every = np.arange(len(emotions))

  def hits(words: np.ndarray) -> int:
    return int(((plus[every, words] > 0) & (minus[every, words] < 0)).sum())

  rng = np.random.default_rng(seed)
  null = [hits(rng.permutation(plus.shape[1])[emotions]) for _ in range(1000)]
  out = {
      'both': statistics.wilson(hits(emotions), len(emotions)),
      'both_permuted': statistics.band(np.array(null) / len(emotions)),
      'correlation': None,
      'correlation_permuted': None,
  }
  x, y = plus[every, emotions], minus[every, emotions]
  if len(x) > 3 and np.ptp(x) > 0 and np.ptp(y) > 0:
    out['correlation'] = statistics.correlation(x, y)
    out['correlation_permuted'] = statistics.null_correlations(
        lambda other: float(np.corrcoef(x, other)[0, 1]), y, seed
    )
  return out
