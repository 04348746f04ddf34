r"""Compiles the programs of a run for a TPU slice, without a TPU.

Says what memory they need, what they do, and how long that takes at least.
Needs the compiler: pip install 'emojax[tpu]'.

  python -m launch.plan --config=configs/gemma3_27b.py --topology=v5e:4x4

Exits with 3 if a program does not fit, naming the smallest slice that it does.
"""

import dataclasses
import os
import pathlib
import sys

os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # Before JAX looks for a TPU.

from absl import app
from absl import flags
import jax.numpy as jnp
from ml_collections import config_flags

from emojax import errors
from emojax import files
from emojax.models import config_json
from emojax.planning import chips
from emojax.planning import costs
from emojax.planning import programs
from emojax.planning import published

_CONFIG = config_flags.DEFINE_config_file('config', help_string='The run.')
_TOPOLOGY = flags.DEFINE_string('topology', None, 'Such as v5e:4x4.')
_MODEL_CONFIG = flags.DEFINE_string(
    'model_config', None, "The model's config.json, if it is not known."
)
_JSON = flags.DEFINE_string('json', None, 'File that the numbers go to.')
_ROW = '{:<11}{:>9}{:>9}{:>9}{:>10}{:>10}{:>10}{:>9}  {}'


def main(arguments: list[str]) -> int:
  if len(arguments) > 1 or _CONFIG.value is None or _TOPOLOGY.value is None:
    raise errors.InputError('Give --config=configs/NAME.py --topology=v5e:4x4.')
  config, topology = _CONFIG.value, _TOPOLOGY.value
  if 'plan' not in config:
    raise errors.InputError(
        'The config says nothing of the size of the run (config.plan); take'
        ' configs/gemma3_27b.py as a pattern.'
    )
  if config.dtype not in ('bfloat16', 'int8'):
    raise errors.InputError(
        f'config.dtype={config.dtype!r}: plan for bfloat16 or int8.'
    )
  model = dataclasses.replace(
      config_json.read(model_json(config.model)),
      dtype=jnp.bfloat16,
      int8=config.dtype == 'int8',
  )
  try:
    found = plan(config, model, topology)
  except costs.DoesNotFit as error:
    print(f'{topology} is too small: {error}')
    for buffer in error.buffers:
      print(f'  large: {buffer}')
    print(f'The smallest that fits: {smallest(config, model, topology)}.')
    return 3
  report(topology, found)
  if _JSON.value:
    write(_JSON.value, config, topology, found)
  return 0


def model_json(uri: str) -> dict:
  """Finds the model's config.json without its weights."""
  if _MODEL_CONFIG.value:
    return files.read_json(_MODEL_CONFIG.value)
  if uri in published.CONFIGS:
    return published.CONFIGS[uri]
  path = pathlib.Path(uri) / 'config.json'
  if path.exists():
    return files.read_json(path)
  raise errors.InputError(
      f'config.model={uri}: its shape is not known here; give'
      ' --model_config=FILE, its config.json.'
  )


def plan(config, model, topology: str) -> list[costs.Cost]:
  """Compiles and counts every program."""
  chip, _ = chips.parse(topology)
  mesh = chips.mesh(topology, **config.mesh)
  return [
      costs.of_program(program, model.num_layers, chip)
      for program in programs.of_run(config, model, mesh)
  ]


def smallest(config, model, topology: str) -> str:
  """Names the first slice that everything fits, and the mesh that it takes.

  On each with the config's own mesh, where a chip of a larger slice has fewer
  rows, and with the weights cut over all data devices as well.
  """
  own = config.mesh.to_dict()
  cut = own | {'data': 1, 'fsdp': -1}
  for slice_ in chips.at_least(topology):
    for mesh in [own, cut] if cut != own else [own]:
      if mesh == own and slice_ == topology:
        continue  # That is what was refused.
      try:
        placed = chips.mesh(slice_, **mesh)
        for program in programs.of_run(config, model, placed):
          costs.check_fits(program)
      except (costs.DoesNotFit, errors.InputError):
        continue
      changed = [
          f' --config.mesh.{name}={size}'
          for name, size in mesh.items()
          if size != own[name]
      ]
      return f'--topology={slice_}{"".join(changed)}'
  return 'none of this chip; give a larger config.mesh.model or smaller batches'


def write(path: str, config, topology: str, found: list[costs.Cost]) -> None:
  """Writes the numbers for programs to read."""
  chip, _ = chips.parse(topology)
  mesh = chips.mesh(topology, **config.mesh)
  seconds = sum(cost.run_seconds for cost in found)
  files.write_json(
      path,
      {
          'model': config.model,
          'dtype': config.dtype,
          'topology': topology,
          'chips': chips.chip_count(topology),
          'mesh': dict(mesh.shape),
          'memory': chip.memory,
          'seconds': seconds,
          'programs': [
              dataclasses.asdict(cost) | {'bound': cost.bound} for cost in found
          ],
      },
  )


def report(topology: str, found: list[costs.Cost]) -> None:
  """Prints a line a program and what the whole run comes to."""
  chip, _ = chips.parse(topology)
  count = chips.chip_count(topology)
  gib = lambda size: f'{size / 2**30:.2f}'
  print(
      f'{topology}: {count} chips of {gib(chip.memory)} GiB. Memory in GiB and'
      ' work are of one chip and one call.'
  )
  print(
      _ROW.format(
          'program', 'args', 'temps', 'peak', 'TFLOP', 'GB moved', 'GB sent',
          's >=', 'bound, calls, compiled in',
      )  # fmt: skip
  )
  for cost in found:
    sent = sum(cost.counts.collectives.values())
    kinds = ', '.join(
        f'{kind} {size / 1e9:.2f} GB'
        for kind, size in cost.counts.collectives.items()
        if size >= 1e7
    )
    print(
        _ROW.format(
            cost.name,
            gib(cost.arguments),
            gib(cost.temporaries),
            gib(cost.peak),
            f'{cost.counts.flops / 1e12:.2f}',
            f'{cost.counts.bytes / 1e9:.1f}',
            f'{sent / 1e9:.2f}',
            f'{max(cost.seconds.values()):.4f}',
            f'{cost.bound}, {cost.calls}, {cost.compile_seconds:.0f} s'
            f'{" (" + kinds + ")" if kinds else ""}',
        )
    )
  hours = sum(cost.run_seconds for cost in found) / 3600
  print(
      f'The run takes at least {hours:.2f} hours, {hours * count:.1f}'
      ' chip-hours, if nothing is ever idle (roofline).'
  )


def _main(arguments: list[str]) -> None:
  try:
    sys.exit(main(arguments))
  except errors.InputError as error:
    print(f'plan: {" ".join(str(error).split())}', file=sys.stderr)
    sys.exit(2)


if __name__ == '__main__':
  app.run(_main)
