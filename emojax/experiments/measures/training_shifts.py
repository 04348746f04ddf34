"""How alike two models read, and how far the one has moved from the other."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emojax import resampling
from emojax import statistics
from emojax.data import valence
from emojax.experiments import numbers

NAME = 'post_training'
MIN_EMOTIONS = 4  # Fisher's interval divides by the root of n - 3.


def means(
    post: np.ndarray, base: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray]:
  """Mean readings of two models: [..., N, E] twice -> [..., E] twice."""
  return post.mean(axis=axis), base.mean(axis=axis)


def shifts(
    post: np.ndarray, base: np.ndarray, neutral: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray]:
  """Mean shifts on neutral and on other prompts.

  Args:
    post: [..., N, E] readings.
    base: likewise.
    neutral: [..., N] bool.
    axis: of N.

  Returns:
    [..., E] twice.
  """
  kinds = []
  for kept in (neutral, ~neutral):
    weight = kept / np.maximum(kept.sum(axis=axis, keepdims=True), 1)
    kinds.append(np.einsum('...NE,...N->...E', post - base, weight))
  return kinds[0], kinds[1]


def agreements(
    post: np.ndarray,
    base: np.ndarray,
    random: Sequence[np.ndarray],
    neutral: np.ndarray,
    seed: int,
) -> list[numbers.Number]:
  """How alike two models read: over neutral prompts, others, and the shifts.

  Args:
    post: [N, E] readings of one model.
    base: of the other.
    random: the same two along as many random directions.
    neutral: [N] bool.
    seed: of the resampling.
  """
  kinds = (
      ('all', np.ones_like(neutral), 'all prompts'),
      ('neutral', neutral, 'neutral prompts'),
      ('challenging', ~neutral, 'challenging prompts'),
  )
  out = []
  for name, kept, title in kinds:
    if not kept.any():
      continue
    out.append(
        _number(
            name,
            f'Base and post-trained model over emotions, {title}',
            means,
            [post[kept], base[kept]],
            [x[kept] for x in random],
            seed,
        )
    )
  if neutral.any() and not neutral.all():
    out.append(
        _number(
            'shift',
            'Shift on neutral and on challenging prompts over emotions',
            shifts,
            [post, base, neutral],
            [*random, neutral],
            seed,
        )
    )
  return out


def _number(name, label, profiles, arrays, random, seed) -> numbers.Number:
  """A correlation, and the same of random directions and of dealt-out names."""

  def estimate(of):
    return resampling.bootstrap(
        lambda *x, axis: statistics.pearson(*profiles(*x, axis=axis)),
        of,
        np.arange(len(of[0])),
        seed,
    )

  x, y = profiles(*arrays, axis=0)
  size = arrays[0].shape[1]
  null = statistics.null_correlations(
      lambda turned: statistics.pearson(x, turned), y, seed
  )
  return numbers.number(
      f'{NAME}_{name}',
      label,
      estimate(arrays),
      f"Pearson's r over {size} emotions",
      f'95 % bootstrap over {len(arrays[0])} prompts',
      [
          numbers.control('as many random directions', estimate(random)),
          numbers.control('emotions dealt out at random', null),
      ],
      side=1,
  )


def with_valence(
    post: np.ndarray, base: np.ndarray, emotions: Sequence[str], seed: int
) -> list[numbers.Number]:
  """Whether either model's profile, or the shift, is ordered by valence.

  Args:
    post: [N, E] readings of one model.
    base: of the other.
    emotions: E names.
    seed: of the permutations.

  Returns:
    A number each; none with too few rated emotions, or for no shift at all.
  """
  words = valence.valence(emotions)
  rated = [i for i, e in enumerate(emotions) if e in words]
  y = np.array([words[emotions[i]] for i in rated])
  if len(set(y)) < MIN_EMOTIONS:
    return []
  out = []
  for name, x in (('base', base), ('post', post), ('shift', post - base)):
    mean = x.mean(axis=0)[rated]
    if not np.ptp(mean):  # The shift of a model from itself.
      continue
    null = statistics.null_correlations(
        lambda turned, mean=mean: statistics.pearson(mean, turned), y, seed
    )
    out.append(
        numbers.number(
            f'{NAME}_valence_{name}',
            f'Rated valence and the mean reading, {name}',
            numbers.of_correlation(statistics.correlation(mean, y)),
            "Pearson's r",
            '95 % Fisher',
            [numbers.control('valences permuted', null)],
            f'Valence by {valence.SOURCE}.',
        )
    )
  return out


def shift_table(
    post: np.ndarray, base: np.ndarray, emotions: Sequence[str], seed: int
) -> list[dict[str, Any]]:
  """Each emotion's readings and shift, the largest rise first.

  Args:
    post: [N, E].
    base: [N, E].
    emotions: E names.
    seed: of the bootstrap over prompts.
  """
  each = np.arange(len(post))
  rows = [
      {
          'emotion': e,
          'base': float(base[:, i].mean()),
          'post': float(post[:, i].mean()),
          'shift': resampling.bootstrap(
              np.mean, [post[:, i] - base[:, i]], each, seed
          ),
      }
      for i, e in enumerate(emotions)
  ]
  return sorted(rows, key=lambda row: -row['shift']['value'])


def by_layer(
    post: np.ndarray, base: np.ndarray, size: int, neutral: np.ndarray
) -> list[dict[str, Any]]:
  """r over emotions, and the mean size of the shift, at every layer.

  Args:
    post: [N, L, A], the first `size` of A the emotions', the rest random.
    base: likewise.
    size: E.
    neutral: [N] bool.
  """
  out = []
  for layer in range(post.shape[1]):
    row: dict[str, Any] = {'layer': layer}
    for name, kept in (('neutral', neutral), ('challenging', ~neutral)):
      if kept.any():
        a, b = (x[kept, layer] for x in (post, base))
        pair = means(a[:, :size], b[:, :size], axis=0)
        row[name] = float(statistics.pearson(*pair))
    shift = np.abs((post - base)[:, layer].mean(axis=0))
    row['shift'] = float(shift[:size].mean())
    row['random_shift'] = float(shift[size:].mean())
    out.append(row)
  return out
