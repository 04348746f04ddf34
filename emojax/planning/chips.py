"""What a TPU chip can do, and the slices that it comes in."""

from collections.abc import Iterator
import dataclasses
import math
import os
import re
from typing import Any

import jax

from emojax import errors
from emojax.models import sharding


@dataclasses.dataclass(frozen=True)
class Chip:
  """Published numbers of a chip (Cloud TPU documentation, system architecture).

  Attributes:
    flops: bfloat16, a second.
    bandwidth: of its memory, bytes a second.
    interconnect: of all its links together, bytes a second.
    memory: bytes that the compiler lets a program have.
    slices: topologies, from small to large.
    options: what `get_topology_desc` wants to know besides.
  """

  flops: float
  bandwidth: float
  interconnect: float
  memory: float
  slices: tuple[str, ...]
  options: tuple[tuple[str, str], ...] = ()


_FLAT = ('2x2', '2x4', '4x4', '4x8', '8x8', '8x16', '16x16')
_CUBES = ('2x2x1', '2x2x2', '2x2x4', '2x4x4', '4x4x4', '4x4x8', '4x8x8')
_GIB = 2**30
CHIPS = {
    'v4': Chip(
        275e12,
        1228e9,
        300e9,
        30.75 * _GIB,
        _CUBES,
        (('chip_config_name', 'megacore'),),
    ),
    'v5e': Chip(197e12, 819e9, 200e9, 15.75 * _GIB, _FLAT),
    'v5p': Chip(459e12, 2765e9, 600e9, 95.73 * _GIB, _CUBES),
    'v6e': Chip(918e12, 1640e9, 448e9, 31.24 * _GIB, _FLAT),
}

# Silence: nobody asks a metadata server or writes logs, and two plans at once
# do not lock each other out.
_ENVIRONMENT = {
    'TPU_SKIP_MDS_QUERY': '1',
    'TPU_ACCELERATOR_TYPE': 'v5litepod-16',
    'TPU_WORKER_HOSTNAMES': 'localhost',
    'TPU_WORKER_ID': '0',
    'TPU_LOG_DIR': 'disabled',
    'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
}


def parse(name: str) -> tuple[Chip, str]:
  """Splits 'v5e:4x4' into the chip and its kind.

  Raises:
    InputError: there is no such kind, or it is not written so.
  """
  match = re.fullmatch(r'(\w+):(\d+x\d+(?:x\d+)?)', name)
  if not match or match[1] not in CHIPS:
    raise errors.InputError(
        f'--topology={name}: give KIND:SIZE such as v5e:4x4 or v5p:2x2x4; kinds'
        f' are {", ".join(CHIPS)}.'
    )
  return CHIPS[match[1]], match[1]


def devices(name: str) -> list[Any]:
  """Returns the devices of a topology, which can be compiled for, not run on.

  Raises:
    InputError: there is no compiler for TPUs, or no such topology.
  """
  chip, _ = parse(name)
  for key, value in _ENVIRONMENT.items():
    os.environ.setdefault(key, value)
  # Here: only a plan needs it, and it looks for libtpu.
  from jax.experimental import topologies

  try:
    found = topologies.get_topology_desc(
        platform='tpu', topology_name=name, **dict(chip.options)
    )
  except Exception as error:  # Of several kinds, all of them the compiler's.
    line = str(error).strip().splitlines()[0]
    raise errors.InputError(
        f'--topology={name}: {line} (The compiler for TPUs comes with'
        " pip install 'emojax[tpu]'.)"
    ) from error
  return found.devices


def mesh(name: str, data: int, model: int, fsdp: int) -> jax.sharding.Mesh:
  """Arranges a topology's devices as a run would."""
  return sharding.make_mesh(data, model, fsdp, devices(name))


def at_least(name: str) -> Iterator[str]:
  """Yields the slices of the same chip that have as many chips or more."""
  chip, kind = parse(name)
  count = chip_count(name)
  for size in chip.slices:
    if chip_count(size) >= count:
      yield f'{kind}:{size}'


def chip_count(name: str) -> int:
  """Counts the chips of 'v5e:4x4' or '4x4'."""
  return math.prod(int(n) for n in name.rpartition(':')[2].split('x'))
