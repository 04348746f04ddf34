"""The programs of a run, with shapes and places in place of numbers."""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from emojax import moments
from emojax import probes
from emojax import steering
from emojax.models import capture
from emojax.models import config as config_lib
from emojax.models import generate
from emojax.models import layers
from emojax.models import sharding
from emojax.models import taps
from emojax.models import transformer


@dataclasses.dataclass(frozen=True)
class Program:
  """One compiled function of a run.

  Attributes:
    name: of it.
    lower: (number of blocks or None for all) -> what XLA is to compile. With a
      number the blocks follow each other and decoding takes one step, so that
      nothing is counted once that is done often.
    steps: how often one call repeats what was counted: tokens of decoding.
    calls: how often a run calls it.
    blocks: whether it scans over blocks; else `lower` heeds no number.
  """

  name: str
  lower: Callable[[int | None], Any]
  calls: int
  steps: int = 1
  blocks: bool = True


def of_run(
    config: ml_collections.ConfigDict,
    model_config: config_lib.TransformerConfig,
    mesh: jax.sharding.Mesh,
) -> list[Program]:
  """Returns the programs of a quickstart of `config.plan`'s size, and of its
  probes."""
  return [
      *_of_capture(config, model_config, mesh),
      *_of_sweep(config, model_config, mesh),
  ]


def _of_capture(config, model_config, mesh) -> list[Program]:
  p = config.plan
  rows = sharding.round_up_rows(mesh, config.batch)
  calls = -(-p.stories // rows)
  return [
      Program(
          'capture',
          lambda n: _capture(_of(model_config, n), mesh, rows, p.story_tokens),
          calls=calls,
      ),
      Program(
          'cell sums',
          lambda _: _cell_sums(
              model_config, mesh, rows, p.emotions * config.folds
          ),
          calls=calls,
          blocks=False,
      ),
      Program(
          'probe fit',
          lambda _: _probe_fit(model_config, mesh, p.emotions, config.folds),
          # XLA counts one evaluation at the start and one in the loop.
          steps=p.evaluations // 2,
          calls=p.fits,
          blocks=False,
      ),
  ]


def _of_sweep(config, model_config, mesh) -> list[Program]:
  p, new = config.plan, config.new_tokens
  rows = sharding.round_up_rows(mesh, config.sweep_batch)
  calls = -(-p.generations // rows)

  def decode(n: int | None) -> Any:
    steps = new if n is None else 1
    slots = p.prompt_tokens + new
    return _decode(
        _of(model_config, n), mesh, rows, slots, p.emotions, steps,
        float(config.temperature),
    )  # fmt: skip

  def with_prompts(lower):
    return lambda n: lower(
        _of(model_config, n), mesh, rows, p.prompt_tokens, new, p.emotions
    )

  return [
      Program('prefill', with_prompts(_prefill), calls=calls),
      Program('decode', decode, steps=new, calls=calls),
      Program('divergence', with_prompts(_divergence), calls=calls),
  ]


def _of(
    config: config_lib.TransformerConfig, blocks: int | None
) -> config_lib.TransformerConfig:
  """The model, or one of its first blocks alone, one after the other."""
  if blocks is None:
    return config
  return dataclasses.replace(
      config, num_layers=blocks, local=config.local[:blocks], unroll=True
  )


def _array(mesh, axes: str, shape: tuple[int, ...], dtype) -> Any:
  where = sharding.place(mesh, tuple(axes), shape)
  return jax.ShapeDtypeStruct(shape, dtype, sharding=where)


def _model(config, mesh):
  model = transformer.Transformer(config)
  return model, sharding.abstract_params(model, mesh)


def _capture(config, mesh, rows, width):
  model, params = _model(config, mesh)
  of = lambda dtype: _array(mesh, 'BT', (rows, width), dtype)
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
  of = lambda axes, *shape: _array(mesh, axes, shape, jnp.float32)

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
      _array(mesh, 'B', (rows,), jnp.int32),
  )


def _probe_fit(config, mesh, emotions, folds):
  """All layers, of a mean activation for each emotion and fold."""
  width = config.width
  layers_, examples = sharding.divisible(
      mesh, ('P', 'N'), (config.num_layers, emotions * folds)
  )
  of = lambda axes, *shape: _array(mesh, axes, shape, jnp.float32)
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
  labels = _array(mesh, 'N', (examples,), jnp.int32)
  weights = of('N', examples)
  return jax.jit(fit).lower(data, labels, weights, of('P', layers_), start)


def _interventions(config, mesh, rows, emotions) -> steering.Interventions:
  layers_, width = config.num_layers, config.width
  return steering.Interventions(
      directions=_array(mesh, '...', (emotions, layers_, width), jnp.float32),
      index=_array(mesh, 'B', (rows,), jnp.int32),
      strength=_array(mesh, 'B.', (rows, layers_), jnp.float32),
      tokens=_array(mesh, 'B.', (rows, 1), bool),
  )


def _cache(config, mesh, rows, slots) -> layers.Cache:
  return layers.cache_of(config, rows, slots, functools.partial(_array, mesh))


def _prefill(config, mesh, rows, prompt, new, emotions):
  model, params = _model(config, mesh)
  of = lambda dtype: _array(mesh, 'BT', (rows, prompt), dtype)
  steered = _interventions(config, mesh, rows, emotions)
  return generate.prefill.lower(
      model,
      params,
      of(jnp.int32),
      of(bool),
      _cache(config, mesh, rows, prompt + new),
      steered.for_tokens(of(bool)),
  )


def _decode(config, mesh, rows, slots, emotions, steps, temperature):
  model, params = _model(config, mesh)
  keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), rows))
  return generate.decode.lower(
      model,
      params,
      _cache(config, mesh, rows, slots),
      _array(mesh, 'BV', (rows, config.vocab_size), jnp.float32),
      jax.ShapeDtypeStruct(
          keys.shape,
          keys.dtype,
          sharding=sharding.place(mesh, ('B',), keys.shape),
      ),
      _interventions(config, mesh, rows, emotions),
      steps=steps,
      temperature=temperature,
      stop=(0,),
  )


def _divergence(config, mesh, rows, prompt, new, emotions):
  """Finished texts are read with and without steering."""
  model, params = _model(config, mesh)
  of = lambda dtype: _array(mesh, 'BT', (rows, prompt + new), dtype)
  steered = _interventions(config, mesh, rows, emotions)
  return generate.divergence.lower(
      model,
      params,
      _cache(config, mesh, rows, prompt + new),
      of(jnp.int32),
      of(bool),
      steered.for_tokens(of(bool)),
      first=prompt,
  )
