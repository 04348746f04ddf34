"""What is shown of an emotion that is hidden behind another."""

from typing import Any

from emojax.report import curves
from emojax.report import label_tables
from emojax.report import maps
from emojax.report import reading_figures

NAME = 'deflection'


def view(data: dict[str, Any]) -> dict[str, Any]:
  """Returns what the page has of it."""
  return {
      **data,
      'title': 'Hidden emotions',
      'question': (
          'Where a speaker hides an emotion behind another, can the hidden one'
          ' be told from the speaker’s words, and is its vector another than'
          ' the stories’?'
      ),
      'shows': _shows(data),
      'method': _method(data),
      'figures': {
          f'{NAME}-layers': _layers(data),
          f'{NAME}-cosine': maps.square(
              data['cosine'], data['kinds'], data['kinds'], 'cosine'
          ),
      },
      'captions': {
          f'{NAME}-layers': (
              'How often emotions are told, by layer',
              'Share of dialogues whose emotion is told by vectors that never'
              ' saw their pair of emotions. Bands: Wilson’s 95 %, and the'
              ' central 95 % of shuffled labels.',
          ),
          f'{NAME}-cosine': (
              'Mean cosines of three kinds of vectors',
              'Mean cosine of vectors of the same emotion. Intervals and'
              ' controls are in the numbers below.',
          ),
      },
      'tables': [
          label_tables.methods(data),
          label_tables.signal(data),
          _retained(data),
      ],
  }


def _layers(data: dict[str, Any]):
  rows = data['guesses']['layers']
  size = len(data['emotions'])
  line = lambda key, kind, *stroke: (
      curves.Stroke(*stroke),
      [row[key][kind] for row in rows],
  )
  figure = reading_figures.over_layers(
      [
          (curves.SHUFFLED, [row['target']['shuffled'] for row in rows]),
          line('displayed', 'real', 'displayed', curves.INK, 'dash'),
          line('target', 'real', 'hidden', curves.ACCENT, 'solid'),
      ],
      'share of dialogues',
      data['layer'],
  )
  figure.add_hline(y=1 / size, line={'color': curves.MUTED, 'dash': 'dot'})
  figure.update_yaxes(range=[0, 1.02], tickformat='.1f')
  return figure


def _shows(data: dict[str, Any]) -> str:
  told = reading_figures.is_beyond(data, f'{NAME}_target_accuracy')
  shown = reading_figures.number_of(data, f'{NAME}_displayed_accuracy')
  chance = label_tables.control(shown, 'shuffled labels')['high']
  first = (
      'The hidden emotion can be told from the speaker’s words'
      if told
      else 'The hidden emotion cannot be told from the speaker’s words here,'
      ' beyond shuffled labels and the same words without a scenario'
  )
  second = (
      'the displayed one can, beyond what the words alone give'
      if shown['beyond']
      else 'the displayed one can, as far as the words alone give it'
      if shown['low'] > chance
      else 'nor can the displayed one'
  )
  return (
      f'{first}; {second}. Vectors of {data["dialogues"]} dialogues are noisy,'
      ' so that one that is not found here may be there.'
  )


def _method(data: dict[str, Any]) -> str:
  space, size = data['space'], len(data['emotions'])
  left = (
      f' ({data["left_out"]} with an emotion that has no vector are left out)'
      if data['left_out']
      else ''
  )
  return (
      f'{data["dialogues"]} dialogues{left} of {size} emotions, each after a'
      ' scenario that states the hidden one. Mean activations over the messages'
      ' of the speaker who hides it, neutral components out, never over the'
      ' scenario; vectors by least squares on both emotions'
      + (
          ' and on who the speaker is'
          if data['method'] == 'within blocks'
          else ''
      )
      + f'. The stories’ space has {space["components"]} components, with'
      f' {space["variance"]:.0%} of their vectors’ variance. Emotions are told'
      ' by the nearest vector, made without the dialogue’s pair; chance is'
      f' 1/{size}. Cosines: jackknife over dialogues.'
  )


def _retained(data: dict[str, Any]) -> dict[str, Any]:
  """The length outside the stories' space, by emotion."""
  kept = data['retained']
  names = ('target', 'displayed')
  rows: list[tuple[Any, ...]] = [
      ('mean', *(kept[name]['value'] for name in names)),
      ('mean, shuffled labels', *(kept[name]['shuffled'] for name in names)),
      ('mean, without noise', *(kept[name]['clean'] or '–' for name in names)),
  ]
  for i, emotion in enumerate(data['emotions']):
    rows.append((emotion, *(kept[name]['emotions'][i] for name in names)))
  return {
      'title': 'Share of length outside the stories’ space',
      'columns': ('Emotion', 'hidden', 'displayed'),
      'rows': rows,
  }
