"""Strengths of activities from paired choices, in Elo points."""

import dataclasses
import math

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.special

from emojax import errors
from emojax import statistics

MEAN = 1500.0
SCALE = 400 / math.log(10)  # Elo points a logit.
# Of the squared strengths, in logits: an activity that always wins has a finite
# one, near the others' + 10, and any other moves by under a thousandth.
RIDGE = 1e-3
_STEPS = 100
_TOLERANCE = 1e-10  # Logits.


@dataclasses.dataclass(frozen=True)
class Fit:
  """Strengths of N activities, in logits, of mean 0.

  Attributes:
    strength: [N].
    bias: what being asked first adds, in logits.
    covariance: [N + 1, N + 1] of both, by the sandwich; bias is the last.
  """

  strength: np.ndarray
  bias: float
  covariance: np.ndarray

  @property
  def elo(self) -> np.ndarray:
    """[N] Elo points, of mean 1500."""
    return MEAN + SCALE * self.strength

  @property
  def elo_error(self) -> np.ndarray:
    """[N] standard errors of `elo`."""
    return SCALE * np.sqrt(np.diag(self.covariance)[:-1])

  def bias_estimate(self, n: int) -> statistics.Estimate:
    """The bias with its 95 % interval; n is the number of choices."""
    half = 1.96 * math.sqrt(self.covariance[-1, -1])
    return statistics.Estimate(
        value=self.bias, low=self.bias - half, high=self.bias + half, n=n
    )


def choice_probability(log_p_a: np.ndarray, log_p_b: np.ndarray) -> np.ndarray:
  """P(A), of the two answers only: whatever else could be said is left out."""
  return scipy.special.expit(np.subtract(log_p_a, log_p_b, dtype=np.float64))


def bradley_terry(
    pairs: np.ndarray, chosen: np.ndarray, count: int, ridge: float = RIDGE
) -> Fit:
  """Fits logit P(first chosen) = strength[first] - strength[second] + bias.

  Maximum likelihood (Bradley & Terry 1952; the order effect of Davidson &
  Beaver 1977) by Newton's method, for probabilities as for wins. A ridge keeps
  strengths finite and their mean at 0. Errors are a sandwich over unordered
  pairs: probabilities carry no binomial noise, but a pair, in both orders, can
  be far from what the strengths say. Of one who wins always they are too small:
  it is the ridge that says how strong it is.

  Args:
    pairs: [P, 2] indices of what is asked first and second.
    chosen: [P], the probability that the first is chosen, or 0 or 1.
    count: N.
    ridge: half of it times the squares is added to the loss.

  Raises:
    InputError: some activities are compared with no others.
  """
  pairs, chosen = np.asarray(pairs), np.asarray(chosen, np.float64)
  _check_connected(pairs, count)
  rows = np.arange(len(pairs))
  design = np.zeros((len(pairs), count + 1))
  design[rows, pairs[:, 0]], design[rows, pairs[:, 1]] = 1, -1
  design[:, -1] = 1
  x, identity = np.zeros(count + 1), np.eye(count + 1)

  def loss(x: np.ndarray) -> float:
    logit = design @ x
    fit = np.logaddexp(0, logit) - chosen * logit
    return fit.sum() + ridge / 2 * (x @ x)

  for _ in range(_STEPS):
    p = scipy.special.expit(design @ x)
    slope = design.T @ (p - chosen) + ridge * x
    weights = (p * (1 - p))[:, None]
    step = np.linalg.solve(
        design.T @ (weights * design) + ridge * identity, slope
    )
    size = 1.0
    while size > 1e-6 and loss(x - size * step) > loss(x):
      size /= 2
    x = x - size * step
    if np.abs(step).max() < _TOLERANCE:
      break
  covariance = _sandwich(design, chosen, x, ridge, pairs)
  return Fit(strength=x[:-1], bias=float(x[-1]), covariance=covariance)


