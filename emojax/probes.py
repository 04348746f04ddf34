"""Linear probes: logistic regression on the activations of every layer at once.

The optimum is that of scikit-learn's `LogisticRegression(C)` on standardised
features: sum over examples of w_n loss_n + |W|^2 / (2 C), the intercept free.
Layers, and classes of one-vs-rest, are lanes of one program; folds, penalties
and padding are weights and numbers in it, so that it is compiled once.
"""

from collections.abc import Callable
import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from emojax import errors
from emojax import logistic

Array = jax.Array
Kind = logistic.Kind

_einsum = functools.partial(jnp.einsum, precision='highest')


@flax.struct.dataclass
class Features:
  """Standardised activations, and the axes in which they are uncorrelated.

  Attributes:
    x: [L, N, D] float32.
    mean: [L, D] that was subtracted.
    scale: [L, D] that was divided by.
    axes: [L, D, D], eigenvectors of the covariance in columns.
    variances: [L, D].
  """

  x: Array
  mean: Array
  scale: Array
  axes: Array
  variances: Array


@flax.struct.dataclass
class Probes:
  """Probes of raw activations: logits are (x - mean) / scale . weights + bias.

  Attributes:
    mean: [L, D].
    scale: [L, D].
    weights: [L, D, E].
    bias: [L, E].
  """

  mean: Array
  scale: Array
  weights: Array
  bias: Array


@flax.struct.dataclass
class Fit:
  """Fitted probes, and how near they are to the optimum.

  Attributes:
    probes: the probes.
    loss: [L], the penalised mean loss in nats: scikit-learn's sum, divided by
      the sum of the weights.
    decrement: [L], what a quasi-Newton step would still gain, as a fraction of
      the loss; the greatest of the classes for one-vs-rest.
    evaluations: [L], passes over the examples.
  """

  probes: Probes
  loss: Array
  decrement: Array
  evaluations: Array


def features(
    x: Array,
    fetch: Callable[[Array], np.ndarray] = np.asarray,
    put: Callable[[np.ndarray], Array] = jnp.asarray,
) -> Features:
  """Standardises activations.

  The decomposition is done on the host: compiled for a TPU it takes minutes.

  Args:
    x: [L, N, D] of any float dtype.
    fetch: brings the covariances [L, D, D] to this host.
    put: takes arrays with a leading L, such as their axes, to the devices.

  Raises:
    InputError: a number is not finite.
  """
  x, mean, scale, covariance = _standardised(x)
  covariance = fetch(covariance)
  for layer, finite in enumerate(np.isfinite(covariance).all(axis=(1, 2))):
    if not finite:
      raise errors.InputError(
          f'Layer {layer}: activations are not finite; a probe cannot be fitted'
          ' to them.'
      )
  variances, axes = np.linalg.eigh(covariance)
  return Features(x, mean, scale, put(axes), put(np.maximum(variances, 0)))


@jax.jit
def _standardised(x: Array) -> tuple[Array, Array, Array, Array]:
  x = x.astype(jnp.float32)
  mean = x.mean(axis=1)
  x = x - mean[:, None]
  scale = _deviation(_einsum('LND,LND->LD', x, x) / x.shape[1])
  x = x / scale[:, None]
  return x, mean, scale, _einsum('LND,LNC->LDC', x, x) / x.shape[1]


def _deviation(variance: Array) -> Array:
  """Square roots; 1 for a constant feature, as scikit-learn has it."""
  return jnp.sqrt(jnp.where(variance > 1e-10, variance, 1))


def fit(
    data: Features,
    labels: Array,
    weights: Array,
    inverse_penalty: Array,
    *,
    num_classes: int,
    kind: Kind = 'multinomial',
    start: Probes | None = None,
    tolerance: float = 1e-8,
    max_evaluations: int = 4000,
    at_once: int | None = None,
) -> Fit:
  """Fits the probes of all layers.

  Args:
    data: N examples.
    labels: [N], from 0 to E - 1.
    weights: [N] float32, of the examples; what has weight 0 is not there.
    inverse_penalty: [L] or one number, scikit-learn's C.
    num_classes: E.
    kind: one softmax over classes, or a yes or no for each.
    start: probes to start from, such as those of another penalty.
    tolerance: a layer is done when a step would gain less than this fraction of
      its loss.
    max_evaluations: it is given up then; `Fit.decrement` tells.
    at_once: layers that are fitted side by side; all if None. With 1 no layer
      waits for another, which suits a CPU.
  """
  num_layers, _, width = data.x.shape
  if start is None:
    zeros = lambda *shape: jnp.zeros((num_layers, *shape), jnp.float32)
    start = Probes(
        data.mean, data.scale, zeros(width, num_classes), zeros(num_classes)
    )
  return _fit(
      data,
      jnp.asarray(labels, jnp.int32),
      jnp.asarray(weights, jnp.float32),
      jnp.broadcast_to(jnp.float32(inverse_penalty), (num_layers,)),
      start,
      jnp.float32(tolerance),
      jnp.int32(max_evaluations),
      kind=kind,
      at_once=at_once,
  )


