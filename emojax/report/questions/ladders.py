"""What is shown of questions in which a number changes."""

from typing import Any

from emojax.report import curves
from emojax.report import reading_figures

NAME = 'ladders'
_MEANT = curves.Stroke('number means it', curves.ACCENT, 'solid')
_MATCHED = curves.Stroke('number means nothing', curves.INK, 'dash')
_WAYS = {1: 'rises', -1: 'falls'}


def view(data: dict[str, Any]) -> dict[str, Any]:
  """Returns what the page has of it."""
  drawn, captions = _draw(data)
  return {
      **data,
      'title': 'Numbers that mean more or less',
      'question': (
          'Does a reading rise or fall with a number as far as the number means'
          ' something?'
      ),
      'shows': _shows(data),
      'method': _method(data),
      'figures': {f'{NAME}-{name}': figure for name, figure in drawn.items()},
      'captions': {f'{NAME}-{name}': text for name, text in captions.items()},
      'tables': [
          _table(data['tests'][part], title)
          for part, title in (
              ('meant', 'the number means something'),
              ('matched', 'the same numbers where they mean nothing'),
          )
          if data['tests'][part]
      ],
  }


def _draw(data: dict[str, Any]) -> tuple[dict, dict]:
  """The figures and their captions."""
  ladders, drawn, captions = data['ladders'], {}, {}
  for way in _WAYS.values():
    drawn[way] = reading_figures.rungs(
        [
            (stroke, data['profiles'][part][way])
            for stroke, part in ((_MATCHED, 'matched'), (_MEANT, 'meant'))
        ],
        ('rung, from the least number to the greatest', 'cosine'),
    )
    what = {'rises': 'rise', 'falls': 'fall'}[way]
    captions[way] = (
        f'Readings of emotions that are to {what} with the number',
        f'Readings before the reply of emotions that are to {what}, as far from'
        ' the mean of their ladder. The band is a bootstrap over ladders.',
    )
  drawn['each'] = reading_figures.dots(
      [row['name'].replace('_', ' ') for row in ladders],
      [
          (
              _MATCHED.name,
              _MATCHED.colour,
              'diamond-open',
              [row['matched'] for row in ladders],
          ),
          (
              _MEANT.name,
              _MEANT.colour,
              'circle',
              [row['meant'] for row in ladders],
          ),
      ],
      'mean rank correlation',
  )
  captions['each'] = (
      'Mean rank correlation of each ladder, beside matched numbers',
      'Mean over emotions and wordings; positive is as expected. Control: the'
      ' same numbers where they mean nothing; intervals are in the tables.',
  )
  rows = data['layers']['response']
  drawn['layers'] = reading_figures.over_layers(
      [
          (stroke, [row[key] for row in rows])
          for key, stroke in (
              ('random', curves.RANDOM),
              ('shuffled', curves.SHUFFLED),
              ('matched', _MATCHED),
              ('meant', _MEANT),
          )
      ],
      'mean rank correlation',
      data['layer'],
  )
  captions['layers'] = (
      'Mean rank correlation by layer, with controls',
      'Before the reply, by layer; positive is as expected. Bands: 95 %'
      ' bootstrap over ladders; of controls, the central 95 % of sets.',
  )
  return drawn, captions


def _method(data: dict[str, Any]) -> str:
  matched = [row for row in data['ladders'] if row['matched'] is not None]
  left = data['left_out']
  return (
      f'{len(data["ladders"])} ladders in {data["texts"]} texts, {len(matched)}'
      ' of them with a text in which the same numbers mean nothing. At layer'
      f' {data["layer"]} unless said: Spearman’s correlation of a reading with'
      ' the number, its sign turned so that positive is as expected, the mean'
      ' over wordings and emotions. Tests are exact permutations of the numbers'
      ' for the mean over wordings, adjusted by Holm over all; slopes are'
      ' cosines per e-fold where values are positive and span more than 10'
      ' times, else per rung, with Student’s interval over wordings.'
      + (f' {left} ladders have no emotion with a vector.' if left else '')
  )


def _table(rows: list[dict[str, Any]], title: str) -> dict[str, Any]:
  return {
      'title': f'All expectations: {title}',
      'columns': (
          'Ladder',
          'Emotion',
          'Expected',
          'Spearman',
          'p, Holm',
          'Slope',
      ),
      'rows': [
          (
              row['ladder'].replace('_', ' '),
              row['emotion'],
              _WAYS[row['expected']],
              row['rho'],
              row['holm'],
              row['slope'],
          )
          for row in rows
      ],
  }


def _shows(data: dict[str, Any]) -> str:
  if reading_figures.is_beyond(data, f'{NAME}_excess'):
    found = (
        'Readings follow what the number means, more than they follow the same'
        ' number where it means nothing'
    )
  elif reading_figures.is_beyond(data, f'{NAME}_rho'):
    found = (
        'Readings follow the number beyond random directions, but it is not'
        ' certain that they follow what it means'
    )
  else:
    found = (
        'In this model readings do not follow the number beyond their controls;'
        ' single ladders in perfect order are to be expected among so many'
    )
  return (
      f'{found}; a ladder shows an order, not that the model would weigh the'
      ' number rightly.'
  )
