"""What a page shows of a behaviour's episodes: examples, and tasks with twins.

What a model wrote is shown as text and as nothing else.
"""

from collections.abc import Mapping, Sequence
import re
from typing import Any

from emojax.report import behaviour_tables
from emojax.report import behaviour_views
from emojax.report import conditions

View = dict[str, Any]

# Of a behaviour whose scenarios have twins: the fact that makes one a twin, and
# what both are called.
_TWINS = {
    'impossible_code': ('twin', 'Impossible tasks', 'Solvable twins'),
    'honeypot': ('twin_lacks', 'With a lever', 'Twins without'),
}
_KINDS = (('unsteered',), ('emotion', 'opposite'), ('random', 'shuffled'))
_LONG = 1500  # Characters of a message.
_MESSAGES = 12  # Of an episode: the first and the last ones.
_CONDITION = (
    'kind',
    'direction',
    'operation',
    'layers',
    'strength',
    'positions',
)
# What would not be seen, or would move other text about; and halves of
# characters, which no page can hold.
_HIDDEN = re.compile(
    '[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e'
    '\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]'
)


def view(
    name: str, labels: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> View:
  """Returns what the page has of `<name>.jsonl`, and its figures.

  Args:
    name: of the behaviour.
    labels: of its outcomes.
    rows: of the artefact.
  """
  namer = conditions.namer(rows)
  tables = {k: _table(group) for k, group in _groups(name, rows).items()}
  figure = f'twins-{name}'
  return {
      'examples': _examples(rows, namer),
      'twins': figure if tables else None,
      'figures': (
          {figure: behaviour_views.outcomes_figure(tables, labels)}
          if tables
          else {}
      ),
  }


def _groups(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """Rows of tasks and of their twins; {} where there are not both."""
  if name not in _TWINS:
    return {}
  fact, own, twin = _TWINS[name]
  groups = {own: [], twin: []}
  for row in rows:
    groups[twin if row['facts'].get(fact) else own].append(row)
  return groups if all(groups.values()) else {}


def _table(rows: Sequence[Mapping[str, Any]]) -> list[View]:
  """How whole episodes ended, by condition, in order."""
  found: dict[str, View] = {}
  for row in rows:
    condition = {key: row[key] for key in _CONDITION}
    here = found.setdefault(
        repr(condition), {'condition': condition, 'n': 0, 'counts': {}}
    )
    here['n'] += 1
    counts = here['counts']
    counts[row['outcome']] = counts.get(row['outcome'], 0) + _is_whole(row)
  return list(found.values())


def _is_whole(row: Mapping[str, Any]) -> bool:
  return row['finite'] and row['room']


def _examples(
    rows: Sequence[Mapping[str, Any]], namer: behaviour_tables.Namer
) -> dict[str, list[View]]:
  """By outcome the first episode unsteered, of an emotion, and of a control."""
  found: dict[str, dict[tuple[str, ...], Mapping[str, Any]]] = {}
  for row in rows:
    for kinds in _KINDS:
      if row['kind'] in kinds and _is_whole(row):
        found.setdefault(row['outcome'], {}).setdefault(kinds, row)
  return {
      outcome: [
          _example(first[kinds], namer) for kinds in _KINDS if kinds in first
      ]
      for outcome, first in found.items()
  }


def _example(row: Mapping[str, Any], namer: behaviour_tables.Namer) -> View:
  messages = row['messages']
  half = _MESSAGES // 2
  gap = max(0, len(messages) - _MESSAGES)
  shown = messages[:half] + messages[half + gap :]
  return {
      'name': visible(behaviour_tables.spaced(namer(row))),
      'scenario': visible(row['scenario']),
      'seed': row['seed'],
      'hits': [
          behaviour_tables.spaced(name)
          for name, hit in row['hits'].items()
          if hit
      ],
      'gap': (half, gap),
      'messages': [
          {
              'role': visible(message['role']),
              'event': visible(message['event']),
              'text': visible(message['content'][:_LONG]),
              'more': max(0, len(message['content']) - _LONG),
          }
          for message in shown
      ],
  }


def visible(text: str) -> str:
  """Returns a text in which nothing hides: U+202E becomes [U+202E]."""
  return _HIDDEN.sub(lambda found: f'[U+{ord(found[0]):04X}]', text)
