"""What a page shows of pressure.json: readings along episodes of code."""

from collections.abc import Mapping, Sequence
from typing import Any

from emojax import traces
from emojax.report import conditions
from emojax.report import curves
from emojax.report import pressure_figures

View = dict[str, Any]

_MOST = 6  # Emotions that are drawn.
FORMS = {
    'before': 'at the template token before each reply',
    'message': 'mean over each message',
}
_SHORT = {'before': 'before the reply', 'message': 'over the reply'}
_ASKED = {
    'failures': 'Does it rise as tests fail?',
    'shortcut': 'Does it fall after a shortcut?',
    'shortcut_twin': 'Does it fall more than after a test passed rightly?',
    'twin': 'Does it rise more than in the solvable twin?',
}
_ALPHA = 0.05
_NO = '–'
_BEYOND = {True: 'yes', False: 'no', None: _NO}
_NONE = {'value': 0.0, 'p_holm': None, 'beyond': None, 'words': None}


def view(data: View) -> View:
  """Returns what the page has of the artefact; why, where it is left out."""
  if 'absent' in data:
    return data
  drawn = _most_changed(data)
  figures, rows = {}, []
  for e, emotion in enumerate(drawn):
    ids = {form: f'pressure-{form}-{e}' for form in FORMS}
    rows.append((emotion, ids))
    for form, id_ in ids.items():
      groups = _groups(data, form)
      figures[id_] = pressure_figures.trace(
          groups, emotion, _order(groups), _span(groups, drawn)
      )
  return {
      **data,
      'forms': FORMS,
      'rows': rows,
      'picked': _any(data),
      'questions': {
          name: _question(name, found)
          for name, found in data['questions'].items()
      },
      'steered_table': _steered(data['steered']),
      'figures': figures,
  }


def _any(data: View) -> View:
  """The readings of every emotion, to be drawn one at a time."""
  out = {}
  for form in FORMS:
    groups = _groups(data, form)
    span = _span(groups, data['emotions'])
    out[f'pressure-one-{form}'] = [
        (emotion, pressure_figures.trace(groups, emotion, _order(groups), span))
        for emotion in data['emotions']
    ]
  return out if data['emotions'] else {}


def _most_changed(data: View) -> list[str]:
  """The emotions asked about, or those that change most with failures."""
  asked = list(data['asked'])
  if len(asked) <= _MOST:
    return asked
  forms = data['questions']['failures'].get('forms', {})
  size = {row['emotion']: abs(row['value']) for row in forms.get('message', [])}
  chosen = sorted(asked, key=lambda name: -size.get(name, 0.0))[:_MOST]
  return [name for name in asked if name in chosen]


def _groups(data: View, form: str) -> dict[str, list[View]]:
  return {
      group: [row for row in rows if row['form'] == form]
      for group, rows in data['traces'].items()
  }


def _order(groups: Mapping[str, Sequence[View]]) -> list[str]:
  return traces.in_order(
      [[row['event'] for row in rows] for rows in groups.values()]
  )


def _span(
    groups: Mapping[str, Sequence[View]], emotions: Sequence[str]
) -> list[float] | None:
  """Of all drawn emotions together, so that their figures can be compared."""
  rows = [row for rows in groups.values() for row in rows]
  points = [row['emotions'][e] for row in rows for e in emotions]
  points += [
      row[kind] for row in rows for kind in conditions.KINDS if kind in row
  ]
  return curves.value_span([points])


def _question(name: str, found: View) -> View:
  title = _ASKED.get(name, name.replace('_', ' ').capitalize())
  if 'absent' in found:
    return {**found, 'title': title}
  return {
      **found,
      'title': title,
      'answer': _answer(found),
      'table': _table(found['forms'], title),
  }


def _answer(found: View) -> str:
  """Which changes are beyond chance and controls, in words."""
  out = []
  most = 0
  for form, said in _SHORT.items():
    rows = found['forms'][form]
    most = max(most, len(rows))
    beyond = [
        f'{row["emotion"]} ({conditions.signed(row["value"], 2)} SD)'
        for row in rows
        if row['beyond']
        and row['p_holm'] is not None
        and row['p_holm'] < _ALPHA
    ]
    out.append(f'{said} {", ".join(beyond) or "none"}')
  text = (
      f'Beyond chance (p below {_ALPHA:g} after Holm, emotions: {most}) and'
      f' beyond all controls: {"; ".join(out)}.'
  )
  if found['least_p'] * most > _ALPHA:
    text += (
        f' With so few tasks ({found["tasks"]}) no p is below'
        f' {found["least_p"]:.2g}, so that no change can be told from chance'
        ' here, however large.'
    )
  return text


def _table(forms: Mapping[str, Sequence[View]], title: str) -> View:
  """A row an emotion, and a row a kind of control, at both kinds of token."""
  by_name = {
      form: {row['emotion']: row for row in rows}
      for form, rows in forms.items()
  }
  names = dict.fromkeys(name for rows in by_name.values() for name in rows)
  size = lambda name: abs(by_name['before'].get(name, _NONE)['value'])
  rows = []
  for name in sorted(names, key=size, reverse=True):
    before, message = (by_name[form].get(name, _NONE) for form in FORMS)
    rows.append(
        (
            name,
            *_cells(before),
            *_cells(message),
            message['words'],
        )
    )
  for kind, label in conditions.KINDS.items():
    bands = [
        next((row[kind] for row in forms[form] if row[kind]), None)
        for form in FORMS
    ]
    rows.append((label, bands[0], None, _NO, bands[1], None, _NO, None))
  return {
      'title': f'{title} All emotions and controls',
      'columns': (
          'Read with',
          'Before the reply (SD)',
          'p, Holm',
          'Beyond',
          'Over the reply (SD)',
          'p, Holm',
          'Beyond',
          'Its words alone (cosine)',
      ),
      'rows': rows,
  }


def _cells(row: View) -> tuple[Any, ...]:
  known = row is not _NONE
  return row if known else None, row['p_holm'], _BEYOND[row['beyond']]


def _steered(rows: Sequence[View]) -> View | None:
  """The own emotion's readings in the words of steered episodes."""
  if not rows:
    return None
  named = [row | {'direction': row['emotion']} for row in rows]
  namer = conditions.namer(named)
  found = [
      {
          each['event']: each['emotions'][row['emotion']]
          for each in row['events']
          if each['form'] == 'message'
      }
      for row in rows
  ]
  order = traces.in_order([list(events) for events in found])
  return {
      'title': 'The emotion steered with, in the words of steered episodes',
      'columns': ('Steered with', 'Episodes', *order),
      'rows': [
          (
              namer(row),
              row['n'],
              *(events.get(event) for event in order),
          )
          for row, events in zip(named, found, strict=True)
      ],
  }
