"""What a figure says in words: for who cannot see it, and in its caption.

Works on the traces alone, so that no figure can be without words.
"""

from collections.abc import Iterator, Mapping, Sequence
import html
import math
from typing import Any

import plotly.graph_objects as go

Trace = Mapping[str, Any]

_MOST = 8  # Series that are told one by one.
# In the name of a series that shows what there is where no emotion could help.
_CONTROLS = (
    'chance',
    'dealt out',
    'different emotions',
    'embedding',
    'means nothing',
    'other emotions',
    'random',
    'shuffled',
    'twins',
    'unsteered',
)


def of(figure: go.Figure) -> str:
  """Returns a figure's main numbers, series by series."""
  series, _ = _traces(figure)
  said = [text for trace in series[::-1][:_MOST] if (text := _told(trace))]
  if len(series) > _MOST:
    said.append(f'{len(series) - _MOST} more series')
  return f'{"; ".join(said) or "nothing to draw"}.'


def facts(figure: go.Figure) -> str:
  """Returns n, whether intervals are drawn, and the controls of a figure."""
  series, bands = _traces(figure)
  own = [each for each in series if not _is_control(each)] or series
  counts = [n for each in own for n in column(each, 'n') if n]
  if counts:
    lowest, highest = min(counts), max(counts)
    n = f'n {lowest:g}' + (f' to {highest:g}' * (highest > lowest))
  elif any(each['type'] == 'heatmap' for each in series):
    n = f'n {len(series[0]["y"])} × {len(series[0]["x"])} cells'
  else:
    sizes = [len(each['x']) for each in own]
    dots = all(each.get('mode', '').startswith('markers') for each in own)
    n = f'n {sum(sizes) if dots else max(sizes)} marks'
  drawn = bands or any(_arms(each, axis) for each in series for axis in 'xy')
  controls = [each['name'] for each in series if _is_control(each)]
  controls += [band[0] for band in (figure.layout.meta or {}).get('bands', ())]
  names = ', '.join(html.unescape(name) for name in dict.fromkeys(controls))
  return (
      f'{n}; {"with intervals" if drawn else "no interval drawn"};'
      f' {f"control: {names}" if names else "no control drawn"}.'
  )


def column(trace: Trace, name: str) -> list[Any]:
  """Returns one column of what a trace says of its points; [] if none."""
  names = list(trace.get('meta', {}).get('columns', ()))
  if name not in names:
    return []
  return [row[names.index(name)] for row in trace['customdata']]


def _traces(figure: go.Figure) -> tuple[list[Trace], list[Trace]]:
  """The series of a figure, and the outlines of their bounds."""
  every = [trace.to_plotly_json() for trace in figure.data]
  is_band = lambda trace: trace.get('hoverinfo') == 'skip'
  return (
      [each for each in every if not is_band(each)],
      [each for each in every if is_band(each)],
  )


def _is_control(trace: Trace) -> bool:
  return any(word in trace.get('name', '') for word in _CONTROLS)


def _arms(trace: Trace, axis: str) -> bool:
  return bool(trace.get(f'error_{axis}'))


def _told(trace: Trace) -> str:
  """The main numbers of one series."""
  if trace['type'] == 'heatmap':
    return _map(trace)
  flat = trace.get('orientation') == 'h' or _arms(trace, 'x')
  values, places = (trace[axis] for axis in ('xy' if flat else 'yx'))
  if 'text' in trace.get('mode', ''):
    places = trace['text']
  pairs = [(v, p) for v, p in zip(values, places) if _is_number(v)]
  if not pairs:
    return ''
  name = html.unescape(trace.get('name', ''))
  name += ': ' * bool(name)
  low, high = min(pairs, key=_first), max(pairs, key=_first)
  if low[0] == high[0]:
    return f'{name}{_short(low[0])} throughout'
  return (
      f'{name}highest {_short(high[0])} at {_short(high[1])},'
      f' lowest {_short(low[0])} at {_short(low[1])}'
  )


def _map(trace: Trace) -> str:
  """Of a map of pairs the highest and lowest, not those with themselves."""
  cells = list(_cells(trace))
  if not cells:
    return ''
  low, high = min(cells, key=_first), max(cells, key=_first)
  pair = lambda cell: f'{_short(cell[1])} and {_short(cell[2])}'
  return (
      f'{len(trace["y"])} by {len(trace["x"])} cells: highest'
      f' {_short(high[0])}, {pair(high)}; lowest {_short(low[0])}, {pair(low)}'
  )


def _cells(trace: Trace) -> Iterator[tuple[float, Any, Any]]:
  alike = list(trace['x']) == list(trace['y'])
  for i, row in enumerate(trace['z']):
    for j, value in enumerate(row):
      if _is_number(value) and not (alike and i == j):
        yield value, trace['y'][i], trace['x'][j]


def _first(pair: Sequence[Any]) -> Any:
  return pair[0]


def _is_number(value: Any) -> bool:
  return isinstance(value, (int, float)) and math.isfinite(value)


def _short(value: Any) -> str:
  if not _is_number(value):
    return html.unescape(str(value))
  return f'{value:.3g}'.replace('-', '\N{MINUS SIGN}')
