"""Headline numbers of how emotion vectors lie."""

from collections.abc import Mapping
from typing import Any

from emojax.experiments import numbers

_NAME = 'affect'
_PERMUTED = 'ratings dealt out anew (central 95 %)'
_SHUFFLED = 'shuffled labels (central 95 %)'
_FISHER = '95 % Fisher, over emotions'

Number = numbers.Number


def of(out: Mapping[str, Any]) -> list[Number]:
  """Makes the `numbers` of the artefact out of the rest of it."""
  return [
      *_axes(out),
      *_variance(out),
      *_clusters(out),
      *_own_ratings(out),
  ]


def _axes(out: Mapping[str, Any]) -> list[Number]:
  """Each component with ratings of people, or else with the model's own."""
  relations, made = out['relations'], []
  for scale in ('valence', 'arousal'):
    row = relations.get(scale) or relations.get(f'own_{scale}')
    if row is None or row['component'] is None:
      continue
    number = row['component']
    best = row['best']
    note = (
        f'{row["source"]}. Picked for it, the best of'
        f' {len(row["components"])} components would be {best["component"]}'
        f' with |r| {best["value"]:.2f}: inflated.'
    )
    if row['own_ratings']:
      agreed = out['own_ratings'][scale]['agreement']
      note += ' No ratings by people were given; the model’s on two scales' + (
          ' do not vary.'
          if agreed is None
          else f' agree by r {agreed["value"]:.2f}.'
      )
    controls = [
        numbers.control(_PERMUTED, row['permuted']),
        numbers.control(_SHUFFLED, row['shuffled']),
    ]
    if row['embed'] is not None:
      controls.append(
          numbers.control(
              f'component {number} of the embedding layer', row['embed']
          )
      )
    made.append(
        numbers.number(
            f'{_NAME}_{scale}',
            f'Component {number} and {row["label"]}, layer {out["layer"]}',
            row['own'],
            '|r| (a component has no sign)',
            _FISHER,
            controls,
            note,
            side=1,
        )
    )
  return made


def _variance(out: Mapping[str, Any]) -> list[Number]:
  return [
      numbers.number(
          f'{_NAME}_variance_{i}',
          f'Variance along component {i}, layer {out["layer"]}',
          row['own'],
          'fraction of the variance over emotions',
          f'95 % jackknife over {out["topics"]} topics',
          [
              numbers.control(_SHUFFLED, row['shuffled']),
              numbers.control('embedding layer', row['embed']),
          ],
          f'Even noise has {1 / (len(out["emotions"]) - 1):.2f} or more along'
          ' its first component.'
          if i == 1
          else '',
      )
      for i, row in enumerate(out['variance'], start=1)
  ]


def _clusters(out: Mapping[str, Any]) -> list[Number]:
  found = out['clusters']
  if found['agreement'] is None:
    return []
  return [
      numbers.number(
          f'{_NAME}_clusters',
          f'{found["k"]} clusters and the paper’s, layer {out["layer"]}',
          found['agreement'],
          'adjusted Rand index (0 chance, 1 the same)',
          '95 % bootstrap over emotions',
          [
              numbers.control(
                  'clusters dealt out anew (central 95 %)', found['permuted']
              ),
              numbers.control(_SHUFFLED, found['shuffled']),
              numbers.control('embedding layer', found['embed']),
          ],
          'Over the emotions that the paper has, too.',
          side=1,
      )
  ]


def _own_ratings(out: Mapping[str, Any]) -> list[Number]:
  found = out['own_ratings']
  if found is None:
    return []
  made = []
  for scale in ('valence', 'arousal'):
    for id_, name, label, note in (
        (
            f'own_{scale}',
            'people',
            f'The model’s own ratings of {scale} and people’s',
            f'A digit from 1 to 7 has {found["mass"]:.0%} of the probability.',
        ),
        (
            f'agreement_{scale}',
            'agreement',
            f'Its ratings of {scale} on a scale up and one down',
            'The second is turned round: below 0, a digit is liked, whatever is'
            ' asked.',
        ),
    ):
      row = found[scale][name]
      if row is not None:
        made.append(
            numbers.number(
                f'{_NAME}_{id_}',
                label,
                row,
                'r',
                _FISHER,
                [numbers.control(_PERMUTED, row['permuted'])],
                note,
                side=1,
            )
        )
  return made
