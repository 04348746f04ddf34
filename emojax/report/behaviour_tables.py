"""Tables of a behaviour, as `table_of` of parts.html.j2 shows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emojax.report import conditions

Table = dict[str, Any]
Namer = Callable[[conditions.Condition], str]
_Found = Mapping[str, Any]

_BEYOND = {True: 'yes', False: 'no', None: '–'}
_CONTROLS = ('Random directions', 'Shuffled labels')


def spaced(label: str) -> str:
  return label.replace('_', ' ')


def of_measure(name: str, found: _Found, namer: Namer) -> list[Table]:
  """Returns the tables of one measure that have rows."""
  quoted = f'“{spaced(name)}”'
  tables = (
      _effects(quoted, found, namer),
      _slopes(quoted, found, namer),
      _controls(quoted, found, namer),
  )
  return [table for table in tables if table['rows']]


def _effects(quoted: str, found: _Found, namer: Namer) -> Table:
  rows = []
  for row in found['effects']:
    bands = _bands_at(found['controls'], row)
    rows.append(
        (
            namer(row),
            row['difference'],
            row['p'],
            row['p_holm'],
            *(bands.get(kind) for kind in conditions.KINDS),
            _BEYOND[row['beyond']],
            row['coherent'],
        )
    )
  columns = ('Steered with', 'Minus unsteered', 'p', 'p, Holm', *_CONTROLS)
  return {
      'title': f'Changes of {quoted}',
      'columns': (*columns, 'Beyond', 'Unbroken only'),
      'rows': rows,
  }


def _bands_at(controls: Sequence[_Found], row: _Found) -> _Found:
  """The bands that a change is held against."""
  return next(
      (
          each
          for each in controls
          if each['strength'] == abs(row['strength'])
          and conditions.place(each) == conditions.place(row)
      ),
      {},
  )


def _slopes(quoted: str, found: _Found, namer: Namer) -> Table:
  bands = {conditions.place(row): row for row in found['slope_controls']}
  rows = []
  for row in found['slopes']:
    own = bands.get(conditions.place(row), {})
    rows.append(
        (
            _along(row, namer),
            row,
            row['p'],
            row['p_holm'],
            *(own.get(kind) for kind in conditions.KINDS),
            _BEYOND[row['beyond']],
        )
    )
  columns = ('Steered with', 'Slope', 'p', 'p, Holm', *_CONTROLS, 'Beyond')
  return {
      'title': f'Slopes of {quoted} per 0.1 of strength',
      'columns': columns,
      'rows': rows,
  }


def _along(row: _Found, namer: Namer) -> str:
  """A direction, and where, but no strength."""
  named = namer({**row, 'kind': 'emotion', 'strength': 0.0})
  return named.replace(f' {conditions.signed(0.0)}', '', 1)


def _controls(quoted: str, found: _Found, namer: Namer) -> Table:
  return {
      'title': f'What single control directions change of {quoted}',
      'columns': ('Steered with', 'Minus unsteered', 'p'),
      'rows': [
          (spaced(namer(row)), row, row['p'])
          for each in found['controls']
          for row in each['differences']
      ],
  }


def counts(found: _Found, namer: Namer) -> Table:
  """Returns how the episodes of each condition ended."""
  labels = list(found['outcomes'])
  return {
      'title': 'How episodes ended, by condition',
      'columns': (
          'Steered with',
          'Episodes',
          *(spaced(label).capitalize() for label in labels),
          'Not counted',
      ),
      'rows': [
          (
              spaced(namer(row['condition'])),
              row['n'],
              *(row['counts'].get(label, 0) for label in labels),
              conditions.uncounted(row),
          )
          for row in found['table']
      ],
  }


def broken(damage: _Found, namer: Namer) -> Table:
  """Returns the share of broken episodes by condition."""
  return {
      'title': 'Broken episodes, by condition',
      'columns': ('Steered with', 'Broken', 'Mean repetition'),
      'rows': [
          (spaced(namer(row)), row, row['repetition'])
          for row in damage['table']
      ],
  }


def meanings(found: _Found) -> list[dict[str, Any]]:
  """Returns what each outcome means, and how often episodes end so."""
  groups = {
      'unsteered': conditions.is_unsteered,
      'emotions': conditions.is_emotion,
      'controls': lambda c: c['kind'] in conditions.KINDS,
  }
  totals = {
      name: conditions.total(r for r in found['table'] if of(r['condition']))
      for name, of in groups.items()
  }
  return [
      {
          'label': spaced(label),
          'meaning': meaning,
          'counts': {
              name: (each['counts'].get(label, 0), each['n'])
              for name, each in totals.items()
          },
      }
      for label, meaning in found['outcomes'].items()
  ]


def judged(judge: _Found | None) -> dict[str, Any] | None:
  """Returns how far a judge agrees with the rules; None if none was asked."""
  if not judge:
    return None
  kappa, labels = judge['kappa'], list(judge['confusion'])
  return {
      **judge,
      'agreement': kappa['outcome'],
      'tables': [
          {
              'title': 'Agreement of the judge with the rules',
              'columns': ('Outcome', 'Kappa', 'Why there is none'),
              'rows': [
                  (
                      'all outcomes' if name == 'outcome' else spaced(name),
                      found,
                      found['reason'] or '',
                  )
                  for name, found in kappa.items()
              ],
          },
          {
              'title': 'Outcomes by the rules (down) and by the judge (across)',
              'columns': ('By the rules', *(spaced(name) for name in labels)),
              'rows': [
                  (spaced(label), *(row.get(name, 0) for name in labels))
                  for label, row in judge['confusion'].items()
              ],
          },
      ],
  }
