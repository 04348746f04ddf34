"""When words change, where and at which layers do readings follow?

The paper: a changed word is read at itself in early layers and over the text
that follows in late ones; a negation is resolved late; where a person is named
again, it is that person's emotion which is read.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import ml_collections
import scipy.stats

from emojax import errors
from emojax import swaps
from emojax.data import prompt_sets
from emojax.experiments import inputs
from emojax.experiments import limits
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib
from emojax.experiments.measures import bindings as bindings_lib
from emojax.experiments.measures import minimal_pairs
from emojax.experiments.measures import negations
from emojax.experiments.measures import swap_readings
from emojax.models import load

NAME = 'contrasts'
FILES = {'pairs': 'contrasts', 'bindings': 'bindings'}
# Places with a curve over layers.
_CURVES = (minimal_pairs.WORD, minimal_pairs.SUFFIX, minimal_pairs.RESPONSE)


class Prepared(NamedTuple):
  """Texts about emotions that have vectors, tokenised."""

  pairs: list[minimal_pairs.Pair]
  sentences: negations.Sentences
  texts: bindings_lib.Texts
  left_out: dict[str, int]


def prepare(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    emotions: Sequence[str],
) -> Prepared:
  """Loads pairs and bindings, and tokenises them and the sentences."""
  section = config.contrasts
  limits.check(config, {'sets': 1, 'parts': 1}, NAME)
  for form in negations.FORMS:
    if section[form].count('{x}') != 1:
      raise errors.InputError(
          f'config.contrasts.{form}={section[form]!r}: must have {{x}}, the'
          ' place of the emotion, exactly once.'
      )
  contrasts = prompt_sets.load_contrasts(inputs.path_of(section.pairs))
  bindings = prompt_sets.load_bindings(inputs.path_of(section.bindings))
  known = [row for row in contrasts if row.emotion in emotions]
  bound = [row for row in bindings if set(row.emotions) <= set(emotions)]
  file = section.pairs or 'contrasts.jsonl'
  return Prepared(
      [minimal_pairs.encode(lm, row, file, section.parts) for row in known],
      negations.encode(lm, [section[f] for f in negations.FORMS], emotions),
      bindings_lib.encode(lm, bound, section.bindings or 'bindings.jsonl'),
      {
          'pairs': len(contrasts) - len(known),
          'bindings': len(bindings) - len(bound),
      },
  )


def run(study: study_lib.Study, prepared: Prepared) -> dict[str, Any]:
  """Reads pairs, sentences and texts of two people, and their controls."""
  pairs, sentences, texts, left_out = prepared
  if len(pairs) < 2 or len(study.emotions) < 3:
    return {
        'absent': 'three emotions must have a vector, and two pairs of'
        ' config.contrasts.pairs must be about such; give more.'
    }
  seed, section = study.config.seed, study.config.contrasts
  changed = swap_readings.of_pairs(study, pairs)
  negated = swap_readings.of_sentences(study, sentences)
  bound = {}
  if len(texts.bindings) > 1:
    bound = swap_readings.of_bindings(study, texts)
  rows = lambda effects: swap_readings.over_layers(effects, seed)
  shown = minimal_pairs.places_of(section.parts)
  ends = swaps.ends(study.lm.config.num_layers)
  return {
      'layer': study.layer,
      'left_out': left_out,
      'emotions': study.emotions,
      'ends': {name: [x.start, x.stop - 1] for name, x in ends.items()},
      'templates': {form: section[form] for form in negations.FORMS},
      'pairs': minimal_pairs.describe(pairs, changed, ends),
      'places': shown,
      'map': [
          [row['emotions'] for row in rows(changed[place])] for place in shown
      ],
      'layers': {place: rows(changed[place]) for place in _CURVES},
      'negation': {
          place: {form: rows(x) for form, x in by_form.items()}
          for place, by_form in negated.items()
      },
      'bindings': len(texts.bindings),
      'binding': {place: rows(x) for place, x in bound.items()},
      'numbers': _numbers(study, changed, negated, bound, ends),
  }


def _numbers(study, changed, negated, bound, ends):
  """Means over early or late layers; which, was fixed beforehand."""
  at = lambda effects, end: swap_readings.averaged(effects, ends[end])
  suffix, word, response = (
      changed[place]
      for place in (
          minimal_pairs.SUFFIX,
          minimal_pairs.WORD,
          minimal_pairs.RESPONSE,
      )
  )
  late, early = at(suffix, 'late'), at(suffix, 'early')
  grown = {kind: late[kind] - early[kind] for kind in late}
  pairs = ('pairs', 'cosine, high minus low')
  rows = [
      ('suffix_late', 'After the changed word, late layers', late, *pairs),
      ('suffix_early', 'The same, early layers', early, *pairs),
      (
          'persistence',
          'After the changed word, late minus early layers',
          grown,
          *pairs,
      ),
      (
          'word_early',
          'At the changed word, early layers',
          at(word, 'early'),
          *pairs,
      ),
      (
          'response_late',
          'Before the reply, late layers',
          at(response, 'late'),
          *pairs,
      ),
      (
          'negation_late',
          'Affirmed minus negated, before the reply, late layers',
          at(negated['response']['difference'], 'late'),
          'emotions',
          'cosine, over that in other sentences',
      ),
  ]
  if bound:
    rows += [
        (
            f'binding_{place}_{end}',
            f'Own minus other emotion at {bindings_lib.PLACES[place]}, {end}'
            ' layers',
            at(bound[place], end),
            'texts',
            'cosine, matched minus unmatched',
        )
        for place, end in (('word', 'early'), ('name', 'late'))
    ]
  return [_number(study.config.seed, *row) for row in rows]


def _number(seed, name, label, values, items, unit) -> numbers_lib.Number:
  own = values['emotions']
  above = int((own > 0).sum())
  p = scipy.stats.binomtest(above, len(own)).pvalue
  return numbers_lib.number(
      f'{NAME}_{name}',
      label,
      swap_readings.mean(own, seed),
      unit,
      f'95 % BCa bootstrap over {items}',
      swap_readings.controls_of(values, seed),
      f'{above} of {len(own)} above 0, sign test p {p:.2g}.',
      side=1,
  )
