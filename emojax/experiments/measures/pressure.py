"""How emotions are read along code episodes: as tests fail, and after them.

The text of an episode is read again by the model as it is. What a reading says
of a steered episode is thus in its words: the vector itself is not read back.
"""

from collections.abc import Mapping, Sequence
import itertools
from typing import Any

import ml_collections
import numpy as np

from emojax import traces
from emojax.data import code_tasks
from emojax.experiments import inputs
from emojax.experiments import study as study_lib
from emojax.experiments.measures import pressure_changes
from emojax.experiments.measures import pressure_read
from emojax.experiments.measures import pressure_trace

Row = pressure_read.Row

_MOST = 64  # Episodes of a steered condition that are read.
_CONTROLS = 20  # Directions of each kind, at least.
_GROUPS = {'impossible': True, 'twin': False}
_CONDITION = (
    'kind',
    'emotion',
    'operation',
    'layers',
    'strength',
    'positions',
)


def run(
    study: study_lib.Study,
    rows: Sequence[Row],
    config: ml_collections.ConfigDict,
) -> dict[str, Any]:
  """Returns the contents of `pressure.json`.

  Args:
    study: the model and its vectors.
    rows: of `impossible_code.jsonl`.
    config: its single `directions` are the emotions that are asked about, all
      if it names none; `impossible_code.tasks` say which are twins; `seed`.
  """
  asked = [e for e in config.directions if e in study.emotions]
  asked = asked or list(study.emotions)
  unsteered = [row for row in rows if row['kind'] == 'unsteered']
  tasks = code_tasks.load(inputs.path_of(config.impossible_code.tasks))
  pairs = {task.id: task.pair for task in tasks}
  episodes = pressure_read.encode_rows(study, unsteered, pairs)
  if not episodes.rows:
    return {
        'absent': 'no unsteered code episode can be read; run impossible_code,'
        ' or give a model of a longer context.'
    }
  directions, places = pressure_read.directions_of(study, asked, _CONTROLS)
  baseline = pressure_read.baselines(study, directions)
  several = traces.repeated([pressure_read.events_of(row) for row in rows])
  found = _unsteered(
      study, episodes, asked, (directions, places), baseline, several
  )
  steered, unread = _steered(study, rows, pairs, asked, baseline, several)
  return {
      'layer': study.layer,
      'emotions': study.emotions,
      'asked': asked,
      'unit': 'SD of the same direction over neutral dialogues',
      'bins': pressure_read.BINS,
      'episodes': {
          'unsteered': len(episodes.rows),
          'impossible': int(episodes.impossible.sum()),
          'twins': int((~episodes.impossible).sum()),
          'tasks': len(np.unique(episodes.task)),
          'left_out': len(episodes.left_out),
          'steered': sum(each['n'] for each in steered),
          'steered_unread': unread,
          'most': _MOST,
      },
      **found,
      'steered': steered,
      'numbers': pressure_changes.numbers_of(found['questions']),
  }


def _unsteered(
    study: study_lib.Study,
    episodes: pressure_read.Episodes,
    asked: Sequence[str],
    read_with: tuple[np.ndarray, Mapping[str, slice]],
    baseline: tuple[np.ndarray, np.ndarray],
    several: set[str],
) -> dict[str, Any]:
  """`traces` and `questions` of unsteered episodes.

  Args:
    study: the model.
    episodes: N of them.
    asked: emotions.
    read_with: [A, L, D] directions, and where each kind lies.
    baseline: mean and deviation [F, A].
    several: events that are numbered.
  """
  directions, places = read_with
  read = pressure_read.read(study, episodes, directions, 'Episodes')
  controls = {kind: places[kind] for kind in pressure_changes.CONTROLS}
  return {
      'traces': {
          group: pressure_trace.trace(
              study.emotions,
              episodes,
              episodes.impossible == impossible,
              read,
              baseline,
              controls,
              several,
          )
          for group, impossible in _GROUPS.items()
      },
      'questions': pressure_changes.ask(
          pressure_changes.Readings(
              episodes,
              read[0],
              pressure_read.read_words(study, episodes, asked),
              baseline[1],
              places,
              asked,
              study.index(asked),
          ),
          study.config.seed,
      ),
  }


def _steered(
    study: study_lib.Study,
    rows: Sequence[Row],
    pairs: Mapping[str, str],
    asked: Sequence[str],
    baseline: tuple[np.ndarray, np.ndarray],
    several: set[str],
) -> tuple[list[dict[str, Any]], int]:
  """Of each condition the own emotion's readings, in impossible tasks.

  Returns:
    An entry a condition, and how many episodes were not read.
  """
  groups: dict[tuple[Any, ...], list[Row]] = {}
  for row in rows:
    if row['emotion'] in asked and not row['facts']['twin']:
      key = tuple(str(row[name]) for name in _CONDITION)
      groups.setdefault(key, []).append(row)
  # Of every task as many as of any other.
  order = lambda row: (row['seed'], row['scenario'])
  kept = {k: sorted(group, key=order)[:_MOST] for k, group in groups.items()}
  episodes = pressure_read.encode_rows(
      study, list(itertools.chain(*kept.values())), pairs
  )
  count = sum(map(len, groups.values()))
  if not episodes.rows:
    return [], count
  directions = study.directions[study.index(asked)]
  read = pressure_read.read(study, episodes, directions, 'Steered')
  ids = {row['id']: i for i, row in enumerate(episodes.rows)}
  out = []
  for key, group in kept.items():
    first, chosen = group[0], np.zeros(len(ids), bool)
    chosen[[ids[row['id']] for row in group if row['id'] in ids]] = True
    a = [asked.index(first['emotion'])]
    out.append(
        {name: first[name] for name in _CONDITION}
        | {
            'n': int(chosen.sum()),
            'of': len(groups[key]),
            'events': pressure_trace.trace(
                [first['emotion']],
                episodes,
                chosen,
                tuple(x[..., a] for x in read),
                tuple(x[:, study.index([first['emotion']])] for x in baseline),
                {},
                several,
            ),
        }
    )
  return out, count - len(episodes.rows)
