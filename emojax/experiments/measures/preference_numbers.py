"""The headline numbers of preferences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emojax import elo
from emojax import preferences
from emojax import statistics
from emojax.experiments import numbers
from emojax.experiments import study as study_lib

_LABELS = {
    'raw': ('', 'r of its reading and Elo'),
    'within': ('_within', 'r within categories'),
    'benign': ('_benign', 'r without harmful activities'),
}
# Which way r and a shift go, of the emotions expected to go with Elo, and not.
_SIDES = {'positive': 1, 'negative': -1}
LEAST = 4  # Emotions of a coupling: Fisher's interval divides by n - 3.


def of(
    study: study_lib.Study,
    groups: tuple[np.ndarray, np.ndarray],
    fit: elo.Fit,
    rows: Sequence[Mapping[str, Any]],
    values: Mapping[str, np.ndarray],
    names: Mapping[str, str],
    choice: Mapping[str, Any],
    steered: Mapping[str, Any],
) -> list[numbers.Number]:
  """All of them.

  Args:
    study: the model and its directions.
    groups: category [N], and whether it is benign, [N] bool.
    fit: of the unsteered choices.
    rows: of `preferences.with_intervals`, an emotion each.
    values: of `preferences.read`.
    names: the emotions expected to go with Elo, and against it.
    choice: how certain it is, with a control, and r of the two orders.
    steered: of `preference_steering.steer`.
  """
  count, questions = len(fit.strength), len(fit.strength) * (
      len(fit.strength) - 1
  )
  return [
      *_correlations(study, groups, fit, rows, values, names),
      _largest(study, groups, fit, values),
      numbers.number(
          'preferences_certainty',
          'Certainty of choices, both orders averaged',
          choice['certainty'],
          '|2 P - 1|, 0 to 1',
          f'95 % bootstrap over {count} activities',
          [
              numbers.control(
                  'with the reverse of another pair', choice['unrelated']
              )
          ],
          _agreement(choice),
          side=1,
      ),
      numbers.number(
          'preferences_bias',
          'Position bias: what being (A) adds',
          fit.bias_estimate(questions),
          'logits',
          '95 % sandwich over unordered pairs',
          [numbers.exactly('no bias', 0.0, questions)],
      ),
      *_coupling(study, steered),
      *_shifts(steered, names),
  ]


def _agreement(choice: Mapping[str, Any]) -> str:
  """Says whether it is the activity that is chosen, or the place."""
  r = f'{choice["orders"]["r"]:.2f}'.replace('-', '−')
  note = f'Over pairs, r of both orders is {r}'
  if choice['certainty']['high'] < choice['unrelated']['low']:
    note += '; below its control, as choices follow the place'
  return note


def _correlations(study, groups, fit, rows, values, names):
  """Raw, within and benign r of the two emotions, each with its controls."""
  category, benign = groups
  drawn = study.config.preferences.random_directions
  r, embed = (
      preferences.correlations(values[name], fit.elo, category, benign)
      for name in ('band', 'embed')
  )
  out = []
  for measure, (suffix, label) in _LABELS.items():
    kept = category[benign] if measure == 'benign' else category
    for sign, name in names.items():
      i = study.emotions.index(name)
      row = rows[i][measure]
      out.append(
          numbers.number(
              f'preferences_{sign}{suffix}',
              f'{name}: {label}',
              row,
              'r',
              f'95 % BCa bootstrap over {len(np.unique(kept))} categories',
              [
                  numbers.control(
                      'random directions',
                      statistics.band(r[measure][-drawn:]),
                  ),
                  numbers.control(
                      'shuffled labels',
                      statistics.band(r[measure][study.places['shuffled']]),
                  ),
                  numbers.exactly(
                      'embedding layer', float(embed[measure][i]), len(kept)
                  ),
                  numbers.control('Elo permuted', row['null']),
              ],
              side=_SIDES[sign],
          )
      )
  return out


def _largest(study, groups, fit, values) -> numbers.Number:
  """The largest |r| of all emotions, against as many of other directions."""
  category, _ = groups
  size, seed = len(study.emotions), study.config.seed
  drawn = study.config.preferences.random_directions
  r, embed = (
      preferences.correlations(values[name], fit.elo, *groups)['raw']
      for name in ('band', 'embed')
  )
  emotions = values['band'][:, :size]
  units = statistics.unit_deviations(emotions.astype(np.float64), 0)
  null = statistics.null_correlations(
      lambda y: float(np.abs(statistics.unit_deviations(y) @ units).max()),
      fit.elo,
      seed,
  )
  best = int(np.abs(r[:size]).argmax())
  random = preferences.largest_of(r[-drawn:], size, seed)
  return numbers.number(
      'preferences_largest',
      f'Largest |r| of {size} emotions',
      preferences.largest(emotions, fit.elo, category, seed),
      '|r|',
      f'95 % BCa bootstrap over {len(np.unique(category))} categories',
      [
          numbers.control(f'of {min(size, drawn)} random directions', random),
          numbers.exactly(
              'embedding layer', float(np.abs(embed).max()), len(category)
          ),
          numbers.control('Elo permuted', null),
      ],
      f'It is {study.emotions[best]}, r {r[best]:.2f}'.replace('-', '−'),
      side=1,
  )


def _coupling(study, steered) -> list[numbers.Number]:
  """r of held-out correlations and shifts over directions, where enough."""
  pick = lambda kinds: np.array(
      [
          (row['r'], row['shift']['value'])
          for row in steered['rows']
          if row['kind'] in kinds
      ]
  ).T
  (r, shift), others = pick(['emotions']), pick(['random', 'shuffled'])
  if len(r) < LEAST:
    return []
  null = statistics.null_correlations(
      lambda y: float(np.corrcoef(r, y)[0, 1]), shift, study.config.seed
  )
  controls = [numbers.control('shifts permuted', null)]
  if others.shape[1] >= LEAST:
    found = numbers.of_correlation(statistics.correlation(*others))
    controls.append(numbers.control('random and shuffled directions', found))
  return [
      numbers.number(
          'preferences_coupling',
          'Coupling: r of held-out correlation and shift, over emotions',
          numbers.of_correlation(statistics.correlation(r, shift)),
          'r',
          '95 % by Fisher, as if emotions were independent',
          controls,
          side=1,
      )
  ]


def _shifts(steered, names) -> list[numbers.Number]:
  """What steering with the two emotions does to Elo."""
  by_name = {row['direction']: row['shift'] for row in steered['rows']}
  of_kind = lambda kind: np.array(
      [r['shift']['value'] for r in steered['rows'] if r['kind'] == kind]
  )
  return [
      numbers.number(
          f'preferences_shift_{sign}',
          f'{name}: shift of the steered half, strength'
          f' {steered["strength"]:g}',
          by_name[name],
          'Elo points',
          '95 % bootstrap over categories',
          [
              numbers.control(label, statistics.band(of_kind(kind)))
              for label, kind in (
                  ('random directions', 'random'),
                  ('shuffled labels', 'shuffled'),
              )
          ],
          side=_SIDES[sign] * (1 if steered['strength'] > 0 else -1),
      )
      for sign, name in names.items()
  ]
