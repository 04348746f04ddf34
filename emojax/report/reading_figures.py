"""Figures of readings: over layers, over rungs, and place against place."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import figures

_LAYER = 'layer (0-based block, its output)'


def over_layers(
    series: Sequence[tuple[curves.Stroke, Sequence[curves.Point | None]]],
    title: str,
    chosen: int,
) -> go.Figure:
  """Returns lines over layers; the last is on top.

  Args:
    series: of each line, a point a layer; a line without points is left out.
    title: of the vertical axis.
    chosen: the layer that is marked.
  """
  figure = curves.empty(_LAYER, title)
  depth = 0
  for stroke, points in series:
    known = [(i, p) for i, p in enumerate(points) if p is not None]
    if known:
      x, own = (list(column) for column in zip(*known, strict=True))
      figure.add_traces(curves.curve(x, own, stroke))
      depth = max(depth, len(points))
  figure.add_vline(x=chosen, line={'color': curves.INK, 'width': 1})
  curves.zero_lines(figure, x=False)
  figure.update_xaxes(range=[-0.5, depth - 0.5], showgrid=False)
  return figure


def rungs(
    series: Sequence[tuple[curves.Stroke, Sequence[curves.Point]]],
    titles: tuple[str, str],
) -> go.Figure:
  """Returns lines from the first rung of a ladder to the last."""
  figure = curves.empty(*titles)
  for stroke, points in series:
    if points:
      x = [i / max(len(points) - 1, 1) for i in range(len(points))]
      figure.add_traces(curves.curve(x, points, stroke, 'lines+markers'))
  curves.zero_lines(figure, x=False)
  figure.update_xaxes(showgrid=False, tickformat='.0%')
  figure.update_yaxes(exponentformat='none')  # No 200 micro-cosines.
  return figure


def dots(
    names: Sequence[str],
    series: Sequence[tuple[str, str, str, Sequence[float | None]]],
    title: str,
) -> go.Figure:
  """Returns a line of text a name and marks on it.

  Args:
    names: from above.
    series: a label, a colour, a symbol and a value a name.
    title: of the horizontal axis.
  """
  height = 110 + 22 * max(len(names), 5)
  figure = curves.empty(title, '', height=height, aspect=height / 300)
  for name, colour, symbol, values in series:
    figure.add_scatter(
        x=list(values),
        y=[figures.plain(each) for each in names],
        name=name,
        mode='markers',
        marker={'color': colour, 'size': 9, 'symbol': symbol},
        hovertemplate='%{y}: %{x:.3f}<extra>%{fullData.name}</extra>',
    )
  figure.add_vline(x=0, line={'color': curves.MUTED, 'width': 1})
  figure.update_yaxes(type='category', autorange='reversed', showgrid=False)
  figure.update_layout(hovermode='closest')
  return figure


def against(
    x: Sequence[Sequence[float]],
    y: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    titles: tuple[str, str],
) -> go.Figure:
  """Returns one reading against another, a mark a text and probe.

  Args:
    x: [N, E].
    y: [N, E].
    rows: names of the texts.
    columns: of the probes.
    titles: of the axes.
  """
  figure = curves.empty(*titles, height=420, aspect=1)
  pairs = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
  figure.add_scatter(
      x=[x[i][j] for i, j in pairs],
      y=[y[i][j] for i, j in pairs],
      text=[
          f'{figures.plain(columns[j])}, on: {figures.plain(rows[i])}'
          for i, j in pairs
      ],
      mode='markers',
      showlegend=False,
      marker={'color': curves.ACCENT, 'size': 8, 'opacity': 0.7},
      hovertemplate='%{text}<br>%{x:.3f}, %{y:.3f}<extra></extra>',
  )
  curves.zero_lines(figure)
  figure.update_layout(hovermode='closest')
  return figure


def centred(values: Sequence[Sequence[float]]) -> list[list[float]]:
  """Takes each column's mean off: [N, E]."""
  means = [sum(column) / len(values) for column in zip(*values, strict=True)]
  return [[v - m for v, m in zip(row, means)] for row in values]


def short(text: str, size: int = 60) -> str:
  """Returns the beginning of a text."""
  return text if len(text) <= size else text[: size - 1] + '…'


def number_of(data: Mapping[str, Any], id_: str) -> Mapping[str, Any] | None:
  """Returns a reported number; None if it could not be had."""
  return next((row for row in data['numbers'] if row['id'] == id_), None)


def is_beyond(data: Mapping[str, Any], id_: str, sign: int = 1) -> bool:
  """Whether a number lies beyond all its controls, on the side expected."""
  row = number_of(data, id_)
  if row is None or not row['beyond']:
    return False
  controls = [control['value'] for control in row['controls']]
  return all(sign * (row['value'] - value) > 0 for value in controls)
