"""What is shown of messages that imply an emotion."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from emojax.report import curves
from emojax.report import maps
from emojax.report import reading_figures

NAME = 'implicit'
_MOST = 40  # Emotions of a map that can be read.
_AXES = ('vector', 'emotion that the messages imply')
_NAMED = {
    'top1': 'highest',
    'topk': 'in the top {top}',
    'percentile': 'percentile rank',
    'contrast': 'minus the others (SD)',
}


def view(data: dict[str, Any]) -> dict[str, Any]:
  """Returns what the page has of it."""
  few = data['paper'] if len(data['paper']) > 1 else data['prompted']
  drawn = {
      'raw': _map(data, 'response', 'raw', few),
      'centred': _map(data, 'response', 'centred', few),
  }
  captions = {
      'raw': _caption('before the reply', 'raw', few),
      'centred': _caption('before the reply', 'centred', few),
  }
  if len(data['emotions']) <= _MOST:
    drawn['all'] = _map(data, 'message', 'centred', data['emotions'])
    captions['all'] = _caption('over the message', 'centred', data['emotions'])
  for place, where in (
      ('response', 'before the reply'),
      ('message', 'over the message'),
  ):
    drawn[f'{place}-layers'] = _layers(data, place)
    captions[f'{place}-layers'] = (
        f'Percentile rank of the implied emotion by layer, {where}',
        f'Centred readings {where}: the share of other vectors that the implied'
        ' emotion’s is above. Bands: bootstrap over emotions, and the central'
        ' 95 % of names dealt out anew.',
    )
  return {
      **data,
      'title': 'Implied emotions',
      'question': (
          'Does a message that implies an emotion without naming it raise that'
          ' emotion’s reading above the others?'
      ),
      'shows': _shows(data),
      'method': (
          f'{data["prompts"]} messages of a user about {len(data["prompted"])}'
          f' emotions, read at layer {data["layer"]} with all'
          f' {len(data["emotions"])} vectors: at the last template token before'
          ' the reply, as in the paper, and as the mean over the message.'
          ' Cosines; centred, each vector’s mean over the other messages is'
          ' taken off (a message’s own reading is no part of its centre, which'
          ' changes no rank); standardised, they are in SD over neutral'
          ' dialogues. Intervals resample emotions with all their messages.'
          + (
              f' {data["left_out"]} messages are about emotions without a'
              ' vector and left out.'
              if data['left_out']
              else ''
          )
      ),
      'figures': {f'{NAME}-{name}': figure for name, figure in drawn.items()},
      'captions': {f'{NAME}-{name}': text for name, text in captions.items()},
      'tables': [
          t for t in (_table(data, g) for g in ('all', 'paper')) if t['rows']
      ],
  }


def _shows(data: dict[str, Any]) -> str:
  before, within = (
      reading_figures.is_beyond(data, f'{NAME}_{name}')
      for name in ('rank_centred', 'rank_message')
  )
  found = {
      (True, True): 'Implied emotions stand out in the message and before the'
      ' reply, beyond what the words alone give',
      (False, True): 'Implied emotions stand out over the message beyond what'
      ' its words alone give, but not before the reply',
      (True, False): 'Implied emotions stand out before the reply, but over the'
      ' message not beyond what its words alone give',
      (False, False): 'Implied emotions do not stand out beyond what the words'
      ' alone give',
  }[before, within]
  return (
      f'{found}; this is about situations that one author wrote, and a high'
      ' reading does not say that the reply uses it.'
  )


def _map(
    data: dict[str, Any], place: str, form: str, names: Sequence[str]
) -> go.Figure:
  matrix, emotions = data['matrices'][place][form], data['emotions']
  rows = [e for e in names if e in data['prompted']]
  values = [
      [matrix[data['prompted'].index(row)][emotions.index(e)] for e in names]
      for row in rows
  ]
  return maps.square(values, rows, names, 'cosine', _AXES)


def _caption(where: str, form: str, names: Sequence[str]) -> tuple[str, str]:
  centre = {
      'raw': 'A vector with a high offset is high in every row.',
      'centred': 'Each vector’s mean over the messages is taken off.',
  }[form]
  return (
      f'Map of {form} readings {where}, {len(names)} vectors',
      f'Mean cosine {where}, {form}. {centre} Intervals and controls are in the'
      ' numbers below.',
  )


def _layers(data: dict[str, Any], place: str) -> go.Figure:
  rows = [row['percentile'] for row in data['layers'][place]]
  dealt = curves.Stroke('names dealt out', curves.INK, 'dash')
  return reading_figures.over_layers(
      [
          (stroke, [row[kind] for row in rows])
          for kind, stroke in (
              ('random', curves.RANDOM),
              ('shuffled', curves.SHUFFLED),
              ('renamed', dealt),
              ('emotions', curves.VECTORS),
          )
      ],
      'share of vectors below',
      data['layer'],
  )


def _table(data: dict[str, Any], group: str) -> dict[str, Any]:
  """Every measure of one group of emotions, at both places in all forms."""
  rows = [
      (
          f'{place}, {form}',
          *(found[measure] for measure in _NAMED),
      )
      for key, found in data['agreement'].items()
      for own, place, form in [key.split()]
      if own == group
  ]
  names = data['emotions'] if group == 'all' else data['paper']
  return {
      'title': f'All measures, among {len(names)} emotions',
      'columns': (
          'Where and how',
          *(name.format(top=data['top']) for name in _NAMED.values()),
      ),
      'rows': rows,
  }
