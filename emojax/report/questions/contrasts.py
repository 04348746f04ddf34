"""What is shown of texts in which a few words are swapped."""

from typing import Any

from emojax.report import curves
from emojax.report import maps
from emojax.report import reading_figures

NAME = 'contrasts'
_PLACES = {'word': 'changed word', 'response': 'before reply'}
_CURVES = {
    'response': curves.Stroke('before the reply', curves.INK, 'dash'),
    'suffix': curves.Stroke('after the word', curves.ACCENT, 'solid'),
}
_AFFIRMED = curves.Stroke('affirmed', curves.ACCENT, 'solid')
_NEGATED = curves.Stroke('negated', curves.INK, 'dash')
_WHERE = {
    'word': 'at the emotion’s word',
    'end': 'at the end of the user’s turn',
    'response': 'before the reply',
}


def view(data: dict[str, Any]) -> dict[str, Any]:
  """Returns what the page has of it."""
  drawn, captions = _pairs(data)
  for place in ('end', 'response'):
    forms = data['negation'][place]
    drawn[f'negation-{place}'] = _lines(
        data,
        [(_NEGATED, forms['negated']), (_AFFIRMED, forms['affirmed'])],
    )
    captions[f'negation-{place}'] = (
        f'Readings of affirmed and negated emotions {_WHERE[place]}, by layer',
        f'{_WHERE[place].capitalize()}: the emotion named, above what it is in'
        ' sentences about the others. The bands are bootstraps over emotions.',
    )
  for place, where in (
      ('word', 'at the emotion’s word'),
      ('name', 'where the name comes again'),
  ):
    if place in data['binding']:
      rows = data['binding'][place]
      drawn[f'binding-{place}'] = _lines(
          data,
          [
              (curves.RANDOM, rows, 'random'),
              (curves.SHUFFLED, rows, 'shuffled'),
              (curves.VECTORS, rows),
          ],
      )
      captions[f'binding-{place}'] = (
          f'Own minus other emotion {where}, by layer, with controls',
          f'{where.capitalize()}: the person’s own emotion minus the other'
          ' person’s, with the emotions swapped and all else the same. Bands:'
          ' 95 % bootstrap over texts; of controls, the central 95 %.',
      )
  return {
      **data,
      'title': 'Words that are swapped',
      'question': (
          'When a word changes, is negated or belongs to another person, at'
          ' which places and layers do readings follow?'
      ),
      'shows': _shows(data),
      'method': _method(data),
      'figures': {f'{NAME}-{name}': figure for name, figure in drawn.items()},
      'captions': {f'{NAME}-{name}': text for name, text in captions.items()},
      'tables': [_table(data)],
  }


def _pairs(data):
  """The figures of pairs and their captions."""
  names = [_PLACES.get(place, place) for place in data['places']]
  by_place = [[point['value'] for point in row] for row in data['map']]
  layers = list(zip(*by_place, strict=True))
  drawn = {
      'map': maps.wide(
          layers,
          [str(i) for i in range(len(layers))],
          names,
          'cosine',
          ('place', 'layer'),
      ),
      'layers': _lines(
          data,
          [
              (curves.RANDOM, data['layers']['suffix'], 'random'),
              (curves.SHUFFLED, data['layers']['suffix'], 'shuffled'),
              *((s, data['layers'][p]) for p, s in _CURVES.items()),
          ],
      ),
  }
  captions = {
      'map': (
          'Difference between the two messages by place and layer',
          f'High minus low, mean over {len(data["pairs"])} pairs. Numbers are'
          ' parts of the text that both messages share after the changed word.'
          ' Intervals and controls are in the figure by layer.',
      ),
      'layers': (
          'Difference between the two messages by layer, with controls',
          'High minus low over the shared text and before the reply. The bands'
          ' are bootstraps over pairs; controls are those over the text.',
      ),
  }
  return drawn, captions


def _lines(data, series):
  """Curves of rows by layer: a stroke, rows, and of which directions."""
  return reading_figures.over_layers(
      [
          (stroke, [row[(*kind, 'emotions')[0]] for row in rows])
          for stroke, rows, *kind in series
      ],
      'cosine',
      data['layer'],
  )


def _method(data: dict[str, Any]) -> str:
  early, late = data['ends']['early'], data['ends']['late']
  left = data['left_out']
  return (
      f'{len(data["pairs"])} pairs of messages that differ in one word or two,'
      ' read with the vector of the pair’s emotion at tokens that both have;'
      f' “{data["templates"]["affirmed"]}” and'
      f' “{data["templates"]["negated"]}” with {len(data["emotions"])}'
      f' emotions; {data["bindings"]} texts of two people in both assignments.'
      f' Early layers are {early[0]} to {early[1]}, late ones {late[0]} to'
      f' {late[1]}. Intervals resample pairs, emotions or texts; controls are'
      ' shuffled-label vectors, random directions and, for swaps, the embedding'
      ' layer, which is 0 wherever the token is the same and whose cosines have'
      ' another scale elsewhere.'
      f' Left out for want of a vector: {left["pairs"]} pairs,'
      f' {left["bindings"]} texts.'
  )


def _shows(data: dict[str, Any]) -> str:
  beyond = {
      name: reading_figures.is_beyond(data, f'{NAME}_{name}')
      for name in ('persistence', 'negation_late', 'binding_name_late')
  }
  words = {
      'persistence': 'what a word changes is carried over the text after it in'
      ' late layers',
      'negation_late': 'a negated emotion reads lower than an affirmed one',
      'binding_name_late': 'a name that comes again reads as its own person’s'
      ' emotion',
  }
  yes = [words[name] for name, found in beyond.items() if found]
  no = [words[name] for name, found in beyond.items() if not found]
  parts = []
  if yes:
    parts.append(f'Beyond controls {", ".join(yes)}')
  if no:
    parts.append(f'not beyond controls: {", ".join(no)}')
  found = '; '.join(parts)
  return (
      f'{found[0].upper()}{found[1:]}. The differences are means over short'
      ' texts by one author, and a reading where the name comes again does not'
      ' say how the model brought it there.'
  )


def _table(data: dict[str, Any]) -> dict[str, Any]:
  return {
      'title': 'The pairs',
      'columns': (
          'Pair',
          'Emotion',
          'Low',
          'High',
          'After the word, early',
          'After the word, late',
          'Before the reply, late',
      ),
      'rows': [
          (
              row['name'].replace('_', ' '),
              row['emotion'],
              row['low'],
              row['high'],
              row['suffix_early'],
              row['suffix_late'],
              row['response_late'],
          )
          for row in data['pairs']
      ],
  }
