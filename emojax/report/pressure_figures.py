"""Figures of readings along episodes of code."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import figures

_GROUPS = (
    ('twin', curves.Stroke('solvable twins', curves.INK, 'dash')),
    ('impossible', curves.Stroke('impossible tasks', curves.ACCENT, 'solid')),
)


def trace(
    groups: Mapping[str, Sequence[Mapping[str, Any]]],
    emotion: str,
    order: Sequence[str],
    span: Sequence[float] | None,
) -> go.Figure:
  """Returns one emotion's readings event by event.

  Args:
    groups: the events of 'impossible' and 'twin' episodes, of one form.
    emotion: its name.
    order: of the events, from the left.
    span: of the vertical axis.
  """
  figure = curves.empty('', 'SD over neutral dialogues', 340, 0.95)
  events = groups['impossible']
  x = [figures.plain(row['event']) for row in events]
  for kind, stroke in (
      ('random', curves.RANDOM),
      ('shuffled', curves.SHUFFLED),
  ):
    if events and all(kind in row for row in events):
      figure.add_traces(curves.curve(x, [row[kind] for row in events], stroke))
  for group, stroke in _GROUPS:
    rows = groups[group]
    if rows:
      points = [row['emotions'][emotion] for row in rows]
      names = [figures.plain(row['event']) for row in rows]
      figure.add_traces(curves.curve(names, points, stroke, 'lines+markers'))
  curves.zero_lines(figure, x=False)
  figure.update_xaxes(
      type='category',
      categoryorder='array',
      categoryarray=[figures.plain(label) for label in order],
      tickangle=-40,
      showgrid=False,
  )
  if span is not None:
    figure.update_yaxes(range=list(span))
  figure.update_layout(margin_b=120)
  return figure
