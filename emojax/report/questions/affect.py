"""What is shown of how the emotion vectors lie."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import figures
from emojax.report import labels

NAME = 'affect'
_LABELLED = 60  # More names than that hide each other.
_COLOURS = (
    curves.ACCENT,
    curves.CONTROL,
    'var(--negative)',
    'var(--positive)',
    curves.INK,
)
_SYMBOLS = ('circle', 'diamond-open', 'square', 'triangle-up-open', 'x')
_STROKES = {
    'valence': curves.Stroke('component 1, valence', curves.ACCENT, 'solid'),
    'arousal': curves.Stroke('component 2, arousal', curves.CONTROL, 'dash'),
}
Data = Mapping[str, Any]


def view(data: dict[str, Any]) -> dict[str, Any]:
  drawn = {
      'cosines': figures.cosine_map(data),
      'components': _thinned(figures.scatter(data), data),
      'map': _thinned(_map(data), data),
  }
  captions = {
      'cosines': (
          'Cosines of all pairs of emotion vectors',
          'Cosines of the vectors, in the order of a hierarchical clustering. A'
          ' picture: numbers with intervals and controls are below.',
      ),
      'components': (
          'Emotions on their first two components, coloured by valence',
          'The first two components of the vectors, coloured by the rated'
          ' valence of the word; grey where it has none. Their signs are those'
          ' of the ratings. Intervals and controls are in the numbers below.',
      ),
      'map': (
          'Emotions on a plane, marked by cluster',
          f'Marked by cluster of k-means. The plane ({data["map"]["how"]}) is'
          ' for the eye: distances on it are not those of the vectors.'
          ' Agreement with its interval and controls is in the numbers below.',
      ),
  }
  layers = _layers(data)
  if layers is not None:
    drawn['layers'] = layers
    captions['layers'] = (
        'Correlation of components with ratings by layer',
        '|r| of each layer’s own components with the ratings, with Fisher’s'
        ' 95 % interval; dotted, the same of the embedding layer, and the end'
        ' of what dealt-out ratings give in 95 of 100 cases.',
    )
  return {
      **data,
      'title': 'Valence, arousal and clusters',
      'question': (
          'Are the vectors’ first two components the valence and the arousal of'
          ' the emotions, and do the vectors form the paper’s clusters?'
      ),
      'shows': _shows(data),
      'method': _method(data),
      'figures': {f'{NAME}-{id_}': figure for id_, figure in drawn.items()},
      'captions': {f'{NAME}-{id_}': text for id_, text in captions.items()},
      'tables': [_relations(data), _clusters(data), *_own(data)],
  }


def _map(data: Data) -> go.Figure:
  """The plane, with a colour and a mark for each cluster."""
  places, emotions = data['map']['places'], data['emotions']
  names, clusters = data['clusters']['published'], data['clusters']['labels']
  at = labels.places(places, emotions)
  figure = curves.empty('', '', height=600, aspect=1.2)
  for cluster in range(max(clusters) + 1):
    rows = [i for i, c in enumerate(clusters) if c == cluster]
    figure.add_scatter(
        x=[places[i][0] for i in rows],
        y=[places[i][1] for i in rows],
        text=[figures.plain(emotions[i]) for i in rows],
        customdata=[
            [figures.plain(emotions[i]), figures.plain(names[i] or 'none')]
            for i in rows
        ],
        meta={'columns': ['emotion', 'cluster of the paper']},
        name=f'cluster {cluster + 1}',
        mode='markers+text',
        textposition=[at[i] for i in rows],
        textfont={'color': curves.INK, 'size': 12},
        showlegend=False,
        marker={
            'color': _COLOURS[cluster % len(_COLOURS)],
            'symbol': _SYMBOLS[
                (cluster + cluster // len(_COLOURS)) % len(_SYMBOLS)
            ],
            'size': 11,
        },
        hovertemplate=f'%{{text}}<br>cluster {cluster + 1}<br>the paper’s:'
        ' %{customdata[1]}<extra></extra>',
    )
  figure.update_layout(hovermode='closest')
  for axis, update in enumerate((figure.update_xaxes, figure.update_yaxes)):
    values = [place[axis] for place in places]
    margin = (0.12, 0.07)[axis] * ((max(values) - min(values)) or 1.0)
    update(
        range=[min(values) - margin, max(values) + margin],
        showticklabels=False,
        showgrid=False,
    )
  return figure


def _thinned(figure: go.Figure, data: Data) -> go.Figure:
  if len(data['emotions']) > _LABELLED:
    figure.update_traces(mode='markers')
  return figure


def _layers(data: Data) -> go.Figure | None:
  """|r| of components by layer; None if nothing is rated."""
  rows = {scale: _of_scale(data, scale) for scale in _STROKES}
  rows = {scale: row for scale, row in rows.items() if row}
  if not rows:
    return None
  figure = curves.empty('layer (0-based block, its output)', '|r|')
  missing = {'value': None, 'low': None, 'high': None, 'n': 0}
  for scale, row in rows.items():
    stroke = _STROKES[scale]
    x = list(range(len(row['layers'])))
    points = [point or missing for point in row['layers']]
    if row['embed'] is not None:
      dotted = stroke._replace(name=f'embedding, {scale}', dash='dot')
      flat = [row['embed']['value']] * len(x)
      figure.add_trace(curves.line(x, flat, dotted))
    figure.add_traces(curves.curve(x, points, stroke))
  ends = [row['permuted']['high'] for row in rows.values()]
  dealt = curves.Stroke('dealt out anew, upper end', curves.MUTED, 'dot')
  figure.add_trace(curves.line(x, [max(ends)] * len(x), dealt))
  figure.add_vline(x=data['layer'], line={'color': curves.INK, 'width': 1})
  figure.update_yaxes(range=[-1.02, 1.02], tickformat='.1f')
  figure.update_xaxes(showgrid=False)
  curves.zero_lines(figure, x=False)
  return figure


def _of_scale(data: Data, scale: str) -> Mapping[str, Any] | None:
  """The ratings by people, or else the model's own; None if there are none."""
  found = data['relations']
  row = found.get(scale) or found.get(f'own_{scale}')
  return row if row and row['component'] else None


