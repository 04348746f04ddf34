"""Heatmaps of the report."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import figures


def square(
    values: Sequence[Sequence[float | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    unit: str,
    titles: tuple[str, str] = ('', ''),
) -> go.Figure:
  """Returns a map of square cells, 0 in the middle of its colours.

  Args:
    values: [rows, columns]; None draws no cell.
    rows: names, from above.
    columns: names.
    unit: of the values.
    titles: of the horizontal and the vertical axis.
  """
  figure = _map(values, rows, columns, unit, titles)
  figure.update_xaxes(constrain='domain')
  figure.update_yaxes(scaleanchor='x', constrain='domain')
  figure.update_layout(height=140 + 26 * max(len(rows), 8))
  return figure


def wide(
    values: Sequence[Sequence[float | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    unit: str,
    titles: tuple[str, str] = ('', ''),
) -> go.Figure:
  """Returns a map whose cells fill the width; else as `square`."""
  return _map(values, rows, columns, unit, titles)


def _map(values, rows, columns, unit, titles) -> go.Figure:
  z = np.array(values, dtype=float)  # None becomes NaN.
  bound = float(np.nanmax(np.abs(z), initial=0)) or 1.0
  figure = curves.empty(*titles, height=480, aspect=1.2)
  rows, columns = (
      [figures.plain(x) for x in names] for names in (rows, columns)
  )
  figure.add_heatmap(
      z=[[x if np.isfinite(x) else None for x in row] for row in z.tolist()],
      x=columns,
      y=rows,
      zmin=-bound,
      zmax=bound,
      colorscale=figures.DIVERGING,
      xgap=1,
      ygap=1,
      colorbar=figures.colorbar(unit),
      hovertemplate='%{y}, %{x}<br>%{z:.3f}<extra></extra>',
  )
  ticks = {'type': 'category', 'showgrid': False, 'showline': False}
  figure.update_xaxes(**ticks, tickangle=-90 if len(columns) > 6 else 0)
  figure.update_yaxes(**ticks, autorange='reversed')
  figure.update_layout(
      hovermode='closest',
      margin_b=110,
      meta={**figure.layout.meta, 'wide': True},
  )
  return figure
