"""What is shown of a base and a post-trained model."""

from typing import Any

from emojax.report import curves

NAME = 'post_training'
_LAYER = 'layer (0-based block, its output)'
_EXTREMES = 10


def view(data: dict[str, Any]) -> dict[str, Any]:
  table = data['table']
  return {
      **data,
      'title': 'Base and post-trained model',
      'question': (
          'What does post-training change in what the model reads just before'
          ' it replies?'
      ),
      'shows': _shows(data),
      'method': (
          'Mean cosine at the last template token before the reply, layer'
          f' {data["layer"]}, over'
          f' {sum(data["categories"].values())} prompts, with the vectors of'
          f' {data["post"]} in both models; the base model is {data["base"]}.'
          ' Both see the same tokens, those of the post-trained model’s'
          ' template.'
      ),
      'figures': {
          f'{NAME}-agreement': _agreement(data['by_layer']),
          f'{NAME}-shift': _shift(data['by_layer']),
      },
      'captions': {
          f'{NAME}-agreement': (
              'Correlation of the two models over emotions, by layer',
              'Correlation of the two models over emotions, by layer. Its'
              ' interval and controls are in the numbers below.',
          ),
          f'{NAME}-shift': (
              'Size of the shift by layer',
              'Mean size of the shift along the vectors and along random'
              ' directions, by layer. Intervals are in the numbers below.',
          ),
      },
      'tables': [
          {
              'title': title,
              'columns': ('Emotion', 'Base', 'Post-trained', 'Shift'),
              'rows': [
                  (row['emotion'], row['base'], row['post'], row['shift'])
                  for row in rows
              ],
          }
          for title, rows in (
              ('The largest rises', table[:_EXTREMES]),
              ('The largest falls', table[::-1][:_EXTREMES]),
          )
      ],
  }


def _shows(data: dict[str, Any]) -> str:
  shift = next((n for n in data['numbers'] if n['id'].endswith('_shift')), None)
  start = 'It compares profiles over emotions, not single emotions'
  if shift is not None and shift['beyond'] is False:
    start = (
        'Shifts on neutral and on challenging prompts agree no more than those'
        ' along random directions'
    )
  return (
      f'{start}; two checkpoints differ in more than one way, and a shift of'
      ' readings is not a change of behaviour.'
  )


def _agreement(rows):
  figure = curves.empty(_LAYER, 'r over emotions')
  x = [row['layer'] for row in rows]
  for key, name, colour, dash in (
      ('neutral', 'neutral prompts', curves.INK, 'dash'),
      ('challenging', 'challenging prompts', curves.ACCENT, 'solid'),
  ):
    if key in rows[0]:
      stroke = curves.Stroke(name, colour, dash)
      figure.add_trace(curves.line(x, [row[key] for row in rows], stroke))
  figure.update_yaxes(range=[-1.02, 1.02])
  return figure


def _shift(rows):
  figure = curves.empty(_LAYER, 'mean size of the shift (cosine)')
  x = [row['layer'] for row in rows]
  for key, stroke in (
      ('random_shift', curves.RANDOM),
      ('shift', curves.VECTORS),
  ):
    figure.add_trace(curves.line(x, [row[key] for row in rows], stroke))
  figure.update_yaxes(rangemode='tozero')
  return figure
