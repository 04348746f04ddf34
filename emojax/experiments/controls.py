"""What a reply depends on that can be set anew for every reply."""

from collections.abc import Mapping
import dataclasses
import math
from typing import Any

from emojax import errors
from emojax import positions

MOST = 4  # Directions at once.
_MOST_SEED = 2**32 - 1
_KINDS = {
    str: 'a text',
    float: 'a number',
    int: 'a whole number',
    tuple: 'a list of whole numbers',
}


@dataclasses.dataclass(frozen=True)
class Controls:
  """All that a reply to a chat depends on, but for the model and the vectors.

  Attributes:
    steer: 'happy:0.1,calm:-0.05': directions, each with its strength, a
      fraction of the mean residual norm. A direction is an emotion of the
      vectors, or a control, `random_0` or `shuffled_0`. '': unsteered.
    layers: that are steered; the vectors' own if ().
    positions: a rule of `positions`.
    temperature: of the softmax; 0 for the likeliest token.
    top_p: as of `sampling.Sampling`.
    seed: of the reply.
    new_tokens: of the reply, at most.
  """

  steer: str = ''
  layers: tuple[int, ...] = ()
  positions: str = 'all'
  temperature: float = 0.0
  top_p: float = 1.0
  seed: int = 0
  new_tokens: int = 96

  def strengths(self) -> dict[str, float]:
    """The strength of each direction.

    Raises:
      InputError: `steer` is not a list of these.
    """
    found: dict[str, float] = {}
    for part in self.steer.split(',') if self.steer else ():
      name, _, number = part.strip().rpartition(':')
      try:
        strength = float(number)
      except ValueError:
        strength = math.nan
      if not name or not math.isfinite(strength) or name in found:
        raise errors.InputError(
            f'steer={self.steer!r}: give distinct directions, each with a'
            f' finite strength, such as happy:0.1,calm:-0.05.'
        )
      found[name] = strength
    return found

  def as_json(self) -> dict[str, Any]:
    """Returns what `of_json` takes."""
    return dataclasses.asdict(self) | {'layers': list(self.layers)}


def of_json(given: Any) -> Controls:
  """Reads controls that came as JSON.

  Raises:
    InputError: a control that there is none of, or of another type.
  """
  if not isinstance(given, Mapping):
    raise errors.InputError('The controls must be a JSON object.')
  known = {field.name: field.default for field in dataclasses.fields(Controls)}
  own = {}
  for name, value in given.items():
    if name not in known:
      raise errors.InputError(
          f'{name}: there is no such control; give some of {", ".join(known)}.'
      )
    own[name] = _typed(name, value, type(known[name]))
  return Controls(**own)


def _typed(name: str, value: Any, kind: type) -> Any:
  """The value as its control has it; a bool is no number."""
  good = type(value) is kind
  if kind is float:
    good = type(value) in (int, float)
  elif kind is tuple:
    good = isinstance(value, list) and all(type(x) is int for x in value)
  if not good:
    raise errors.InputError(f'{name}={value!r}: must be {_KINDS[kind]}.')
  try:
    return kind(value)
  except OverflowError as error:  # JSON has whole numbers of any length.
    raise errors.InputError(f'{name}: must be {_KINDS[kind]}.') from error


def check(controls: Controls) -> None:
  """Refuses what no model and no vectors can be steered by.

  Raises:
    InputError: says which control, and what to give.
  """
  count = len(controls.strengths())
  if count > MOST:
    raise errors.InputError(
        f'steer: {count} directions at once; give at most {MOST}.'
    )
  positions.parse(controls.positions)
  if not 0 <= controls.temperature < math.inf:
    raise errors.InputError(
        f'temperature={controls.temperature}: must be 0 or more, and finite.'
    )
  if not 0 < controls.top_p <= 1:
    raise errors.InputError(
        f'top_p={controls.top_p}: must be above 0, and 1 or less.'
    )
  if not 0 <= controls.seed <= _MOST_SEED:
    raise errors.InputError(
        f'seed={controls.seed}: must be from 0 to {_MOST_SEED}.'
    )
  if controls.new_tokens < 1:
    raise errors.InputError(
        f'new_tokens={controls.new_tokens}: must be 1 or more.'
    )
