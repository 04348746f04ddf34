"""Figures of preferences between activities."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import figures
from emojax.report import labels

# Told apart by shape as well: there are more categories than colours.
_COLOURS = (
    curves.ACCENT,
    'var(--positive)',
    'var(--negative)',
    curves.CONTROL,
    curves.INK,
)
_SYMBOLS = (
    'circle',
    'diamond',
    'square',
    'triangle-up',
    'x',
    'circle-open',
    'diamond-open',
)
_MEASURES = (
    ('within', 'within categories', curves.CONTROL, 'diamond-open'),
    ('raw', 'all activities', curves.ACCENT, 'circle'),
)
_KINDS = (
    ('shuffled', curves.SHUFFLED.name, curves.CONTROL, 'diamond-open'),
    ('random', curves.RANDOM.name, curves.MUTED, 'square-open'),
    ('emotions', 'emotions', curves.ACCENT, 'circle'),
)


def scatter(
    rows: Sequence[Mapping[str, Any]], sign: str, name: str
) -> go.Figure:
  """Returns Elo against one emotion's reading, a mark a category."""
  figure = curves.empty(f'mean cosine with {name}', 'Elo points', 460, 1.1)
  categories = dict.fromkeys(row['category'] for row in rows)
  for i, category in enumerate(categories):
    own = [row for row in rows if row['category'] == category]
    figure.add_scatter(
        x=[row['probe'][sign] for row in own],
        y=[row['elo']['value'] for row in own],
        **curves.bounds(
            [row['elo'] for row in own],
            {'activity': [figures.plain(row['text']) for row in own]},
        ),
        text=[figures.plain(row['text']) for row in own],
        name=figures.plain(spaced(category)),
        mode='markers',
        marker={
            'color': _COLOURS[i % len(_COLOURS)],
            'symbol': _SYMBOLS[i % len(_SYMBOLS)],
            'size': 8,
        },
        hovertemplate='%{text}<br>cosine %{x:.3f}, Elo %{y:.0f}<extra></extra>',
    )
  figure.update_layout(hovermode='closest', margin_b=150)
  return figure


def dots(
    rows: Sequence[Mapping[str, Any]], band: Mapping[str, Any]
) -> go.Figure:
  """Returns r of every emotion, raw and within categories."""
  rows = sorted(rows, key=lambda row: -row['raw']['value'])
  height = 130 + 22 * len(rows)
  figure = curves.empty('r with Elo', '', height, height / 300)
  figure.add_vrect(
      band['low'], band['high'], fillcolor='var(--grey-band)', line_width=0
  )
  drawn = [curves.RANDOM.name, *(band[key] for key in ('low', 'high', 'n'))]
  figure.update_layout(meta={**figure.layout.meta, 'bands': [drawn]})
  for key, name, colour, symbol in _MEASURES:
    points = [row[key] for row in rows]
    figure.add_scatter(
        x=[p['value'] for p in points],
        y=[figures.plain(row['emotion']) for row in rows],
        error_x=curves.arms(points, colour),
        **curves.bounds(points),
        name=name,
        mode='markers',
        marker={'color': colour, 'size': 8, 'symbol': symbol},
        hovertemplate='%{y}: %{x:.2f}<extra></extra>',
    )
  figure.add_vline(x=0, line={'color': curves.MUTED, 'width': 1})
  figure.update_xaxes(range=[-1.02, 1.02], tickformat='.1f')
  figure.update_yaxes(type='category', autorange='reversed', showgrid=False)
  figure.update_layout(hovermode='closest', margin_b=60)
  return figure


def layers(by_layer: Mapping[str, Any], names: Mapping[str, str]) -> go.Figure:
  """Returns r with Elo against layer."""
  figure = curves.empty('layer (0-based block, its output)', 'r with Elo')
  x = list(range(len(by_layer['random'])))
  figure.add_traces(curves.curve(x, by_layer['random'], curves.RANDOM))
  for (sign, name), (colour, dash) in zip(
      names.items(),
      ((curves.ACCENT, 'solid'), ('var(--negative)', 'dash')),
  ):
    stroke = curves.Stroke(figures.plain(name), colour, dash)
    figure.add_trace(curves.line(x, by_layer[sign], stroke))
  curves.zero_lines(figure, x=False)
  figure.update_yaxes(range=[-1.02, 1.02], tickformat='.1f')
  figure.update_xaxes(showgrid=False)
  return figure


def coupling(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
  """Returns the shift of every direction against its r on the other half."""
  figure = curves.empty('r with Elo, other half', 'shift (Elo points)', 460, 1)
  emotions = [row for row in rows if row['kind'] == 'emotions']
  places = labels.places(
      [(row['r'], row['shift']['value']) for row in emotions],
      [row['direction'] for row in emotions],
  )
  for kind, name, colour, symbol in _KINDS:
    own = [row for row in rows if row['kind'] == kind]
    shown = kind == 'emotions'
    figure.add_scatter(
        x=[row['r'] for row in own],
        y=[row['shift']['value'] for row in own],
        error_y=curves.arms([row['shift'] for row in own], colour),
        **curves.bounds(
            [row['shift'] for row in own],
            {'direction': [figures.plain(row['direction']) for row in own]},
        ),
        text=[figures.plain(spaced(row['direction'])) for row in own],
        name=name,
        mode='markers+text' if shown else 'markers',
        textposition=places if shown else None,
        textfont={'color': curves.INK, 'size': 12},
        marker={'color': colour, 'size': 9, 'symbol': symbol},
        hovertemplate='%{text}: r %{x:.2f}, shift %{y:.1f}<extra></extra>',
    )
  curves.zero_lines(figure)
  figure.update_layout(hovermode='closest', margin_b=90)
  return figure


def spaced(name: str) -> str:
  """A category or a direction as it is shown."""
  return name.replace('_', ' ')
