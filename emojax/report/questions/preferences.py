"""What is shown of preferences between activities."""

from collections.abc import Mapping, Sequence
from typing import Any

from emojax.report import preference_figures
from emojax.report import sections

NAME = 'preferences'
spaced = preference_figures.spaced
# Below this, P is between .45 and .55 once both orders are averaged.
_INDIFFERENT = 0.1


def view(data: dict[str, Any]) -> dict[str, Any]:
  names = data['names']
  drawn = {
      f'{NAME}-{sign}': preference_figures.scatter(
          data['activities'], sign, name
      )
      for sign, name in names.items()
  } | {
      f'{NAME}-emotions': preference_figures.dots(
          data['emotions'], data['random']
      ),
      f'{NAME}-layers': preference_figures.layers(data['by_layer'], names),
      f'{NAME}-coupling': preference_figures.coupling(data['steered']['rows']),
  }
  return {
      **data,
      'title': 'Preferences',
      'question': (
          'Do emotion vectors read on an activity go with how often the model'
          ' chooses it, and does adding them change the choice?'
      ),
      'shows': _shows(data),
      'method': _method(data),
      'figures': drawn,
      'captions': _captions(data),
      'tables': _tables(data),
  }


def _shows(data: Mapping[str, Any]) -> str:
  """One sentence that follows from the numbers."""
  beyond = {
      row['id'].removeprefix(f'{NAME}_'): row['beyond']
      for row in data['numbers']
  }
  pair = [beyond[sign] for sign in data['names']]
  orders, certain = data['orders']['r'], data['certainty']['value']
  if certain < _INDIFFERENT or orders < 0:
    reading = (
        'This model hardly prefers anything: averaged over both orders, choices'
        f' are {certain:.2f} from even on a scale of 0 to 1, and the orders'
        f' agree with r {_signed(orders)}; what goes with such an Elo may be'
        ' wording or place'
    )
  else:
    hits = sum(bool(x) for x in pair)
    reading = (
        f'{("Neither", "One", "Both")[hits]} of the two emotions named'
        ' beforehand goes with Elo beyond its controls; a correlation over all'
        ' activities is in part one between categories'
    )
  return (
      f'{reading}, and a shift under steering counts only where random'
      ' directions give none.'
  )


def _signed(value: float) -> str:
  return f'{value:.2f}'.replace('-', '−')


def _method(data: Mapping[str, Any]) -> str:
  steered, count = data['steered'], len(data['activities'])
  chosen = 'Wins' if data['hard'] else 'Probabilities'
  left = steered['left_out']
  return (
      f'{count * (count - 1)} choices between {count} activities, both orders.'
      f' {chosen} of the two answers make a Bradley–Terry fit with position'
      ' bias, in Elo points around 1500 (400 are odds of 10 to 1). Readings are'
      ' the mean cosine over an activity’s own tokens in “How would you feel'
      f' about …?”, averaged over layers {sections.layers_name(data["band"])}.'
      f' “Not harmful” leaves out {_listing(data["harmful"])}. Intervals over'
      f' few categories are too narrow. Steered: {steered["activities"]}'
      f' activities, at layers {sections.layers_name(steered["layers"])}'
      f' together, in {steered["questions"]} choices a direction, compared with'
      ' the same'
      ' choices unsteered; the correlations beside the shifts are of the other'
      ' half. Mean Elo is fixed: a shift is half of the change of the gap'
      ' between the halves.'
      + (f' Without a vector: {", ".join(left)}.' if left else '')
  )


def _listing(names: Sequence[str]) -> str:
  return ' and '.join(map(spaced, names)) if names else 'nothing'


def _captions(data: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
  steered = data['steered']
  return {
      f'{NAME}-{sign}': (
          f'Elo of activities against the reading of {name}',
          f'Elo of each activity against the reading of {name} on its tokens,'
          ' by category. Intervals of Elo are in the data; r with its interval'
          ' and controls is in the numbers below.',
      )
      for sign, name in data['names'].items()
  } | {
      f'{NAME}-emotions': (
          'Correlation of every emotion’s reading with Elo',
          'Correlation of every emotion’s reading with Elo, over all activities'
          ' and within categories, with 95 % intervals over categories. Grey:'
          ' the central 95 % of random directions.',
      ),
      f'{NAME}-layers': (
          'Correlation with Elo against layer',
          'Correlation of the two emotions’ readings with Elo at every layer.'
          ' Grey: the central 95 % of random directions. Intervals at the'
          ' layers of the readings are in the numbers below.',
      ),
      f'{NAME}-coupling': (
          'Shift of Elo under steering against the correlation of the reading',
          'What steering one half of the activities does to their Elo, against'
          ' the correlation of reading and Elo on the other half. Strength'
          f' {steered["strength"]:g}; bars are a 95 % bootstrap over'
          ' categories.',
      ),
  }


def _tables(data: Mapping[str, Any]) -> list[dict[str, Any]]:
  by_elo = sorted(data['activities'], key=lambda row: -row['elo']['value'])
  return [
      {
          'title': 'Correlation of readings with Elo; p adjusted over emotions',
          'columns': (
              'Emotion',
              'All',
              'p',
              'Within categories',
              'p',
              'Not harmful',
              'p',
              f'All, layer {data["layer"]}',
          ),
          'rows': [_correlation_cells(row) for row in data['emotions']],
      },
      {
          'title': 'Steering one half: shift, and damage',
          'columns': (
              'Direction',
              'r on the other half',
              'Shift (Elo points)',
              'Slope on unsteered Elo',
              'Certainty',
              'P(A)',
          ),
          'rows': _steered_cells(data['steered']),
      },
      {
          'title': 'Activities by Elo',
          'columns': ('Activity', 'Category', 'Elo'),
          'rows': [
              (row['text'], spaced(row['category']), row['elo'])
              for row in by_elo
          ],
      },
  ]


def _correlation_cells(row: Mapping[str, Any]) -> list[Any]:
  cells = [row['emotion']]
  for name in ('raw', 'within', 'benign'):
    cells += [row[name], row[name]['adjusted']]
  return [*cells, row['at_layer']]


def _steered_cells(steered: Mapping[str, Any]) -> list[list[Any]]:
  """A line a direction; before them what it is without."""
  damage = ('certainty', 'first_chosen')
  rows = [['unsteered', '', '', '', *(steered[name] for name in damage)]]
  for row in steered['rows']:
    cells = [row[name] for name in ('r', 'shift', 'slope', *damage)]
    rows.append([spaced(row['direction']), *cells])
  return rows
