"""What the conditions of a behaviour run are called, and what they share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from emojax.report import sections

# Has kind, direction, operation, layers, strength and positions.
Condition = Mapping[str, Any]

KINDS = {'random': 'random directions', 'shuffled': 'shuffled labels'}
_STEERED = ('emotion', 'opposite')


def is_unsteered(condition: Condition) -> bool:
  return condition['kind'] == 'unsteered'


def is_emotion(condition: Condition) -> bool:
  return condition['kind'] in _STEERED


def place(condition: Condition) -> tuple[Any, ...]:
  """What conditions must share to be compared."""
  return (
      condition['operation'],
      tuple(condition['layers']),
      condition['positions'],
  )


def namer(conditions: Iterable[Condition]) -> Callable[[Condition], str]:
  """Returns what names a condition of a grid.

  Layers and positions are named only where the grid has several.

  Args:
    conditions: all of the grid.
  """
  steered = [c for c in conditions if not is_unsteered(c)]
  layers = {tuple(c['layers']) for c in steered}
  rules = {c['positions'] for c in steered}

  def name(condition: Condition) -> str:
    if is_unsteered(condition):
      return 'unsteered'
    text = f'{condition["direction"]} {dose(condition)}'
    if len(layers) > 1:
      text += f', layer {sections.layers_name(condition["layers"])}'
    return text + f', {condition["positions"]}' * (len(rules) > 1)

  return name


def dose(condition: Condition) -> str:
  """Returns '+0.1', or what else is done to the residual stream."""
  ablated = condition['operation'] == 'ablate'
  return 'taken out' if ablated else signed(condition['strength'])


def signed(value: float, digits: int = 6) -> str:
  """Returns a strength or a change with its sign."""
  text = f'{round(value, digits):+g}'
  return text.replace('-', '\N{MINUS SIGN}')


def pooled(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Adds up the directions of each kind of control at each dose.

  Args:
    rows: each with a `condition`, `n` and `counts`.

  Returns:
    The unsteered row, then the controls, then the emotions, each from its
    lowest strength.
  """
  sums: dict[tuple[Any, ...], dict[str, Any]] = {}
  unsteered, emotions = [], []
  for row in rows:
    condition = row['condition']
    if is_unsteered(condition):
      unsteered.append(dict(row))
    elif is_emotion(condition):
      emotions.append(dict(row))
    else:
      key = condition['kind'], place(condition), condition['strength']
      named = dict(condition) | {'direction': condition['kind']}
      empty = {'condition': named, 'n': 0, 'counts': {}}
      _add(sums.setdefault(key, empty), row)
  order = sorted(sums, key=lambda key: (list(KINDS).index(key[0]), *key[1:]))
  names = [row['condition']['direction'] for row in emotions]
  emotions.sort(
      key=lambda row: (
          names.index(row['condition']['direction']),
          place(row['condition']),
          row['condition']['strength'],
      )
  )
  return unsteered + [sums[key] for key in order] + emotions


def total(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Adds up rows with `n` and `counts`."""
  out: dict[str, Any] = {'n': 0, 'counts': {}}
  for row in rows:
    _add(out, row)
  return out


def uncounted(row: Mapping[str, Any]) -> int:
  """Episodes that were not whole: not finite, or without room for a reply."""
  return row['n'] - sum(row['counts'].values())


def _add(out: dict[str, Any], row: Mapping[str, Any]) -> None:
  out['n'] += row['n']
  for label, count in row['counts'].items():
    out['counts'][label] = out['counts'].get(label, 0) + count
