"""Dose and response: what steering does to the words of emotions."""

import numpy as np

from emojax import statistics


def own_and_other(
    delta: np.ndarray, emotion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Splits changes of log-probability into matched and unmatched.

  Args:
    delta: [N, E] nats: the change of each emotion's word in N rows.
    emotion: [N], the emotion that each row was steered with.

  Returns:
    [N] of the row's own word, and [N], the mean over the other words.
  """
  own = np.take_along_axis(delta, emotion[:, None], axis=1)[:, 0]
  return own, (delta.sum(axis=1) - own) / (delta.shape[1] - 1)


def curves(
    delta: np.ndarray,
    emotion: np.ndarray,
    direction: np.ndarray,
    strength: np.ndarray,
    seed: int,
) -> dict[str, list[dict]]:
  """Dose-response curves over all emotions.

  Args:
    delta: [N, E] nats.
    emotion: [N]; -1 for rows steered with a random direction.
    direction: [N], the name of each row's direction.
    strength: [N], fractions of the mean residual norm.
    seed: of the bootstrap over emotions.

  Returns:
    'matched', 'unmatched' and their 'difference' with bootstrap intervals over
    emotions; 'random', the central 95 % of what each random direction does to
    all words on average; and 'permuted', the same of the difference where the
    words are dealt out to the vectors at random; one point a strength.
  """
  out: dict[str, list[dict]] = {
      'matched': [],
      'unmatched': [],
      'difference': [],
      'random': [],
      'permuted': [],
  }
  for s in np.unique(strength):
    rows = (strength == s) & (emotion >= 0)
    own, other = own_and_other(delta[rows], emotion[rows])
    for name, values in (
        ('matched', own),
        ('unmatched', other),
        ('difference', own - other),
    ):
      estimate = statistics.cluster_bootstrap(values, emotion[rows], seed)
      out[name].append({'strength': float(s)} | estimate)
    null = permuted_differences(delta[rows], emotion[rows], seed)
    out['permuted'].append({'strength': float(s)} | statistics.band(null))
    rows = (strength == s) & (emotion < 0)
    control = [
        delta[rows & (direction == name)].mean()
        for name in np.unique(direction[rows])
    ]
    out['random'].append(
        {'strength': float(s)} | statistics.band(np.array(control))
    )
  return out


def permuted_differences(
    delta: np.ndarray, emotion: np.ndarray, seed: int, draws: int = 1000
) -> np.ndarray:
  """Matched minus unmatched, had the vectors nothing to do with the words.

  Args:
    delta: [N, E] nats.
    emotion: [N], the emotion that each row was steered with.
    seed: of the permutations.
    draws: how many.

  Returns:
    [draws], the mean difference with the words permuted.
  """
  rng = np.random.default_rng(seed)
  words = np.arange(delta.shape[1])
  means = []
  for _ in range(draws):
    own, other = own_and_other(delta, rng.permutation(words)[emotion])
    means.append((own - other).mean())
  return np.array(means)


def emotion_curves(
    delta: np.ndarray, emotion: np.ndarray, strength: np.ndarray, which: int
) -> dict[str, list[dict]]:
  """The same for one emotion's word.

  Returns:
    'matched' with Student's interval over prompts, and 'random', the band of
    random directions' effects on this word.
  """
  out: dict[str, list[dict]] = {'matched': [], 'random': []}
  for s in np.unique(strength):
    at = strength == s
    own = delta[at & (emotion == which), which]
    out['matched'].append({'strength': float(s)} | statistics.student_mean(own))
    control = delta[at & (emotion < 0), which]
    out['random'].append({'strength': float(s)} | statistics.band(control))
  return out


def means_by_strength(
    values: np.ndarray, cluster: np.ndarray, strength: np.ndarray, seed: int
) -> list[dict]:
  """Means with bootstrap intervals over clusters, one point a strength."""
  return [
      {'strength': float(s)}
      | statistics.cluster_bootstrap(
          values[strength == s], cluster[strength == s], seed
      )
      for s in np.unique(strength)
  ]
