"""Reported numbers: each with its unit, n, interval and controls."""

from collections.abc import Mapping, Sequence
import importlib.resources
import json
import math
from typing import Any

from emojax import statistics

Number = dict[str, Any]
_KEPT = ('value', 'low', 'high', 'n')


def number(
    id_: str,
    label: str,
    estimate: Mapping[str, Any],
    unit: str,
    interval: str,
    controls: Sequence[Mapping[str, Any]],
    note: str = '',
    side: int = 0,
) -> Number:
  """Makes a row of `numbers`.

  Args:
    id_: by which published numbers are found.
    label: what is measured.
    estimate: `value`, `low`, `high` and `n`; None where there is no interval. A
      NaN, as of a correlation with a constant, becomes None.
    unit: of the value.
    interval: what the interval is, such as '95 % bootstrap over 12 topics'.
    controls: of `control`, the same measurement where no emotion could help.
    note: what a reader must know beside that.
    side: of the controls where the number lies if there is what it is to show:
      1 above, -1 below; 0: either.
  """
  own = _known(estimate)
  return {
      'id': id_,
      'label': label,
      **own,
      'unit': unit,
      'interval': interval,
      'controls': [dict(each) for each in controls],
      'side': side,
      'beyond': statistics.beyond(own, controls, side),
      'note': note,
  }


def control(label: str, estimate: Mapping[str, Any]) -> dict[str, Any]:
  """Makes an entry of `controls`."""
  return {'label': label, **_known(estimate)}


def exactly(label: str, value: float, n: int) -> dict[str, Any]:
  """Makes an entry of `controls` that is known without measuring: chance."""
  return {'label': label, 'value': value, 'low': None, 'high': None, 'n': n}


def of_correlation(found: Mapping[str, Any]) -> dict[str, Any]:
  """Turns a correlation, whose value is called `r`, into an estimate."""
  return {'value': found['r']} | {name: found[name] for name in _KEPT[1:]}


def size_of(estimate: Mapping[str, Any]) -> dict[str, Any]:
  """Turns an estimate whose sign is arbitrary so that it is not negative."""
  found = _known(estimate)
  if found['value'] is None or found['value'] >= 0:
    return found
  turned = lambda x: None if x is None else -x
  return found | {
      'value': -found['value'],
      'low': turned(found['high']),
      'high': turned(found['low']),
  }


def _known(estimate: Mapping[str, Any]) -> dict[str, Any]:
  """What is kept of an estimate, None for what is no number: JSON has none."""
  kept = {name: estimate[name] for name in _KEPT}
  return {
      name: None if x is None or not math.isfinite(x) else x
      for name, x in kept.items()
  }


def with_published(question: str, numbers: Sequence[Number]) -> list[Number]:
  """Puts what the paper and its replications found beside our numbers.

  Args:
    question: that the numbers answer.
    numbers: of `number`.

  Returns:
    The numbers; those with an entry have it under `published`.
  """
  known = published(question)
  return [
      row | ({'published': known[row['id']]} if row['id'] in known else {})
      for row in numbers
  ]


def published(question: str) -> dict[str, dict[str, str | None]]:
  """Returns what is known of a question, by the `id` of our number.

  An entry has `paper` and `replications`, in words, either of which may be
  None, and `where` in the paper. Of some questions nothing is known.
  """
  folder = importlib.resources.files('emojax.data') / 'published'
  file = folder / f'{question}.json'
  return json.loads(file.read_text('utf-8')) if file.is_file() else {}