@functools.partial(jax.jit, static_argnames=('kind', 'at_once'))
def _fit(
    data,
    labels,
    weights,
    inverse_penalty,
    start,
    tolerance,
    most,
    *,
    kind,
    at_once,
) -> Fit:
  def side_by_side(layers):
    data, inverse_penalty, start = layers
    return _fit_layers(
        data, labels, weights, inverse_penalty, start, tolerance, most, kind
    )

  layers = data, inverse_penalty, start
  if at_once is None or at_once >= len(inverse_penalty):
    return side_by_side(layers)
  alone = lambda layer: jax.tree.map(
      lambda x: x[0], side_by_side(jax.tree.map(lambda x: x[None], layer))
  )
  return jax.lax.map(alone, layers, batch_size=at_once if at_once > 1 else None)


def _fit_layers(
    data, labels, weights, inverse_penalty, start, tolerance, most, kind
) -> Fit:
  share = weights / weights.sum()
  mean = _einsum('LND,N->LD', data.x, share)
  variance = _einsum('LND,LND,N->LD', data.x, data.x, share) - mean**2
  ridge = 1 / (inverse_penalty * weights.sum())
  # Where each class has its share, p (1 - p); as the fit gets sure of some it
  # falls, and a third of it needs the fewest steps.
  share_of_class = 1 / start.bias.shape[-1]
  curvature = share_of_class * (1 - share_of_class) / 3
  problem = logistic.Problem(
      x=data.x,
      labels=labels,
      share=share,
      mean=mean,
      scale=_deviation(variance),
      basis=data.axes
      / jnp.sqrt(curvature * data.variances + ridge[:, None])[:, None],
      ridge=ridge,
      lift=jnp.float32(curvature**-0.5),
  )
  point = jax.vmap(_point_of, (None, 0, 0, 0, 0))(
      problem.lift, problem.basis, problem.mean, data, start
  )
  state = logistic.minimise(problem, point, kind, tolerance, most)
  return _fitted(data, problem, state)


def _standardised_probe(data: Features, probe: Probes) -> tuple[Array, Array]:
  """A probe of one layer's raw activations -> of its standardised ones."""
  weights = probe.weights * (data.scale / probe.scale)[:, None]
  shift = (data.mean - probe.mean) / probe.scale
  return weights, probe.bias + _einsum('D,DE->E', shift, probe.weights)


def _point_of(lift, basis, mean, data: Features, start: Probes) -> Array:
  """Raw probes -> coordinates; the columns of `basis` are orthogonal."""
  w, bias = _standardised_probe(data, start)
  bias = bias + _einsum('D,DE->E', mean, w)
  lengths = jnp.sum(basis**2, axis=0)
  point = _einsum('DC,DE->CE', basis, w) / lengths[:, None]
  return jnp.concatenate([point, bias[None] / lift])


def _fitted(
    data: Features, problem: logistic.Problem, state: logistic.State
) -> Fit:
  w = _einsum('LDC,LCE->LDE', problem.basis, state.point[:, :-1])
  decrement = _einsum('L...,L...->L...', state.gradient, state.direction)
  one_vs_rest = state.value.ndim == 2
  axes = (1,) if one_vs_rest else (1, 2)
  gain = -decrement.sum(axis=axes) / 2 / state.value
  return Fit(
      probes=Probes(
          mean=data.mean + data.scale * problem.mean,
          scale=data.scale * problem.scale,
          weights=w * problem.scale[:, :, None],
          bias=problem.lift * state.point[:, -1],
      ),
      loss=state.value.sum(axis=1) if one_vs_rest else state.value,
      decrement=gain.max(axis=1) if one_vs_rest else gain,
      evaluations=state.evaluations.max(axis=1)
      if one_vs_rest
      else state.evaluations,
  )


@functools.partial(jax.jit, static_argnames='kind')
def log_probs(probes: Probes, x: Array, kind: Kind = 'multinomial') -> Array:
  """What probes say of raw activations: [L, N, D] -> [L, N, E] float32.

  The probabilities of one-vs-rest are divided by their sum.
  """
  x = (x.astype(jnp.float32) - probes.mean[:, None]) / probes.scale[:, None]
  return _log_probs(x, probes.weights, probes.bias, kind)


@functools.partial(jax.jit, static_argnames='kind')
def log_probs_at(
    probes: Probes, data: Features, rows: Array, kind: Kind = 'multinomial'
) -> Array:
  """What probes say of some of the examples: [n] indices -> [L, n, E]."""
  weights, bias = jax.vmap(_standardised_probe)(data, probes)
  return _log_probs(data.x[:, rows], weights, bias, kind)


def _log_probs(x: Array, weights: Array, bias: Array, kind: Kind) -> Array:
  logits = _einsum('LND,LDE->LNE', x, weights) + bias[:, None]
  if kind == 'one-vs-rest':
    logits = jax.nn.log_sigmoid(logits)
  return jax.nn.log_softmax(logits)
