"""The arrays of a sweep: shapes and places that follow from a few sizes."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from emojax import steering
from emojax.models import config as config_lib
from emojax.models import decoding
from emojax.models import engine
from emojax.models import layers
from emojax.models import prompts
from emojax.models import sharding
from emojax.models import streams
from emojax.models import transformer
from emojax.planning import program

TRAITS = 1, False  # One direction a row; none is projected out.


@dataclasses.dataclass(frozen=True)
class Sizes:
  """What the shapes of a sweep follow from.

  Attributes:
    model: its config.
    mesh: that everything lies on.
    rows: B.
    prompt: tokens of a prompt, as padded.
    new: tokens of a text.
    emotions: E, that finished texts are read with.
    bank: E', that rows are steered with.
    read: N layers and E directions that are read of every token, or None.
  """

  model: config_lib.TransformerConfig
  mesh: jax.sharding.Mesh
  rows: int
  prompt: int
  new: int
  emotions: int
  bank: int
  read: tuple[int, int] | None

  @property
  def heads(self) -> int:
    """U, the prompts that are run for B rows."""
    key = np.zeros(2, np.uint32)
    every = [prompts.Request((i,), key) for i in range(self.rows)]
    least = sharding.round_up_rows(self.mesh, 1)
    return len(prompts.group(every, least).heads)

  def array(self, axes: str, shape: tuple[int, ...], dtype) -> Any:
    return program.array(self.mesh, axes, shape, dtype)

  def by_row(self, dtype, *shape: int) -> Any:
    """[B, ...], split over the mesh."""
    return self.array('B' + '.' * (len(shape) - 1), shape, dtype)

  def whole(self, *shape: int) -> Any:
    """A float32 array that every device has."""
    return self.array('.' * len(shape), shape, jnp.float32)

  def model_of(self) -> tuple[transformer.Transformer, Any]:
    return program.model_of(self.model, self.mesh)

  def state(self, slots: int) -> decoding.State:
    return engine.state_of(
        self.model, self.rows, slots, TRAITS, self.read, self.array
    )

  def ring(self) -> decoding.State:
    """The rows that write, with room for the longest head, tail and text."""
    return self.state(2 * self.prompt + self.new)

  def directions(self) -> Any:
    return self.whole(self.bank, self.model.num_layers, self.model.width)

  def interventions(self, tokens: int) -> steering.Interventions:
    """The steering of [B, T] tokens."""
    steered = self.state(1).rows.steered
    mask = self.by_row(bool, self.rows, TRAITS[0], tokens)
    return steered.of_tokens(self.directions(), mask)

  def stream(self, rows: int, tokens: int, slots: int) -> streams.Stream:
    """[B, T] tokens between two blocks."""
    return streams.Stream(
        x=self.by_row(jnp.float32, rows, tokens, self.model.width),
        position=self.by_row(jnp.int32, rows, tokens),
        key_position=self.by_row(jnp.int32, rows, slots),
        key_valid=self.by_row(bool, rows, slots),
        cache=self.cache(rows, slots),
    )

  def cache(self, rows: int, slots: int) -> layers.Cache:
    return layers.cache_of(self.model, rows, slots, self.array)


def of_config(
    config: ml_collections.ConfigDict,
    model: config_lib.TransformerConfig,
    mesh: jax.sharding.Mesh,
) -> Sizes:
  """Returns the sizes of a sweep of `config.plan`'s size."""
  emotions, read = config.plan.emotions, None
  if config.readout:
    read = len(config.readout_layers) or 1, len(config.readout)
  return Sizes(
      model=model,
      mesh=mesh,
      rows=sharding.round_up_rows(mesh, config.sweep_batch),
      prompt=prompts.width(config.plan.prompt_tokens),
      new=config.new_tokens,
      emotions=emotions,
      bank=emotions + config.random_directions + config.shuffled_directions,
      read=read,
  )
