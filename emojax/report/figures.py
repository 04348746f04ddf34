"""Figures of the report: artefact values in, plotly figures out.

Layers are 0-based blocks; a missing interval is None and draws no band.
"""

from collections.abc import Mapping, Sequence
import html
from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import labels

# From below 0, over 0, to above.
DIVERGING = (
    (0.0, 'var(--negative)'),
    (0.5, 'var(--middle)'),
    (1.0, 'var(--positive)'),
)

# What the curves of a measure are called.
_CONTROLS = {'random': curves.RANDOM.name, 'shuffled': curves.SHUFFLED.name}
NAMES = {
    'word_delta': {
        'matched': 'the emotion’s own word',
        'unmatched': 'other emotions’ words',
    }
    | _CONTROLS,
    'expressed': {
        'matched': 'the emotion itself',
        'unmatched': 'other emotions',
    }
    | _CONTROLS,
}
_CHANGES = {
    'word_delta': 'change in log-probability (nats)',
    'expressed': 'change in what the text expresses (SD)',
}
_STROKES = {
    'matched': (curves.ACCENT, 'solid'),
    'unmatched': (curves.INK, 'dash'),
    'random': curves.RANDOM[1:],
    'shuffled': curves.SHUFFLED[1:],
}


def accuracy(heldout: Mapping[str, Any], measure: str) -> go.Figure:
  """Returns held-out accuracy against layer, with its controls.

  Args:
    heldout: the contents of heldout.json.
    measure: 'top1' or 'top5'.
  """
  layers = heldout['layers']
  x = [row['layer'] for row in layers]
  figure = curves.empty(
      'layer (0-based block, its output)', 'fraction of stories'
  )
  stroke = curves.Stroke('shuffled labels', curves.MUTED, 'dash')
  shuffled = [row[f'shuffled_{measure}'] for row in layers]
  figure.add_traces(curves.curve(x, shuffled, stroke))
  for value, stroke in (
      (
          heldout['chance'][measure],
          curves.Stroke('chance', curves.MUTED, 'dot'),
      ),
      (
          heldout['embed'][measure]['value'],
          curves.Stroke('embedding layer', curves.INK, 'dashdot'),
      ),
  ):
    figure.add_trace(curves.line(x, [value] * len(x), stroke))
  stroke = curves.Stroke('held out', curves.ACCENT, 'solid')
  figure.add_traces(curves.curve(x, [row[measure] for row in layers], stroke))
  chosen = heldout['chosen_layer']
  figure.add_vline(x=chosen, line={'color': curves.INK, 'width': 1})
  figure.add_annotation(
      x=chosen,
      y=1.0,
      yref='paper',
      yanchor='bottom',
      showarrow=False,
      text=f'chosen layer {int(chosen)}',
      font={'color': curves.INK},
  )
  figure.update_yaxes(range=[0, 1.02], tickformat='.1f')
  figure.update_xaxes(range=[x[0] - 0.5, x[-1] + 0.5], showgrid=False)
  return figure


def cosine_map(geometry: Mapping[str, Any]) -> go.Figure:
  """Returns the [E, E] map of cosines, emotions in clustered order."""
  order = geometry['order']
  names = [plain(geometry['emotions'][i]) for i in order]
  figure = curves.empty('', '', height=760, aspect=1.2)
  figure.add_heatmap(
      z=[[geometry['cosine'][i][j] for j in order] for i in order],
      x=names,
      y=names,
      zmin=-1,
      zmax=1,
      colorscale=DIVERGING,
      xgap=1,
      ygap=1,
      colorbar=colorbar('cosine'),
      hovertemplate='%{y} and %{x}<br>cosine %{z:.3f}<extra></extra>',
  )
  ticks = {
      'type': 'category',
      'tickmode': 'array',
      'tickvals': names,
      'showgrid': False,
      'showline': False,
      'constrain': 'domain',
  }
  figure.update_xaxes(**ticks, tickangle=-90)
  figure.update_yaxes(**ticks, autorange='reversed', scaleanchor='x')
  figure.update_layout(hovermode='closest')
  return figure


