"""In which layers do the vectors hold, and for what?

For stories on unseen topics and by another author, for the emotion's own word,
from layer to layer, and for other topics to make them of.
"""

from collections.abc import Sequence
from typing import Any

from emojax import files
from emojax.experiments import build_vectors
from emojax.experiments import headlines
from emojax.experiments import limits
from emojax.experiments import numbers
from emojax.experiments import study as study_lib
from emojax.experiments.measures import layer_agreement
from emojax.experiments.measures import logit_lens
from emojax.experiments.measures import other_stories
from emojax.models import load

NAME = 'layer_profile'
FILES: dict[str, str | None] = {'other_stories': None}
_LEAST = {'resamples': 10, 'splits': 10, 'control_sets': 2}
_MIN_EMOTIONS = 4  # Three have three pairs, which nothing can be told from.
_SHUFFLED = 'shuffled labels (central 95 %)'

Number = numbers.Number


def prepare(
    config, lm: load.LanguageModel, emotions: Sequence[str]
) -> other_stories.Other | None:
  """Checks the settings; returns the second corpus, if one is named."""
  limits.check(config, _LEAST, NAME)
  return other_stories.prepare(config, lm, emotions)


def run(study: study_lib.Study, prepared) -> dict[str, Any]:
  """Profiles the vectors over layers."""
  if len(study.emotions) < _MIN_EMOTIONS:
    return {
        'absent': f'under {_MIN_EMOTIONS} emotions have a vector; give stories'
        ' of more.'
    }
  own = study.config[NAME]
  out = {
      'emotions': study.emotions,
      'layer': study.layer,
      'held_out': files.read_json(study.workdir / build_vectors.HELD_OUT),
      'other': prepared and other_stories.run(study, prepared),
      'lens': logit_lens.profile(study, own.control_sets),
      'similarity': layer_agreement.similarity(study),
      'stability': layer_agreement.steadiness(study, own.resamples, own.splits),
  }
  return out | {
      'numbers': [
          *_held_out(out),
          *_other(out),
          *_similarity(out),
          *_stability(out),
          *_lens(out),
      ]
  }


def _held_out(out: dict[str, Any]) -> list[Number]:
  found = out['held_out']
  best = headlines.best_row(found)
  return [
      numbers.number(
          f'{NAME}_held_out',
          'Stories on unseen topics whose emotion’s vector is the nearest',
          found['nested']['top1'],
          'fraction of stories',
          f'95 % bootstrap over {out["stability"]["topics"]} topics',
          [
              numbers.control(_SHUFFLED, best['shuffled_top1']),
              numbers.control('embedding layer', found['embed']['top1']),
              numbers.exactly(
                  'chance',
                  found['chance']['top1'],
                  found['nested']['top1']['n'],
              ),
          ],
          'For each topic the layer is the best on all other topics.',
          side=1,
      )
  ]


def _other(out: dict[str, Any]) -> list[Number]:
  if out['other'] is None:
    return []
  layer, other = out['layer'], out['other']
  row, cosine = other['across'][layer], other['cosine'][layer]
  return [
      numbers.number(
          f'{NAME}_other_author',
          f'Another author’s stories, likewise, layer {layer}',
          row['top1'],
          'fraction of stories',
          '95 % bootstrap over topics',
          [
              numbers.control(_SHUFFLED, row['shuffled_top1']),
              numbers.exactly(
                  'chance', other['chance']['top1'], row['top1']['n']
              ),
          ],
          f'The topic is unseen, too; {len(other["emotions"])} emotions. The'
          ' author’s own vectors get'
          f' {other["within"][layer]["top1"]["value"]:.2f}.',
          side=1,
      ),
      numbers.number(
          f'{NAME}_other_cosine',
          f'Cosine of an emotion’s vectors of both authors, layer {layer}',
          cosine['same'],
          'cosine',
          f'95 % bootstrap over {len(other["emotions"])} emotions',
          [
              numbers.control(_SHUFFLED, cosine['shuffled']),
              numbers.control('different emotions', cosine['different']),
          ],
          side=1,
      ),
  ]


def _similarity(out: dict[str, Any]) -> list[Number]:
  found = out['similarity']
  if found['between'] is None:
    return []
  first, last = found['middle']
  return [
      numbers.number(
          f'{NAME}_similarity',
          f'Likeness of layers {first} to {last}',
          found['between'],
          'mean r of all pairs’ cosines between two layers',
          f'95 % bootstrap over {len(out["emotions"])} emotions',
          [
              numbers.control(_SHUFFLED, found['shuffled']),
              numbers.control(
                  'the embedding layer and these', found['from_embedding']
              ),
          ],
          'Layers copy most of their stream from the one before, so that'
          ' vectors of any labels are alike in both.',
          side=1,
      )
  ]


def _stability(out: dict[str, Any]) -> list[Number]:
  found, layer = out['stability'], out['layer']
  row = found['layers'][layer]
  return [
      numbers.number(
          f'{NAME}_{id_}',
          f'{label}, layer {layer}',
          row[name],
          unit,
          f'95 % bootstrap over {len(out["emotions"])} emotions',
          [numbers.control(_SHUFFLED, row[f'shuffled_{name}'])],
          note,
          side=1,
      )
      for id_, name, label, unit, note in (
          (
              'reliability',
              'halves',
              'Agreement of vectors of two halves of the topics',
              'cosine, stepped up to all topics',
              f'{found["topics"]} topics, {found["stories"]} stories; Spearman'
              ' and Brown’s formula for the whole.',
          ),
          (
              'resampled',
              'resampled',
              'Cosine with the vectors of resampled topics',
              'cosine',
              'A resample shares two thirds of its topics with the whole, which'
              ' alone makes about 0.7.',
          ),
      )
  ]


def _lens(out: dict[str, Any]) -> list[Number]:
  found = out['lens']
  if found['layers'] is None:
    return []
  rows = found['layers']['plain']
  n = len(found['told'])
  places = {'': rows[out['layer']], '_last': rows[-1]}
  return [
      numbers.number(
          f'{NAME}_word{suffix}',
          f'Logit lens: the emotion’s own word, layer {row["layer"]}',
          row['percentile'],
          'median share of the vocabulary that it is above',
          f'95 % bootstrap over {n} emotions',
          [
              numbers.control(
                  f'{label} (central 95 %)', row[f'{name}_percentile']
              )
              for name, label in (
                  ('shuffled', 'shuffled labels'),
                  ('random', 'random directions'),
                  ('dealt', 'words dealt out at random'),
              )
          ],
          f'By its first token; {found["single"]} of {n} words are one token.'
          ' The final norm’s gain is not folded in.',
          side=1,
      )
      for suffix, row in places.items()
  ]
