"""Dose and response: what steering does to a measure of each emotion."""

from typing import Any, NamedTuple

import numpy as np

from emojax import statistics

Point = dict[str, Any]  # A statistics.Estimate and where it was taken.

CONTROLS = ('random', 'shuffled')


class Steered(NamedTuple):
  """N rows, each steered with one direction that was added.

  Attributes:
    delta: [N, E], how much the measure of every emotion changed: nats of its
      word, or standard deviations of its projection.
    emotion: [N], the emotion whose vector was added; -1 in a control.
    kind: [N], 'emotion' or one of CONTROLS.
    direction: [N], the name of the direction.
    strength: [N], fractions of the mean residual norm.
    kl: [N], nats a token from the unsteered model; NaN if not known.
  """

  delta: np.ndarray
  emotion: np.ndarray
  kind: np.ndarray
  direction: np.ndarray
  strength: np.ndarray
  kl: np.ndarray

  def where(self, mask: np.ndarray) -> 'Steered':
    return Steered(*(column[mask] for column in self))


def join(*parts: Steered) -> Steered:
  """Puts the rows of several one after the other."""
  return Steered(*map(np.concatenate, zip(*parts, strict=True)))


def own_and_other(
    delta: np.ndarray, emotion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Splits changes into matched and unmatched.

  Args:
    delta: [N, E], the change of each emotion's measure in N rows.
    emotion: [N], the emotion that each row was steered with.

  Returns:
    [N] of the row's own emotion, and [N], the mean over the others.
  """
  own = np.take_along_axis(delta, emotion[:, None], axis=1)[:, 0]
  return own, (delta.sum(axis=1) - own) / (delta.shape[1] - 1)


def against_others(delta: np.ndarray) -> np.ndarray:
  """[..., E]: each emotion's change minus the mean of the others'."""
  size = delta.shape[-1]
  return (size * delta - delta.sum(axis=-1, keepdims=True)) / (size - 1)


def mirror_controls(rows: Steered) -> Steered:
  """Adds controls at the strengths where only the opposite sign has some.

  A random direction turned round is another one: adding r at 0.2 is adding -r
  at -0.2.
  """
  parts = [rows]
  for kind in CONTROLS:
    of_kind = rows.where(rows.kind == kind)
    there = np.unique(of_kind.strength)
    for s in np.unique(rows.strength[rows.emotion >= 0]):
      if s not in there and -s in there:
        turned = of_kind.where(of_kind.strength == -s)
        parts.append(turned._replace(strength=-turned.strength))
  return join(*parts)


def curves(
    rows: Steered, seed: int, at: str = 'strength'
) -> dict[str, list[Point]]:
  """Dose-response curves over all emotions.

  Args:
    rows: N of them.
    seed: of the bootstrap over emotions and of the controls' draws.
    at: what `rows.strength` is called in the points.

  Returns:
    One point a strength under each name; no point where nothing was measured.

    - 'matched', the emotion's own measure, 'unmatched', the mean of the others,
      and their 'difference': with bootstrap intervals over emotions.
    - 'permuted': the central 95 % of the difference where the measures are
      dealt out to the vectors at random. With fewer than 5 emotions the true
      deal is too often among them for any difference to stand out.
    - 'random' and 'shuffled': the central 95 % of what each such direction does
      to all measures on average.
    - 'random_difference', 'shuffled_difference': the central 95 % of the
      difference, had each emotion had such a direction for its vector.
  """
  names = ('matched', 'unmatched', 'difference', 'permuted', *CONTROLS)
  names += tuple(f'{kind}_difference' for kind in CONTROLS)
  out: dict[str, list[Point]] = {name: [] for name in names}
  for s in np.unique(rows.strength):
    for name, estimate in _responses(
        rows.where(rows.strength == s), seed
    ).items():
      out[name].append({at: float(s)} | estimate)
  return out


def _responses(rows: Steered, seed: int) -> dict[str, statistics.Estimate]:
  """The points of all curves at one strength."""
  out = {}
  steered = rows.where(rows.emotion >= 0)
  emotions = np.unique(steered.emotion)
  several = rows.delta.shape[1] > 1  # Else there are no others.

  def mean(values: np.ndarray) -> statistics.Estimate:
    return statistics.cluster_bootstrap(values, steered.emotion, seed)

  if len(emotions):
    out['matched'] = mean(
        steered.delta[np.arange(len(steered.emotion)), steered.emotion]
    )
  if len(emotions) and several:
    own, other = own_and_other(steered.delta, steered.emotion)
    out['unmatched'], out['difference'] = mean(other), mean(own - other)
    null = permuted_differences(steered.delta, steered.emotion, seed)
    out['permuted'] = statistics.band(null)
  for kind in CONTROLS:
    control = rows.where(rows.kind == kind)
    _, effects = means_by_direction(control)
    if not len(effects):
      continue
    out[kind] = _band(effects.mean(axis=1), len(effects))
    if len(emotions) and several:
      null = chance_differences(effects, emotions, seed)
      out[f'{kind}_difference'] = _band(null, len(effects))
  return out


def means_by_direction(rows: Steered) -> tuple[np.ndarray, np.ndarray]:
  """[R] names of the directions and [R, E], the mean change of each."""
  names, index = np.unique(rows.direction, return_inverse=True)
  sums = np.zeros((len(names), rows.delta.shape[1]))
  np.add.at(sums, index, rows.delta)
  return names, sums / np.bincount(index, minlength=len(names))[:, None]


def _band(values: np.ndarray, directions: int) -> statistics.Estimate:
  """The band of a control, whose n is the number of directions."""
  band = statistics.band(values)
  if directions < 2:  # One direction tells nothing of the spread.
    band['low'] = band['high'] = None
  band['n'] = directions
  return band


def permuted_differences(
    delta: np.ndarray, emotion: np.ndarray, seed: int, draws: int = 1000
) -> np.ndarray:
  """Matched minus unmatched, had the vectors nothing to do with the words.

  Args:
    delta: [N, E], changes.
    emotion: [N], the emotion that each row was steered with.
    seed: of the permutations.
    draws: how many.

  Returns:
    [draws], the mean difference with the words permuted.
  """
  rng = np.random.default_rng(seed)
  size = delta.shape[1]
  sums = np.zeros((size, size))
  np.add.at(sums, emotion, against_others(delta))
  every = np.arange(size)
  return np.array(
      [
          sums[every, rng.permutation(size)].sum() / len(emotion)
          for _ in range(draws)
      ]
  )


def chance_differences(
    effects: np.ndarray, emotions: np.ndarray, seed: int, draws: int = 1000
) -> np.ndarray:
  """Matched minus unmatched, had the emotions' vectors been a control's.

  Args:
    effects: [R, E], mean changes of R control directions.
    emotions: [K], those that were steered with.
    seed: of the draws.
    draws: how many.

  Returns:
    [draws], the mean over the K emotions, each with a direction at random.
  """
  rng = np.random.default_rng(seed)
  difference = against_others(effects)
  picks = rng.integers(len(effects), size=(draws, len(emotions)))
  return difference[picks, emotions].mean(axis=1)


def emotion_curves(
    rows: Steered, which: int, at: str = 'strength'
) -> dict[str, list[Point]]:
  """The same for one emotion's measure.

  Returns:
    'matched' with Student's interval over rows, and 'random' and 'shuffled',
    the bands of such directions' effects on this measure.
  """
  out: dict[str, list[Point]] = {'matched': [], 'random': [], 'shuffled': []}
  for s in np.unique(rows.strength):
    here = rows.where(rows.strength == s)
    own = here.delta[here.emotion == which, which]
    if len(own):
      out['matched'].append({at: float(s)} | statistics.student_mean(own))
    for kind in CONTROLS:
      control = here.delta[here.kind == kind, which]
      if len(control):
        out[kind].append({at: float(s)} | statistics.band(control))
  return out


def means_by_strength(
    values: np.ndarray, cluster: np.ndarray, strength: np.ndarray, seed: int
) -> list[Point]:
  """Means with bootstrap intervals over clusters, one point a strength."""
  return [
      {'strength': float(s)}
      | statistics.cluster_bootstrap(
          values[strength == s], cluster[strength == s], seed
      )
      for s in np.unique(strength)
  ]