def scatter(geometry: Mapping[str, Any]) -> go.Figure:
  """Returns emotions on the first two components, coloured by valence.

  An emotion that the valence lexicon does not cover is grey.
  """
  emotions, scores = geometry['emotions'], geometry['pca']['scores']
  explained, words = geometry['pca']['explained'], geometry['valence']['words']
  places = labels.places([row[:2] for row in scores], emotions)
  figure = curves.empty(
      *(
          f'component {i + 1} ({100 * explained[i]:.0f} % of variance)'
          for i in (0, 1)
      ),
      height=600,
      aspect=1.2,
  )
  covered = [i for i, name in enumerate(emotions) if name in words]
  grey = [i for i, name in enumerate(emotions) if name not in words]
  values = [words[emotions[i]] for i in covered]
  bound = max([abs(value) for value in values], default=1.0) or 1.0
  colour = {
      'color': values,
      'cmin': -bound,
      'cmax': bound,
      'colorscale': DIVERGING,
      'colorbar': colorbar('valence'),
  }
  hover = '%{text}<br>component 1: %{x:.3f}<br>component 2: %{y:.3f}'
  for name, rows, marker, tail in (
      ('not in the lexicon', grey, {'color': 'var(--uncovered)'}, ''),
      ('valence known', covered, colour, '<br>valence %{marker.color:.1f}'),
  ):
    figure.add_scatter(
        x=[scores[i][0] for i in rows],
        y=[scores[i][1] for i in rows],
        text=[plain(emotions[i]) for i in rows],
        name=name,
        mode='markers+text',
        textposition=[places[i] for i in rows],
        textfont={'color': curves.INK, 'size': 12},
        showlegend=False,
        marker={
            **marker,
            'size': 11,
            'line': {'color': curves.MUTED, 'width': 1},
        },
        hovertemplate=f'{hover}{tail}<extra></extra>',
    )
  figure.update_layout(hovermode='closest', margin_b=110)
  curves.zero_lines(figure)
  _pad(figure, [row[:2] for row in scores])
  return figure


def dose(
    responses: Mapping[str, Sequence[curves.Point]],
    span: Sequence[float] | None = None,
    measure: str = 'word_delta',
) -> go.Figure:
  """Returns the change of a measure against steering strength.

  Args:
    responses: points under 'matched' and, where measured, 'unmatched', 'random'
      and 'shuffled'.
    span: lowest and highest value of the axis, for figures to be compared.
    measure: of NAMES.
  """
  figure = curves.empty('strength', _CHANGES[measure])
  for key, name in reversed(NAMES[measure].items()):  # The last is on top.
    stroke = curves.Stroke(name, *_STROKES[key])
    curves.add_strengths(figure, responses.get(key, []), stroke)
  curves.zero_lines(figure, x=False)
  if span is not None:
    figure.update_yaxes(range=list(span))
  return figure


def divergence(kl: Mapping[str, Sequence[curves.Point]]) -> go.Figure:
  """Returns KL from the unsteered model (nats a token) against strength."""
  figure = curves.empty('strength', 'KL (nats per generated token)')
  for key, stroke in (
      ('random', curves.RANDOM),
      ('shuffled', curves.SHUFFLED),
      ('emotion', curves.VECTORS),
  ):
    curves.add_strengths(figure, kl.get(key, []), stroke)
  figure.update_yaxes(rangemode='tozero')
  return figure


def plain(text: str) -> str:
  """Escapes text: plotly reads a little markup in labels and hovers."""
  return html.escape(text, quote=False)


def colorbar(title: str) -> dict[str, Any]:
  """Returns a horizontal colour bar below a figure."""
  return {
      'title': {'text': title, 'side': 'right', 'font': {'size': 12}},
      'orientation': 'h',
      'thickness': 8,
      'len': 0.7,
      'nticks': 5,
      'tickangle': 0,
      'outlinewidth': 0,
      'yref': 'container',
      'y': 0,
      'yanchor': 'bottom',
      'tickfont': {'color': curves.MUTED},
  }


def _pad(figure: go.Figure, points: Sequence[Sequence[float]]) -> None:
  """Leaves room for the labels of the outermost points."""
  for axis, update in enumerate((figure.update_xaxes, figure.update_yaxes)):
    values = [point[axis] for point in points]
    margin = (0.12, 0.07)[axis] * ((max(values) - min(values)) or 1.0)
    update(range=[min(values) - margin, max(values) + margin])
