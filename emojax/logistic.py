"""Minimises the logistic losses of many layers and classes side by side."""

import functools
from typing import Literal

import flax.struct
import jax
import jax.numpy as jnp
import optax

Array = jax.Array
Kind = Literal['multinomial', 'one-vs-rest']

_einsum = functools.partial(jnp.einsum, precision='highest')
_lbfgs = optax.scale_by_lbfgs(memory_size=20)


@flax.struct.dataclass
class Problem:
  """One layer's: the loss as a function of well-conditioned coordinates.

  With the weights W = basis P of the centred features, and intercepts lift p,
  the second derivative in P and p is near to the identity whatever the features
  are. Where one axis or the intercept is left out, L-BFGS takes three times as
  many steps, or stops on the way.
  """

  x: Array  # [N, D]
  labels: Array  # [N]
  share: Array  # [N], weights that sum to 1.
  mean: Array  # [D], of the examples that count.
  scale: Array  # [D], likewise.
  basis: Array  # [D, D]
  ridge: Array  # []
  lift: Array  # []


@flax.struct.dataclass
class State:
  point: Array  # [D + 1, E], or [D + 1] of one class.
  value: Array
  gradient: Array
  direction: Array
  step: Array
  memory: optax.OptState
  active: Array
  evaluations: Array


def minimise(
    problem: Problem,
    point: Array,
    kind: Kind,
    tolerance: Array,
    most: Array,
) -> State:
  """Minimises by L-BFGS, each lane until a step would gain too little.

  Args:
    problem: of L layers; `labels`, `share` are of all.
    point: [L, D + 1, E], where to begin.
    kind: a lane is a layer, or a class of a layer.
    tolerance: the fraction of the loss that a step must promise.
    most: evaluations.

  Returns:
    The last state of each lane.
  """
  lanes = _lanes(kind)
  state = lanes(_start)(problem, point)
  step = lanes(lambda p, c, state: _step(p, c, state, tolerance))
  return jax.lax.while_loop(
      lambda state: state.active.any() & (state.evaluations.max() < most),
      lambda state: step(problem, state),
      state,
  )


def _lanes(kind: Kind):
  """Maps a function of (problem, class or None, state) over its lanes."""
  axes = Problem(0, None, None, 0, 0, 0, 0, None)

  def lanes(function):
    def of_layer(problem, state):
      if kind == 'multinomial':
        return function(problem, None, state)
      classes = jnp.arange(jax.tree.leaves(state)[0].shape[-1])
      one = lambda c, state: function(problem, c, state)
      return jax.vmap(one, (0, -1), -1)(classes, state)

    return jax.vmap(of_layer, (axes, 0))

  return lanes


def _evaluate(problem: Problem, c: Array | None, point: Array):
  """The loss and its gradient; of class c against the rest, or of all."""

  def loss(point):
    w = _einsum('DC,C...->D...', problem.basis, point[:-1])
    # Centred features, without a copy of them.
    bias = problem.lift * point[-1] - _einsum('D,D...->...', problem.mean, w)
    logits = _einsum('ND,D...->N...', problem.x, w) + bias
    if c is None:
      own = problem.labels[:, None] == jnp.arange(logits.shape[1])
      # The others against the own: losses near 0 keep their digits.
      others = jax.nn.logsumexp(jnp.where(own, -jnp.inf, logits), axis=1)
      each = jax.nn.softplus(others - jnp.where(own, logits, 0).sum(axis=1))
    else:
      own = (problem.labels == c).astype(jnp.float32)
      each = optax.sigmoid_binary_cross_entropy(logits, own)
    penalised = (w.T * problem.scale).T
    return problem.share @ each + problem.ridge / 2 * jnp.sum(penalised**2)

  return jax.value_and_grad(loss)(point)


def _start(problem: Problem, c: Array | None, point: Array) -> State:
  value, gradient = _evaluate(problem, c, point)
  direction, memory = _lbfgs.update(gradient, _lbfgs.init(point), point)
  return State(
      point=point,
      value=value,
      gradient=gradient,
      direction=-direction,
      step=jnp.float32(1),
      memory=memory,
      active=jnp.bool_(True),
      evaluations=jnp.int32(1),
  )


def _step(
    problem: Problem, c: Array | None, state: State, tolerance: Array
) -> State:
  """One evaluation: a step is taken, or halved and tried again.

  So no lane ever waits for the line search of another.
  """
  point = state.point + state.step * state.direction
  value, gradient = _evaluate(problem, c, point)
  slope = jnp.vdot(state.gradient, state.direction)
  # Float32 cannot tell values apart that are nearer than this.
  slack = 2e-7 * state.value
  enough = value <= state.value + 1e-4 * state.step * slope + slack
  accept = state.active & enough
  # A point that is left again has told of the curvature all the same.
  direction, memory = _lbfgs.update(gradient, state.memory, point)
  choose = lambda new, old: jnp.where(accept, new, old)
  new = state.replace(
      point=choose(point, state.point),
      value=choose(value, state.value),
      gradient=choose(gradient, state.gradient),
      direction=choose(-direction, state.direction),
      step=choose(1, jnp.where(state.active, state.step / 2, 0)),
      memory=memory,
  )
  gain = _decrement(new)
  return new.replace(
      active=state.active & (gain > tolerance) & (new.step > 1e-4),
      evaluations=state.evaluations + state.active.astype(jnp.int32),
  )


def _decrement(state: State) -> Array:
  return -jnp.vdot(state.gradient, state.direction) / 2 / state.value
