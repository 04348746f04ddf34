"""The reader of chats: readings, packed for the page that shows them.

Numbers go onto the page as base64 of gzip of their bytes, all low ones first;
`reader.js` unpacks a layer when it is asked for.
"""

import base64
from collections.abc import Mapping, Sequence
import gzip
import math
from typing import Any

import numpy as np

from emojax import readings

View = dict[str, Any]
Arrays = Mapping[str, np.ndarray]

# Of a page without figures, in bytes; most of it are numbers.
BUDGET = 9_000_000
# Numbers of a unit, and bytes of each. Those of readings.jsonl have five
# decimals and stay as they are; cosines of other layers have four.
EXACT = 100_000, 4
COARSE = 10_000, 2
# Bytes on the page that a token's two exact numbers take at most, by emotion:
# noise in 18 and 22 bits.
_TOKEN = 6.5
_TEXT = 40  # And what else a token takes.
_PARTS = 'mean', 'std'


def fitting(
    sizes: Sequence[tuple[int, Any]], emotions: int, budget: int = BUDGET
) -> list[int]:
  """Chooses the first chats that a page has room for.

  Args:
    sizes: of each chat the tokens, and what it shares with its pair, or None.
    emotions: E.
    budget: bytes of the page; seven tenths are for chats, the rest for layers.

  Returns:
    Indices in order. A pair comes whole or not at all, and a chat that is too
    long by itself leaves room for those after it.
  """
  left = 0.7 * budget
  groups: dict[Any, list[int]] = {}
  for i, (_, pair) in enumerate(sizes):
    groups.setdefault(('', i) if pair is None else pair, []).append(i)
  chosen = []
  for group in groups.values():
    cost = sum(sizes[i][0] for i in group) * (emotions * _TOKEN + _TEXT)
    if cost <= left:
      left -= cost
      chosen += group
  return sorted(chosen)


def spans(sizes: Sequence[int], kept: Sequence[int]) -> list[slice]:
  """The tokens of some texts, among those of all of them in a row."""
  starts = [0]
  for size in sizes:
    starts.append(starts[-1] + size)
  return [slice(starts[i], starts[i + 1]) for i in kept]


def view(
    rows: Sequence[View],
    cosines: Arrays | None = None,
    budget: int = BUDGET,
    total: int | None = None,
) -> View:
  """Returns what the reader shows, or under 'absent' why it shows nothing.

  Args:
    rows: of readings.jsonl; those without values token by token are left out.
    cosines: the arrays of cosines.safetensors for these rows, in their order:
      `cosines` [T, L, E] of the tokens of all of them, `layers` [L], and the
      baselines `neutral_cosine_mean`, `neutral_cosine_std`,
      `neutral_response_mean` and `neutral_response_std` [E, L].
    budget: bytes that the view may take; layers are left out to keep to it.
    total: how many rows there are in the file, if not all of them are given.

  Raises:
    ValueError: the rows are not of one layer and the same emotions, or the
      cosines are not of these rows.
  """
  whole = [row for row in rows if 'cosine' in row and 'score' in row]
  if not whole:
    return {'absent': 'readings.jsonl holds no values token by token.'}
  emotions, layer = whole[0]['emotions'], whole[0]['layer']
  if any((r['emotions'], r['layer']) != (emotions, layer) for r in whole):
    raise ValueError('readings of several layers, or of different emotions')
  chats, first = [], 0
  for row in whole:
    chats.append(_chat(row, first))
    first += len(row['tokens'])
  groups = _groups(whole)
  exact = {key: _joined(whole, key) for key in ('cosine', 'score')}
  out = {
      'emotions': emotions,
      'layer': layer,
      'layers': [layer],
      'groups': groups,
      'chats': chats,
      'exact': {key: pack(x, *EXACT) for key, x in exact.items()},
      'packed': {},
      'baselines': {},
      'scales': {str(layer): _scales(exact, chats, groups)},
      'shown': len(whole),
      'total': len(whole) if total is None else total,
      'depth': 1,
      'step': 1,
  }
  if cosines is not None and whole == list(rows):
    _add_layers(out, cosines, first, budget)
  return out


def pack(values: np.ndarray, per: int, width: int) -> str:
  """Packs numbers for a page: see `reader.js`.

  Args:
    values: any shape; NaN is kept.
    per: steps of a unit. What is read back is a whole number of steps over
      `per`, so that a decimal number comes back as JSON would have it.
    width: bytes of a number, 2 or 4.

  Returns:
    Base64 of gzip of `width` planes of bytes, the lowest first, of the numbers
    of steps, with the sign in the lowest bit; all bits set are NaN.
  """
  flat = np.asarray(values, dtype=np.float64).ravel()
  none = ~np.isfinite(flat)
  limit = 2 ** (8 * width - 1) - 1
  steps = np.rint(np.where(none, 0, flat) * per)
  steps = np.clip(steps, -limit, limit).astype(np.int64)
  code = (steps << 1) ^ (steps >> 63)
  code[none] = 2 ** (8 * width) - 1
  planes = code.astype(f'<u{width}').view(np.uint8).reshape(-1, width).T
  # No time of writing: the same numbers are the same bytes.
  packed = gzip.compress(planes.tobytes(), compresslevel=6, mtime=0)
  return base64.b64encode(packed).decode('ascii')