def _check_connected(pairs: np.ndarray, count: int) -> None:
  graph = scipy.sparse.coo_array(
      (np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count)
  )
  parts, _ = scipy.sparse.csgraph.connected_components(graph, directed=False)
  if parts > 1:
    raise errors.InputError(
        f'The pairs leave {count} activities in {parts} parts that are never'
        ' compared; ask more pairs.'
    )


def _sandwich(design, chosen, x, ridge, pairs) -> np.ndarray:
  """Covariance with whole unordered pairs as the units that vary."""
  p = scipy.special.expit(design @ x)
  scores = (chosen - p)[:, None] * design
  _, unit = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
  units = unit.max() + 1
  summed = np.zeros((units, design.shape[1]))
  np.add.at(summed, unit.ravel(), scores)
  bread = np.linalg.inv(
      design.T @ ((p * (1 - p))[:, None] * design)
      + ridge * np.eye(design.shape[1])
  )
  # As many parameters are fitted; the mean of the strengths is none.
  spare = max(units - design.shape[1] + 1, 1)
  return bread @ (summed.T @ summed) @ bread * units / spare


def both_orders(
    pairs: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Puts the two orders of a question together.

  Args:
    pairs: [P, 2], each with its reverse.
    chosen: [P], P(the first is chosen).

  Returns:
    [P / 2, 2] pairs, P(a chosen) where a was first, and where b was.
  """
  at = {tuple(pair): p for pair, p in zip(pairs.tolist(), chosen.tolist())}
  once = [pair for pair in at if pair[0] < pair[1]]
  first = np.array([at[pair] for pair in once])
  second = np.array([1 - at[pair[::-1]] for pair in once])
  return np.array(once), first, second


def certainty(
    pairs: np.ndarray, chosen: np.ndarray, seed: int, resamples: int = 2000
) -> tuple[statistics.Estimate, statistics.Estimate]:
  """How far choices are from even once both orders are averaged: 0 to 1.

  Args:
    pairs: [P, 2], each with its reverse.
    chosen: [P], P(the first is chosen).
    seed: of the resampling.
    resamples: of activities, each with all of its pairs.

  Returns:
    The mean of |2 P(a) - 1| over pairs, with a percentile interval; and its
    control, the band where the reverse is another pair's: what orders that have
    nothing to do with each other give.
  """
  once, first, second = both_orders(pairs, chosen)
  values = np.abs(first + second - 1)
  rng, count = np.random.default_rng(seed), int(once.max()) + 1
  drawn = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
  weights = drawn[:, once[:, 0]] * drawn[:, once[:, 1]]
  weights = weights[weights.any(axis=1)]  # Some draws have no pair.
  low, high = np.percentile(weights @ values / weights.sum(axis=1), [2.5, 97.5])
  null = [
      np.abs(first + rng.permutation(second) - 1).mean() for _ in range(500)
  ]
  estimate = statistics.Estimate(
      value=float(values.mean()), low=float(low), high=float(high), n=len(once)
  )
  return estimate, statistics.band(np.array(null))


def shift(
    elo: np.ndarray, baseline: np.ndarray, steered: np.ndarray
) -> np.ndarray:
  """By how much the Elo of each steered activity changed.

  Elo has a fixed mean. What the steered ones gain the others lose, so that the
  mean change of halves is half of the change of the gap between them; and if
  all are steered it is 0, whatever steering does.

  Args:
    elo: [N], while some are steered.
    baseline: [N], measured on the same pairs.
    steered: [N] bool.

  Raises:
    InputError: all are steered, or none.
  """
  if steered.all() or not steered.any():
    raise errors.InputError(
        f'{steered.sum()} of {len(steered)} activities are steered, and the'
        ' mean of Elo is fixed; steer some and leave others as they are.'
    )
  return (elo - baseline)[steered]


def compression(elo: np.ndarray, baseline: np.ndarray) -> float:
  """The slope of Elo on its baseline: below 1, towards indifference."""
  off = baseline - baseline.mean()
  return float(off @ (elo - elo.mean()) / (off @ off))
