"""How strongly to regularise probes, and how far to believe them.

Penalties are compared on topics that the probes did not see; so are the
temperatures that calibrate them.
"""

from collections.abc import Iterable
import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from emojax import probes

Array = jax.Array


@flax.struct.dataclass
class Selection:
  """What held-out topics say of a path of penalties.

  Attributes:
    loss: [C, L], mean held-out loss in nats of each of C penalties.
    accuracy: [C, L], held-out top-1.
    chosen: [L], the index of the penalty with the least loss, the last of
      equals.
    log_probs: [L, N, E], held out, of the chosen penalty.
  """

  loss: np.ndarray
  accuracy: np.ndarray
  chosen: np.ndarray
  log_probs: np.ndarray


def hold_out(
    data: probes.Features,
    labels: Array,
    weights: Array,
    test: Array,
    inverse_penalty: float,
    *,
    num_classes: int,
    kind: probes.Kind = 'multinomial',
    start: probes.Probes | None = None,
    tolerance: float = 1e-6,
    at_once: int | None = None,
) -> tuple[Array, probes.Fit]:
  """Fits probes to all but a few examples, and asks them about those.

  Features are standardised by the examples that are fitted.

  Args:
    data: N examples.
    labels: [N].
    weights: [N], of the examples; 0 for what is held out.
    test: [n] int, the examples to ask about. Folds of any size are one program
      if n is the same.
    inverse_penalty: scikit-learn's C.
    num_classes: E.
    kind: of the probes.
    start: probes of a stronger penalty and the same fold.
    tolerance: of `probes.fit`.
    at_once: likewise.

  Returns:
    Log-probabilities [L, n, E], and the fit.
  """
  fitted = probes.fit(
      data,
      labels,
      weights,
      inverse_penalty,
      num_classes=num_classes,
      kind=kind,
      start=start,
      tolerance=tolerance,
      at_once=at_once,
  )
  return probes.log_probs_at(fitted.probes, data, test, kind), fitted


def select(said: Iterable[np.ndarray], labels: np.ndarray) -> Selection:
  """Chooses a penalty for each layer.

  Args:
    said: for each of C penalties the held-out log-probabilities [L, N, E].
    labels: [N].
  """
  losses, hits, best = [], [], None
  for one in said:
    own = one[:, np.arange(len(labels)), labels]
    losses.append(-own.mean(axis=1))
    hits.append((one.argmax(axis=2) == labels).mean(axis=1))
    better = losses[-1] <= np.min(losses, axis=0)
    best = one if best is None else np.where(better[:, None, None], one, best)
  loss = np.stack(losses)
  return Selection(
      loss=loss,
      accuracy=np.stack(hits),
      chosen=len(loss) - 1 - np.argmin(loss[::-1], axis=0),
      log_probs=best,
  )


@functools.partial(jax.jit, static_argnames='steps')
def temperatures(log_probs: Array, labels: Array, steps: int = 40) -> Array:
  """Finds what held-out logits are to be divided by.

  The loss is convex in the inverse temperature, whose derivative is bisected
  between 1/100 and 100 (Guo, Pleiss, Sun and Weinberger 2017, "On calibration
  of modern neural networks").

  Args:
    log_probs: [L, N, E], held out.
    labels: [N].
    steps: halvings.

  Returns:
    [L]; above 1 where the probes say more than they know.
  """
  own = jnp.take_along_axis(log_probs, labels[None, :, None], axis=2)[..., 0]

  def slope(log_inverse):
    p = jax.nn.softmax(jnp.exp(log_inverse)[:, None, None] * log_probs)
    return jnp.mean(jnp.einsum('LNE,LNE->LN', p, log_probs) - own, axis=1)

  def halve(_, bounds):
    low, high = bounds
    middle = (low + high) / 2
    falling = slope(middle) < 0
    return jnp.where(falling, middle, low), jnp.where(falling, high, middle)

  ends = jnp.full(len(log_probs), jnp.log(100.0))
  low, high = jax.lax.fori_loop(0, steps, halve, (-ends, ends))
  return jnp.exp(-(low + high) / 2)


def calibrated(log_probs: Array, temperature: Array) -> Array:
  """Divides logits by a temperature a layer: [L, N, E], [L] -> [L, N, E]."""
  return jax.nn.log_softmax(log_probs / temperature[:, None, None])


def calibration_error(
    log_probs: np.ndarray, labels: np.ndarray, bins: int = 15
) -> np.ndarray:
  """The expected calibration error of the first guess, [L].

  Guesses are sorted by their confidence into bins of the same number of
  examples; the error is the mean distance of a bin's confidence from its
  accuracy.

  Args:
    log_probs: [L, N, E].
    labels: [N].
    bins: of N / bins examples each.
  """
  out = []
  for layer in np.asarray(log_probs):
    confidence = np.exp(layer.max(axis=1))
    hit = layer.argmax(axis=1) == labels
    order = np.argsort(confidence, kind='stable')
    parts = np.array_split(order, bins)
    gaps = [
        len(part) * abs(confidence[part].mean() - hit[part].mean())
        for part in parts
        if len(part)
    ]
    out.append(sum(gaps) / len(labels))
  return np.array(out)
