"""Vectors of texts that have two labels each, told apart.

A dialogue has the emotions of two speakers, or a hidden and a displayed one,
and never the same twice. So its second label depends on its first: the mean of
all texts of one label holds, turned around, a part of the vector of the other.
With E labels the two are correlated by -1 / (E - 1) where there is nothing but
noise, and by more where one of them has a strong vector. Least squares on both
labels at once has no such part.

Vectors are kept as weights, [E, N]: vectors = weights @ activations. Then a
statistic without one text, or of labels that were dealt out anew, is a product
of small matrices.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

Method = Literal['grouped', 'together', 'within blocks']
_MOST_GROUPS = 64  # Of a jackknife.


class Weights(NamedTuple):
  """How vectors are made of N texts.

  Attributes:
    effects: [K, E, N], of each of K labels the vectors of E emotions, whose sum
      over E is 0.
    base: [B, N], of each block the mean that the vectors are added to.
  """

  effects: np.ndarray
  base: np.ndarray


class Design(NamedTuple):
  """Labels of N texts, and how vectors are made by them.

  Attributes:
    labels: [K, N], from 0 to E - 1; each value is there in each row.
    size: E.
    block: [N], from 0 to B - 1, such as topics.
    method: 'grouped' takes the mean of each label (the paper's); 'together'
      fits all labels at once, and 'within blocks' the blocks, too.
  """

  labels: np.ndarray
  size: int
  block: np.ndarray
  method: Method

  @property
  def fitted_block(self) -> np.ndarray:
    """[N], all 0 unless blocks are fitted."""
    return self.block if self.method == 'within blocks' else 0 * self.block

  def part(self, kept: np.ndarray) -> 'Design':
    """The design of some of the texts."""
    return self._replace(labels=self.labels[:, kept], block=self.block[kept])

  def weights(self) -> Weights:
    if self.method == 'grouped':
      return grouped(self.labels, self.size)
    return together(self.labels, self.size, self.fitted_block)

  def variants(self, seed: int, draws: int) -> dict[str, np.ndarray]:
    """Weights of all texts, without each, and of labels dealt out anew.

    Args:
      seed: of the permutations, which stay within blocks if those are fitted.
      draws: how many.

    Returns:
      'whole' [1, K, E, N], 'left_out' [G, K, E, N] and 'shuffled' [draws, K, E,
      N].
    """
    whole = self.weights().effects
    n = self.labels.shape[1]
    rng = np.random.default_rng(seed)
    orders = permuted_within(rng, self.fitted_block, draws)
    without = lambda kept: self.part(kept).weights().effects
    return {
        'whole': whole[None],
        'left_out': without_each(without, n),
        'shuffled': np.moveaxis(whole[..., orders], -2, 0),
    }


def designs(
    labels: np.ndarray, size: int, block: np.ndarray
) -> dict[str, Design]:
  """The designs by method, the most thorough one that is determined last.

  Args:
    labels: [K, N].
    size: E.
    block: [N].

  Returns:
    None but 'grouped' if the labels cannot be told apart.
  """
  out = {'grouped': Design(labels, size, block, 'grouped')}
  for method, fitted in (('together', 0 * block), ('within blocks', block)):
    if determined(labels, size, fitted):
      out[method] = Design(labels, size, block, method)
  return out


def grouped(labels: np.ndarray, size: int) -> Weights:
  """Mean of the texts of each label, minus the mean over labels (the paper's).

  Args:
    labels: [K, N], from 0 to E - 1; each value is there.
    size: E.
  """
  member = _one_hot(labels, size)  # [K, N, E]
  means = (member / member.sum(axis=1, keepdims=True)).swapaxes(1, 2)
  overall = means.mean(axis=1, keepdims=True)
  return Weights(means - overall, overall.mean(axis=0))


def together(labels: np.ndarray, size: int, block: np.ndarray) -> Weights:
  """Least squares of all labels and blocks at once.

  Args:
    labels: [K, N], from 0 to E - 1.
    size: E.
    block: [N], from 0 to B - 1.

  Returns:
    The weights; the shortest solution where the labels do not determine one
    (see `determined`).
  """
  count = int(block.max()) + 1
  inverse = np.linalg.pinv(_matrix(labels, size, block))  # [B + K E, N]
  effects = inverse[count:].reshape(len(labels), size, -1)
  shift = effects.mean(axis=1, keepdims=True)
  return Weights(effects - shift, inverse[:count] + shift.sum(axis=0))


def determined(labels: np.ndarray, size: int, block: np.ndarray) -> bool:
  """Whether `together` has one solution, and texts left to tell its noise."""
  free = int(block.max()) + 1 + len(labels) * (size - 1)
  matrix = _matrix(labels, size, block)
  return free < len(matrix) and np.linalg.matrix_rank(matrix) == free


def residual(x: np.ndarray, design: Design) -> np.ndarray:
  """How much of the products of activations no label explains.

  Vectors' products have so much too much, times those of their weights, where
  texts' residuals are independent.

  Args:
    x: [T, N, D], of N texts the activations of T kinds of tokens.
    design: of the texts.

  Returns:
    [T, T], the mean product of residuals of two kinds of tokens; NaN if there
    are no texts left to tell it from.
  """
  matrix = _matrix(design.labels, design.size, design.fitted_block)
  rest = len(matrix) - np.linalg.matrix_rank(matrix)
  x = x.astype(np.float64)
  left = x - matrix @ (np.linalg.pinv(matrix) @ x)
  total = np.einsum('TND,SND->TS', left, left, optimize=True)
  return total / (rest or np.nan)


def _one_hot(labels: np.ndarray, size: int) -> np.ndarray:
  return (labels[..., None] == np.arange(size)).astype(float)


def _matrix(labels, size, block) -> np.ndarray:
  """[N, B + K E], which block and which labels a text has."""
  parts = [_one_hot(block, int(block.max()) + 1), *_one_hot(labels, size)]
  return np.concatenate(parts, axis=1)


def left_out(n: int) -> list[np.ndarray]:
  """Indices without each of N texts in turn, or without each of 64 groups."""
  group = np.arange(n) % min(n, _MOST_GROUPS)
  return [np.flatnonzero(group != g) for g in range(group.max() + 1)]


def without_each(
    make: Callable[[np.ndarray], np.ndarray], n: int
) -> np.ndarray:
  """Weights without each text in turn, or each group of them.

  Args:
    make: of the indices that are kept, the weights [..., kept].
    n: N texts.

  Returns:
    [G, ..., N], 0 for what is left out.
  """
  out = []
  for kept in left_out(n):
    part = make(kept)
    whole = np.zeros((*part.shape[:-1], n))
    whole[..., kept] = part
    out.append(whole)
  return np.stack(out)


def permuted_within(
    rng: np.random.Generator, block: np.ndarray, draws: int
) -> np.ndarray:
  """Permutations of texts within their blocks: [draws, N] indices.

  Weights[..., permutation] are those of labels that mean nothing, with the
  design as it was.
  """
  order = np.argsort(block, kind='stable')
  keys = rng.random((draws, len(block))) + block[order]
  out = np.empty((draws, len(block)), int)
  out[:, order] = order[np.argsort(keys, axis=1)]
  return out
