"""Rows of episodes -> `behaviour.json`: what steering changes, and what not."""

from collections.abc import Mapping, Sequence
import types
from typing import Any

import ml_collections
import numpy as np

from emojax import rates
from emojax import windows
from emojax.experiments import numbers
from emojax.experiments.measures import behaviour_numbers
from emojax.experiments.measures import behaviour_power
from emojax.experiments.measures import behaviour_rates
from emojax.experiments.measures import behaviour_rows

Row = behaviour_rows.Row

_SHORT = 600  # Characters of a message in an example.


def summarise(
    config: ml_collections.ConfigDict,
    emotions: Sequence[str],
    modules: Mapping[str, types.ModuleType],
    rows: Mapping[str, Sequence[Row]],
    opinions: Mapping[str, Any],
) -> dict[str, Any]:
  """Returns the contents of `behaviour.json`.

  An episode that is not finite, or that the context had no room for, enters no
  rate; it is counted. A condition that no episode counts in is not there.

  Args:
    config: whose `seed` the bootstraps and permutations have.
    emotions: that have vectors.
    modules: of behaviours, with OUTCOMES and MEASURES; by name.
    rows: of `<name>.jsonl`, likewise. A behaviour without rows is left out.
    opinions: of a judge, likewise; what it said of some, or of none.
  """
  behaviours = {
      name: _behaviour(module, rows[name], config.seed)
      | {'judge': opinions.get(name)}
      for name, module in modules.items()
      if rows.get(name)
  }
  every = [row for name in behaviours for row in rows[name]]
  return {
      'unit': 'fraction of the mean residual norm at that layer',
      'emotions': list(emotions),
      'directions': list(
          dict.fromkeys(
              row['direction']
              for row in every
              if row['kind'] in ('emotion', 'opposite')
          )
      ),
      'strengths': sorted({float(row['strength']) for row in every}),
      'behaviours': behaviours,
      'numbers': numbers.with_published(
          'behaviour',
          [
              number
              for name, found in behaviours.items()
              for number in behaviour_numbers.of(name, found)
          ],
      ),
  }


def say_base(
    config: ml_collections.ConfigDict,
    module: types.ModuleType,
    rows: Sequence[Row],
    steered: int,
) -> list[str]:
  """What the unsteered episodes show, and what the rest then can.

  Args:
    config: of the grid.
    module: of the behaviour.
    rows: unsteered ones.
    steered: how many episodes are left.
  """
  episodes = behaviour_rows.episodes_of(rows)
  for name in module.MEASURES:
    hit = behaviour_rows.hits_of(episodes, rows, name)
    base = rates.share(hit, episodes.scenario)
    if base is None:
      continue
    line = (
        f'{module.NAME}, {name}: {base["value"]:.2f} of {base["n"]} unsteered'
    )
    line += f' episodes ({base["low"]:.2f} to {base["high"]:.2f})'
    tests = steered // len(rows) - _controls(config)
    if tests < 1:
      return [line]
    scenarios = len(np.unique(episodes.scenario[~np.isnan(hit)]))
    power = behaviour_power.of(base['value'], base['n'], scenarios, tests)
    return [line, f'{module.NAME}: {power["verdict"]}']
  return [f'{module.NAME}: no unsteered episode counts for a measure']


def _controls(config: ml_collections.ConfigDict) -> int:
  """How many conditions of the grid are controls."""
  places = len(config.positions) * (len(config.layers) + len(config.bands) or 1)
  doses = 'ablate' in config.operations
  doses += len(config.strengths) * ('add' in config.operations)
  return (
      (config.random_directions + config.shuffled_directions) * places * doses
  )


def _behaviour(
    module: types.ModuleType, rows: Sequence[Row], seed: int
) -> dict[str, Any]:
  episodes = behaviour_rows.episodes_of(rows)
  measures = {}
  for name, meaning in module.MEASURES.items():
    hit = behaviour_rows.hits_of(episodes, rows, name)
    found = behaviour_rates.measure(episodes, hit, seed)
    if found is not None:
      power = behaviour_power.of_measure(found)
      measures[name] = {'meaning': meaning} | found | {'power': power}
  return {
      'outcomes': dict(module.OUTCOMES),
      'n_scenarios': len(behaviour_rows.scenarios_of(rows)),
      'n_episodes': len(rows),
      'table': _table(module, episodes, rows),
      'measures': measures,
      'damage': _damage(episodes, rows),
      'examples': _examples(module, rows),
  }


def _table(
    module: types.ModuleType,
    episodes: behaviour_rows.Episodes,
    rows: Sequence[Row],
) -> list[dict[str, Any]]:
  """How the whole episodes of each condition ended."""
  out = []
  for i, condition in enumerate(episodes.conditions):
    here = np.flatnonzero(episodes.at == i)
    ends = [rows[j]['outcome'] for j in here if episodes.whole[j]]
    out.append(
        {
            'condition': condition.json(),
            'n': len(here),
            'not_finite': sum(not rows[j]['finite'] for j in here),
            'no_room': sum(not rows[j]['room'] for j in here),
            'counts': {label: ends.count(label) for label in module.OUTCOMES},
        }
    )
  return out


def _damage(
    episodes: behaviour_rows.Episodes, rows: Sequence[Row]
) -> dict[str, Any]:
  """The share of episodes whose text is broken, by condition."""
  table = []
  for i, condition in enumerate(episodes.conditions):
    here = episodes.at == i
    share = rates.share(
        episodes.broken[here].astype(float), episodes.scenario[here]
    )
    found = [rows[j]['repetition'] for j in np.flatnonzero(here)]
    known = [x for x in found if x is not None]
    mean = float(np.mean(known)) if known else None
    table.append(condition.json() | share | {'repetition': mean})
  return {
      'limit': windows.LIMITS.repetition,
      'meaning': 'share of episodes that are not finite, or of whose trigrams'
      f' {windows.LIMITS.repetition:.0%} or more repeat'.replace('%', ' %'),
      'table': table,
      'line': _damage_line(table),
  }


def _damage_line(table: Sequence[Mapping[str, Any]]) -> str:
  base = next((x for x in table if x['kind'] == 'unsteered'), None)
  steered = [x for x in table if x['kind'] != 'unsteered']
  out = ''
  if base is not None:
    out = f'Unsteered, {base["value"]:.2f} of {base["n"]} episodes are broken'
  if steered:
    worst = max(steered, key=lambda x: x['value'])
    out += f'{"; s" if out else "S"}teered, at most {worst["value"]:.2f} of'
    out += f' {worst["n"]} ({worst["direction"]} at {worst["strength"]:+g})'
  return f'{out}.'


def _examples(
    module: types.ModuleType, rows: Sequence[Row]
) -> list[dict[str, Any]]:
  """Of each outcome the first unsteered episode, and the first steered."""
  out = []
  for label in module.OUTCOMES:
    for kinds in (('unsteered',), ('emotion', 'opposite')):
      for row in rows:
        if row['outcome'] == label and row['kind'] in kinds and row['room']:
          out.append(_shortened(row))
          break
  return out


def _shortened(row: Row) -> dict[str, Any]:
  kept = ('kind', 'direction', 'strength', 'scenario', 'outcome', 'hits')
  return {name: row[name] for name in kept} | {
      'messages': [
          message | {'content': _cut(message['content'])}
          for message in row['messages']
      ]
  }


def _cut(text: str) -> str:
  return text if len(text) <= _SHORT else text[:_SHORT].rstrip() + '…'
