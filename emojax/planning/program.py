"""A program of a run: shapes and places of its arrays in place of numbers."""

from collections.abc import Callable
import dataclasses
from typing import Any

import jax

from emojax.models import config as config_lib
from emojax.models import sharding
from emojax.models import transformer

Mesh = jax.sharding.Mesh


@dataclasses.dataclass(frozen=True)
class Program:
  """One compiled function of a run.

  Attributes:
    name: of it.
    lower: (number of blocks or None for all) -> what XLA is to compile. With a
      number the blocks follow each other, so that none is counted once that is
      run often.
    steps: how often one call repeats what was counted: tokens of decoding.
    calls: how often a run calls it.
    blocks: whether its work is that of one block and what a second one adds, L
      - 1 times; else `lower` heeds no number.
    itself: whether else its work is what XLA counts in it: of every loop, what
      it does once.
    also: what is not counted so: other programs, and how often each counts.
  """

  name: str
  lower: Callable[[int | None], Any]
  calls: int
  steps: int = 1
  blocks: bool = True
  itself: bool = True
  also: tuple[tuple[Callable[[], Any], int], ...] = ()


def some_blocks(
    config: config_lib.TransformerConfig, blocks: int | None
) -> config_lib.TransformerConfig:
  """The model, or one of its first blocks alone, one after the other."""
  if blocks is None:
    return config
  return dataclasses.replace(
      config, num_layers=blocks, local=config.local[:blocks], unroll=True
  )


def array(mesh: Mesh, axes: str, shape: tuple[int, ...], dtype) -> Any:
  """An array that is not there, a letter an axis."""
  where = sharding.place(mesh, tuple(axes), shape)
  return jax.ShapeDtypeStruct(shape, dtype, sharding=where)


def model_of(
    config: config_lib.TransformerConfig, mesh: Mesh
) -> tuple[transformer.Transformer, Any]:
  """The model and its weights, which are not there."""
  model = transformer.Transformer(config)
  return model, sharding.abstract_params(model, mesh)
