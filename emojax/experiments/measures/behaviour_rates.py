"""Episodes of a behaviour -> rates by condition, and what conditions change."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emojax import rates
from emojax import statistics
from emojax.experiments.measures import behaviour_rows

Episodes = behaviour_rows.Episodes

_CONTROLS = ('random', 'shuffled')


def measure(
    episodes: Episodes, hit: np.ndarray, seed: int
) -> dict[str, Any] | None:
  """What `behaviour.json` says of one measure, but for its power.

  Args:
    episodes: N of them.
    hit: [N], 1, 0 or NaN where it does not count.
    seed: of bootstraps and permutations.

  Returns:
    `base`, `rates`, `effects`, `slopes`, `controls` and `slope_controls`; None
    if no unsteered episode counts.
  """
  base = rates.share(
      hit[episodes.unsteered], episodes.scenario[episodes.unsteered]
  )
  if base is None:
    return None
  changes = _differences(episodes, hit, seed)
  controls = _controls(episodes.conditions, changes)
  effects = _effects(episodes, hit, changes, controls, seed)
  slopes, slope_controls = _slopes(episodes, hit, seed)
  return {
      'base': base,
      'rates': _rates(episodes, hit),
      'effects': effects,
      'slopes': slopes,
      'controls': controls,
      'slope_controls': slope_controls,
  }


def _rates(episodes: Episodes, hit: np.ndarray) -> list[dict[str, Any]]:
  out = []
  for i, condition in enumerate(episodes.conditions):
    here = episodes.at == i
    found = rates.share(hit[here], episodes.scenario[here])
    if found is not None:
      out.append(condition.json() | found)
  return out


def _differences(
    episodes: Episodes, hit: np.ndarray, seed: int
) -> dict[int, rates.Difference]:
  """By condition, of those that share a scenario with the unsteered."""
  base = episodes.unsteered
  out = {}
  for i, condition in enumerate(episodes.conditions):
    here = episodes.at == i
    found = None
    if condition.kind != 'unsteered':
      found = rates.difference(
          hit[here],
          episodes.scenario[here],
          hit[base],
          episodes.scenario[base],
          seed,
      )
    if found is not None:
      out[i] = found
  return out


def _controls(
    conditions: Sequence[behaviour_rows.Condition],
    changes: dict[int, rates.Difference],
) -> list[dict[str, Any]]:
  """Bands of control directions' differences at each absolute strength.

  A random direction turned round is another one: both signs are values.
  """
  found: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = {}
  for i, change in changes.items():
    condition = conditions[i]
    if condition.kind in _CONTROLS:
      key = (condition.place, abs(condition.strength))
      found.setdefault(key, {kind: [] for kind in _CONTROLS})
      found[key][condition.kind].append(condition.json() | change)
  return [
      {
          'operation': operation,
          'layers': list(layers),
          'positions': positions,
          'strength': strength,
          **{
              kind: rates.control_band([x['value'] for x in each])
              if each
              else None
              for kind, each in kinds.items()
          },
          'differences': [x for each in kinds.values() for x in each],
      }
      for ((operation, layers, positions), strength), kinds in sorted(
          found.items()
      )
  ]


def bands_at(
    controls: Sequence[dict[str, Any]], condition: dict[str, Any]
) -> dict[str, statistics.Estimate]:
  """The bands that a condition is held against, by kind of control."""
  for row in controls:
    if row['strength'] == abs(condition['strength']) and all(
        row[name] == condition[name]
        for name in ('operation', 'layers', 'positions')
    ):
      return {k: row[k] for k in _CONTROLS if row[k] is not None}
  return {}


def _effects(
    episodes: Episodes,
    hit: np.ndarray,
    changes: dict[int, rates.Difference],
    controls: Sequence[dict[str, Any]],
    seed: int,
) -> list[dict[str, Any]]:
  """Steered minus unsteered, of emotions, Holm over all of them."""
  ours = [
      i
      for i in changes
      if episodes.conditions[i].kind in behaviour_rows.STEERED
  ]
  coherent = changes
  if episodes.broken.any():
    kept = np.where(episodes.broken, np.nan, hit)
    coherent = _differences(episodes, kept, seed)
  holm = statistics.holm(np.array([changes[i]['p'] for i in ours]))
  out = []
  for i, adjusted in zip(ours, holm, strict=True):
    condition = episodes.conditions[i].json()
    out.append(
        condition
        | {
            'difference': _estimate(changes[i]),
            'interval': changes[i]['interval'],
            'p': changes[i]['p'],
            'p_holm': float(adjusted),
            'beyond': statistics.beyond(
                changes[i], bands_at(controls, condition).values()
            ),
            'coherent': _estimate(coherent.get(i)),
        }
    )
  return out


def _estimate(found: dict[str, Any] | None) -> statistics.Estimate | None:
  if found is None:
    return None
  return {name: found[name] for name in ('value', 'low', 'high', 'n')}


def _slopes(
    episodes: Episodes, hit: np.ndarray, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
  """Slopes of emotions, and the bands of control directions' slopes."""
  strength = np.array([c.strength for c in episodes.conditions])[episodes.at]
  lines: dict[tuple[Any, ...], list[int]] = {}
  for i, condition in enumerate(episodes.conditions):
    if condition.operation == 'add':
      lines.setdefault(condition.line, []).append(i)
  emotions = sum(key[0] == 'emotion' for key in lines)
  # So many that the least p, twice one over them, is below 0.02 after Holm.
  draws = max(1999, 100 * emotions)
  slopes, null = [], {}
  for (kind, direction, place), at in lines.items():
    here = np.isin(episodes.at, at) | episodes.unsteered
    own = hit[here], episodes.scenario[here], strength[here]
    found = rates.slope(*own, seed, draws=draws if kind == 'emotion' else 0)
    if found is None:
      continue
    if kind == 'emotion':
      slopes.append((place, {'direction': direction} | found))
    else:
      null.setdefault(place, {}).setdefault(kind, []).append(found['value'])
  bands = {
      place: {k: rates.control_band(x) for k, x in kinds.items()}
      for place, kinds in null.items()
  }
  holm = statistics.holm(np.array([found['p'] for _, found in slopes]))
  for (place, found), adjusted in zip(slopes, holm, strict=True):
    found |= _named(place)
    found['p_holm'] = float(adjusted)
    found['beyond'] = statistics.beyond(found, bands.get(place, {}).values())
  return [found for _, found in slopes], [
      _named(place) | {k: kinds.get(k) for k in _CONTROLS}
      for place, kinds in bands.items()
  ]


def _named(place: tuple[Any, ...]) -> dict[str, Any]:
  operation, layers, positions = place
  return {
      'operation': operation,
      'layers': list(layers),
      'positions': positions,
  }
