"""What a capture will need, said before it starts."""

from collections.abc import Sequence
import dataclasses

from absl import logging
import jax
import ml_collections
import numpy as np

from emojax.experiments import encode
from emojax.experiments import passes
from emojax.models import capture
from emojax.models import load
from emojax.models import sharding
from emojax.models import taps

_FLOAT = 4


@dataclasses.dataclass(frozen=True)
class Needs:
  """Bytes.

  Attributes:
    weights: on each device.
    batch: on each device, beside the weights: what the compiler says that the
      widest batch needs.
    sums: on each device.
    host: what is kept of texts.
    disk: chunks, the last two sums and the artefact, which are all there for a
      moment.
  """

  weights: int
  batch: int
  sums: int
  host: int
  disk: int


def capture_needs(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    encoded: encode.Encoded,
    num_cells: int,
) -> Needs:
  """Predicts what `capture_stories.run` needs.

  Args:
    config: of the run.
    lm: the model.
    encoded: the corpus.
    num_cells: sums of stories, if `config.unit` is 'cell'.
  """
  stream = lm.config.num_layers * lm.config.width * _FLOAT
  both = stream + lm.config.width * _FLOAT
  devices = lm.mesh.size
  kept, sums, artefact = 0, 0, 0
  if config.unit == 'story':
    kept += int(encoded.used.sum()) * both
    artefact = kept
  else:
    artefact = num_cells * both
    sums += artefact
  if len(encoded.neutral) <= config.neutral_rows:
    kept += len(encoded.neutral) * stream
  else:
    sums += stream * min(config.sketch, lm.config.width)
  tokens = sum(len(ids) - 1 for ids in encoded.neutral)
  kept += tokens * lm.config.num_layers * _FLOAT
  return Needs(
      weights=sum(
          x.addressable_shards[0].data.nbytes
          for x in jax.tree.leaves(lm.params)
      ),
      batch=_batch(config, lm, [*encoded.stories, *encoded.neutral]),
      sums=-(-sums // devices),
      host=2 * kept + sums,  # Once in chunks and once joined.
      disk=kept + 2 * sums + artefact,
  )


def report(needs: Needs) -> None:
  """Says it in one line."""
  device = needs.weights + needs.batch + needs.sums
  logging.info(
      'capture needs %s on each device (weights %s, the widest batch %s, sums'
      ' %s), %s of host memory for what it keeps, %s of disk.',
      *map(
          _written,
          (
              device,
              needs.weights,
              needs.batch,
              needs.sums,
              needs.host,
              needs.disk,
          ),
      ),
  )


def _batch(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    ids: Sequence[Sequence[int]],
) -> int:
  """Compiles the widest batch's program, which the run will use again."""
  rows, width = passes.plan(lm, ids, config.batch)[-1]
  shape = (len(rows), width)
  where = sharding.place(lm.mesh, ('B', 'T'), shape)
  of = lambda dtype: jax.ShapeDtypeStruct(shape, dtype, sharding=where)
  compiled = capture.capture.lower(
      lm.model,
      lm.params,
      of(np.int32),
      of(bool),
      taps.Readout(of(np.float32)),
      capture.MEANS,
  ).compile()
  memory = compiled.memory_analysis()
  return memory.temp_size_in_bytes + memory.output_size_in_bytes


def _written(size: int) -> str:
  return f'{size / 2**30:.2f} GiB'
