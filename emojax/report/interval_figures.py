"""Figures of estimates with their intervals, a line of text each."""

from collections.abc import Sequence

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import figures


def intervals(
    names: Sequence[str],
    series: Sequence[tuple[str, str, str, Sequence[curves.Point | None]]],
    title: str,
    marked: float,
) -> go.Figure:
  """Returns marks with intervals.

  Args:
    names: from above.
    series: a label, a colour, a symbol and an estimate a name; None draws none.
    title: of the horizontal axis.
    marked: where a line is drawn, such as chance.
  """
  height = 140 + 44 * max(len(names), 4)
  figure = curves.empty(title, '', height=height, aspect=height / 300)
  for label, colour, symbol, points in series:
    known = [(n, p) for n, p in zip(names, points, strict=True) if p]
    figure.add_scatter(
        x=[p['value'] for _, p in known],
        y=[figures.plain(name) for name, _ in known],
        name=label,
        mode='markers',
        orientation='h',
        offsetgroup=label,
        marker={'color': colour, 'size': 9, 'symbol': symbol},
        error_x=curves.arms([p for _, p in known], colour),
        text=[f'n {p["n"]}' for _, p in known],
        **curves.bounds([p for _, p in known]),
        hovertemplate='%{y}: %{x:.3f}, %{text}<extra>%{fullData.name}</extra>',
    )
  figure.add_vline(x=marked, line={'color': curves.MUTED, 'dash': 'dot'})
  figure.update_yaxes(type='category', autorange='reversed', showgrid=False)
  # Side by side, where they would cover each other.
  figure.update_layout(hovermode='closest', scattermode='group')
  return figure
