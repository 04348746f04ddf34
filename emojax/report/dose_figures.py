"""Figures of a steering sweep: what it costs, and where it can be used."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import figures

Points = Sequence[curves.Point]

_WINDOWS = {
    'word_delta': curves.Stroke('words', curves.ACCENT, 'solid'),
    'expressed': curves.Stroke('texts', curves.INK, 'solid'),
}


def coherence(shares: Mapping[str, Points], least: float) -> go.Figure:
  """Returns the share of coherent texts against strength.

  Args:
    shares: points by kind; the unsteered one lies at strength 0.
    least: the share that a usable strength must have.
  """
  figure = curves.empty('strength', 'share of coherent texts')
  (unsteered,) = shares['unsteered'] or [{'value': None}]
  for key, stroke in (
      ('random', curves.RANDOM),
      ('shuffled', curves.SHUFFLED),
      ('emotion', curves.VECTORS),
  ):
    curves.add_strengths(figure, shares[key], stroke, unsteered)
  figure.add_hline(y=least, line={'color': curves.INK, 'width': 1})
  figure.update_yaxes(range=[-0.02, 1.02], tickformat='.1f')
  return figure


def matched(
    by_sign: Mapping[str, Mapping[str, Any] | None], unit: str
) -> go.Figure:
  """Returns the effect against KL: vectors compared at equal damage.

  Negative strengths lie left of 0.

  Args:
    by_sign: 'matched_dose' of dose.json.
    unit: of the effect.
  """
  figure = curves.empty(
      'KL (nats per generated token)', f'own minus others ({unit})'
  )
  for key, stroke in (
      ('random_difference', curves.RANDOM),
      ('shuffled_difference', curves.SHUFFLED),
      ('difference', curves.VECTORS),
  ):
    points = [
        {**point, 'strength': sign * point['dose']}
        for name, sign in (('negative', -1), ('positive', 1))
        if by_sign[name]
        for point in by_sign[name]['curves'][key]
    ]
    curves.add_strengths(figure, points, stroke)
  curves.zero_lines(figure, x=False)
  return figure


def windows(layers: Sequence[Mapping[str, Any]]) -> go.Figure:
  """Returns the usable strengths, one line a layer and measure.

  Args:
    layers: with a 'title' and, by measure, what dose.json has.
  """
  rows = [
      (
          figures.plain(f'{layer["title"]}, {stroke.name}'),
          layer[name]['window'],
          stroke,
      )
      for layer in layers
      for name, stroke in _WINDOWS.items()
      if layer[name]
  ]
  figure = curves.empty('strength', '', height=90 + 40 * max(len(rows), 2))
  for label, window, stroke in rows:
    found = [each for each in window.values() if each]
    tried = [row['strength'] for each in found for row in each['table']]
    figure.add_scatter(
        x=tried,
        y=[label] * len(tried),
        mode='markers',
        name='measured',
        marker={'color': curves.MUTED, 'size': 5},
        showlegend=False,
        hovertemplate='measured at %{x}<extra></extra>',
    )
    for each in found:
      if each['lowest'] is not None:
        figure.add_scatter(
            x=[each['lowest'], each['highest']],
            y=[label] * 2,
            mode='lines+markers',
            name='usable, from and to',
            line={'color': stroke.colour, 'width': 8},
            marker={'color': stroke.colour, 'size': 12},
            showlegend=False,
            hovertemplate='usable: %{x}<extra></extra>',
        )
  figure.update_yaxes(type='category', autorange='reversed', showgrid=False)
  figure.update_xaxes(
      rangemode='tozero', zeroline=True, zerolinecolor=curves.MUTED
  )
  figure.update_layout(hovermode='closest')
  return figure
