"""What a program costs: compiled for a topology, counted, and estimated."""

from collections.abc import Mapping
import dataclasses
import math
import re
import time
from typing import Any

import jax

from emojax.planning import chips
from emojax.planning import program as program_lib

_COLLECTIVES = (
    'all-reduce',
    'all-gather',
    'reduce-scatter',
    'all-to-all',
    'collective-permute',
)


class DoesNotFit(Exception):
  """The compiler refused a program for its memory.

  Attributes:
    buffers: the largest, in words.
  """

  def __init__(self, message: str, buffers: list[str]):
    super().__init__(message)
    self.buffers = buffers


@dataclasses.dataclass(frozen=True)
class Counts:
  """Work of one chip.

  Attributes:
    flops: floating-point operations.
    bytes: read from and written to its memory.
    collectives: of each kind the bytes that come out of it.
  """

  flops: float
  bytes: float
  collectives: Mapping[str, float]

  def plus(self, other: 'Counts', times: float) -> 'Counts':
    """Returns self + times * other."""
    kinds = {*self.collectives, *other.collectives}
    return Counts(
        self.flops + times * other.flops,
        self.bytes + times * other.bytes,
        {
            kind: self.collectives.get(kind, 0)
            + times * other.collectives.get(kind, 0)
            for kind in sorted(kinds)
        },
    )


@dataclasses.dataclass(frozen=True)
class Cost:
  """A program on a chip; bytes are of one chip, seconds of one call."""

  name: str
  arguments: int
  outputs: int
  temporaries: int
  peak: int
  counts: Counts
  compile_seconds: float
  seconds: Mapping[str, float]
  calls: int

  @property
  def bound(self) -> str:
    return max(self.seconds, key=self.seconds.get)

  @property
  def run_seconds(self) -> float:
    return self.calls * max(self.seconds.values())


def of_program(
    program: program_lib.Program, num_layers: int, chip: chips.Chip
) -> Cost:
  """Compiles a program whole, for its memory, and short, for its work.

  XLA counts what is scanned once. So programs of one and of two blocks, one
  after the other, are counted too: L blocks cost the first, and L - 1 times
  what the second adds. Where loops cannot be unrolled, the program says what
  they do beside (`also`).

  Raises:
    DoesNotFit: it needs more memory than the chip has.
  """
  start = time.monotonic()
  compiled = _compile(program.lower(None))
  elapsed = time.monotonic() - start
  memory = compiled.memory_analysis()
  if program.blocks:
    one, two = (count(_compile(program.lower(n))) for n in (1, 2))
    whole = one.plus(two.plus(one, -1), num_layers - 1)
  elif program.itself:
    whole = count(compiled)
  else:
    whole = Counts(0, 0, {})
  for lower, times in program.also:
    if times:
      whole = whole.plus(count(_compile(lower())), times)
  counts = whole.plus(whole, program.steps - 1)
  return Cost(
      name=program.name,
      arguments=memory.argument_size_in_bytes,
      outputs=memory.output_size_in_bytes - memory.alias_size_in_bytes,
      temporaries=memory.temp_size_in_bytes,
      peak=memory.argument_size_in_bytes
      + memory.output_size_in_bytes
      - memory.alias_size_in_bytes
      + memory.temp_size_in_bytes,
      counts=counts,
      compile_seconds=elapsed,
      seconds=roofline(counts, chip),
      calls=program.calls,
  )


def roofline(counts: Counts, chip: chips.Chip) -> dict[str, float]:
  """The least seconds that each part of the chip needs (Williams, Waterman and
  Patterson 2009, "Roofline")."""
  return {
      'compute': counts.flops / chip.flops,
      'memory': counts.bytes / chip.bandwidth,
      'interconnect': sum(counts.collectives.values()) / chip.interconnect,
  }


def count(compiled: Any) -> Counts:
  """Counts a compiled program, in which what is scanned counts once."""
  analysis = compiled.cost_analysis()
  return Counts(
      float(analysis.get('flops', 0)),
      float(analysis.get('bytes accessed', 0)),
      collectives(compiled.as_text()),
  )


def collectives(text: str) -> dict[str, float]:
  """Adds up the bytes that each kind of collective of an HLO text puts out."""
  total: dict[str, float] = {}
  kinds = '|'.join(_COLLECTIVES)
  seen = set()
  for line in text.splitlines():
    match = re.search(rf'= (.*?) ({kinds})(-start)?\(', line)
    # One that is spread over a chain of others' work is in every link of it.
    chain = re.search(r'channel_id=(\d+).*chain_id="(\d+)"', line)
    if match and (chain is None or chain.groups() not in seen):
      seen.add(chain and chain.groups())
      shapes = re.findall(r'(\w+)\[([\d,]*)\]', match[1])
      sizes = [_size(*shape) for shape in shapes]
      # A start puts out what goes in, too.
      size = sizes[-1] if match[3] and len(sizes) > 1 else sum(sizes)
      total[match[2]] = total.get(match[2], 0) + size
  return total


def _size(kind: str, dimensions: str) -> int:
  numbers = [int(n) for n in dimensions.split(',') if n]
  return math.ceil(_width(kind) * math.prod(numbers))


def check_fits(program: program_lib.Program) -> None:
  """Compiles a program whole.

  Raises:
    DoesNotFit: it needs more memory than the chip has.
  """
  _compile(program.lower(None))


def _compile(lowered: Any) -> Any:
  try:
    return lowered.compile()
  except jax.errors.JaxRuntimeError as error:
    text = str(error)
    if 'RESOURCE_EXHAUSTED' not in text and 'Ran out of memory' not in text:
      raise
    found = largest_buffers(text) or largest_arrays(lowered.as_text())
    raise DoesNotFit(text.splitlines()[0], found) from error


def largest_buffers(text: str, most: int = 3) -> list[str]:
  """Reads the largest buffers out of the compiler's refusal."""
  found = re.findall(
      r'Size: ([\d.]+[KMGT]?)\n(?:\s+(?!Size:).*\n)*?\s+Shape: ([^\s{]+)', text
  )
  return [f'{shape} {size}' for size, shape in found[:most]]


def largest_arrays(text: str, most: int = 3) -> list[str]:
  """Reads the largest arrays out of a program that is not yet compiled.

  For a refusal that names no buffers. The arrays are those of all chips.
  """
  sizes = {}
  for shape, kind in re.findall(r'tensor<((?:\d+x)+)(\w+)>', text):
    size = math.prod(int(n) for n in shape.split('x')[:-1])
    sizes[f'{kind}[{shape[:-1].replace("x", ",")}]'] = size * _width(kind)
  largest = sorted(sizes, key=sizes.get, reverse=True)[:most]
  return [f'{x} {sizes[x] / 2**30:.2f}G on all chips' for x in largest]


def _width(kind: str) -> float:
  """Bytes of an element: of 'bf16' 2."""
  bits = re.search(r'\d+$', kind)
  return int(bits[0]) / 8 if bits else 1
