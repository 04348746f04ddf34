"""Where the names of points in a scatter plot go."""

from collections.abc import Sequence

_PLACES = (
    'middle right',
    'middle left',
    'top center',
    'bottom center',
    'top right',
    'top left',
    'bottom right',
    'bottom left',
)


def places(
    points: Sequence[Sequence[float]], names: Sequence[str]
) -> list[str]:
  """Returns for each point the text position that overlaps least.

  Greedy, in the order given. A label is taken as a box of 2.2 % of the plot's
  width a letter, as on a phone, and 3 % of its height; leaving the plot counts
  as overlap.
  """

  def unit(axis: int) -> list[float]:
    values = [point[axis] for point in points]
    width = (max(values) - min(values)) or 1.0
    return [(value - min(values)) / width for value in values]

  centres = list(zip(unit(0), unit(1), strict=True))
  # Two bars beside the plot, then the points themselves.
  taken = [(-9.0, -0.1, -9.0, 9.0), (1.1, 9.0, -9.0, 9.0)]
  taken += [(x - 0.01, x + 0.01, y - 0.01, y + 0.01) for x, y in centres]
  chosen = []
  for (x, y), name in zip(centres, names, strict=True):
    boxes = {place: _box(x, y, place, len(name)) for place in _PLACES}
    best = min(
        _PLACES,
        key=lambda place: sum(_overlap(boxes[place], box) for box in taken),
    )
    taken.append(boxes[best])
    chosen.append(best)
  return chosen


def _box(x: float, y: float, place: str, letters: int) -> tuple[float, ...]:
  vertical, horizontal = place.split()
  width, height = 0.022 * letters, 0.03
  left = {'right': x + 0.012, 'left': x - 0.012 - width}.get(
      horizontal, x - width / 2
  )
  low = {'top': y + 0.015, 'bottom': y - 0.015 - height}.get(
      vertical, y - height / 2
  )
  return left, left + width, low, low + height


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
  width = min(a[1], b[1]) - max(a[0], b[0])
  height = min(a[3], b[3]) - max(a[2], b[2])
  return max(width, 0.0) * max(height, 0.0)
