"""Are vectors of the one who speaks those of the other one, too?"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import ml_collections
import numpy as np

from emojax import effects
from emojax import likeness
from emojax import speakers
from emojax import statistics
from emojax import vectors as vectors_lib
from emojax.data import dialogues
from emojax.data import norms as norms_lib
from emojax.data import valence as valence_lib
from emojax.experiments import inputs
from emojax.experiments import limits
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib
from emojax.experiments.measures import compare_kinds
from emojax.experiments.measures import scenes
from emojax.models import load

NAME = 'speakers'
FILES = {'dialogues': 'two_speakers'}
_FIELDS = ('user_emotion', 'assistant_emotion')
_LABELS = {
    'present_present': 'Present speaker, user’s and assistant’s tokens',
    'other_other': 'Other speaker, user’s and assistant’s tokens',
    'present_other': 'Present and other speaker, the same tokens',
    'same_speaker': 'One speaker, own and the other’s tokens',
    'story_present': 'Stories and present speaker',
    'story_other': 'Stories and other speaker',
}
# What is expected to be alike; of the others nothing is.
_ALIKE = ('present_present', 'other_other', 'story_present')
_LEAST_RATED = 4  # Emotions that a correlation has an interval for.


class Prepared(NamedTuple):
  """Dialogues whose emotions have vectors, tokenised."""

  rows: list[dialogues.TwoSpeakers]
  emotions: list[str]
  labels: np.ndarray
  encoded: list[scenes.Scene]
  left_out: int
  norms: norms_lib.Norms


def prepare(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    emotions: Sequence[str],
) -> Prepared:
  """Loads and tokenises the dialogues."""
  limits.check(config, {'permutations': 2}, NAME)
  setting = config.speakers.dialogues
  loaded = dialogues.load_two_speakers(inputs.path_of(setting))
  rows, names, labels = scenes.labelled(loaded, _FIELDS, emotions)
  encoded = [
      scenes.scene(lm, row.messages, f'{setting or "two_speakers"}: {row.id}')
      for row in rows
  ]
  if config.affect.norms:
    norms = norms_lib.load_norms(inputs.path_of(config.affect.norms), emotions)
  else:
    norms = norms_lib.Norms(valence_lib.SOURCE, valence_lib.valence(names))
  return Prepared(rows, names, labels, encoded, len(loaded) - len(rows), norms)


def run(study: study_lib.Study, prepared: Prepared) -> dict[str, Any]:
  """Makes the four kinds of vectors and compares them with the stories'."""
  rows, names, labels, encoded, left_out, norms = prepared
  _, topic = np.unique([row.topic for row in rows], return_inverse=True)
  designs = effects.designs(labels, len(names), topic) if rows else {}
  if len(names) < 3 or len(designs) < 2:
    return {
        'absent': 'config.speakers.dialogues has too few dialogues whose'
        ' emotions have vectors to tell two speakers apart; give more pairs, of'
        ' three emotions or more.'
    }
  x, embed = _activations(study, encoded)
  draws = study.config.speakers.permutations
  found = compare_kinds.compare(
      study, speakers.KINDS, designs, names, x, embed, draws
  )
  cosine = found.here[found.best].cosine
  return {
      'layer': study.layer,
      'emotions': names,
      'dialogues': len(rows),
      'left_out': left_out,
      'topics': int(topic.max()) + 1,
      'kinds': speakers.NAMES,
      'pairs': _LABELS,
      'other_to_present': compare_kinds.plain(
          speakers.other_to_present(cosine, len(names))
      ),
      **compare_kinds.contents(found, len(names)),
      'numbers': [
          *(
              compare_kinds.number(
                  found, f'{NAME}_{pair}', label, pair, side=int(pair in _ALIKE)
              )
              for pair, label in _LABELS.items()
          ),
          _by_means(found, 'present_other'),
          *_regulation(found.here[found.best], names, norms),
      ],
  }


def _activations(study, encoded) -> tuple[np.ndarray, np.ndarray]:
  """Of the user's and the assistant's tokens: [2, N, L, D], embedded [2, N, D].

  Neutral components are out of the former.
  """
  pools = [each.user for each in encoded] + [each.assistant for each in encoded]
  ids = [each.ids for each in encoded] * 2
  embed, blocks = study_lib.means(study, ids, pools, 'Speakers')
  blocks = vectors_lib.project_out(blocks, study.arrays['neutral_components'])
  return tuple(
      x.reshape(2, len(encoded), *x.shape[1:]) for x in (blocks, embed)
  )


def _by_means(found: compare_kinds.Found, pair: str) -> numbers_lib.Number:
  """The number as the paper's means have it, which few emotions draw apart."""
  return compare_kinds.number(
      found,
      f'{NAME}_{pair}_means',
      f'{_LABELS[pair]}, by the means of each label',
      pair,
      'grouped',
  ) | {
      'note': 'The speakers of a dialogue never share an emotion, so that these'
      ' means are drawn apart whatever the model does.'
  }


def _regulation(
    found: likeness.Likeness, names: Sequence[str], norms: norms_lib.Norms
) -> list[numbers_lib.Number]:
  """Whether the other's emotion goes with present ones that are rated alike."""
  out = []
  for scale, ratings in (
      ('valence', norms.valence),
      ('arousal', norms.arousal or {}),
  ):
    at = [i for i, name in enumerate(names) if name in ratings]
    rating = np.array([ratings[names[i]] for i in at])
    if len(at) < _LEAST_RATED or np.ptp(rating) == 0:
      continue
    real, null = (
        speakers.pointed_rating(
            speakers.other_to_present(cosine, len(names))[..., at, :][..., at],
            rating,
        )
        for cosine in (found.cosine, found.permuted)
    )
    null = statistics.band(statistics.pearson(null, rating))
    out.append(
        numbers_lib.number(
            f'{NAME}_{scale}',
            f'{scale.capitalize()} of the other’s emotion, and of the present'
            ' ones that its vector is like',
            numbers_lib.of_correlation(statistics.correlation(rating, real)),
            'Pearson’s r over emotions',
            '95 % Fisher',
            [numbers_lib.control('shuffled labels', null)],
            norms.source,
        )
    )
  return out
