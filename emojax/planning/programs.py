"""The programs of a run of a planned size."""

import jax
import jax.numpy as jnp
import ml_collections

from emojax import moments
from emojax import probes
from emojax.models import capture
from emojax.models import config as config_lib
from emojax.models import sharding
from emojax.models import taps
from emojax.planning import paper
from emojax.planning import program
from emojax.planning import sweep


def of_run(
    config: ml_collections.ConfigDict,
    model_config: config_lib.TransformerConfig,
    mesh: jax.sharding.Mesh,
) -> list[program.Program]:
  """Returns the programs of a run of `config.plan`'s size.

  Of a quickstart those of its probes, too, which are a run of their own.
  """
  captured = _of_capture(config, model_config, mesh)
  if config.experiment == 'paper':
    return captured + paper.of_questions(config, model_config, mesh)
  return [
      *captured,
      _of_probes(config, model_config, mesh),
      *sweep.of_sweep(config, model_config, mesh),
  ]


def _of_capture(config, model_config, mesh) -> list[program.Program]:
  p = config.plan
  rows = sharding.round_up_rows(mesh, config.batch)
  calls = -(-p.stories // rows)
  return [
      program.Program(
          'capture',
          lambda n: _capture(
              program.some_blocks(model_config, n), mesh, rows, p.story_tokens
          ),
          calls=calls,
      ),
      program.Program(
          'cell sums',
          lambda _: _cell_sums(
              model_config, mesh, rows, p.emotions * config.folds
          ),
          calls=calls,
          blocks=False,
      ),
  ]


def _of_probes(config, model_config, mesh) -> program.Program:
  p = config.plan
  return program.Program(
      'probe fit',
      lambda _: _probe_fit(model_config, mesh, p.emotions, config.folds),
      # XLA counts one evaluation at the start and one in the loop.
      steps=p.evaluations // 2,
      calls=p.fits,
      blocks=False,
  )


def _capture(config, mesh, rows, width):
  model, params = program.model_of(config, mesh)
  of = lambda dtype: program.array(mesh, 'BT', (rows, width), dtype)
  return capture.capture.lower(
      model,
      params,
      of(jnp.int32),
      of(bool),
      taps.Readout(of(jnp.float32)),
      capture.MEANS,
  )


def _cell_sums(config, mesh, rows, cells):
  """What a capture adds a batch to, each device its part of every sum."""
  of = lambda axes, *shape: program.array(mesh, axes, shape, jnp.float32)

  def widely(*shape: int) -> jax.ShapeDtypeStruct:
    where = sharding.place_widely(mesh, len(shape) - 1, shape)
    return jax.ShapeDtypeStruct(shape, jnp.float32, sharding=where)

  sums = moments.CellSums(
      stream=widely(cells, config.num_layers, config.width),
      embed=widely(cells, config.width),
  )
  add = jax.jit(
      moments.add_to_cells,
      donate_argnums=0,
      out_shardings=jax.tree.map(lambda x: x.sharding, sums),
  )
  return add.lower(
      sums,
      of('LB.', config.num_layers, rows, config.width),
      of('B.', rows, config.width),
      program.array(mesh, 'B', (rows,), jnp.int32),
  )


def _probe_fit(config, mesh, emotions, folds):
  """All layers, of a mean activation for each emotion and fold."""
  width = config.width
  layers_, examples = sharding.divisible(
      mesh, ('P', 'N'), (config.num_layers, emotions * folds)
  )
  of = lambda axes, *shape: program.array(mesh, axes, shape, jnp.float32)
  data = probes.Features(
      x=of('PN.', layers_, examples, width),
      mean=of('P.', layers_, width),
      scale=of('P.', layers_, width),
      axes=of('P..', layers_, width, width),
      variances=of('P.', layers_, width),
  )
  start = probes.Probes(
      mean=data.mean,
      scale=data.scale,
      weights=of('P..', layers_, width, emotions),
      bias=of('P.', layers_, emotions),
  )
  fit = lambda data, labels, weights, c, start: probes.fit(
      data, labels, weights, c, num_classes=emotions, start=start
  )
  labels = program.array(mesh, 'N', (examples,), jnp.int32)
  weights = of('N', examples)
  return jax.jit(fit).lower(data, labels, weights, of('P', layers_), start)