def _relations(data: Data) -> dict[str, Any]:
  share = [f'{x:.0%}' for x in data['pca']['explained']]
  return {
      'title': 'Every component beside all ratings, |r|, and the upper end of'
      ' 95 % of dealt-out ratings',
      'columns': (
          'Ratings',
          *(f'{i} ({x})' for i, x in enumerate(share, start=1)),
          'Dealt out, one',
          'Dealt out, best',
      ),
      'rows': [
          (
              f'{"own " if row["own_ratings"] else ""}{row["short"]}',
              *(point['value'] for point in row['components']),
              row['permuted']['high'],
              row['best_permuted']['high'],
          )
          for row in data['relations'].values()
      ],
  }


def _clusters(data: Data) -> dict[str, Any]:
  found = data['clusters']
  rows = []
  for cluster in range(max(found['labels']) + 1):
    own = [i for i, c in enumerate(found['labels']) if c == cluster]
    names = [found['published'][i] or 'none' for i in own]
    counted = sorted({(-names.count(n), n) for n in names})
    rows.append(
        (
            f'{cluster + 1}',
            ', '.join(data['emotions'][i] for i in own),
            ', '.join(f'{name} ({-count})' for count, name in counted),
        )
    )
  return {
      'title': 'Clusters, and where the paper has their emotions',
      'columns': ('Cluster', 'Emotions', 'Clusters of the paper'),
      'rows': rows,
  }


def _own(data: Data) -> list[dict[str, Any]]:
  own, words = data['own_ratings'], data['valence']['words']
  if own is None:
    return []
  scales = ('valence', 'arousal')
  return [
      {
          'title': 'The model’s own ratings, from 1 to 7',
          'columns': ('Emotion', 'Valence by people', 'Valence', 'Arousal'),
          'rows': [
              (name, words.get(name), *(own[s]['values'][i] for s in scales))
              for i, name in enumerate(data['emotions'])
          ],
      }
  ]


def _shows(data: Data) -> str:
  """One sentence that follows from the numbers."""
  beyond = {row['id']: row['beyond'] for row in data['numbers']}
  by_people = 'arousal' in data['relations']
  arousal = 'arousal' if by_people else 'arousal (by the model’s own ratings)'
  parts = (
      (
          f'{NAME}_valence',
          'component 1 is valence beyond its controls',
          'component 1 is not valence beyond its controls',
      ),
      (
          f'{NAME}_arousal',
          f'component 2 is {arousal} beyond its controls',
          f'component 2 is not {arousal} beyond its controls',
      ),
      (
          f'{NAME}_clusters',
          'the clusters are more like the paper’s than chance and controls',
          'the clusters are no more like the paper’s than controls are',
      ),
  )
  said = [yes if beyond[id_] else no for id_, yes, no in parts if id_ in beyond]
  text = '; '.join(said) or 'Too few of the words are rated to say anything'
  return (
      f'{text[0].upper()}{text[1:]}; how vectors lie says nothing of whether'
      ' the model uses it.'
  )


def _method(data: Data) -> str:
  valence, found = data['valence'], data['clusters']
  missing = valence['missing']
  text = (
      f'{len(data["emotions"])} vectors of layer {data["layer"]}. Valence:'
      f' {valence["source"]}; {len(valence["words"])} of the words have it.'
  )
  if missing and len(missing) <= 10:
    text += f' Without: {", ".join(missing)}.'
  text += (
      f' k-means on unit vectors, k = {found["k"]}, best of 20 starts. Which'
      ' component belongs to which rating was set beforehand; the best of all'
      ' is in the table for comparison with runs that pick it, and is inflated'
      ' as “the best” of dealt-out ratings shows.'
  )
  if data['own_ratings'] is None:
    return text + ' The model was not asked for ratings.'
  return text + (
      ' The model’s own ratings are the expected digit from 1 to 7 where its'
      ' reply begins, over two wordings with opposite scales.'
  )
