"""What can be given to the provider with `-M NAME=VALUE`."""

from collections.abc import Mapping, Sequence
import dataclasses
import math
import numbers
from typing import Any

from emojax import errors
from emojax import positions
from emojax.models import load

# Of strengths and of readings.
UNIT = 'fraction of the mean residual norm'
_OPERATIONS = ('add', 'ablate')
# What is given for steering, and means nothing without vectors.
_STEER = ('emotion', 'strength', 'layer', 'layers', 'operation', 'positions')


@dataclasses.dataclass(frozen=True)
class Arguments:
  """What can be given with `-M NAME=VALUE`.

  Attributes:
    vectors: a file of vectors; '' for a model that is not steered.
    emotion: of those in the file, several joined by '+'; or `random_0` or
      `shuffled_0`, a control; '' to read only.
    strength: fraction of the mean residual norm at the layer.
    layer: that is steered; the vectors' own if neither it nor `layers` is.
    layers: first and last of a band, 'A-B', that is steered together.
    operation: 'add' or 'ablate'.
    positions: a rule of `positions`.
    dtype: of the weights; that of the vectors, or of the config, if ''.
    batch: replies that are written at once.
    seed: of the texts, and of random directions.
    read: whether every reply comes with its mean reading of each emotion.
  """

  vectors: str = ''
  emotion: str = ''
  strength: float | None = None
  layer: int | None = None
  layers: str = ''
  operation: str = 'add'
  positions: str = 'all'
  dtype: str = ''
  batch: int = 32
  seed: int = 0
  read: bool = False


def parse(given: Mapping[str, Any]) -> Arguments:
  """Reads arguments, and refuses what no model can be steered by.

  Raises:
    InputError: there is none of that name, or it cannot have that value.
  """
  known = {field.name: field for field in dataclasses.fields(Arguments)}
  for name in given:
    if name not in known:
      raise errors.InputError(
          f'-M {name}: there is no such argument; give some of'
          f' {", ".join(known)}.'
      )
  named = {
      name: _typed(name, value, known[name].default)
      for name, value in given.items()
      if value is not None
  }
  arguments = Arguments(**named)
  if arguments.batch < 1:
    raise errors.InputError(f'-M batch={arguments.batch}: must be 1 or more.')
  if arguments.seed < 0:
    raise errors.InputError(f'-M seed={arguments.seed}: must be 0 or more.')
  if arguments.dtype and arguments.dtype not in load.DTYPES:
    raise errors.InputError(
        f'-M dtype={arguments.dtype}: must be one of'
        f' {", ".join(load.DTYPES)}.'
    )
  _check_steering(arguments, [name for name in _STEER if name in named])
  return arguments


def _typed(name: str, value: Any, default: Any) -> Any:
  """The value as the argument's type, however the command line wrote it."""
  if isinstance(default, bool):
    good, kind = value in (0, 1), 'must be 0 or 1'
    value = value == 1 if good else value
  elif name in ('layer', 'batch', 'seed'):
    good, kind = type(value) is int, 'must be a whole number'
  elif name == 'strength':
    good = isinstance(value, numbers.Real) and not isinstance(value, bool)
    good = good and math.isfinite(value)
    kind = f'must be a finite number, a {UNIT}'
  else:
    good, kind = isinstance(value, str | int), 'must be a text'
    value = str(value)
  if not good:
    raise errors.InputError(f'-M {name}={value}: {kind}.')
  return value


def _check_steering(arguments: Arguments, given: Sequence[str]) -> None:
  """Refuses steering that lacks a part, or has one too many."""
  if not arguments.vectors:
    if given or arguments.read:
      name = given[0] if given else 'read'
      raise errors.InputError(
          f'-M {name} needs vectors; give -M vectors=FILE, the'
          ' vectors.safetensors of a run.'
      )
    return
  if arguments.operation not in _OPERATIONS:
    raise errors.InputError(
        f'-M operation={arguments.operation}: must be one of'
        f' {", ".join(_OPERATIONS)}.'
    )
  positions.parse(arguments.positions)
  if not arguments.emotion:
    if given or not arguments.read:
      raise errors.InputError(
          '-M vectors needs an emotion to steer with; give -M emotion=NAME, or'
          ' -M read=1 alone to read without steering.'
      )
    return
  adds = arguments.operation == 'add'
  if adds and arguments.strength is None:
    raise errors.InputError(
        f'-M emotion needs a strength; give -M strength=0.1, a {UNIT}.'
    )
  if not adds and arguments.strength is not None:
    raise errors.InputError(
        '-M strength: ablation has none, it takes the whole direction out;'
        ' leave it out or give -M operation=add.'
    )
  if arguments.layers and arguments.layer is not None:
    raise errors.InputError('-M layer and -M layers: give one of them.')
