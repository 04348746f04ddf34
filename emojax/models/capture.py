"""Activations of all layers in one pass, reduced on the device."""

from collections.abc import Sequence
import functools
from typing import Any

import jax

from emojax.models import taps

Array = jax.Array

# What every pass over stories captures.
MEANS = ('embed/mean', 'resid_post/mean')


@functools.partial(jax.jit, static_argnames=('model', 'sites'))
def capture(
    model,
    params: Any,
    tokens: Array,
    valid: Array,
    readout: taps.Readout,
    sites: Sequence[str],
) -> dict[str, Array]:
  """Reads reduced activations of all layers in one pass.

  No [L, B, T, D] array is made: taps reduce inside the scanned block.

  Args:
    model: a `Transformer`.
    params: its weights.
    tokens: [B, T].
    valid: [B, T].
    readout: what is pooled over, and the directions to project on.
    sites: of 'resid_post/mean' [L, B, D], 'resid_post/norm' [L, B, T],
      'resid_post/project' [L, B, T, E] and their like ('embed/mean' is [B, D]).

  Returns:
    An array a site, float32.
  """
  _, state = model.apply(
      params,
      tokens,
      valid=valid,
      readout=readout,
      method='stream',
      capture_intermediates=taps.only(*sites),
      mutable=['intermediates'],
  )
  return {site: taps.captured(state, site) for site in sites}
