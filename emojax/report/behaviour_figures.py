"""Figures of behaviours: how episodes end, and rates against strength."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from emojax.report import conditions
from emojax.report import curves
from emojax.report import figures

# Told apart by people who see few colours (Okabe and Ito 2008); and each has a
# pattern of its own. What says nothing is grey.
_FILLS = (
    ('#d55e00', ''),
    ('#56b4e9', '/'),
    ('#009e73', '.'),
    ('#e69f00', '\\'),
    ('#0072b2', 'x'),
    ('#cc79a7', '-'),
    ('#f0e442', '|'),
    ('#7f5f3f', '+'),
)
_GREY = {
    'malformed': ('#a9adb3', '.'),
    'unclear': ('#a9adb3', '.'),
}
_UNCOUNTED = 'not counted'
_ROW = 26  # Pixels of a bar.
# A line an emotion, told apart by shape as well.
_LINES = (
    (curves.ACCENT, 'solid', 'circle'),
    ('var(--positive)', 'dash', 'diamond'),
    ('var(--negative)', 'dot', 'square'),
    (curves.CONTROL, 'dashdot', 'triangle-up'),
    (curves.INK, 'longdash', 'x'),
    (curves.MUTED, 'longdashdot', 'circle-open'),
)
MOST = len(_LINES)  # Emotions in a figure.
_APART = 0.09  # Between two emotions' marks, of the gap between strengths.


def outcomes(
    panels: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]],
    labels: Sequence[str],
) -> go.Figure:
  """Returns a bar a condition, cut into shares of outcomes.

  Args:
    panels: side by side, by title; of each its rows from above, a name and what
      has `n` and `counts`.
    labels: of the outcomes, from the left.
  """
  names = list(dict.fromkeys(n for rows in panels.values() for n, _ in rows))
  height = 120 + _ROW * max(len(names), 3) + 10 * len(labels)
  figure = curves.empty('share of episodes', '', height, height / 300)
  filled = fills(labels)
  for i, (title, rows) in enumerate(panels.items()):
    for label, fill in filled.items():
      counts = [_count(row, label) for _, row in rows]
      if any(counts) or label in labels:
        bar = _bars(title, rows, label, counts, fill, len(names))
        bar.update(xaxis=f'x{i + 1}', showlegend=not i)
        figure.add_trace(bar)
  _lay(figure, list(panels))
  figure.update_yaxes(
      type='category',
      categoryorder='array',
      categoryarray=[figures.plain(name) for name in names],
      autorange='reversed',
      showgrid=False,
  )
  figure.update_layout(
      barmode='stack',
      hovermode='closest',
      legend_traceorder='normal',
      uniformtext={'minsize': 9, 'mode': 'hide'},
      margin_b=60 + 18 * (len(labels) // 3),
      margin_r=24,  # Of the last tick.
  )
  return figure


def _bars(title, rows, label, counts, fill, count) -> go.Bar:
  """The part of one outcome in all bars."""
  colour, pattern = fill
  return go.Bar(
      x=[
          x / row['n'] if row['n'] else 0.0
          for x, (_, row) in zip(counts, rows, strict=True)
      ],
      y=[figures.plain(name) for name, _ in rows],
      orientation='h',
      name=figures.plain(label.replace('_', ' ')),
      legendgroup=label,
      width=min(0.8, 0.16 * count),
      marker={
          'color': colour,
          'line': {'color': 'var(--page)', 'width': 1},
          'pattern': {
              'shape': pattern,
              'fillmode': 'overlay',
              'fgcolor': '#ffffff',
              'fgopacity': 0.4,
              'size': 7,
              'solidity': 0.2,
          },
      },
      text=[str(x) if x else '' for x in counts],
      customdata=[
          [count, row['n'], figures.plain(title)]
          for count, (_, row) in zip(counts, rows, strict=True)
      ],
      meta={'columns': ['episodes', 'n', 'panel']},
      textposition='inside',
      insidetextanchor='middle',
      textangle=0,
      hovertemplate=(
          '%{y}: %{text} of %{customdata[1]}, %{x:.0%}'
          '<extra>%{fullData.name}</extra>'
      ),
  )


def _lay(figure: go.Figure, titles: Sequence[str]) -> None:
  """Puts panels side by side, each below its title."""
  axis = figure.layout.xaxis.to_plotly_json()
  axis |= {'range': [0, 1], 'tickformat': '.0%', 'showgrid': False}
  # On a phone the last tick of a panel would lie on the first of the next.
  axis |= {'dtick': 0.25} if len(titles) == 1 else {'tickvals': [0, 0.5]}
  for i, title in enumerate(titles):
    start = i / len(titles)
    end = (i + 1) / len(titles) - 0.04 * (i + 1 < len(titles))
    name = f'xaxis{i + 1}' if i else 'xaxis'
    figure.update_layout({name: {**axis, 'domain': [start, end]}})
    axis.pop('title', None)
    figure.add_annotation(
        text=figures.plain(title),
        x=start,
        xref='paper',
        xanchor='left',
        y=1,
        yref='paper',
        yanchor='bottom',
        showarrow=False,
        font={'color': curves.INK},
    )


def fills(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
  """Returns the colour and the pattern of each outcome, and of none."""
  plain = [label for label in labels if label not in _GREY]
  own = {label: _FILLS[i % len(_FILLS)] for i, label in enumerate(plain)}
  out = {label: _GREY.get(label) or own[label] for label in labels}
  return out | {_UNCOUNTED: ('#666b73', 'x')}


def _count(row: Mapping[str, Any], label: str) -> int:
  if label == _UNCOUNTED:
    return conditions.uncounted(row)
  return row['counts'].get(label, 0)


def rates(
    lines: Mapping[str, Sequence[curves.Point]],
    base: curves.Point,
    bands: Mapping[str, Sequence[curves.Point]],
    span: Sequence[float],
    title: str,
) -> go.Figure:
  """Returns rates against strength, a line an emotion.

  Args:
    lines: of at most MOST emotions, by name.
    base: the unsteered rate, at strength 0.
    bands: points by kind of control.
    span: of the vertical axis.
    title: of the horizontal axis.
  """
  figure = curves.empty(title, 'share of episodes', 400, 1.0)
  strengths = {0.0} | {p['strength'] for line in lines.values() for p in line}
  strengths |= {p['strength'] for band in bands.values() for p in band}
  gap = _gap(strengths)
  ends = [min(strengths) - 0.4 * gap, max(strengths) + 0.4 * gap]
  stroke = curves.Stroke('unsteered, its interval', curves.INK, 'dash')
  figure.add_traces(curves.curve(ends, [base, base], stroke))
  start = base | {'low': base['value'], 'high': base['value']}
  for kind, stroke in (
      ('random', curves.RANDOM),
      ('shuffled', curves.SHUFFLED),
  ):
    curves.add_strengths(figure, bands.get(kind, []), stroke, start)
  for i, (name, points) in enumerate(lines.items()):
    offset = (i - (len(lines) - 1) / 2) * _APART * gap
    figure.add_trace(_line(name, points, start, _LINES[i], offset))
  figure.update_xaxes(
      range=ends,
      tickmode='array',
      tickvals=sorted(strengths),
      ticktext=[conditions.signed(x) if x else '0' for x in sorted(strengths)],
      showgrid=False,
  )
  figure.update_yaxes(range=list(span))
  figure.update_layout(
      hovermode='closest', legend_traceorder='normal', margin_b=110
  )
  return figure


def _line(name, points, start, style, offset) -> go.Scatter:
  """One emotion: through the unsteered rate, its marks beside the others'."""
  colour, dash, symbol = style
  hidden = start | {'strength': 0.0}
  points = sorted([*points, hidden], key=lambda point: point['strength'])
  return go.Scatter(
      x=[p['strength'] + offset * (p is not hidden) for p in points],
      y=[p['value'] for p in points],
      name=figures.plain(name),
      mode='lines+markers',
      line={'color': colour, 'dash': dash, 'width': 2},
      marker={
          'symbol': symbol,
          'size': [0 if p is hidden else 9 for p in points],
          'color': colour,
      },
      error_y=curves.arms(points, colour),
      text=[
          f'{conditions.signed(p["strength"])}: {p["value"]:.3f}'
          f' [{p["low"]:.3f}, {p["high"]:.3f}], n {p["n"]}'
          for p in points
      ],
      **curves.bounds(
          [{} if p is hidden else p for p in points],
          {'at': [p['strength'] for p in points]},
      ),
      hovertemplate='%{text}<extra>%{fullData.name}</extra>',
  )


def _gap(strengths: set[float]) -> float:
  """The least distance between two strengths."""
  at = sorted(strengths)
  return min([b - a for a, b in zip(at, at[1:])], default=1.0)


def span_of(rows: Sequence[curves.Point]) -> list[float]:
  """Returns the lowest and highest end of all intervals, with a margin."""
  ends = curves.value_span([rows]) or [0.0, 1.0]
  return [max(-0.03, ends[0]), min(1.03, ends[1])]
