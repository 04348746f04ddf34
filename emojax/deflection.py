"""Vectors of an emotion that is hidden behind another (paper, section 2.4)."""

import numpy as np

from emojax import effects as effects_lib
from emojax import likeness
from emojax import resampling
from emojax import statistics
from emojax import vectors as vectors_lib

# Labels of a dialogue.
TARGET, DISPLAYED = 0, 1
KINDS = likeness.Kinds(
    made=((0, TARGET), (0, DISPLAYED)),
    pairs={
        'story_target': ((0, 2),),
        'story_displayed': ((1, 2),),
        'target_displayed': ((0, 1),),
    },
)


def retained(vectors: np.ndarray, space: np.ndarray) -> np.ndarray:
  """The share of each vector's length that lies outside a space.

  Args:
    vectors: [..., D].
    space: [C, D], orthonormal.

  Returns:
    [...], NaN for a vector of no length.
  """
  whole = np.sum(vectors**2, axis=-1)
  inside = np.sum((vectors @ space.T) ** 2, axis=-1)
  share = 1 - inside / np.where(whole > 0, whole, np.nan)
  return np.sqrt(np.maximum(share, 0))


def retained_estimates(
    variants: likeness.Variants, label: int, x: np.ndarray, space: np.ndarray
) -> tuple[statistics.Estimate, statistics.Estimate]:
  """The mean of `retained` over emotions, and of shuffled labels' vectors.

  Args:
    variants: of the design.
    label: whose vectors.
    x: [N, D].
    space: [C, D].
  """
  share = {
      name: retained(weights[:, label] @ x, space).mean(axis=1)
      for name, weights in variants.items()
  }
  return (
      resampling.jackknife(share['whole'][0], share['left_out'], len(x)),
      statistics.band(share['shuffled']),
  )


def retained_without_noise(
    design: effects_lib.Design, label: int, x: np.ndarray, space: np.ndarray
) -> statistics.Estimate:
  """The same of the vectors that endlessly many texts would have.

  Noise lies in all directions, most of them outside a small space.

  Args:
    design: not 'grouped'.
    label: whose vectors.
    x: [N, D].
    space: [C, D].
  """
  outside = x - (x @ space.T) @ space

  def square(part: effects_lib.Design, x: np.ndarray) -> float:
    weights = part.weights().effects[label]
    noise = effects_lib.residual(x[None], part)[0, 0]
    return np.sum((weights @ x) ** 2) - noise * np.sum(weights**2)

  def share(kept: np.ndarray) -> float:
    part = design.part(kept)
    whole, left = square(part, x[kept]), square(part, outside[kept])
    return np.sqrt(left / whole) if left > 0 and whole > 0 else np.nan

  others = [share(kept) for kept in effects_lib.left_out(len(x))]
  return resampling.jackknife(
      share(np.arange(len(x))), np.array(others), len(x)
  )


def held_out_weights(design: effects_lib.Design) -> np.ndarray:
  """How each text is compared with vectors that never saw its pair of labels.

  Args:
    design: of N texts.

  Returns:
    [K, N, E + 1, N]: of each label and text, E vectors of the texts with
    another pair of labels, and the text itself less their mean in its block.
  """
  n, (count, size) = len(design.block), (len(design.labels), design.size)
  out = np.zeros((count, n, size + 1, n))
  for i in range(n):
    kept = np.flatnonzero((design.labels != design.labels[:, [i]]).any(axis=0))
    part = design.part(kept)
    made = part.weights()
    block = design.fitted_block[i]
    seen = block in part.fitted_block
    base = made.base[block] if seen else made.base.mean(axis=0)
    out[:, i, :size, kept] = np.moveaxis(made.effects, -1, 0)
    out[:, i, size, kept] = -base
    out[:, i, size, i] = 1
  return out


def held_out_guesses(weights: np.ndarray, gram: np.ndarray) -> np.ndarray:
  """Which vector each text is nearest to, by cosine.

  Args:
    weights: [N, E + 1, N], those of one label.
    gram: [N, N], inner products of the texts in the order of the design.

  Returns:
    [N], from 0 to E - 1.
  """
  vectors, text = weights[:, :-1], weights[:, -1]
  along = np.einsum('NM,NEM->NE', text @ gram, vectors)
  square = np.einsum('NEM,NEM->NE', vectors @ gram, vectors)
  length = np.sqrt(np.maximum(square, 0))
  return np.argmax(along / np.where(length > 0, length, np.inf), axis=1)


def accuracy(
    design: effects_lib.Design,
    label: int,
    weights: np.ndarray,
    x: np.ndarray,
    orders: np.ndarray,
) -> dict[str, statistics.Estimate]:
  """How often a label is guessed of texts whose pair was never seen.

  Args:
    design: of N texts.
    label: which.
    weights: [K, N, E + 1, N].
    x: [N, D].
    orders: [S, N], of `effects.permuted_within`.

  Returns:
    'real', with Wilson's interval; 'other', how often the guess is the other
    label instead; 'shuffled', the band of labels that mean nothing.
  """
  own, other = design.labels[label], design.labels[1 - label]
  x = x.astype(np.float64)
  gram = x @ x.T
  guess = held_out_guesses(weights[label], gram)
  null = [
      np.mean(held_out_guesses(weights[label], gram[np.ix_(at, at)]) == own)
      for at in orders
  ]
  return {
      'real': statistics.wilson(int(np.sum(guess == own)), len(own)),
      'other': statistics.wilson(int(np.sum(guess == other)), len(own)),
      'shuffled': statistics.band(np.array(null)),
  }


def story_space(vectors: np.ndarray, fraction: float) -> list[np.ndarray]:
  """Principal components of emotion vectors, up to a share of their variance.

  Args:
    vectors: [E, L, D].
    fraction: from 0 to 1.

  Returns:
    Of each layer [C, D], orthonormal; fewer than E.
  """
  rows, counts = vectors_lib.neutral_components(vectors, fraction)
  return [row[:count] for row, count in zip(rows, counts, strict=True)]
