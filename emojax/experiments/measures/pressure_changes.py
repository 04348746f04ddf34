"""What changes along code episodes: three questions about every emotion."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from emojax import rates
from emojax import statistics
from emojax import traces
from emojax.experiments import numbers as numbers_lib
from emojax.experiments.measures import pressure_read

CONTROLS = ('shuffled', 'random')
_WHERE = {
    'before': 'at the template token before the reply',
    'message': 'mean over the reply',
}
_SHOWN = 3  # Numbers of a question.


class Question(NamedTuple):
  """What is compared: two replies of an episode, picked by a rule.

  Attributes:
    text: in words.
    rule: of `traces`.
    minus_twin: whether the same change in the solvable twin is taken off, by
      task; else only impossible tasks count.
  """

  text: str
  rule: Callable[[Sequence[str], Sequence[str]], traces.Pair]
  minus_twin: bool = False


QUESTIONS = {
    'failures': Question(
        'the last reply after a failed test minus the first reply',
        traces.failures,
    ),
    'shortcut': Question(
        'what is said after tests were passed by a shortcut minus the reply'
        ' that passed them',
        traces.passing,
    ),
    'shortcut_twin': Question(
        'the same, minus the same in their solvable twins, which pass rightly',
        traces.passing,
        minus_twin=True,
    ),
    'twin': Question(
        'the last reply minus the first, in impossible tasks minus their'
        ' solvable twins',
        traces.ends,
        minus_twin=True,
    ),
}


class Readings(NamedTuple):
  """Unsteered episodes as they are read.

  Attributes:
    episodes: N of them.
    means: [N, M, F, A] cosines.
    words: [N, M, F, K] of the embedding layer, of the emotions asked about.
    deviation: [F, A], of cosines in neutral dialogues.
    places: where each kind of direction lies in A.
    asked: the K emotions, and
    index: where they lie in A.
  """

  episodes: pressure_read.Episodes
  means: np.ndarray
  words: np.ndarray
  deviation: np.ndarray
  places: Mapping[str, slice]
  asked: Sequence[str]
  index: Sequence[int]


def ask(readings: Readings, seed: int) -> dict[str, Any]:
  """Answers all questions that there are episodes for."""
  return {
      name: {'question': question.text} | _answer(readings, question, seed)
      for name, question in QUESTIONS.items()
  }


def _answer(
    readings: Readings, question: Question, seed: int
) -> dict[str, Any]:
  pairs = readings.episodes.picked(question.rule)
  differences, episodes = _differences(
      readings, question, pairs, readings.means
  )
  if not len(differences):
    return {
        'absent': 'no unsteered episode of an impossible task has both'
        ' replies; give more samples, or a model that gets so far.'
    }
  words, _ = _differences(readings, question, pairs, readings.words)
  return {
      'episodes': episodes,
      'tasks': len(differences),
      'least_p': 2.0 ** (1 - len(differences)),
      'forms': {
          form: _form(readings, differences[:, f], words[:, f], f, seed)
          for f, form in enumerate(traces.FORMS)
      },
  }


def _differences(
    readings: Readings,
    question: Question,
    pairs: Sequence[traces.Pair],
    values: np.ndarray,
) -> tuple[np.ndarray, int]:
  """[S, F, ...] of S tasks, and how many episodes they are of."""
  episodes = readings.episodes
  there = np.array([pair is not None for pair in pairs], bool)
  change = traces.changes(values, pairs)
  own = there & episodes.impossible
  tasks = traces.by_task(change[own], episodes.task[own])
  used = int(own.sum())
  if question.minus_twin:
    other = there & ~episodes.impossible
    twins = traces.by_task(change[other], episodes.task[other])
    tasks = {t: x - twins[t] for t, x in tasks.items() if t in twins}
    used += int(other.sum())
  if not tasks:
    return np.zeros((0, *change.shape[1:])), 0
  return np.stack(list(tasks.values())), used


def _form(
    readings: Readings,
    differences: np.ndarray,
    words: np.ndarray,
    f: int,
    seed: int,
) -> list[dict[str, Any]]:
  """One row an emotion, Holm over them, at one kind of token.

  Args:
    readings: of which the deviations are in standard units.
    differences: [S, A] cosines.
    words: [S, K], likewise of the embedding layer.
    f: which of the forms.
    seed: of tests.
  """
  there = ~np.isnan(differences).any(axis=1)  # A token, so every direction.
  if not there.any():
    return []
  score = differences[there] / readings.deviation[f]
  bands = {
      kind: rates.control_band(score[:, readings.places[kind]].mean(axis=0))
      for kind in CONTROLS
  }
  rows = []
  for k, (name, at) in enumerate(
      zip(readings.asked, readings.index, strict=True)
  ):
    found = traces.change(score[:, at], seed)
    rows.append(
        {'emotion': name}
        | found
        | {
            'raw': float(differences[there, at].mean()),
            **bands,
            'words': None
            if traces.FORMS[f] == 'before'
            else traces.change(words[:, k], seed),
            'beyond': statistics.beyond(found, bands.values()),
        }
    )
  holm = statistics.holm(np.array([row['p'] for row in rows], float))
  for row, adjusted in zip(rows, holm, strict=True):
    row['p_holm'] = None if np.isnan(adjusted) else float(adjusted)
  return rows


def numbers_of(found: Mapping[str, Any]) -> list[numbers_lib.Number]:
  """Of each question the largest changes, at the token before the reply.

  Where that token cannot be had, or says nothing, there is none.
  """
  out = []
  for name, answer in found.items():
    rows = answer.get('forms', {}).get('before', [])
    largest = sorted(rows, key=lambda row: -abs(row['value']))[:_SHOWN]
    for row in largest:
      out.append(_number(name, answer, row, len(rows)))
  return out


def _number(name, answer, row, count) -> numbers_lib.Number:
  note = 'The words there are the same before every reply.'
  if row['p_holm'] is not None:
    note = f'p {row["p_holm"]:.2g}, Holm over {count} emotions. {note}'
  if answer['least_p'] > 0.05 / count:
    note += (
        f' Of {answer["tasks"]} tasks no p is below {answer["least_p"]:.2g}, so'
        f' that none of {count} can be told from chance.'
    )
  names = {'shuffled': 'shuffled labels', 'random': 'random directions'}
  return numbers_lib.number(
      f'pressure_{name}_{row["emotion"].replace(" ", "_")}',
      f'{row["emotion"]}: {answer["question"]}, {_WHERE["before"]}',
      row,
      'SD over neutral dialogues',
      f'95 % Student over {row["n"]} tasks',
      [
          numbers_lib.control(f'{names[kind]} ({row[kind]["n"]})', row[kind])
          for kind in CONTROLS
      ],
      note,
  )
