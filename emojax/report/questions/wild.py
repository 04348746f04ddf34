"""What is shown of transcripts that were read."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import figures

NAME = 'wild'
_MOST = 50  # Transcripts that could not be read, on the page.
_ROLES = (
    ('user', curves.INK, 'diamond-open'),
    ('assistant', curves.ACCENT, 'circle'),
)


def view(data: dict[str, Any]) -> dict[str, Any]:
  left = len(data['left_out'])
  return {
      **data,
      'title': 'Chats in the wild',
      'question': 'Where in ordinary chats is each vector most active?',
      'shows': (
          'The passages show what a vector responds to in these chats and'
          ' nothing of what it does not respond to; a list of best passages is'
          ' read with a story in mind, so look at the worst of them too.'
      ),
      'method': (
          f'{data["transcripts"]} transcripts of {data["tokens"]} tokens in all'
          + (f' ({left} others could not be read)' if left else '')
          + f', at layer {data["layer"]}. A passage is the window with the'
          ' highest mean score in standard deviations over neutral text, one a'
          ' transcript; template tokens, position 0 and tokens longer than 4'
          ' medians of their transcript do not count. Full colour is the 99th'
          ' percentile of the absolute cosine over all emotions and tokens of'
          ' that transcript.'
      ),
      'figures': {f'{NAME}-roles': _roles(data['roles'])},
      'captions': {
          f'{NAME}-roles': (
              'Mean cosine on the tokens of the user and of the assistant',
              'Mean cosine on the tokens of the user and of the assistant, with'
              ' a 95 % bootstrap over transcripts. Its control, random'
              ' directions, is in the numbers below.',
          )
      },
      'passages': {
          name: [_passage(each, data['places']) for each in found]
          for name, found in data['top'].items()
      },
      'tables': [
          {
              'title': 'The highest token of each vector',
              'columns': ('Emotion', 'Of all tokens', 'Of those that count'),
              'rows': [
                  (name, repr(raw), repr(guarded))
                  for name, raw, guarded in zip(
                      data['emotions'],
                      data['peaks']['raw'],
                      data['peaks']['guarded'],
                      strict=True,
                  )
              ],
          },
          *_left_out(data['left_out']),
      ],
  }


def _left_out(reasons: Mapping[str, str]) -> list[dict[str, Any]]:
  if not reasons:
    return []
  shown = list(reasons.items())[:_MOST]
  more = f', the first {_MOST} of {len(reasons)}' * (len(reasons) > _MOST)
  return [
      {
          'title': f'Transcripts that could not be read{more}',
          'columns': ('Transcript', 'Why'),
          'rows': [
              (place, reason.removeprefix(f'{place}: '))
              for place, reason in shown
          ],
      }
  ]


def _passage(found: Mapping[str, Any], places: list[str]) -> dict[str, Any]:
  first, last = found['window']
  return {
      'score': found['score'],
      'place': places[found['transcript']],
      'tokens': [
          {
              'text': text,
              'role': role,
              'shown': shown,
              'amount': abs(shown),
              'inside': first <= i < last,
          }
          for i, (text, role, shown) in enumerate(
              zip(found['tokens'], found['roles'], found['shown'], strict=True)
          )
      ],
  }


def _roles(rows: list[dict[str, Any]]) -> go.Figure:
  """Returns both roles' means, a line an emotion."""
  height = 120 + 22 * len(rows)
  # As high on a phone, so that every name has its line.
  figure = curves.empty('mean cosine', '', height, aspect=height / 320)
  for role, colour, symbol in _ROLES:
    known = [row for row in rows if row[role]]
    points = [row[role] for row in known]
    figure.add_scatter(
        x=[p['value'] for p in points],
        y=[figures.plain(row['emotion']) for row in known],
        error_x=curves.arms(points, colour),
        **curves.bounds(points),
        name=role,
        mode='markers',
        marker={'color': colour, 'size': 8, 'symbol': symbol},
        hovertemplate='%{y}: %{x:.3f}<extra></extra>',
    )
  figure.add_vline(x=0, line={'color': curves.MUTED, 'width': 1})
  figure.update_yaxes(autorange='reversed', type='category', showgrid=False)
  figure.update_layout(hovermode='closest', margin_b=60)
  return figure
