"""Whether settings of a capture can work, before anything is computed."""

import ml_collections

from emojax import errors
from emojax import steering
from emojax.data import stories as stories_lib
from emojax.experiments import limits

# The least that each can be.
_LEAST = {
    'start': 0,
    'batch': 1,
    'chunk': 1,
    'folds': 0,
    'neutral_rows': 0,
    'neutral_dialogues': 0,
    'sketch': 1,
    'shuffles': 2,
    'standard_dialogues': 2,
    'neutral_variance': 0,
}
_UNITS = ('story', 'cell')
_MIN_DIALOGUES = 2  # A baseline has a spread.


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses settings that no model and no corpus can work with."""
  limits.check(config, _LEAST)
  if config.unit not in _UNITS or config.folds == 1:
    raise errors.InputError(
        f'config.unit={config.unit!r}, config.folds={config.folds}: the unit is'
        f' one of {", ".join(_UNITS)}; folds are 0 or at least 2.'
    )
  if config.neutral_variance >= 1:
    raise errors.InputError(
        f'config.neutral_variance={config.neutral_variance}: must be below 1.'
    )


def check_corpus(
    config: ml_collections.ConfigDict,
    dialogues: tuple[stories_lib.Dialogue, ...],
) -> None:
  """Refuses a corpus that is too small."""
  if len(dialogues) < _MIN_DIALOGUES:
    raise errors.InputError(
        f'config.neutral={config.neutral}: {len(dialogues)} dialogue(s); give'
        f' at least {_MIN_DIALOGUES}.'
    )


def check_layers(config: ml_collections.ConfigDict, num_layers: int) -> None:
  """Refuses a layer that a model does not have."""
  chosen = () if config.layer is None else (config.layer,)
  for layer in (*chosen, *config.keep_layers):
    steering.check_layer(layer, num_layers)
