"""Mean readings of code episodes, event by event."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emojax import rates
from emojax import statistics
from emojax import traces
from emojax.experiments.measures import pressure_read

_DIGITS = 5


def trace(
    emotions: Sequence[str],
    episodes: pressure_read.Episodes,
    chosen: np.ndarray,
    read: tuple[np.ndarray, np.ndarray],
    baseline: tuple[np.ndarray, np.ndarray],
    controls: Mapping[str, slice],
    several: set[str],
) -> list[dict[str, Any]]:
  """Means over episodes at every event, in order; [] of no episode.

  Args:
    emotions: E names, the first of A directions.
    episodes: N of them.
    chosen: [N] bool, those that count.
    read: [N, M, F, A] cosines and [N, M, B, A].
    baseline: mean and deviation [F, A].
    controls: where each kind of control lies in A.
    several: events that are numbered.
  """
  labels = [traces.numbered(events, several) for events in episodes.events]
  means, parts = read
  mean, deviation = baseline
  own = traces.FORMS.index('message')
  out = []
  for label in traces.in_order([labels[i] for i in np.flatnonzero(chosen)]):
    at = [
        (i, labels[i].index(label))
        for i in np.flatnonzero(chosen)
        if label in labels[i]
    ]
    i, m = np.transpose(at)
    bins = _mean((parts[i, m] - mean[own]) / deviation[own], episodes.task[i])
    for f, form in enumerate(traces.FORMS):
      tasks = traces.by_task(means[i, m, f], episodes.task[i])
      tasks = np.stack(list(tasks.values()))
      if form == 'before' and episodes.roles[i[0]][m[0]] != 'assistant':
        continue  # Nothing is about to be written.
      if np.isnan(tasks).all():
        continue
      score = (tasks - mean[f]) / deviation[f]
      out.append(
          {
              'event': label,
              'form': form,
              'n': len(at),
              'tasks': len(tasks),
              'emotions': {
                  e: _estimates(score[:, a], mean[f, a], deviation[f, a])
                  | ({} if form == 'before' else {'bins': _short(bins[:, a])})
                  for a, e in enumerate(emotions)
              },
              **{
                  kind: rates.control_band(np.nanmean(score[:, at], axis=0))
                  for kind, at in controls.items()
              },
          }
      )
  return out


def _mean(values: np.ndarray, task: np.ndarray) -> np.ndarray:
  """The mean over tasks of their means over episodes; NaN of none."""
  tasks = np.stack(list(traces.by_task(values, task).values()))
  known = ~np.isnan(tasks)
  sums = np.where(known, tasks, 0).sum(axis=0)
  count = known.sum(axis=0)
  return np.where(count > 0, sums / np.maximum(count, 1), np.nan)


def _estimates(
    score: np.ndarray, mean: float, deviation: float
) -> dict[str, Any]:
  """The standardised reading with Student's interval, and the raw one."""
  found = statistics.student_mean(score[~np.isnan(score)])
  return found | {'raw': found['value'] * float(deviation) + float(mean)}


def _short(values: np.ndarray) -> list[float | None]:
  return [None if np.isnan(x) else round(float(x), _DIGITS) for x in values]
