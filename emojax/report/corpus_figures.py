"""Figures of a corpus that a model wrote: yields, cosines, accuracies."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import figures

_LAYER = 'layer (0-based block, its output)'
_OTHER = {'written': 'reference', 'reference': 'written'}
# Whose stories: what the curve is called.
_STORIES = {
    'written': 'on written stories',
    'reference': 'on the reference’s stories',
}


def yields(emotions: Sequence[tuple[str, Mapping[str, Any]]]) -> go.Figure:
  """Returns the share of stories that were kept, a bar an emotion.

  Args:
    emotions: names and yields, in the order in which they are shown.
  """
  figure = _rows(len(emotions), 'share of the stories asked for')
  figure.add_bar(
      y=[figures.plain(name) for name, _ in emotions],
      orientation='h',
      marker={'color': curves.ACCENT, 'opacity': 0.55},
      showlegend=False,
      textposition='none',
      **_spans([each['kept'] for _, each in emotions]),
  )
  figure.update_xaxes(range=[0, 1.02], tickformat='.1f')
  return figure


def by_emotion(emotions: Sequence[Mapping[str, Any]]) -> go.Figure:
  """Returns the cosine of each emotion's two vectors, beside others'."""
  figure = _rows(len(emotions), 'cosine')
  names = [figures.plain(row['emotion']) for row in emotions]
  for key, name, colour, symbol in (
      ('different', 'different emotions', curves.CONTROL, 'diamond-open'),
      ('same', 'the same emotion', curves.ACCENT, 'circle'),
  ):
    figure.add_scatter(
        y=names,
        name=name,
        mode='markers',
        marker={'color': colour, 'size': 8, 'symbol': symbol},
        **_spans([row[key] for row in emotions], colour),
    )
  figure.add_vline(x=0, line={'color': curves.MUTED, 'width': 1})
  figure.update_xaxes(range=[-1.02, 1.02], tickformat='.1f')
  return figure


def cosine(rows: Sequence[Mapping[str, Any]], chosen: int) -> go.Figure:
  """Returns the mean cosine against layer, of the same emotion and others."""
  figure = curves.empty(_LAYER, 'cosine')
  x = [row['layer'] for row in rows]
  for key, stroke in (
      ('shuffled', curves.SHUFFLED),
      (
          'different',
          curves.Stroke('different emotions', curves.INK, 'dash'),
      ),
      ('same', curves.Stroke('the same emotion', curves.ACCENT, 'solid')),
  ):
    points = [row[key] for row in rows]
    figure.add_traces(curves.curve(x, points, stroke))
  curves.zero_lines(figure, x=False)
  figure.update_yaxes(range=[-1.02, 1.02], tickformat='.1f')
  return _mark(figure, x, chosen)


def transfer(comparison: Mapping[str, Any], train: str) -> go.Figure:
  """Returns top-1 accuracy against layer of one corpus's vectors.

  Args:
    comparison: the contents of comparison.json.
    train: whose vectors, 'written' or 'reference'.
  """
  figure = curves.empty(_LAYER, 'fraction of stories')
  between, within = (
      comparison['transfer'][f'{train} to {test}']
      for test in (_OTHER[train], train)
  )
  x = [row['layer'] for row in between]
  stroke = curves.Stroke('chance', curves.MUTED, 'dot')
  chance = [comparison['chance']['top1']] * len(x)
  figure.add_trace(curves.line(x, chance, stroke))
  for rows, key, stroke in (
      (between, 'shuffled_top1', curves.SHUFFLED),
      (within, 'top1', curves.Stroke(_STORIES[train], curves.INK, 'dash')),
      (
          between,
          'top1',
          curves.Stroke(_STORIES[_OTHER[train]], curves.ACCENT, 'solid'),
      ),
  ):
    figure.add_traces(curves.curve(x, [row[key] for row in rows], stroke))
  figure.update_yaxes(range=[0, 1.02], tickformat='.1f')
  return _mark(figure, x, comparison['chosen_layer'])


def _mark(figure: go.Figure, x: Sequence[int], chosen: int) -> go.Figure:
  """Marks the layer that was chosen."""
  figure.add_vline(x=chosen, line={'color': curves.INK, 'width': 1})
  figure.update_xaxes(range=[x[0] - 0.5, x[-1] + 0.5], showgrid=False)
  return figure


def _rows(count: int, title: str) -> go.Figure:
  """An empty figure with a line of text for each of `count` emotions."""
  height = 110 + 22 * max(count, 5)
  # The page keeps figures that are tall by their contents at their height.
  figure = curves.empty(title, '', height=height, aspect=height / 300)
  figure.update_yaxes(type='category', autorange='reversed', showgrid=False)
  figure.update_layout(hovermode='closest')
  return figure


def _spans(
    points: Sequence[curves.Point], colour: str = curves.INK
) -> dict[str, Any]:
  """Values along x with their intervals, and what is said of each."""
  return {
      'x': [point['value'] for point in points],
      'error_x': curves.arms(points, colour),
      **curves.bounds(points),
      'text': [
          f' [{point["low"]:.3f}, {point["high"]:.3f}], n {point["n"]}'
          if point['low'] is not None
          else f' (no interval, n {point["n"]})'
          for point in points
      ],
      'hovertemplate': '%{y}: %{x:.3f}%{text}<extra></extra>',
  }
