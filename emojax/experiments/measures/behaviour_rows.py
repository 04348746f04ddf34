"""Rows of a behaviour's artefact, put into columns."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from emojax import windows

Row = dict[str, Any]

STEERED = ('emotion', 'opposite')


class Condition(NamedTuple):
  """What a row of the grid has beside its scenario and its seed."""

  kind: str
  direction: str
  operation: str | None
  layers: tuple[int, ...]
  strength: float
  positions: str | None

  def json(self) -> dict[str, Any]:
    return self._asdict() | {'layers': list(self.layers)}

  @property
  def place(self) -> tuple[Any, ...]:
    """What an emotion and a control must share to be compared."""
    return self.operation, self.layers, self.positions

  @property
  def line(self) -> tuple[Any, ...]:
    """What strengths vary along."""
    kind = 'emotion' if self.kind in STEERED else self.kind
    return kind, self.direction, self.place


class Episodes(NamedTuple):
  """N episodes of one behaviour.

  Attributes:
    conditions: K of them, the unsteered one first.
    at: [N], the condition of each.
    scenario: [N], the number of its scenario.
    whole: [N] bool: finite, and no reply was cut for want of context. What is
      not enters no rate.
    broken: [N] bool: not finite, or trigrams repeat as in no coherent text.
  """

  conditions: list[Condition]
  at: np.ndarray
  scenario: np.ndarray
  whole: np.ndarray
  broken: np.ndarray

  @property
  def unsteered(self) -> np.ndarray:
    """[N] bool."""
    steered = np.array([c.kind != 'unsteered' for c in self.conditions], bool)
    return ~steered[self.at]


def episodes_of(rows: Sequence[Row]) -> Episodes:
  """Puts rows into columns."""
  keys = [
      Condition(
          row['kind'],
          row['direction'],
          row['operation'],
          tuple(row['layers']),
          float(row['strength']),
          row['positions'],
      )
      for row in rows
  ]
  conditions = sorted(dict.fromkeys(keys), key=lambda c: c.kind != 'unsteered')
  index = {condition: i for i, condition in enumerate(conditions)}
  scenarios = {s: i for i, s in enumerate(sorted(scenarios_of(rows)))}
  finite = np.array([row['finite'] for row in rows], bool)
  repetition = np.array([_number(row['repetition']) for row in rows], float)
  return Episodes(
      conditions=conditions,
      at=np.array([index[key] for key in keys], int),
      scenario=np.array([scenarios[row['scenario']] for row in rows], int),
      whole=finite & np.array([row['room'] for row in rows], bool),
      broken=~finite | (repetition >= windows.LIMITS.repetition),
  )


def scenarios_of(rows: Sequence[Row]) -> set[str]:
  return {row['scenario'] for row in rows}


def hits_of(
    episodes: Episodes, rows: Sequence[Row], measure: str
) -> np.ndarray:
  """[N]: 1, 0, or NaN where a row does not count for the measure."""
  hits = [_number(row['hits'].get(measure)) for row in rows]
  return np.where(episodes.whole, np.array(hits, float), np.nan)


def _number(value: float | bool | None) -> float:
  return np.nan if value is None else float(value)
