"""What a config crosses: its grid, and the directions that it steers with."""

from collections.abc import Sequence
import math
import numbers
from typing import Any

from absl import logging
import ml_collections
import numpy as np

from emojax import errors
from emojax import positions
from emojax import steering
from emojax.experiments import limits
from emojax.experiments import sweep_grid

_OPERATIONS = ('add', 'ablate')
# The least that each can be.
_LEAST = {'random_directions': 0, 'shuffled_directions': 0, 'samples': 1}


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses a grid that no model can be steered by."""
  limits.check(config, _LEAST)
  limits.check_seed(config)
  limits.check_sampling(config)
  strengths = tuple(config.strengths)
  good = all(
      isinstance(x, numbers.Real) and math.isfinite(x) and x for x in strengths
  )
  if not good or not strengths or len(set(strengths)) < len(strengths):
    raise errors.InputError(
        f'config.strengths={strengths}: give distinct numbers, none 0'
        ' (unsteered rows are always added).'
    )
  operations = tuple(config.operations)
  if not operations or set(operations) - set(_OPERATIONS):
    raise errors.InputError(
        f'config.operations={operations}: must be some of'
        f' {", ".join(_OPERATIONS)}.'
    )
  if not config.positions:
    raise errors.InputError('config.positions=(): give a rule or more.')
  for rule in config.positions:
    positions.parse(rule)


def check_directions(
    config: ml_collections.ConfigDict, emotions: Sequence[str], num_layers: int
) -> None:
  """Refuses layers and directions that the model or its vectors lack."""
  for layers in _layers(config, 0):
    for layer in layers:
      steering.check_layer(layer, num_layers)
  check_names(config.directions, emotions)


def check_names(directions: Sequence[str], emotions: Sequence[str]) -> None:
  """Refuses a direction that is no emotion, nor several joined by `+`."""
  for direction in directions:
    parts = direction.split('+')
    for name in parts:
      if name not in emotions or parts.count(name) > 1:
        raise errors.InputError(
            f'A direction is called {direction!r}'
            f'{_meant(direction, emotions)}; it must be one of'
            f' {", ".join(emotions)}, or several distinct ones joined by "+".'
        )


def _meant(direction: str, emotions: Sequence[str]) -> str:
  parts = tuple(part.strip() for part in direction.split(','))
  if len(parts) > 1 and set(parts) <= set(emotions):
    return f' (several are written "{parts}")'
  return errors.did_you_mean(direction, emotions)


def _layers(
    config: ml_collections.ConfigDict, layer: int
) -> tuple[tuple[int, ...], ...]:
  """Layers and bands; the vectors' own layer if none is given."""
  single = config.layers or (() if config.bands else (layer,))
  bands = tuple(tuple(range(a, b + 1)) for a, b in config.bands)
  return tuple((x,) for x in single) + bands


def of_config(
    config: ml_collections.ConfigDict,
    arrays: dict[str, np.ndarray],
    metadata: dict[str, Any],
) -> sweep_grid.Grid:
  """What the config crosses, and its controls."""
  shuffled = min(config.shuffled_directions, len(arrays['shuffled']))
  if config.shuffled_directions and not shuffled:
    logging.warning(
        'these vectors come without vectors of shuffled labels: random'
        ' directions are the only control.'
    )
  layers = _layers(config, metadata['layer'])
  steering.check_directed(arrays['vectors'], sorted({*sum(layers, ())}))
  return sweep_grid.Grid(
      directions=tuple(config.directions or metadata['emotions']),
      operations=tuple(config.operations),
      layers=layers,
      strengths=tuple(config.strengths),
      positions=tuple(config.positions),
      seeds=tuple(range(config.seed, config.seed + config.samples)),
      random=tuple(f'random_{i}' for i in range(config.random_directions)),
      shuffled=tuple(f'shuffled_{i}' for i in range(shuffled)),
      opposite=config.opposite,
  )


def bank_of(
    grid: sweep_grid.Grid,
    arrays: dict[str, np.ndarray],
    metadata: dict[str, Any],
    seed: int,
) -> tuple[dict[str, int], np.ndarray]:
  """All directions, each as long as its layer's mean residual norm.

  Returns:
    The index of each by name, and the bank [E', L, D].
  """
  _, num_layers, width = arrays['vectors'].shape
  names = (*metadata['emotions'], *grid.random, *grid.shuffled)
  bank = np.concatenate(
      [
          arrays['vectors'],
          steering.random_directions(seed, len(grid.random), num_layers, width),
          arrays['shuffled'][: len(grid.shuffled)],
      ]
  )
  layers = sorted({*sum(grid.layers, ())})
  bank = steering.scaled_directions(bank, arrays['resid_norm'], layers)
  return {name: i for i, name in enumerate(names)}, bank
