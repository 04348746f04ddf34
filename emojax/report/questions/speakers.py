"""What is shown of vectors of the one who speaks and of the other one."""

from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import label_tables
from emojax.report import maps
from emojax.report import reading_figures

NAME = 'speakers'
_OWN = (
    ('present_present', 'the two speakers', curves.ACCENT, 'solid'),
    ('story_present', 'with the stories', curves.INK, 'dash'),
)
_OTHER = (
    ('other_other', 'the two speakers', curves.ACCENT, 'solid'),
    ('present_other', 'with present ones', curves.INK, 'dash'),
)
_NEAREST = 3


def view(data: dict[str, Any]) -> dict[str, Any]:
  """Returns what the page has of it."""
  drawn = {
      f'{NAME}-present': _layers(data, _OWN),
      f'{NAME}-other': _layers(data, _OTHER),
      f'{NAME}-cosine': _map(data, 'cosine', 'cosine'),
      f'{NAME}-structure': _map(data, 'structure', 'r'),
  }
  band = ' Bands: jackknife over dialogues, and the central 95 % of the first'
  band += ' line with shuffled labels.'
  return {
      **data,
      'title': 'Present and other speaker',
      'question': (
          'Do the words of one speaker carry the other’s emotion as well, and'
          ' is that vector another than the one for the speaker’s own?'
      ),
      'shows': _shows(data),
      'method': _method(data),
      'figures': drawn,
      'captions': {
          f'{NAME}-present': (
              'Cosines of present-speaker vectors by layer',
              'Vectors of the emotion of whoever speaks: the user’s tokens with'
              f' the assistant’s, and both with the stories’ vectors.{band}',
          ),
          f'{NAME}-other': (
              'Cosines of other-speaker vectors by layer',
              'Vectors of the emotion of the other one: the user’s tokens with'
              ' the assistant’s, and with present vectors of the same'
              f' tokens.{band}',
          ),
          f'{NAME}-cosine': (
              'Mean cosines of five kinds of vectors',
              'Mean cosine of vectors of the same emotion. Each kind is named'
              ' by whose tokens, and whose emotion. Intervals and controls are'
              ' in the numbers below.',
          ),
          f'{NAME}-structure': (
              'How alike five kinds of vectors order the emotions',
              'Correlation of the cosines between different emotions: 1 where'
              ' two kinds order the emotions alike. A picture, without interval'
              ' and control.',
          ),
      },
      'tables': [
          label_tables.methods(data),
          label_tables.signal(data),
          _nearest(data),
      ],
  }


def _map(data: dict[str, Any], key: str, unit: str) -> go.Figure:
  figure = maps.square(data[key], data['kinds'], data['kinds'], unit)
  # Their names are longer than cells are wide.
  figure.update_xaxes(tickangle=-90)
  figure.update_layout(height=460)
  return figure


def _layers(data: dict[str, Any], lines) -> go.Figure:
  rows = data['layers']
  first = lines[0][0]
  series = [(curves.SHUFFLED, [row['shuffled'][first] for row in rows])]
  for pair, *stroke in reversed(lines):
    series.append((curves.Stroke(*stroke), [row['same'][pair] for row in rows]))
  return reading_figures.over_layers(series, 'cosine', data['layer'])


def _shows(data: dict[str, Any]) -> str:
  beyond = lambda pair: reading_figures.is_beyond(data, f'{NAME}_{pair}')
  own = (
      'The speaker’s own emotion has one vector in both speakers’ tokens,'
      ' beyond what the words alone give'
      if beyond('present_present')
      else 'The speaker’s own emotion has one vector in both speakers’ tokens,'
      ' as far as the words alone give it'
      if _above_shuffled(data, 'present_present')
      else 'The speaker’s own emotion has no vector that both speakers share'
  )
  other = (
      'the other’s emotion has one as well'
      if beyond('other_other')
      else 'the other’s emotion has none that stands out from shuffled labels'
      ' and from the words'
  )
  return (
      f'{own}; {other}, at layer {data["layer"]}. The dialogues are written, so'
      ' that this is about how a model reads two speakers, not about its own'
      ' part in a talk.'
  )


def _above_shuffled(data: dict[str, Any], pair: str) -> bool:
  row = reading_figures.number_of(data, f'{NAME}_{pair}')
  band = label_tables.control(row, 'shuffled labels')
  return row['low'] is not None and row['low'] > band['high']


def _method(data: dict[str, Any]) -> str:
  n, count = data['dialogues'], len(data['emotions'])
  fitted = {
      'within blocks': 'least squares on both speakers’ emotions and the topic',
      'together': 'least squares on both speakers’ emotions',
  }[data['method']]
  return (
      f'{n} dialogues of two speakers in different emotions, {count} emotions,'
      f' {data["topics"]} topics'
      + (
          f' ({data["left_out"]} with an emotion that has no vector are left'
          ' out)'
          if data['left_out']
          else ''
      )
      + '. Mean activations over the tokens of each speaker’s messages, never'
      f' of the template; vectors by {fitted}, neutral components out. The'
      ' paper takes means by each label; with few emotions those of two labels'
      f' are drawn apart (by −1/{count - 1} in noise alone, and further by each'
      ' other’s vectors). Least squares are free of the latter; in noise alone'
      f' theirs are drawn together, by about 1/{count - 1}, as the shuffled'
      ' labels show, which keep pairs of emotions and topics as they are.'
      ' Intervals are a jackknife over dialogues, as a bootstrap would double'
      ' the noise of vectors of few texts.'
  )


def _nearest(data: dict[str, Any]) -> dict[str, Any]:
  """The present emotions that each of the other's is most alike to."""
  names = data['emotions']
  rows = []
  for name, row in zip(names, data['other_to_present'], strict=True):
    order = sorted(range(len(names)), key=lambda i: -row[i])[:_NEAREST]
    rows.append((name, ', '.join(f'{names[i]} {row[i]:+.2f}' for i in order)))
  return {
      'title': 'Present vectors nearest to each vector of the other’s emotion',
      'columns': ('The other is', 'Nearest, with cosine'),
      'rows': rows,
  }
