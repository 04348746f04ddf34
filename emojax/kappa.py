"""How far two raters of the same episodes agree beyond chance."""

from typing import Any

import numpy as np

from emojax import errors
from emojax import resampling

Kappa = dict[str, Any]


def cohen(
    a: np.ndarray, b: np.ndarray, size: int, axis: int = -1
) -> np.ndarray:
  """Cohen's kappa (1960): (p_o - p_e) / (1 - p_e).

  p_o is the share of items that both call the same, and p_e what it would be if
  each dealt out its own labels at random: 1 is full agreement, 0 is chance.

  Args:
    a: [..., N] labels of one rater, from 0 to `size` - 1.
    b: [..., N], the other's.
    size: K, how many labels there are.
    axis: of the items.

  Returns:
    [...]. NaN where either uses one label only: it then is 0 / 0, or 0 whatever
    the other says, and tells nothing of agreement.
  """
  observed = np.mean(a == b, axis=axis)
  expected, constant = np.zeros(observed.shape), np.zeros(observed.shape, bool)
  for label in range(size):
    in_a, in_b = (np.mean(x == label, axis=axis) for x in (a, b))
    expected = expected + in_a * in_b
    constant |= (in_a == 1) | (in_b == 1)
  with np.errstate(divide='ignore', invalid='ignore'):
    return np.where(constant, np.nan, (observed - expected) / (1 - expected))


def confusion(a: np.ndarray, b: np.ndarray, size: int) -> np.ndarray:
  """Counts items by both labels: [N], [N] -> [K, K], rows are of `a`."""
  cells = np.bincount(a * size + b, minlength=size * size)
  return cells.reshape(size, size)


def estimate(
    a: np.ndarray, b: np.ndarray, size: int, cluster: np.ndarray, seed: int
) -> Kappa:
  """Cohen's kappa with a 95 % bootstrap interval over clusters.

  Args:
    a: [N] labels of one rater, from 0 to `size` - 1.
    b: [N], the other's.
    size: K.
    cluster: [N], such as the scenario of each; replies to one are alike.
    seed: of the resampling.

  Returns:
    `value`, `low`, `high`, `n`, and `reason`: why the value or its interval is
    None, or None if there are both.

  Raises:
    InputError: raters of different items, or a label out of range.
  """
  a, b = np.asarray(a, int), np.asarray(b, int)
  if not len(a) == len(b) == len(cluster):
    raise errors.InputError(
        f'{len(a)} and {len(b)} labels in {len(cluster)} places: give as many'
        ' of each.'
    )
  if np.any((a < 0) | (a >= size) | (b < 0) | (b >= size)):
    raise errors.InputError(f'A label is not one of {size}: count from 0.')
  none = {'value': None, 'low': None, 'high': None, 'n': len(a)}
  if len(set(a.tolist())) < 2 or len(set(b.tolist())) < 2:
    return none | {'reason': _constant(a, b)}
  # Percentiles: BCa has no interval where one cluster left out changes nothing.
  found = resampling.bootstrap(
      lambda x, y, axis: cohen(x, y, size, axis),
      (a, b),
      np.asarray(cluster),
      seed,
      method='percentile',
  )
  reason = None
  if found['low'] is None:
    reason = (
        'no interval: there is one scenario only, or resamples do not vary, or'
        ' too many have one label only'
    )
  return {**found, 'reason': reason}


def _constant(a: np.ndarray, b: np.ndarray) -> str:
  if not len(a):
    return 'there is no episode'
  who = [
      name
      for name, labels in (('the first', a), ('the second', b))
      if len(set(labels.tolist())) == 1
  ]
  return f'{" and ".join(who)} of the raters used one label only'
