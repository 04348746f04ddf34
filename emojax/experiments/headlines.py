"""The headline numbers of a run, each with its interval and its controls."""

from typing import Any

import numpy as np

from emojax import statistics
from emojax.experiments import numbers as numbers_lib


def best_row(held_out: dict[str, Any]) -> dict[str, Any]:
  """Returns the row of the chosen layer, of what `heldout.json` holds."""
  chosen = held_out['chosen_layer']
  (row,) = (row for row in held_out['layers'] if row['layer'] == chosen)
  return row


def held_out_numbers(
    held_out: dict[str, Any], metadata: dict[str, Any]
) -> list[dict[str, Any]]:
  """Accuracy on unseen topics, at a layer that was chosen on the others."""
  best = best_row(held_out)
  interval = f'95 % bootstrap over {metadata["topics"]} topics'
  numbers = []
  for top in ('top1', 'top5'):
    controls = [
        {'label': 'shuffled labels (central 95 % of shuffles)'}
        | best[f'shuffled_{top}'],
        {'label': 'embedding layer'} | held_out['embed'][top],
        {
            'label': 'chance',
            'value': held_out['chance'][top],
            'low': None,
            'high': None,
            'n': best[top]['n'],
        },
    ]
    words = top.replace('top', 'top-')
    numbers.append(
        numbers_lib.number(
            f'heldout_{top}',
            f'Held-out {words} accuracy, layer {best["layer"]}',
            best[top],
            'fraction of stories',
            interval,
            controls,
            'The layer is the best of all, so that this is a little too high.',
            side=1,
        )
    )
    numbers.append(
        numbers_lib.number(
            f'heldout_{top}_nested',
            f'Held-out {words} accuracy, layer chosen without the topic',
            held_out['nested'][top],
            'fraction of stories',
            interval,
            controls,
            side=1,
        )
    )
    numbers.append(
        numbers_lib.number(
            f'heldout_{top}_single',
            f'Held-out {words} accuracy of a story on its own, layer'
            f' {best["layer"]}',
            best[f'single_{top}'],
            'fraction of stories',
            interval,
            controls,
            'Centred on the other topics, not on the stories of its own.',
            side=1,
        )
    )
  return numbers


def geometry_numbers(geometry: dict[str, Any]) -> list[dict[str, Any]]:
  """|r| of each component and rated valence; no best is picked.

  A component's sign is arbitrary, in the embedding layer as well.
  """
  return [
      numbers_lib.number(
          f'valence_pc{row["component"]}',
          f'Correlation of component {row["component"]} with rated valence',
          numbers_lib.size_of(row | {'value': row['r']}),
          '|r| (a component has no sign)',
          '95 % Fisher',
          [
              numbers_lib.control(each['label'], numbers_lib.size_of(each))
              for each in row['controls']
          ],
          f'{geometry["pca"]["explained"][i]:.0%} of the variance.',
          side=1,
      )
      for i, row in enumerate(geometry['correlations'])
  ]


# Of a headline number: where its curve lies, its label and unit, over what its
# interval is, and the labels and curves of its controls.
_DOSE_NUMBERS = {
    'steer_matched': (
        ('curves', 'matched'),
        'Change of the matching emotion word',
        'nats',
        'emotions',
        {
            "other emotions' words": ('curves', 'unmatched'),
            'random directions, all words (central 95 %)': ('curves', 'random'),
            'shuffled labels, all words (central 95 %)': ('curves', 'shuffled'),
        },
    ),
    'steer_difference': (
        ('curves', 'difference'),
        'Matching word minus the others',
        'nats',
        'emotions',
        {
            'words dealt out at random (central 95 %)': ('curves', 'permuted'),
            'random directions for vectors (central 95 %)': (
                'curves',
                'random_difference',
            ),
            'shuffled labels for vectors (central 95 %)': (
                'curves',
                'shuffled_difference',
            ),
        },
    ),
    'kl': (
        ('kl', 'emotion'),
        'KL from the unsteered model',
        'nats a token',
        'directions',
        {
            'random directions': ('kl', 'random'),
            'shuffled labels': ('kl', 'shuffled'),
        },
    ),
}


def dose_numbers(dose: dict[str, Any]) -> list[dict[str, Any]]:
  """What steering does at each positive strength."""

  def at(place: tuple[str, str], strength: float) -> list[dict[str, Any]]:
    curve, name = place
    return [p for p in dose[curve][name] if p['strength'] == strength]

  return [
      numbers_lib.number(
          f'{id_}_{strength:g}',
          f'{label}, strength {strength:g}',
          point,
          unit,
          f'95 % bootstrap over {len(dose["emotions"])} {over}',
          [
              {'label': name} | control
              for name, where in controls.items()
              for control in at(where, strength)
          ],
          side=0 if id_ == 'kl' else 1,
      )
      for strength in dose['strengths']
      if strength > 0
      for id_, (place, label, unit, over, controls) in _DOSE_NUMBERS.items()
      for point in at(place, strength)
  ]


def reading_numbers(
    readings: list[dict[str, Any]], expected: dict[int | str, str]
) -> list[dict[str, Any]]:
  """How high the emotion that a chat implies stands among all emotions."""
  emotions = list(readings[0]['response'])
  known = [row for row in readings if expected.get(row['id']) in emotions]
  if not known:
    return []
  own = np.array([emotions.index(expected[row['id']]) for row in known])

  def hits(name: str, how: str) -> statistics.Estimate:
    x = np.array([[row[name][e] for e in emotions] for row in known])
    x = x - x.mean(axis=0) if how == 'centred' else x
    rank = (x > np.take_along_axis(x, own[:, None], axis=1)).sum(axis=1)
    return statistics.wilson(int((rank < 5).sum()), len(rank))

  chance = {
      'label': 'chance',
      'value': min(1.0, 5 / len(emotions)),
      'low': None,
      'high': None,
      'n': len(known),
  }
  rows = (
      ('response', 'response', 'the last template token before the reply'),
      ('message', 'mean', 'the tokens of the messages'),
  )
  return [
      numbers_lib.number(
          f'reading_{id_}_{how}',
          f'Implied emotion in the top 5: {where}, {how}',
          hits(f'{name}_score' if how == 'standardised' else name, how),
          'fraction of chats',
          '95 % Wilson',
          [chance],
          f'A dozen chats of our own: a demonstration, not a benchmark.{note}',
          side=1,
      )
      for id_, name, where in rows
      for how, note in (
          ('raw', ''),
          ('standardised', ''),
          ('centred', ' Centred on the mean over these chats.'),
      )
  ]
