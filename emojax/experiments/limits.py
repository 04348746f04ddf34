"""What settings of a config can be, whichever experiment it is of."""

from collections.abc import Mapping, Sequence
import math

import ml_collections

from emojax import errors

_MOST_SEED = 2**32 - 1


def check(
    config: ml_collections.ConfigDict,
    least: Mapping[str, float],
    section: str = '',
) -> None:
  """Refuses a field that is less than it can be, or not finite.

  Args:
    config: of the run.
    least: of some of its fields, or of those of a section.
    section: its name; '' for the config itself.
  """
  own = config[section] if section else config
  for name, bound in least.items():
    # Not `value < bound`, which a NaN passes.
    if not bound <= own[name] < math.inf:
      finite = ', and finite' if isinstance(own[name], float) else ''
      place = f'{section}.{name}' if section else name
      raise errors.InputError(
          f'config.{place}={own[name]}: must be {bound} or more{finite}.'
      )


def check_seed(config: ml_collections.ConfigDict) -> None:
  """Refuses a seed that not all generators take."""
  check(config, {'seed': 0})
  if config.seed > _MOST_SEED:
    raise errors.InputError(
        f'config.seed={config.seed}: must be {_MOST_SEED} or less.'
    )


def check_sampling(config: ml_collections.ConfigDict) -> None:
  """Refuses what no token can be drawn with."""
  check(config, {'temperature': 0, 'top_k': 0})
  if not 0 < config.top_p <= 1:
    raise errors.InputError(
        f'config.top_p={config.top_p}: must be above 0, and 1 or less.'
    )


def chosen(
    config: ml_collections.ConfigDict, field: str, known: Sequence[str]
) -> list[str]:
  """Returns the names that `config[field]` lists, all if none, in their order.

  Raises:
    InputError: one is not known.
  """
  for name in config[field]:
    if name not in known:
      raise errors.InputError(
          f'config.{field} has {name!r}: must be some of {", ".join(known)}.'
      )
  return [name for name in known if name in (config[field] or known)]
