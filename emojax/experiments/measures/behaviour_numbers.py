"""The headline numbers of a behaviour: its base rate and the largest change."""

from collections.abc import Mapping
from typing import Any

from emojax import rates
from emojax.experiments import numbers as numbers_lib
from emojax.experiments.measures import behaviour_rates

_KINDS = {'random': 'random directions', 'shuffled': 'shuffled labels'}
_INTERVALS = {
    'bootstrap': '95 % BCa bootstrap over',
    'score': '95 % paired score interval over',
}


def of(name: str, found: Mapping[str, Any]) -> list[numbers_lib.Number]:
  """Both, of the first measure that any unsteered episode counts for.

  Args:
    name: of the behaviour.
    found: its entry in `behaviour.json`.
  """
  if not found['measures']:
    return []
  measure, first = next(iter(found['measures'].items()))
  numbers = [_base(name, measure, first)]
  if first['effects']:
    numbers.append(_largest(name, measure, first))
  return [row | {'behaviour': name, 'measure': measure} for row in numbers]


def _base(name, measure, found) -> numbers_lib.Number:
  return numbers_lib.number(
      f'behaviour_{name}_base',
      f'{_title(name)}, unsteered: {found["meaning"]}',
      found['base'],
      'share of episodes',
      '95 % Wilson',
      [
          numbers_lib.control(f'with {_KINDS[kind]}', pooled)
          for kind, pooled in _pooled(found).items()
      ],
      'What changes are taken from; no finding of its own.',
  )


def _pooled(found) -> dict[str, dict[str, Any]]:
  """The range of rates of directions of each kind of control."""
  out = {}
  for kind in _KINDS:
    values = [x['value'] for x in found['rates'] if x['kind'] == kind]
    if values:
      out[kind] = rates.control_band(values)
  return out


def _largest(name, measure, found) -> numbers_lib.Number:
  """The largest change of all, said to be picked."""
  best = max(
      found['effects'],
      key=lambda row: (abs(row['difference']['value']), -row['p']),
  )
  bands = behaviour_rates.bands_at(found['controls'], best)
  tests = found['power']['tests']
  note = f'The largest of {tests} changes' if tests > 1 else 'The only change'
  note += f'; p {best["p_holm"]:.2g}'
  if tests > 1:
    note += ' after Holm, and its size is flattered by the choice'
  return numbers_lib.number(
      f'behaviour_{name}_largest',
      f'{_title(name)}, {best["direction"]} at {best["strength"]:+g} minus'
      f' unsteered: {found["meaning"]}',
      best['difference'],
      'difference of shares',
      f'{_INTERVALS[best["interval"]]} {best["difference"]["n"]} scenarios',
      [
          numbers_lib.control(f'{_KINDS[k]} (range of {x["n"]})', x)
          for k, x in bands.items()
      ],
      f'{note}. {found["power"]["verdict"]}',
  )


def _title(name: str) -> str:
  return name.replace('_', ' ').capitalize()
