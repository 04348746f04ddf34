"""Rows of `sweep.jsonl` as columns of numbers, one entry a row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from emojax import windows

Row = Mapping[str, Any]
Columns = dict[str, np.ndarray]

MEASURES = ('word_delta', 'expressed')


def columns_of(
    emotions: Sequence[str], rows: Sequence[Row], limits: windows.Limits
) -> Columns:
  """The rows as arrays of N; NaN for None, and of a row that is not finite."""
  index = {e: i for i, e in enumerate(emotions)}

  def of(name: str) -> np.ndarray:
    return np.array([row[name] for row in rows])

  def number(name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], float)

  def measure(name: str) -> np.ndarray:
    nothing = dict.fromkeys(emotions)
    each = [row[name] or nothing for row in rows]
    return np.array([[one[e] for e in emotions] for one in each], float)

  # An opposite is its emotion's direction at a strength of the other sign.
  kind = np.where(of('kind') == 'opposite', 'emotion', of('kind'))
  emotion = [
      index.get(row['direction'], -1) if of_emotion else -1
      for row, of_emotion in zip(rows, kind == 'emotion', strict=True)
  ]
  finite = of('stop') != 'not finite'
  columns = {
      'kind': kind,
      'emotion': np.array(emotion),
      'direction': of('direction'),
      'operation': np.array([row['operation'] or '' for row in rows]),
      'strength': number('strength'),
      'prompt': of('prompt'),
      'finite': finite,
      **{name: number(name) for name in ('kl', 'perplexity', 'repetition')},
      **{name: measure(name) for name in MEASURES},
  }
  for name in ('kl', 'perplexity', 'repetition', *MEASURES):
    columns[name][~finite] = np.nan
  base = _unsteered_by_prompt(columns, 'perplexity', np.median)
  columns['expressed'] -= _unsteered_by_prompt(columns, 'expressed', np.mean)
  columns['coherent'] = windows.coherent(
      columns['repetition'],
      columns['perplexity'],
      base,
      number('n_tokens'),
      limits,
  )
  columns['log_perplexity'] = np.log(columns.pop('perplexity'))
  return columns


def where(columns: Columns, mask: np.ndarray) -> Columns:
  """The rows of a mask, or of indices."""
  return {name: column[mask] for name, column in columns.items()}


def _unsteered_by_prompt(
    columns: Columns, name: str, how: Callable[..., np.ndarray]
) -> np.ndarray:
  """[N] or [N, E]: of the unsteered rows on each row's prompt; NaN if none."""
  values = columns[name]
  out = np.full_like(values, np.nan)
  base = (columns['kind'] == 'unsteered') & known(values)
  for prompt in np.unique(columns['prompt'][base]):
    here = columns['prompt'] == prompt
    out[here] = how(values[base & here], axis=0)
  return out


def known(values: np.ndarray) -> np.ndarray:
  """[N]: which rows of [N] or [N, E] have every value."""
  finite = np.isfinite(values)
  return finite if finite.ndim == 1 else finite.all(axis=1)
