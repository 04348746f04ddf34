"""What is shown of one probe for emotions shown, hidden and not expressed."""

from typing import Any

from emojax.report import curves
from emojax.report import interval_figures
from emojax.report import reading_figures

NAME = 'mixed_probe'
_SPLITS = {
    'unseen': 'nothing seen',
    'scenario_seen': 'scenario seen',
    'random': 'dealt out at random',
}
_LINES = (
    ('unexpressed', 'not expressed', curves.INK, 'dash'),
    ('hidden', 'hidden', curves.CONTROL, 'dashdot'),
    ('natural', 'in stories', curves.ACCENT, 'solid'),
)
_SHORT = {
    'natural': 'in stories',
    'hidden': 'hidden',
    'neutral': 'neutral topic',
    'story_writing': 'writing prose',
    'discussing_others': 'speaking of others',
}


def view(data: dict[str, Any]) -> dict[str, Any]:
  """Returns what the page has of it."""
  return {
      **data,
      'title': 'One probe for all conditions',
      'question': (
          'Can one probe read an emotion that was stated earlier, whether it is'
          ' then expressed, hidden or not expressed at all?'
      ),
      'shows': _shows(data),
      'method': _method(data),
      'figures': {
          f'{NAME}-accuracy': _accuracy(data),
          f'{NAME}-layers': _layers(data),
      },
      'captions': {
          f'{NAME}-accuracy': (
              'Accuracy by condition, with controls',
              'Share of texts whose emotion is told. Dotted: chance. Shuffled'
              ' labels go with “scenario seen”: what they give above chance is'
              ' a scenario recognised. Bars: bootstrap over scenarios, and the'
              ' central 95 % of shuffles.',
          ),
          f'{NAME}-layers': (
              'Accuracy by layer',
              'Nothing of the tested text was seen. Bands: bootstrap over'
              ' scenarios, dialogues or topics.',
          ),
      },
      'tables': [_splits(data), _transfer(data)],
  }


def _accuracy(data: dict[str, Any]):
  splits = data['splits']
  of = lambda split, key: [splits[split][key][name] for name in _SHORT]
  first = lambda split: [splits[split]['accuracy'][0][name] for name in _SHORT]
  figure = interval_figures.intervals(
      list(_SHORT.values()),
      (
          (
              'shuffled labels',
              curves.CONTROL,
              'diamond-open',
              of('scenario_seen', 'shuffled'),
          ),
          (
              'embedding layer',
              curves.MUTED,
              'square-open',
              of('unseen', 'embed'),
          ),
          (
              'scenario seen',
              curves.INK,
              'circle-open',
              first('scenario_seen'),
          ),
          ('nothing seen', curves.ACCENT, 'circle', first('unseen')),
      ),
      'share of texts',
      data['chance'],
  )
  figure.update_xaxes(range=[-0.02, 1.02], tickformat='.1f')
  return figure


def _layers(data: dict[str, Any]):
  rows = data['layers']
  figure = curves.empty('layer (0-based block, its output)', 'share of texts')
  x = [row['layer'] for row in rows]
  for name, *stroke in _LINES:
    points = [row[name] for row in rows]
    figure.add_traces(
        curves.curve(x, points, curves.Stroke(*stroke), 'lines+markers')
    )
  figure.add_hline(
      y=data['chance'], line={'color': curves.MUTED, 'dash': 'dot'}
  )
  figure.add_vline(x=data['layer'], line={'color': curves.INK, 'width': 1})
  figure.update_yaxes(range=[0, 1.02], tickformat='.1f')
  figure.update_xaxes(showgrid=False)
  return figure


def _shows(data: dict[str, Any]) -> str:
  told = [
      _SHORT[name]
      for name in _SHORT
      if reading_figures.is_beyond(data, f'{NAME}_{name}')
  ]
  missed = [label for label in _SHORT.values() if label not in told]
  found = (
      f'Beyond all controls, emotions are told {_joined(told)}'
      if told
      else 'In no condition are emotions told beyond all controls'
  )
  rest = f', and not {_joined(missed)}' if told and missed else ''
  return (
      f'{found}{rest}; a probe that reads one condition says nothing of a state'
      ' that lasts, and the paper calls its own, better ones overfitted.'
  )


def _joined(names: list[str]) -> str:
  quoted = [f'“{name}”' for name in names]
  return ' and '.join(filter(None, [', '.join(quoted[:-1]), quoted[-1]]))


def _method(data: dict[str, Any]) -> str:
  found = data['splits']['unseen']['accuracy'][0]
  counts = ', '.join(
      f'{found[name]["n"]} {label}' for name, label in _SHORT.items()
  )
  return (
      f'Logistic regression on mean activations at layer {data["layer"]},'
      f' {len(data["emotions"])} emotions (chance {data["chance"]:.2f}); texts:'
      f' {counts}. Dialogues come after a scenario that states the emotion;'
      ' only tokens after it are averaged, so that its word is not what is'
      ' read. In the numbers a probe has seen neither the scenario nor the'
      ' dialogue or topic of what it is tested on. The paper deals texts out at'
      ' random, which leaves scenarios on both sides; here, where every'
      ' dialogue follows all emotions, that also shows a probe each test'
      ' dialogue with the wrong ones.'
  )


def _splits(data: dict[str, Any]) -> dict[str, Any]:
  rows = []
  for split, name in _SPLITS.items():
    for i, penalty in enumerate(data['penalties']):
      found = data['splits'][split]['accuracy'][i]
      rows.append((f'{name}, C {penalty:g}', *(found[c] for c in _SHORT)))
    shuffled = data['splits'][split]['shuffled']
    rows.append((f'{name}, shuffled labels', *(shuffled[c] for c in _SHORT)))
  return {
      'title': 'Accuracy by what a probe has seen of the tested text',
      'columns': ('Seen, and penalty', *_SHORT.values()),
      'rows': rows,
  }


def _transfer(data: dict[str, Any]) -> dict[str, Any]:
  names = [name for name in _SHORT if name != 'natural']
  rows = []
  for form, found in data['transfer'].items():
    for key, label in (
        ('accuracy', 'activations'),
        ('embed', 'embedding layer'),
        ('shuffled', 'shuffled labels'),
    ):
      of = found[key][0] if key == 'accuracy' else found[key]
      rows.append((f'{label}, {form}', *(of[name] for name in names)))
  return {
      'title': 'Accuracy of a probe of stories alone',
      'columns': ('What is read', *(_SHORT[name] for name in names)),
      'rows': rows,
  }
