"""Can one probe read an emotion that is shown, hidden or not expressed?"""

from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np

from emojax import errors
from emojax.experiments import limits
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib
from emojax.experiments.measures import mixed_fits
from emojax.experiments.measures import mixed_items
from emojax.models import load

NAME = mixed_items.NAME
FILES = {
    'scenarios': 'scenarios',
    'asides': 'asides',
    'dialogues': 'deflection',
}
# In the order of the numbers; what the paper's probe reads best is the last.
_LABELS = {
    'hidden': 'Hidden behind another',
    'neutral': 'Not expressed, neutral topic',
    'story_writing': 'Not expressed, writing prose',
    'discussing_others': 'Not expressed, speaking of others',
    'natural': 'Expressed in stories',
    'unexpressed': 'Not expressed, all three',
}
_INTERVAL = '95 % bootstrap over scenarios, dialogues or topics'


def prepare(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    emotions: Sequence[str],
) -> mixed_items.Encoded:
  """Loads scenarios and dialogues, and puts them together."""
  limits.check(
      config,
      {
          'folds': 2,
          'repeats': 2,
          'per_emotion': 0,
          'stories': 1,
          'shuffles': 2,
          'layers': 1,
      },
      NAME,
  )
  own = config.mixed_probe
  if own.repeats > own.folds:
    raise errors.InputError(
        f'config.mixed_probe.repeats={own.repeats}: must be no more than'
        f' config.mixed_probe.folds={own.folds}.'
    )
  penalties = tuple(own.inverse_penalties)
  if not penalties or not all(0 < c < np.inf for c in penalties):
    raise errors.InputError(
        f'config.mixed_probe.inverse_penalties={penalties}: give numbers above'
        ' 0, all finite.'
    )
  return mixed_items.load_all(config, lm, emotions)


def run(study: study_lib.Study, encoded: mixed_items.Encoded) -> dict[str, Any]:
  """Fits probes to parts of all conditions, and to stories alone."""
  if len(encoded.emotions) < mixed_items.MIN_EMOTIONS:
    return {
        'absent': 'config.mixed_probe has scenarios and dialogues of fewer than'
        f' {mixed_items.MIN_EMOTIONS} emotions that have a vector; give more.'
    }
  own, at = study.config.mixed_probe, study.layer
  data = mixed_fits.data_of(study, encoded)
  items = data.items
  here, words = (
      mixed_fits.put(study, data.size, x)
      for x in (data.blocks[:, [at]], data.embed[:, None])
  )
  splits = mixed_fits.splits(study, items)
  found = {
      split: mixed_fits.of_split(study, data, here, words, parts)
      for split, parts in splits.items()
  }
  spread = np.linspace(0, data.blocks.shape[1] - 1, own.layers).astype(int)
  layers = sorted({at, *spread.tolist()})
  guesses = mixed_fits.guesses(
      mixed_fits.put(study, data.size, data.blocks[:, layers]),
      items.label,
      splits['unseen'],
  )
  transfers = mixed_fits.transfers(study, data)
  return {
      'layer': at,
      'emotions': encoded.emotions,
      'chance': 1 / data.size,
      'folds': own.folds,
      'penalties': list(own.inverse_penalties),
      'conditions': _LABELS,
      'splits': found,
      'layers': [
          {'layer': layer}
          | mixed_fits.shares(study, guess == items.label, items)
          for layer, guess in zip(layers, guesses, strict=True)
      ],
      'transfer': transfers,
      'numbers': _numbers(found, transfers, data.size),
  }


def _numbers(found, transfers, size) -> list[numbers_lib.Number]:
  """What is told of texts that share nothing with those a probe has seen."""
  unseen, seen = found['unseen'], found['scenario_seen']
  away = transfers['centred']
  number = lambda id_, name, label, of, note: _number(
      f'{NAME}_{id_}', label, of, name, size, note
  )
  out = [
      number(name, name, label, unseen, _note(name, unseen, size))
      for name, label in _LABELS.items()
      if name != 'unexpressed'
  ]
  new = unseen['accuracy'][0]['unexpressed']['value']
  out.append(
      number(
          'scenario_seen',
          'unexpressed',
          'Not expressed, by a probe that has seen the scenario',
          seen,
          f'Of scenarios that it has not seen {new:.2f}.',
      )
  )
  for name in ('hidden', 'unexpressed'):
    raw = transfers['raw']['accuracy'][0][name]['value']
    out.append(
        number(
            f'from_stories_{name}',
            name,
            f'{_LABELS[name]}, by a probe of stories alone',
            away,
            f'Each condition less its own mean; as they are {raw:.2f}.',
        )
    )
  return out


def _number(id_, label, of, name, size, note) -> numbers_lib.Number:
  value = of['accuracy'][0][name]
  return numbers_lib.number(
      id_,
      label,
      value,
      'fraction of texts',
      _INTERVAL,
      [
          numbers_lib.control('shuffled labels', of['shuffled'][name]),
          numbers_lib.control('embedding layer', of['embed'][name]),
          numbers_lib.exactly('chance', 1 / size, value['n']),
      ],
      note,
      side=1,
  )


def _note(name: str, of: dict[str, Any], size: int) -> str:
  """What is told instead, where another emotion is there, too."""
  if name not in ('hidden', 'discussing_others'):
    return ''
  which = 'displayed emotion' if name == 'hidden' else 'emotion spoken of'
  return (
      f'The {which} is told instead in {of["other"][name]["value"]:.0%}; who'
      ' knew it and guessed among the others would be right in'
      f' {1 / (size - 1):.0%}.'
  )
