"""How alike several kinds of vectors are, of texts with two labels each."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from emojax import effects as effects_lib
from emojax import resampling
from emojax import statistics
from emojax import vectors as vectors_lib

Variants = Mapping[str, np.ndarray]  # Of `effects.Design.variants`.


class Kinds(NamedTuple):
  """Kinds of vectors, and which of them are compared.

  Attributes:
    made: of each of Q kinds, which of T kinds of tokens and which of K labels
      it is made of. After them comes one that is given, such as the stories'.
    pairs: by name, pairs of the Q + 1 kinds, whose mean is taken.
  """

  made: Sequence[tuple[int, int]]
  pairs: Mapping[str, Sequence[tuple[int, int]]]

  def of_pairs(self, values: np.ndarray) -> dict[str, np.ndarray]:
    """[..., Q + 1, Q + 1] -> [...] by name."""
    return {
        name: np.mean([values[..., i, j] for i, j in pairs], axis=0)
        for name, pairs in self.pairs.items()
    }


class Likeness(NamedTuple):
  """How alike kinds of vectors are.

  Attributes:
    cosine: [(Q + 1) E, (Q + 1) E], kind by kind.
    same: by pair, the mean cosine of vectors of the same emotion.
    different: of different emotions.
    shuffled: of the same emotion, labels dealt out anew among texts.
    permuted: [S, (Q + 1) E, (Q + 1) E], of each of those.
  """

  cosine: np.ndarray
  same: dict[str, statistics.Estimate]
  different: dict[str, statistics.Estimate]
  shuffled: dict[str, statistics.Estimate]
  permuted: np.ndarray


def compare(
    kinds: Kinds, variants: Variants, x: np.ndarray, given: np.ndarray
) -> Likeness:
  """Compares kinds of vectors at one layer.

  Args:
    kinds: which.
    variants: of the design.
    x: [T, N, D], mean activations over T kinds of tokens.
    given: [E, D] vectors.
  """
  rows, n = np.concatenate([*x, given]), x.shape[1]
  cosine, same, different = {}, {}, {}
  for name, weights in variants.items():
    made = stacked(weights, kinds.made)
    cosine[name] = cosines(products(made, rows))
    both = by_kind(cosine[name], len(given))
    same[name], different[name] = map(kinds.of_pairs, both)
  with_interval = lambda of: {
      name: resampling.jackknife(value[0], of['left_out'][name], n)
      for name, value in of['whole'].items()
  }
  return Likeness(
      cosine=cosine['whole'][0],
      same=with_interval(same),
      different=with_interval(different),
      shuffled={k: statistics.band(v) for k, v in same['shuffled'].items()},
      permuted=cosine['shuffled'],
  )


def stacked(effects: np.ndarray, made: Sequence[tuple[int, int]]) -> np.ndarray:
  """Weights of several kinds of vectors, and of E given ones after them.

  Args:
    effects: [..., K, E, N].
    made: Q pairs of a kind of tokens and a label.

  Returns:
    [..., (Q + 1) E, T N + E]: of the activations of each kind of tokens, one
    under another, and then of E given vectors.
  """
  *lead, _, size, n = effects.shape
  tokens = 1 + max(token for token, _ in made)
  out = np.zeros((*lead, len(made) + 1, size, tokens * n + size))
  for kind, (token, label) in enumerate(made):
    out[..., kind, :, token * n : (token + 1) * n] = effects[..., label, :, :]
  out[..., -1, :, tokens * n :] = np.eye(size)
  return out.reshape(*lead, (len(made) + 1) * size, tokens * n + size)


def products(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
  """Inner products of vectors that are made of the same texts.

  Args:
    weights: [..., R, N].
    x: [N, D] activations.

  Returns:
    [..., R, R] float64.
  """
  x = x.astype(np.float64)
  gram = x @ x.T
  return weights @ gram @ weights.swapaxes(-1, -2)


def cosines(product: np.ndarray) -> np.ndarray:
  """Inner products -> cosines, 0 of a zero vector: [..., R, R]."""
  length = np.sqrt(np.maximum(np.diagonal(product, axis1=-2, axis2=-1), 0))
  length = np.where(length > 0, length, 1)
  return product / length[..., None] / length[..., None, :]


def by_kind(cosine: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
  """Mean cosines of kinds of vectors: of the same emotion and of different.

  Args:
    cosine: [..., Q E, Q E], kind by kind.
    size: E.

  Returns:
    [..., Q, Q] and [..., Q, Q].
  """
  count = cosine.shape[-1] // size
  x = cosine.reshape(*cosine.shape[:-2], count, size, count, size)
  same = np.einsum('...QEPE->...QP', x) / size
  whole = x.sum(axis=(-3, -1))
  return same, (whole - size * same) / (size * (size - 1))


class Clean(NamedTuple):
  """What is left when the noise of few texts is taken off.

  Attributes:
    cosine: [Q + 1, Q + 1], NaN of a kind that is no longer than its noise.
    pairs: by pair, likewise.
    signal: of each of the Q kinds, the share of its squared length that is not
      noise; 0, give or take chance, where labels mean nothing.
  """

  cosine: np.ndarray
  pairs: dict[str, statistics.Estimate]
  signal: list[statistics.Estimate]


def without_noise(
    kinds: Kinds, design: effects_lib.Design, x: np.ndarray, given: np.ndarray
) -> Clean:
  """What cosines would be if vectors had not the noise of few texts.

  The noise that is expected is taken off the sums over emotions of products and
  of squared lengths. The given vectors count as free of it.

  Args:
    kinds: which.
    design: not 'grouped'.
    x: [T, N, D].
    given: [E, D].
  """
  n = x.shape[1]
  whole = _less_noise(kinds, design, x, given, np.arange(n))
  each = [
      _less_noise(kinds, design, x, given, kept)
      for kept in effects_lib.left_out(n)
  ]
  cosine, signal = (np.stack(part) for part in zip(*each, strict=True))
  others = kinds.of_pairs(cosine)
  return Clean(
      cosine=whole[0],
      pairs={
          name: resampling.jackknife(value, others[name], n)
          for name, value in kinds.of_pairs(whole[0]).items()
      },
      signal=[
          resampling.jackknife(value, signal[:, i], n)
          for i, value in enumerate(whole[1])
      ],
  )


def _less_noise(kinds, design, x, given, kept) -> tuple[np.ndarray, np.ndarray]:
  """Of some of the texts: cosines [Q + 1, Q + 1] and shares [Q]."""
  part = design.part(kept)
  effects = part.weights().effects
  product = products(
      stacked(effects, kinds.made), np.concatenate([*x[:, kept], given])
  )
  count, size = len(kinds.made) + 1, design.size
  whole = np.einsum('QEPE->QP', product.reshape(count, size, count, size))
  total = whole.copy()
  noise = effects_lib.residual(x[:, kept], part)
  for i, (t, k) in enumerate(kinds.made):
    for j, (s, m) in enumerate(kinds.made):
      total[i, j] -= noise[t, s] * np.sum(effects[k] * effects[m])
  square = np.diagonal(total)
  length = np.sqrt(np.where(square > 0, square, np.nan))
  cosine = total / length / length[:, None]
  return cosine, (square / np.diagonal(whole))[:-1]


def random_bands(
    kinds: Kinds,
    effects: np.ndarray,
    x: np.ndarray,
    given: np.ndarray,
    seed: int,
    draws: int,
) -> dict[str, statistics.Estimate]:
  """The same where the second kind of each pair is random directions.

  Args:
    kinds: which.
    effects: [K, E, N].
    x: [T, N, D].
    given: [E, D].
    seed: of the directions.
    draws: how many times E of them.
  """
  size, width = given.shape
  made = stacked(effects, kinds.made) @ np.concatenate([*x, given])
  made = vectors_lib.unit(made).reshape(-1, size, width)
  rng = np.random.default_rng(seed)
  drawn = vectors_lib.unit(rng.standard_normal((draws, size, width)))
  cosine = np.einsum('QED,SED->SQ', made, drawn, optimize=True) / size
  return {
      name: statistics.band(cosine[:, [i for i, _ in pairs]].mean(axis=1))
      for name, pairs in kinds.pairs.items()
  }


def structure(cosine: np.ndarray, size: int) -> np.ndarray:
  """How alike the kinds order their own emotions: [Q E, Q E] -> [Q, Q].

  Pearson's r of the cosines between different emotions (paper, Fig. 18).
  """
  own = np.stack(
      [
          cosine[i : i + size, i : i + size][np.triu_indices(size, 1)]
          for i in range(0, len(cosine), size)
      ]
  )
  return statistics.pearson(own[:, None], own)
