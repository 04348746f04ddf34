"""What is shown of the layers in which the vectors hold."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import figures
from emojax.report import maps

NAME = 'layer_profile'
_LAYER = 'layer (0-based block, its output)'
_FOLDED = curves.Stroke('own word, with the gain', curves.ACCENT, 'dot')
_DEALT = curves.Stroke('words dealt out', curves.INK, 'dash')
Data = Mapping[str, Any]
Drawn = tuple[go.Figure, str, str]  # Its label for readers, its caption.


def view(data: dict[str, Any]) -> dict[str, Any]:
  shown = {
      name: drawn
      for name, draw in (
          ('accuracy', _accuracy),
          ('other', _other),
          ('lens', _lens),
          ('stability', _stability),
          ('similarity', _similarity),
          ('shuffled', _shuffled),
      )
      if (drawn := draw(data)) is not None
  }
  return {
      **data,
      'title': 'Layers',
      'question': (
          'In which layers do the vectors tell emotions on unseen topics, name'
          ' the emotion’s own word, and stay the same on other topics?'
      ),
      'shows': _shows(data),
      'method': _method(data),
      'figures': {f'{NAME}-{id_}': drawn[0] for id_, drawn in shown.items()},
      'captions': {f'{NAME}-{id_}': drawn[1:] for id_, drawn in shown.items()},
      'tables': [_tokens(data)],
  }


def _accuracy(data: Data) -> Drawn:
  return (
      figures.accuracy(data['held_out'], 'top1'),
      'Held-out accuracy by layer, with controls',
      'How often a story on an unseen topic is nearest to its own emotion’s'
      ' vector. The band is a bootstrap over topics.',
  )


def _other(data: Data) -> Drawn | None:
  if data['other'] is None:
    return None
  strokes = {
      'shuffled_top1': curves.SHUFFLED,
      'top1': curves.Stroke('another author’s stories', curves.ACCENT, 'solid'),
  }
  return (
      _lines(data, data['other']['across'], strokes, 'fraction of stories'),
      'Accuracy on another author’s stories by layer',
      'The same for the stories of another author, on unseen topics. Bands:'
      ' 95 % bootstrap over topics.',
  )


def _lens(data: Data) -> Drawn | None:
  if data['lens']['layers'] is None:
    return None
  plain, gain = (data['lens']['layers'][name] for name in ('plain', 'gain'))
  figure = _lines(
      data,
      plain,
      {
          'shuffled_percentile': curves.SHUFFLED,
          'dealt_percentile': _DEALT,
          'percentile': curves.Stroke('own word', curves.ACCENT, 'solid'),
      },
      'share of the vocabulary below',
  )
  for rows, key, stroke in (  # Without bands, which would hide each other.
      (plain, 'random_percentile', curves.RANDOM),
      (gain, 'percentile', _FOLDED),
  ):
    x, y = zip(*((row['layer'], row[key]['value']) for row in rows))
    figure.add_trace(curves.line(x, y, stroke))
  figure.update_yaxes(range=[0, 1.02], tickformat='.1f')
  return (
      figure,
      'Rank of the emotion’s own word by layer, with controls',
      'Logit lens: the share of the vocabulary that the emotion’s own word is'
      ' above, median over emotions, with a 95 % bootstrap over them; 0.5 is'
      ' chance. With the gain of the final'
      ' norm folded in, and without, as its controls are.',
  )


def _stability(data: Data) -> Drawn:
  control = lambda name, dash: curves.Stroke(name, curves.CONTROL, dash)
  strokes = {
      'shuffled_resampled': control('resampled, shuffled labels', 'dot'),
      'shuffled_halves': control('halves, shuffled labels', 'dashdot'),
      'resampled': curves.Stroke('resampled topics', curves.INK, 'dash'),
      'halves': curves.Stroke('halves, stepped up', curves.ACCENT, 'solid'),
  }
  return (
      _lines(data, data['stability']['layers'], strokes, 'cosine'),
      'Stability of the vectors by layer, with controls',
      'How alike vectors are that are made of other topics: of resampled ones'
      ' and of all, and of two halves, stepped up to all topics. Bands: 95 %'
      ' bootstrap over emotions; of shuffled labels, the central 95 %.',
  )


def _similarity(data: Data) -> Drawn:
  return _alike(data['similarity']['matrix'], 'the vectors')


def _shuffled(data: Data) -> Drawn:
  return _alike(data['similarity']['shuffled_matrix'], 'shuffled labels')


def _alike(matrix: Sequence[Sequence[float | None]], of: str) -> Drawn:
  layers = [str(i) for i in range(len(matrix))]
  return (
      maps.wide(matrix, layers, layers, 'r', ('layer', 'layer')),
      f'Likeness of layers, of {of}',
      f'Of {of}: Pearson’s r between two layers’ cosines of all pairs of'
      ' emotions. The same of shuffled labels is the control of the first;'
      ' intervals are in the numbers below.',
  )


def _lines(
    data: Data,
    rows: Sequence[Data],
    strokes: Mapping[str, curves.Stroke],
    unit: str,
) -> go.Figure:
  """Lines against layer; the layer of the readings is marked."""
  figure = curves.empty(_LAYER, unit)
  x = [row['layer'] for row in rows]
  for key, stroke in strokes.items():
    figure.add_traces(curves.curve(x, [row[key] for row in rows], stroke))
  figure.add_vline(x=data['layer'], line={'color': curves.INK, 'width': 1})
  figure.update_xaxes(range=[x[0] - 0.5, x[-1] + 0.5], showgrid=False)
  return figure


def _tokens(data: Data) -> dict[str, Any]:
  joined = lambda row, name: ' · '.join(row['plain'][name])
  return {
      'title': f'Tokens that each vector raises and lowers most, layer'
      f' {data["layer"]}, without the final norm’s gain',
      'columns': ('Emotion', 'Raises', 'Lowers'),
      'rows': [
          (row['emotion'], joined(row, 'top'), joined(row, 'bottom'))
          for row in data['lens']['tokens']
      ],
  }


def _shows(data: Data) -> str:
  """One sentence that follows from the numbers."""
  beyond = {row['id']: row['beyond'] for row in data['numbers']}
  held = beyond[f'{NAME}_held_out']
  found = (
      'The vectors tell emotions on unseen topics beyond their controls'
      if held
      else 'The vectors do not tell emotions on unseen topics beyond their'
      ' controls'
  )
  own, last = (beyond.get(f'{NAME}_word{end}') for end in ('', '_last'))
  word = {
      (True, True): ', and name their own word at the layer of the readings',
      (True, False): ', and name their own word at the layer of the readings',
      (False, True): ', but name their own word only near the last layers',
  }.get((own, last), ', and do not clearly name their own word')
  if own is None:
    word = ''
  between = data['similarity']['between']
  alike = (
      f'; layers are alike with r {between["value"]:.2f}, beside'
      f' {data["similarity"]["shuffled"]["value"]:.2f} with shuffled labels'
      if between
      else ''
  )
  other = (
      '; no other author’s stories were tried' if data['other'] is None else ''
  )
  return f'{found}{word}{alike}{other}.'


def _method(data: Data) -> str:
  other, lens = data['other'], data['lens']
  author = (
      'No second corpus was given (config.layer_profile.other_stories), so that'
      ' nothing is said of another author.'
      if other is None
      else f'The other author’s {other["stories"]} stories are of'
      f' {len(other["emotions"])} of the emotions.'
  )
  left = [e for e in data['emotions'] if e not in lens['told']]
  words = (
      f'The logit lens is the product with the unembedding of'
      f' {lens["vocabulary"]} tokens.'
  )
  if left:
    words += (
        ' Left out, as the first token of the word is another’s, too, or no'
        f' letter: {", ".join(left)}.'
    )
  return (
      f'{len(data["emotions"])} emotions, {data["stability"]["topics"]} topics,'
      f' {data["stability"]["stories"]} stories. Intervals are 95 %, over'
      ' topics for accuracy and over emotions else; the vertical line is layer'
      f' {data["layer"]}, where readings are reported. {words} {author}'
  )
