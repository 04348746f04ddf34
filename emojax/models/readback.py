"""What steering did to finished texts, by reading them with and without it."""

import functools

import flax.struct
import jax
import jax.numpy as jnp

from emojax import steering
from emojax.models import layers
from emojax.models import streams
from emojax.models import transformer

Array = jax.Array


@flax.struct.dataclass
class ReadBack:
  """Of each of the T tokens that were written.

  Attributes:
    kl: [B, T] float32, KL(steered || unsteered) in nats of the distributions
      that the token was drawn from.
    log_prob: [B, T] float32, nats, of the token without steering.
    cosine: [B, T, E] float32, of the unsteered residual stream at the token
      with each direction, or None.
  """

  kl: Array
  log_prob: Array
  cosine: Array | None


@functools.partial(jax.jit, static_argnames=('model', 'first'))
def read_back(
    model: transformer.Transformer,
    params,
    cache: layers.Cache,
    row: Array,
    tokens: Array,
    valid: Array,
    interventions: steering.Interventions,
    layer: Array,
    probe: tuple[Array, Array] | None,
    *,
    first: int,
) -> ReadBack:
  """Reads finished texts with and without steering.

  On most machines one long pass costs less than a second model beside every
  decoding step. Blocks up to the lowest steered one are run once.

  Args:
    model: a `Transformer`.
    params: its weights.
    cache: of U prompts up to the tokens, with T free slots.
    row: [B], the prompt of each row.
    tokens: [B, T], the end of the prompt and the text.
    valid: [B, T].
    interventions: the steering of these tokens.
    layer: [] int32, no row is steered below it.
    probe: unit directions [E, D] and the layer [] whose stream is projected on
      them; None: nothing is projected.
    first: index of the first written token, above 0.

  Returns:
    Of tokens `first` and after; what is not valid means nothing.
  """
  run = functools.partial(transformer.through, model, params)
  leave = lambda stream: model.apply(params, stream, method='leave')[0]
  depth = model.config.num_layers
  wanted = layer if probe is None else probe[1]
  # Where the reading lies below the steering, the common part stops there.
  low, high = jnp.minimum(layer, wanted) + 1, jnp.maximum(layer, wanted) + 1
  cache = streams.take_rows(cache, row)
  start = model.apply(params, tokens, valid=valid, cache=cache, method='enter')
  below = run(start, 0, low)
  common = run(below, low, layer + 1)
  above = run(common, layer + 1, high)
  steered = run(
      transformer.steer_after(common, layer, interventions),
      layer + 1,
      depth,
      interventions,
  )
  last = leave(steered), leave(run(above, high, depth))
  kl, log_prob = _compare(model, params, last, tokens, first)
  cosine = None
  if probe is not None:
    x = jnp.where(wanted <= layer, below.x, above.x)[:, first:]
    x = x / jnp.linalg.norm(x, axis=-1, keepdims=True)
    cosine = jnp.einsum('BTD,ED->BTE', x, probe[0], precision='highest')
  return ReadBack(kl, log_prob, cosine)


def _compare(model, params, streams, tokens, first) -> tuple[Array, Array]:
  """KL and log-probabilities of the tokens from `first` on, [B, T] each."""

  def at_token(each):  # One token at a time: [B, V] is what fits.
    steered, unsteered, token = each
    p, q = (
        jax.nn.log_softmax(model.apply(params, x, method='unembed'))
        for x in (steered, unsteered)
    )
    own = jnp.take_along_axis(q, token[:, None], axis=1)[:, 0]
    return jnp.sum(jnp.exp(p) * (p - q), axis=-1), own

  before = [x[:, first - 1 : -1].swapaxes(0, 1) for x in streams]
  kl, own = jax.lax.map(at_token, (*before, tokens[:, first:].T))
  return kl.T, own.T
