"""What is shown of a user's statement, the reply, and what lies between."""

from typing import Any

from emojax.report import curves
from emojax.report import reading_figures

NAME = 'turns'
# What is drawn against what, and how the axes are named.
_DRAWN = {
    'statement response': ('end of the statement', 'before the reply'),
    'response reply': ('before the reply', 'mean over the reply'),
}
_LINES = {
    'statement reply': ('statement and reply', curves.MUTED, 'dot'),
    'user response': ('user’s end and reply’s start', curves.CONTROL, 'dash'),
    'response reply': ('reply’s start and reply', curves.INK, 'dashdot'),
    'statement response': (
        'statement and reply’s start',
        curves.ACCENT,
        'solid',
    ),
}


def view(data: dict[str, Any]) -> dict[str, Any]:
  """Returns what the page has of it."""
  drawn, captions = _draw(data)
  return {
      **data,
      'title': 'The user’s turn and the assistant’s',
      'question': (
          'Are the emotions read at the end of a user’s statement those read'
          ' before the reply, and are these those of the reply?'
      ),
      'shows': _shows(data),
      'method': (
          f'{len(data["prompts"])} messages, each a statement and a question,'
          f' times {len(data["probes"])} probes ({", ".join(data["probes"])})'
          f' at layer {data["layer"]}: at the statement’s last full stop, the'
          ' user’s last token, the last template token before the reply, and as'
          f' the mean over a greedy reply of up to {data["new_tokens"]} tokens.'
          ' Pearson’s r over all points, raw as in the paper and centred by'
          ' probe. Controls: prompts dealt out anew, shuffled-label vectors and'
          ' random directions through the same correlation.'
      ),
      'figures': {f'{NAME}-{name}': figure for name, figure in drawn.items()},
      'captions': {f'{NAME}-{name}': text for name, text in captions.items()},
      'tables': [
          {
              'title': 'The replies',
              'columns': ('Message', 'Its emotion', 'Reply'),
              'rows': [
                  (row['text'], row['emotion'], row['reply'])
                  for row in data['prompts']
              ],
          }
      ],
  }


def _draw(data: dict[str, Any]) -> tuple[dict, dict]:
  """The figures and their captions."""
  texts = [reading_figures.short(row['text']) for row in data['prompts']]
  drawn, captions = {}, {}
  for pair, titles in _DRAWN.items():
    x, y = (
        reading_figures.centred(data['readings'][place])
        for place in pair.split()
    )
    name = pair.replace(' ', '-')
    drawn[name] = reading_figures.against(
        x, y, texts, data['probes'], tuple(f'{t} (cosine)' for t in titles)
    )
    captions[name] = (
        f'Readings {titles[1]} against those at {titles[0]}, centred',
        f'Each mark is a prompt and a probe, layer {data["layer"]}; the probe’s'
        ' mean over prompts is taken off. r with its interval and controls is'
        ' in the numbers below.',
    )
  for form, note in (
      ('raw', 'offsets that the probes have at both places are in it'),
      ('centred', 'each probe’s mean over prompts is taken off'),
  ):
    drawn[f'{form}-layers'] = reading_figures.over_layers(
        [
            (curves.Stroke(*stroke), data['layers'][pair][form])
            for pair, stroke in _LINES.items()
        ],
        'Pearson’s r',
        data['layer'],
    )
    drawn[f'{form}-layers'].update_yaxes(range=[-1.02, 1.02])
    captions[f'{form}-layers'] = (
        f'Correlations of places by layer, {form}',
        f'Over prompts and probes, {form}: {note}. The bands are bootstraps'
        ' over prompts; controls are in the numbers below.',
    )
  return drawn, captions


def _shows(data: dict[str, Any]) -> str:
  raw, centred = (
      reading_figures.number_of(data, f'{NAME}_statement_response_{form}')
      for form in ('raw', 'centred')
  )
  apart = centred['low'] is not None and centred['low'] > 0
  found = (
      'Prompts that read higher at the end of the statement read higher before'
      ' the reply, too'
      if apart
      else 'It is not certain that prompts which read higher at the end of the'
      ' statement read higher before the reply, too'
  )
  return (
      f'{found} (r {centred["value"]:.2f} centred, {raw["value"]:.2f} raw); a'
      ' raw r depends on the offsets of the probes, and any direction of the'
      ' residual stream persists from token to token.'
  )
