"""Is there a vector of the emotion that is hidden behind another?"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import ml_collections
import numpy as np

from emojax import deflection
from emojax import effects
from emojax import errors
from emojax import vectors as vectors_lib
from emojax.data import dialogues
from emojax.experiments import inputs
from emojax.experiments import limits
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib
from emojax.experiments.measures import compare_kinds
from emojax.experiments.measures import scenes
from emojax.models import load

NAME = 'deflection'
FILES = {'dialogues': 'deflection'}
_FIELDS = ('target', 'displayed')
_LABELS = {
    'story_target': 'Stories and hidden emotion',
    'story_displayed': 'Stories and displayed emotion',
    'target_displayed': 'Hidden and displayed emotion',
}

_KINDS = ('hidden', 'displayed', 'stories')


class Prepared(NamedTuple):
  """Dialogues whose emotions have vectors, with and without their scenarios."""

  rows: list[dialogues.Deflection]
  emotions: list[str]
  labels: np.ndarray
  after: list[scenes.Scene]
  alone: list[scenes.Scene]
  left_out: int


def prepare(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    emotions: Sequence[str],
) -> Prepared:
  """Loads and tokenises the dialogues."""
  limits.check(config, {'permutations': 2}, NAME)
  setting, variance = config.deflection.dialogues, config.deflection.variance
  if not 0 < variance < 1:
    raise errors.InputError(
        f'config.deflection.variance={variance}: must be between 0 and 1.'
    )
  loaded = dialogues.load_deflections(inputs.path_of(setting))
  rows, names, labels = scenes.labelled(loaded, _FIELDS, emotions)
  system = scenes.takes_system(lm.tokenizer)
  place = lambda row: f'{setting or "deflection.jsonl"}: {row.id}'
  return Prepared(
      rows,
      names,
      labels,
      [
          scenes.scene(lm, r.messages, place(r), r.scenario, system)
          for r in rows
      ],
      [scenes.scene(lm, r.messages, place(r)) for r in rows],
      len(loaded) - len(rows),
  )


def run(study: study_lib.Study, prepared: Prepared) -> dict[str, Any]:
  """Makes vectors of hidden and displayed emotions, and tests them."""
  rows, names, labels, *_, left_out = prepared
  block = np.array([row.speaker == 'assistant' for row in rows]).astype(int)
  block -= block.min(initial=1)
  designs = effects.designs(labels, len(names), block) if rows else {}
  if len(names) < 3 or len(designs) < 2:
    return {
        'absent': 'config.deflection.dialogues has too few dialogues whose'
        ' emotions have vectors to tell hidden from displayed; give more pairs,'
        ' of three emotions or more.'
    }
  read = _activations(study, prepared)
  own, at = study.config.deflection, study.layer
  found = compare_kinds.compare(
      study,
      deflection.KINDS,
      designs,
      names,
      read['blocks'][None],
      read['embed'][None],
      own.permutations,
  )
  space = deflection.story_space(study.arrays['vectors'], own.variance)
  kept = _retained(found, designs[found.best], read['blocks'][:, at], space[at])
  guesses = _guesses(study, designs[found.best], read, space)
  here = guesses['layers'][at]
  return {
      'layer': at,
      'emotions': names,
      'dialogues': len(rows),
      'left_out': left_out,
      'kinds': _KINDS,
      'pairs': _LABELS,
      'space': {'components': len(space[at]), 'variance': own.variance},
      'retained': kept,
      'guesses': guesses,
      **compare_kinds.contents(found, len(names)),
      'numbers': [
          *_accuracies(here, guesses, len(names)),
          _retained_number(kept),
          *(
              compare_kinds.number(found, f'{NAME}_{pair}', label, pair)
              for pair, label in _LABELS.items()
          ),
      ],
  }


def _activations(study, prepared: Prepared) -> dict[str, np.ndarray]:
  """Means over the tokens of the one who hides an emotion.

  Returns:
    'blocks' [N, L, D] after the scenario and 'alone' without it, neutral
    components out of them; 'embed' [N, D].
  """
  read = {}
  for name, encoded in (('blocks', prepared.after), ('alone', prepared.alone)):
    pools = [
        each.said_by(row.speaker)
        for each, row in zip(encoded, prepared.rows, strict=True)
    ]
    ids = [each.ids for each in encoded]
    embed, blocks = study_lib.means(study, ids, pools, 'Deflect')
    read[name] = vectors_lib.project_out(
        blocks, study.arrays['neutral_components']
    )
  return read | {'embed': embed}


def _retained(found, design, x, space) -> dict[str, Any]:
  """What of each label's vectors lies outside the stories' space."""
  variants = found.variants[found.best]
  out = {}
  for label, name in enumerate(_FIELDS):
    value, shuffled = deflection.retained_estimates(variants, label, x, space)
    clean = deflection.retained_without_noise(design, label, x, space)
    vectors = variants['whole'][0, label] @ x
    out[name] = {
        'value': value,
        'shuffled': shuffled,
        'clean': compare_kinds.finite(clean),
        'note': compare_kinds.clean_note(clean),
        'emotions': deflection.retained(vectors, space).tolist(),
    }
  # Of a direction that is anywhere with the same chance.
  out['random'] = float(np.sqrt(1 - len(space) / x.shape[1]))
  return out


def _guesses(study, design, read, space) -> dict[str, Any]:
  """Accuracies on pairs of emotions that were left out."""
  weights = deflection.held_out_weights(design)
  orders = effects.permuted_within(
      np.random.default_rng(study.config.seed),
      design.fitted_block,
      study.config.deflection.permutations,
  )
  accuracy = lambda label, x: deflection.accuracy(
      design, label, weights, x, orders
  )
  layers = []
  for i, rows in enumerate(space):
    x, alone = (read[name][:, i] for name in ('blocks', 'alone'))
    layers.append(
        {
            'layer': i,
            'target': accuracy(deflection.TARGET, x),
            'outside': accuracy(deflection.TARGET, x - (x @ rows.T) @ rows),
            'alone': accuracy(deflection.TARGET, alone),
            'displayed': accuracy(deflection.DISPLAYED, x),
        }
    )
  embed = {
      name: accuracy(label, read['embed'])['real']
      for label, name in enumerate(_FIELDS)
  }
  return {'layers': layers, 'embed': embed}


def _retained_number(kept) -> numbers_lib.Number:
  target, n = kept['target'], kept['target']['value']['n']
  return numbers_lib.number(
      f'{NAME}_retained',
      'Length of the hidden emotion’s vector outside the stories’ space',
      target['value'],
      'share of length, mean over emotions',
      compare_kinds.INTERVAL,
      [
          numbers_lib.control('shuffled labels', target['shuffled']),
          numbers_lib.control('displayed emotion', kept['displayed']['value']),
          numbers_lib.exactly('random directions', kept['random'], n),
      ],
      target['note'],
  )


def _accuracies(here, guesses, size) -> list[numbers_lib.Number]:
  """How often an emotion is told in a pair that was left out."""
  out = []
  for name, field, label in (
      ('target', 'target', 'Hidden emotion told'),
      ('outside', 'target', 'Hidden emotion told outside the stories’ space'),
      ('displayed', 'displayed', 'Displayed emotion told'),
  ):
    found = here[name]
    controls = [
        numbers_lib.control('shuffled labels', found['shuffled']),
        numbers_lib.control('embedding layer', guesses['embed'][field]),
        numbers_lib.exactly('chance', 1 / size, found['real']['n']),
    ]
    note = ''
    if field == 'target':
      controls.append(
          numbers_lib.control('without the scenario', here['alone']['real'])
      )
      note = (
          'The displayed emotion is guessed instead in'
          f' {found["other"]["value"]:.0%}; who knew it and guessed among the'
          f' others would be right in {1 / (size - 1):.0%}.'
      )
    out.append(
        numbers_lib.number(
            f'{NAME}_{name}_accuracy',
            f'{label}, the pair left out',
            found['real'],
            'fraction of dialogues',
            '95 % Wilson',
            controls,
            note,
            side=1,
        )
    )
  return out
