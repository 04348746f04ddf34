"""What a grid of episodes can show at all, in numbers and in a sentence."""

from collections.abc import Mapping, Sequence
import math
from typing import Any

import numpy as np

from emojax import power

_ALPHA = 0.05
_POWER = 0.8


def of(
    base: float, episodes: int, scenarios: int, tests: int
) -> dict[str, Any]:
  """The power of a measure's tests, at the first step of Holm's.

  Args:
    base: the rate of hits unsteered.
    episodes: that count, of one condition.
    scenarios: that they are samples of.
    tests: emotions times strengths, 1 or more.

  Returns:
    `detectable_up` and `detectable_down`: the nearest rates that would be found
    in 80 of 100 such grids; None where there is none. And `verdict`.
  """
  alpha = _ALPHA / tests
  up, down = power.detectable_proportions(
      base, episodes, _POWER, alpha, min(scenarios, episodes)
  )
  # Away from the base rate: what is rounded must be found, too.
  up = None if up is None else math.ceil(round(100 * up, 6)) / 100
  down = None if down is None else math.floor(round(100 * down, 6)) / 100
  return {
      'n': episodes,
      'scenarios': scenarios,
      'base': base,
      'tests': tests,
      'alpha': alpha,
      'power': _POWER,
      'detectable_up': up,
      'detectable_down': down,
      'verdict': _verdict(base, episodes, scenarios, tests, up, down),
  }


def of_measure(found: Mapping[str, Any]) -> dict[str, Any] | None:
  """The same of what `behaviour_rates.measure` found; None without effects."""
  effects = found['effects']
  if not effects:
    return None
  tested = [_condition(row) for row in effects]
  counts = [x['n'] for x in found['rates'] if _condition(x) in tested]
  return of(
      found['base']['value'],
      int(np.median([min(n, found['base']['n']) for n in counts])),
      int(np.median([row['difference']['n'] for row in effects])),
      len(effects),
  )


def _condition(row: Mapping[str, Any]) -> tuple[Any, ...]:
  names = ('kind', 'direction', 'operation', 'strength', 'positions')
  return (*(row[name] for name in names), *row['layers'])


def _verdict(
    base: float,
    episodes: int,
    scenarios: int,
    tests: int,
    up: float | None,
    down: float | None,
) -> str:
  with_ = f'With n = {episodes} a condition and a base rate of {base:.2f}'
  least = 2.0 ** (1 - scenarios)
  if least > _ALPHA / tests:
    return (
        f'{with_} this grid can show no change at all: of {scenarios} scenarios'
        f' no p is below {least:.2g}, and Holm over {tests} tests asks for'
        f' {_ALPHA / tests:.2g}.'
    )
  can: Sequence[str] = [
      f'a {word} to {rate:.2f} or {bound}'
      for word, rate, bound in (('rise', up, 'more'), ('fall', down, 'less'))
      if rate is not None
  ]
  if not can:
    return f'{with_} this grid can show no change at all.'
  cannot = ''
  if len(can) < 2:
    word = 'fall' if down is None else 'rise'
    cannot = f'; a {word} cannot be shown at all'
  return f'{with_} this grid can only show {" or ".join(can)}{cannot}.'