def _chat(row: View, first: int) -> View:
  """What a page says of a chat beside its numbers."""
  shape = len(row['tokens']), len(row['emotions'])
  if not all(shape) or len(row['roles']) != shape[0]:
    raise ValueError(f'chat {row["id"]}: no tokens, or not one role for each')
  response = row['response_index']
  if response is not None and not 0 <= response < shape[0]:
    raise ValueError(f'chat {row["id"]}: response_index {response}')
  for key in ('cosine', 'score'):
    if np.shape(row[key]) != shape:
      raise ValueError(f'chat {row["id"]}: {key} is not {shape}')
  turns: list[list[Any]] = []
  for role in row['roles']:
    if turns and turns[-1][0] == role:
      turns[-1][1] += 1
    else:
      turns.append([role, 1])
  return {
      'title': str(row.get('title') or row['id']),
      'label': _label(row) if row.get('pair') is not None else '',
      'tokens': row['tokens'],
      'turns': turns,
      'response': response,
      'first': first,
  }


def _label(row: View) -> str:
  """Says how the reply of one of a pair was written."""
  steering = row.get('steering')
  if not steering:
    return 'Reply of the unsteered model'
  layers = ', '.join(str(i) for i in steering['layers'])
  place = f' at layer{"s" if len(steering["layers"]) > 1 else ""} {layers}'
  return f'Reply steered with {steering["steer"]}{place if layers else ""}'


def _groups(rows: Sequence[View]) -> list[list[int]]:
  """Chats that are shown side by side."""
  groups: dict[Any, list[int]] = {}
  for i, row in enumerate(rows):
    pair = row.get('pair')
    groups.setdefault(('', i) if pair is None else pair, []).append(i)
  return list(groups.values())


def _joined(rows: Sequence[View], key: str) -> np.ndarray:
  """The values of all chats, emotion by emotion: [E, T]."""
  parts = [np.asarray(row[key], dtype=np.float64) for row in rows]
  return np.concatenate(parts).T


def _scales(
    values: Mapping[str, np.ndarray],
    chats: Sequence[View],
    groups: Sequence[Sequence[int]],
) -> dict[str, list[float | None]]:
  """The values with full colour: of each group, the 99th percentile of size."""
  out: dict[str, list[float | None]] = {}
  for key, x in values.items():
    out[key] = []
    for group in groups:
      spans = [(chats[i]['first'], len(chats[i]['tokens'])) for i in group]
      part = np.concatenate([x[:, a : a + n] for a, n in spans], axis=1)
      known = np.abs(part[np.isfinite(part)])
      top = np.percentile(known, 99) if known.size else None
      out[key].append(top and float(f'{top:.6g}'))
  return out


def _add_layers(out: View, arrays: Arrays, size: int, budget: int) -> None:
  """Adds every layer that there is room for, evenly spaced."""
  layers = [int(i) for i in arrays['layers']]
  cosines = arrays['cosines']
  if out['layer'] not in layers or cosines.shape != (
      size,
      len(layers),
      len(out['emotions']),
  ):
    raise ValueError('cosines.safetensors is not of these chats')
  own = layers.index(out['layer'])
  # Layers take about as much as one another.
  each = len(pack(cosines[:, own].T, *COARSE))
  used = sum(map(len, out['exact'].values())) + _TEXT * size
  room = max(budget - used, 0) // max(each, 1)
  step = math.ceil(len(layers) / room) if room else len(layers)
  out['step'], out['depth'] = step, len(layers)
  chosen = [i for i in range(len(layers)) if i % step == own % step]
  out['layers'] = [layers[i] for i in chosen]
  spoken = [c for c in out['chats'] if c['response'] is not None]
  at = [chat['first'] + chat['response'] for chat in spoken]
  for i in chosen:
    if i == own:
      continue
    x = cosines[:, i].T.astype(np.float64)
    base = {
        name: [arrays[f'neutral_{name}_{part}'][:, i] for part in _PARTS]
        for name in ('cosine', 'response')
    }
    score = readings.standardised(x.T, *base['cosine']).T
    score[:, at] = readings.standardised(x.T[at], *base['response']).T
    name = str(layers[i])
    out['packed'][name] = pack(x, *COARSE)
    out['baselines'][name] = {
        key: [[float(f'{x:.6g}') for x in part] for part in parts]
        for key, parts in base.items()
    }
    out['scales'][name] = _scales(
        {'cosine': x, 'score': score}, out['chats'], out['groups']
    )
