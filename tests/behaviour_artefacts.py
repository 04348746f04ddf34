"""Synthetic artefacts of a behaviour run, as its report reads them."""

import copy
import functools
import types
from typing import Any

import ml_collections
import report_fixtures
import simulated_episodes

from emojax import code_outcomes
from emojax.experiments import summarise_behaviour

EMOTIONS = simulated_episodes.EMOTIONS
EVENTS = ('task', 'reply 1', 'failed 1', 'reply 2', 'failed 2', 'report')
CONFIG = ml_collections.ConfigDict({'seed': 0})
CODE = types.SimpleNamespace(
    NAME='impossible_code',
    OUTCOMES=dict(code_outcomes.OUTCOMES),
    MEASURES={
        name: code_outcomes.MEASURES[name] for name in ('cheats', 'solves')
    },
)
BEHAVIOURS = {
    'impossible_code': CODE,
    'sycophancy': simulated_episodes.BEHAVIOUR,
}


@functools.cache
def _whole() -> dict[str, Any]:
  rows = {
      'impossible_code': code_rows(),
      'sycophancy': simulated_episodes.rows(
          lambda kind, direction, strength: (
              0.9 if (direction, strength) == ('desperate', 0.1) else 0.2
          ),
          seed=0,
          shuffled=2,
          broken=0.1,
      ),
  }
  return of(rows) | {
      'summary.json': {
          'model': report_fixtures.artefacts()['summary.json']['model'],
          'numbers': [],
          'counts': {},
      },
      'config.json': report_fixtures.artefacts()['config.json'],
      'pressure.json': pressure(EMOTIONS),
  }


def artefacts() -> dict[str, Any]:
  """Returns file name -> contents: an object, or a list of rows (.jsonl)."""
  return copy.deepcopy(_whole())


def of(
    rows: dict[str, list[dict[str, Any]]], opinions: Any = None
) -> dict[str, Any]:
  """Returns what a run writes of rows by behaviour."""
  found = summarise_behaviour.summarise(
      CONFIG, EMOTIONS, BEHAVIOURS, rows, opinions or {}
  )
  return {'behaviour.json': found} | {
      f'{name}.jsonl': own for name, own in rows.items()
  }


def code_rows(outcome: str = 'failed') -> list[dict[str, Any]]:
  """Rows of tasks, which all end alike, and of twins, half of them solved."""
  rows = simulated_episodes.rows(lambda *_: 0.5, seed=1, scenarios=6, random=2)
  out = []
  for row in rows:
    for twin in (False, True):
      solved = twin and row['outcome'] == 'cheats'
      cheats = outcome in ('special_cased', 'tampered')
      out.append(
          row
          | {
              'id': f'{row["id"]} {twin}',
              'outcome': 'solved' if solved else outcome,
              'hits': {
                  'cheats': None if twin else cheats,
                  'solves': solved if twin else None,
              },
              'facts': {'twin': twin},
              'scenario': row['scenario'] + '_solvable' * twin,
          }
      )
  return out


def judge(labels: list[str]) -> dict[str, Any]:
  """What a judge says that has found 7 of 10 episodes as the rules do."""
  kappa = {'value': 0.4375, 'low': 0.25, 'high': 0.625, 'n': 10, 'reason': None}
  none = dict.fromkeys(('value', 'low', 'high')) | {'n': 10, 'reason': 'alike'}
  return {
      'model': 'pypi:judge==1',
      'n': 10,
      'kappa': {'outcome': kappa} | dict.fromkeys(labels, none),
      'confusion': {
          a: {b: 7 if a == b == labels[0] else 3 for b in labels}
          for a in labels
      },
      'position_bias': {'letters': {}, 'without': 0.25, 'largest': 0.0625},
      'mass': 0.875,
      'episodes': [],
  }


def pressure(emotions: tuple[str, ...]) -> dict[str, Any]:
  """The contents of `pressure.json`: readings that rise with every event."""
  bands = {kind: point(0.0) for kind in ('shuffled', 'random')}
  question = {
      'question': 'the last reply minus the first',
      'episodes': 8,
      'tasks': 4,
      'least_p': 0.125,
      'forms': {
          form: [
              point(0.5 + k)
              | {'emotion': name, 'raw': 0.02, 'words': None, 'beyond': True}
              | {'p': 0.125, 'p_holm': 0.375}
              | bands
              for k, name in enumerate(emotions)
          ]
          for form in ('before', 'message')
      },
  }
  steered = {
      'kind': 'emotion',
      'emotion': emotions[0],
      'operation': 'add',
      'layers': [4],
      'strength': 0.1,
      'positions': 'all',
      'n': 5,
      'of': 5,
      'events': _trace(emotions[:1], EVENTS[:2], 0.75),
  }
  return {
      'layer': 9,
      'emotions': list(emotions),
      'asked': list(emotions),
      'unit': 'SD',
      'bins': 4,
      'episodes': {
          'unsteered': 16,
          'impossible': 8,
          'twins': 8,
          'tasks': 4,
          'left_out': 1,
          'steered': 5,
          'steered_unread': 0,
          'most': 64,
      },
      'traces': {
          'impossible': _trace(emotions, EVENTS, 0.5),
          'twin': _trace(
              emotions, ('task', 'reply 1', 'passed', 'report'), 0.25
          ),
      },
      'questions': {
          'failures': question,
          'shortcut': {'absent': 'no episode has both replies.'},
      },
      'steered': [steered],
      'numbers': [],
  }


def _trace(emotions, events, lift) -> list[dict[str, Any]]:
  """Emotion k reads k at the first event, and `lift` more at every other."""
  return [
      {
          'event': event,
          'form': form,
          'n': 8,
          'tasks': 4,
          'emotions': {
              name: point(lift * i + k) | {'raw': 0.01}
              for k, name in enumerate(emotions)
          },
          'shuffled': point(0.0),
          'random': point(0.0),
      }
      for i, event in enumerate(events)
      for form in ('before', 'message')
      if form == 'message' or event.startswith('rep')
  ]


def point(value: float) -> dict[str, Any]:
  return {'value': value, 'low': value - 0.25, 'high': value + 0.25, 'n': 4}
