"""What is shown of emotion words after "He feels" and "I feel"."""

from typing import Any

import plotly.graph_objects as go

from emojax.report import figures
from emojax.report import maps

NAME = 'emotion_words'


def view(data: dict[str, Any]) -> dict[str, Any]:
  drawn, captions = _figures(data)
  return {
      **data,
      'title': 'Emotion words',
      'question': (
          'Does adding an emotion’s vector make that emotion’s word likelier as'
          ' the next one, for another person and for itself?'
      ),
      'shows': _shows(data),
      'method': (
          'Log-probability steered minus unsteered, in nats, summed over the'
          ' tokens of a word; the assistant’s turn is steered, at layer'
          f' {", ".join(map(str, data["layers"]))}. {_words(data)} The paper'
          ' steers at 0.5; a strength that breaks its texts (below) measures'
          ' damage as well.'
      ),
      'figures': drawn,
      'captions': captions,
      'tables': [
          {
              'title': 'What is written then, without sampling, at strength'
              f' {max(data["strengths"]):g}',
              'columns': ('Steered with', 'Prompt', 'Text', 'Repetition'),
              'rows': [
                  (
                      'nothing'
                      if row['direction'] == 'none'
                      else row['direction'],
                      row['prompt'],
                      row['text'],
                      row['repetition'],
                  )
                  for row in data['texts']
              ],
          }
      ],
  }


def _figures(
    data: dict[str, Any],
) -> tuple[dict[str, go.Figure], dict[str, tuple[str, str]]]:
  """Curves of every prompt, the map of the first, and what is said of them."""
  prompts = data['prompts']
  drawn: dict[str, go.Figure] = {}
  captions = {}
  for i, label in enumerate(prompts):
    drawn[f'{NAME}-{i}'] = figures.dose(data['curves'][label])
    captions[f'{NAME}-{i}'] = (
        f'Change of emotion words after {label}, against strength',
        f'“{label}”: change of the log-probability of the emotion’s own word'
        ' and of the others’, against strength. Bands: 95 % bootstrap over'
        ' emotions; of controls, the central 95 % of single directions.',
    )
  first = prompts[0]
  drawn[f'{NAME}-map'] = maps.square(
      data['deltas'][first],
      data['emotions'],
      data['emotions'],
      'nats',
      ('word', 'vector'),
  )
  captions[f'{NAME}-map'] = (
      'Change of every word under every vector',
      f'“{first}”: the change of every word (columns) under every vector (rows)'
      f' at strength {max(data["strengths"]):g}. A diagonal that stands out is'
      ' what the question asks for; its interval and controls are in the'
      ' numbers below.',
  )
  return drawn, captions


def _words(data: dict[str, Any]) -> str:
  parts = []
  if data['multi_token_words']:
    parts.append(
        'Of more than one token here: '
        + ', '.join(data['multi_token_words'])
        + '.'
    )
  if data['left_out']:
    parts.append(f'Without a vector: {", ".join(data["left_out"])}.')
  return ' '.join(parts) or 'Every word is one token.'


def _shows(data: dict[str, Any]) -> str:
  """One sentence that follows from the numbers."""
  differences = [n for n in data['numbers'] if n['id'].endswith('_difference')]
  hits = sum(bool(n['beyond']) for n in differences)
  return (
      f'On {hits} of {len(differences)} prompts the vectors favour their own'
      ' word beyond what random directions and shuffled labels do; a word after'
      ' a fixed beginning is a narrow measure, and a change in it is not a'
      ' change of state.'
  )
