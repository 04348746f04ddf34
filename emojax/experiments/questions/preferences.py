"""Do emotion vectors go with preferences between activities, and move them?

The paper's experiment: every ordered pair of activities is a choice, choices
make an Elo, and what the vectors read on an activity is correlated with it.
Then half of the activities are steered, wherever they stand in a question.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emojax import elo
from emojax import errors
from emojax import preferences
from emojax import statistics
from emojax import steering
from emojax.data import choices
from emojax.data import stories as stories_lib
from emojax.experiments import encode
from emojax.experiments import inputs
from emojax.experiments import study as study_lib
from emojax.experiments.measures import preference_numbers
from emojax.experiments.measures import preference_steering
from emojax.models import load

NAME = 'preferences'
FILES = {'activities': 'activities'}
_LEAST = {
    'activities_per_category': 0,
    'random_directions': 2,
    'steer': 0,
    'pairs_per_activity': 0,
    'controls': 2,
    'batch': 1,
    'chunk': 1,
}
_CATEGORIES, _EACH, _BENIGN = 3, 2, 4  # The fewest that anything is said of.


def prepare(
    config, lm: load.LanguageModel, emotions: Sequence[str]
) -> preference_steering.Prepared:
  """Tokenises all questions.

  Raises:
    InputError: a setting, the file or the model does not do.
  """
  own = config[NAME]
  _check(own, lm)
  activities = _activities(own)
  answers = choices.options(lm.tokenizer)
  place = f'config.{NAME}.activities={own.activities!r}'
  pairs = np.argwhere(~np.eye(len(activities), dtype=bool))
  asked = []
  for i, j in pairs:
    first, second = activities[i].text, activities[j].text
    asked.append(choices.encode_choice(lm.tokenizer, answers, first, second))
    encode.check_length(asked[-1].ids, lm, place)
  feelings = [choices.encode_feeling(lm.tokenizer, a.text) for a in activities]
  return preference_steering.Prepared(
      activities, answers, pairs, tuple(asked), tuple(feelings)
  )


def run(
    study: study_lib.Study, prepared: preference_steering.Prepared
) -> dict[str, Any]:
  """Asks, reads, steers."""
  own, seed = study.config[NAME], study.config.seed
  names = {
      sign: next((e for e in own[sign] if e in study.emotions), None)
      for sign in ('positive', 'negative')
  }
  for sign, name in names.items():
    if name is None:
      return {
          'absent': f'no emotion of config.{NAME}.{sign}={tuple(own[sign])} has'
          ' a vector; name one that has.'
      }
  category = np.array([a.category for a in prepared.activities])
  groups = category, ~np.isin(category, list(own.harmful))
  chosen = preference_steering.choose(study, prepared, prepared.pairs)
  fit = elo.bradley_terry(prepared.pairs, chosen, len(category))
  values = read(study, prepared)
  rows = preferences.with_intervals(
      values['band'][:, : len(study.emotions)], fit.elo, *groups, seed
  )
  at_layer = preferences.correlations(values['layer'], fit.elo, *groups)
  in_band = preferences.correlations(values['band'], fit.elo, *groups)
  choice = _choice(prepared, chosen, seed)
  steered = preference_steering.steer(
      study, prepared, chosen, values['band'], fit.elo, names
  )
  return {
      'names': names,
      'layer': study.layer,
      'band': list(study.band),
      'hard': own.hard,
      'answers': list(prepared.answers.texts),
      'harmful': list(own.harmful),
      'activities': _activity_rows(study, prepared, fit, values, names),
      'emotions': [
          {'emotion': name, 'at_layer': float(r)} | row
          for name, r, row in zip(study.emotions, at_layer['raw'], rows)
      ],
      'random': statistics.band(in_band['raw'][-own.random_directions :]),
      'by_layer': _by_layer(study, values['layers'], fit.elo, names),
      **choice,
      'steered': steered,
      'numbers': preference_numbers.of(
          study, groups, fit, rows, values, names, choice, steered
      ),
  }


def _choice(prepared, chosen, seed) -> dict[str, Any]:
  """How certain choices are, and how far both orders agree."""
  _, first, second = elo.both_orders(prepared.pairs, chosen)
  certain, unrelated = elo.certainty(prepared.pairs, chosen, seed)
  return {
      'certainty': certain,
      'unrelated': unrelated,
      'first_chosen': float(chosen.mean()),
      'orders': statistics.correlation(first, second),
  }


def _activity_rows(study, prepared, fit, values, names) -> list[dict[str, Any]]:
  """Every activity with its Elo and what the two emotions read on it."""
  half = 1.96 * fit.elo_error
  places = {sign: study.emotions.index(name) for sign, name in names.items()}
  return [
      {
          'category': activity.category,
          'text': activity.text,
          'elo': {
              'value': float(fit.elo[i]),
              'low': float(fit.elo[i] - half[i]),
              'high': float(fit.elo[i] + half[i]),
              'n': 2 * len(half) - 2,
          },
          'probe': {
              sign: float(values['band'][i, at]) for sign, at in places.items()
          },
      }
      for i, activity in enumerate(prepared.activities)
  ]


def read(
    study: study_lib.Study, prepared: preference_steering.Prepared
) -> dict[str, np.ndarray]:
  """Reads every activity: mean cosine over its own tokens.

  Returns:
    `layers` [N, L, A], and of these `layer` and the mean over `band`, [N, A];
    the A are those of `study.directions` and then more random ones. `embed`
    [N, E].
  """
  count = study.config[NAME].random_directions
  _, depth, width = study.directions.shape
  more = steering.random_directions(study.config.seed + 1, count, depth, width)
  ids, pools = zip(*prepared.feelings)
  layers = study_lib.read(
      study,
      ids,
      {NAME: pools},
      'Feelings',
      np.concatenate([study.directions, more]),
  )[NAME]
  return {
      'layers': layers,
      'layer': layers[:, study.layer],
      'band': layers[:, list(study.band)].mean(axis=1),
      'embed': study_lib.embed_read(study, ids, pools),
  }


def _by_layer(study, layers, strength, names) -> dict[str, Any]:
  """r with Elo at every layer, and the band of random directions."""
  count = study.config[NAME].random_directions
  r = statistics.pearson(layers, strength[:, None, None], axis=0)  # [L, A].
  return {
      sign: r[:, study.emotions.index(name)].tolist()
      for sign, name in names.items()
  } | {'random': [statistics.band(each) for each in r[:, -count:]]}


def _check(own, lm: load.LanguageModel) -> None:
  for name, least in _LEAST.items():
    if own[name] < least:
      raise errors.InputError(
          f'config.{NAME}.{name}={own[name]}: must be {least} or more.'
      )
  if not 0 < abs(own.strength) < np.inf:
    raise errors.InputError(
        f'config.{NAME}.strength={own.strength}: must be finite, and not 0.'
    )
  for layer in own.layers:
    steering.check_layer(layer, lm.config.num_layers)


def _activities(own) -> tuple[stories_lib.Activity, ...]:
  """Loads the activities, the first few of each category if so asked."""
  every = stories_lib.load_activities(inputs.path_of(own.activities))
  by_category: dict[str, list[stories_lib.Activity]] = {}
  for activity in every:
    by_category.setdefault(activity.category, []).append(activity)
  for name in own.harmful:
    if name not in by_category:
      raise errors.InputError(
          f'config.{NAME}.harmful has {name!r}: the categories are'
          f' {", ".join(by_category)}; name some of them, or none.'
      )
  limit = own.activities_per_category or len(every)
  kept = {name: rows[:limit] for name, rows in by_category.items()}
  benign = sum(len(x) for n, x in kept.items() if n not in own.harmful)
  if (
      len(kept) < _CATEGORIES
      or min(map(len, kept.values())) < _EACH
      or benign < _BENIGN
  ):
    raise errors.InputError(
        f'config.{NAME}.activities={own.activities!r}, activities_per_category='
        f'{own.activities_per_category}: too few; give {_CATEGORIES} categories'
        f' or more of at least {_EACH} activities, {_BENIGN} not harmful.'
    )
  return tuple(a for rows in kept.values() for a in rows)
