"""Tables of kinds of vectors of texts that have two labels."""

from typing import Any

_METHODS = {
    'grouped': 'means by label',
    'together': 'both labels fitted',
    'within blocks': 'blocks fitted, too',
}
_NONE = '–'


def control(number: dict[str, Any], label: str) -> dict[str, Any]:
  """Returns one control of a reported number."""
  return next(c for c in number['controls'] if c['label'] == label)


def methods(data: dict[str, Any]) -> dict[str, Any]:
  """Returns the mean cosines of each pair by each way of making vectors."""
  found = data['methods']
  columns, rows = ['Vectors compared'], []
  for method in found:
    columns += [_METHODS[method], 'shuffled']
  columns.append('without noise')
  for pair, label in data['pairs'].items():
    row: list[Any] = [label]
    for each in found.values():
      row += [each['same'][pair], each['shuffled'][pair]]
    rows.append((*row, data['clean_pairs'][pair] or _NONE))
  return {
      'title': 'Mean cosines by how vectors are made, same emotion',
      'columns': tuple(columns),
      'rows': rows,
  }


def signal(data: dict[str, Any]) -> dict[str, Any]:
  """Returns how much of each kind of vectors is more than noise."""
  return {
      'title': 'Share of vectors’ squared length that is not noise',
      'columns': ('Kind', 'Share'),
      'rows': [
          (kind, share or _NONE)
          for kind, share in zip(data['kinds'], data['signal'])
      ],
  }
