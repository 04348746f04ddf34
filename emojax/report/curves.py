"""Lines with interval bands, and the empty figure that they go in.

A colour is the name of a style-sheet variable, `var(--accent)`. The page
resolves it when it draws, so that one figure serves light, dark and paper.
"""

from collections.abc import Mapping, Sequence
import math
from typing import Any, NamedTuple

import plotly.graph_objects as go

Point = Mapping[str, Any]  # value, low, high, n and strength or layer.

INK, MUTED, RULE = 'var(--ink)', 'var(--muted)', 'var(--rule)'
ACCENT, CONTROL = 'var(--accent)', 'var(--control)'


class Stroke(NamedTuple):
  """How a line is named and drawn."""

  name: str
  colour: str
  dash: str

  @property
  def band(self) -> str:
    own = self.colour in (ACCENT, CONTROL)
    return self.colour.replace(')', '-band)') if own else 'var(--grey-band)'


RANDOM = Stroke('random directions', MUTED, 'dot')
SHUFFLED = Stroke('shuffled labels', CONTROL, 'dashdot')
VECTORS = Stroke('emotion vectors', ACCENT, 'solid')
# Strength 0: what everything is compared with.
_UNSTEERED = {'value': 0.0, 'low': 0.0, 'high': 0.0}


def empty(
    x_title: str, y_title: str, height: int = 360, aspect: float = 0.75
) -> go.Figure:
  """Returns an empty figure.

  Args:
    x_title: title of the horizontal axis.
    y_title: title of the vertical axis.
    height: height on a wide page, in pixels.
    aspect: height over width where the page is narrow.
  """
  title = {'standoff': 8, 'font': {'size': 12}}
  axis = {
      'gridcolor': RULE,
      'linecolor': MUTED,
      'showline': True,
      'zeroline': False,
      'automargin': True,
      'tickfont': {'color': MUTED},
      'fixedrange': True,  # A drag on a phone scrolls the page.
  }
  return go.Figure(
      layout={
          'template': go.layout.Template(),
          'height': height,
          'meta': {'aspect': aspect},
          'font': {'color': INK, 'size': 13},
          'paper_bgcolor': 'var(--clear)',
          'plot_bgcolor': 'var(--clear)',
          'margin': {'l': 8, 'r': 8, 't': 28, 'b': 8},
          'hovermode': 'x unified',
          'hoverlabel': {
              'bgcolor': 'var(--page)',
              'bordercolor': MUTED,
              'font': {'color': INK},
          },
          'legend': {
              'orientation': 'h',
              'x': 0,
              'y': 0,
              'yanchor': 'bottom',
              'yref': 'container',
              'traceorder': 'reversed',
          },
          'xaxis': {**axis, 'title': {**title, 'text': x_title}},
          'yaxis': {**axis, 'title': {**title, 'text': y_title}},
      }
  )


def zero_lines(figure: go.Figure, x: bool = True) -> None:
  """Shows where an axis is 0."""
  line = {'zeroline': True, 'zerolinecolor': MUTED, 'zerolinewidth': 1}
  figure.update_yaxes(**line)
  if x:
    figure.update_xaxes(**line)


def add_strengths(
    figure: go.Figure,
    points: Sequence[Point],
    stroke: Stroke,
    unsteered: Point = _UNSTEERED,
) -> None:
  """Adds a line over strength, in the order of strength.

  It goes through the unsteered model, which differs from itself by nothing: a
  line straight from a negative to a positive strength would miss it.
  """
  if points:
    if all(point['strength'] != 0 for point in points):
      points = [*points, {**unsteered, 'strength': 0.0}]
    points = sorted(points, key=lambda point: point['strength'])
    x = [point['strength'] for point in points]
    figure.add_traces(curve(x, points, stroke, 'lines+markers'))
    figure.update_xaxes(rangemode='tozero', showgrid=False)


def curve(
    x: Sequence[float],
    points: Sequence[Point],
    stroke: Stroke,
    mode: str = 'lines',
) -> list[go.Scatter]:
  """Returns the band (one closed outline, where known) and the line."""
  known = [
      (at, point['low'], point['high'])
      for at, point in zip(x, points, strict=True)
      if _known(point.get('low')) and _known(point.get('high'))
  ]
  traces = []
  if known:
    at, low, high = (list(column) for column in zip(*known, strict=True))
    traces.append(
        go.Scatter(
            x=at + at[::-1],
            y=high + low[::-1],
            fill='toself',
            fillcolor=stroke.band,
            line={'width': 0},
            mode='lines',
            hoverinfo='skip',
            showlegend=False,
            legendgroup=stroke.name,
        )
    )
  drawn = line(x, [point['value'] for point in points], stroke, mode)
  drawn.text = [_interval(point) for point in points]
  drawn.update(**bounds(points))
  drawn.hovertemplate = '%{fullData.name}: %{y:.3f}%{text}<extra></extra>'
  return traces + [drawn]


def line(
    x: Sequence[float], y: Sequence[float], stroke: Stroke, mode: str = 'lines'
) -> go.Scatter:
  """Returns a line without a band."""
  return go.Scatter(
      x=list(x),
      y=list(y),
      name=stroke.name,
      legendgroup=stroke.name,
      mode=mode,
      line={'color': stroke.colour, 'dash': stroke.dash, 'width': 2},
      marker={'size': 6},
      hovertemplate='%{fullData.name}: %{y:.3f}<extra></extra>',
  )


def bounds(
    points: Sequence[Point], more: Mapping[str, Sequence[Any]] | None = None
) -> dict[str, Any]:
  """Returns what a trace says of its points beside where they lie.

  A page offers it as a table; what is drawn of an interval is its outline.

  Args:
    points: in the order of the trace.
    more: further columns by name, a value a point.
  """
  columns = {
      name: [point.get(name) for point in points]
      for name in ('low', 'high', 'n')
  } | dict(more or {})
  return {
      'meta': {'columns': list(columns)},
      'customdata': [list(row) for row in zip(*columns.values(), strict=True)],
  }


def arms(points: Sequence[Point], colour: str) -> dict[str, Any]:
  """Returns what draws the intervals of marks; none where there is none."""
  ends = {
      name: [
          abs(point[name] - point['value']) if _known(point[name]) else 0.0
          for point in points
      ]
      for name in ('low', 'high')
  }
  return {
      'type': 'data',
      'symmetric': False,
      'array': ends['high'],
      'arrayminus': ends['low'],
      'color': colour,
      'thickness': 1.5,
      'width': 3,
  }


def value_span(curves: Sequence[Sequence[Point]]) -> list[float] | None:
  """Returns [lowest, highest] over all points and bounds, with a margin."""
  values = [
      point[key]
      for points in curves
      for point in points
      for key in ('value', 'low', 'high')
      if _known(point.get(key))
  ]
  if not values:
    return None
  margin = 0.05 * (max(values) - min(values)) or 1.0
  return [min(values) - margin, max(values) + margin]


def _interval(point: Point) -> str:
  n = f', n {point["n"]}' if 'n' in point else ''  # Where it starts.
  if not (_known(point.get('low')) and _known(point.get('high'))):
    return f' (no interval{n})'
  return f' [{point["low"]:.3f}, {point["high"]:.3f}]{n}'


def _known(value: Any) -> bool:
  return value is not None and math.isfinite(value)
