"""What a page shows of one question."""

from collections.abc import Callable, Mapping
import importlib
from typing import Any

import plotly.graph_objects as go

View = dict[str, Any]


def view_of(name: str) -> Callable[[View], View]:
  """Returns what shows the artefact of a question.

  A question that was left out says why itself. Else the view has, beside what
  its module of `report/questions` gives, `rows`: the figures, row by row.

  Args:
    name: of the question.
  """

  def view(data: View) -> View:
    if 'absent' in data:
      return data
    module = importlib.import_module(f'emojax.report.questions.{name}')
    out = module.view(data)
    return {**out, 'rows': in_rows(out['figures'])}

  return view


def in_rows(figures: Mapping[str, go.Figure]) -> list[list[str]]:
  """Returns names of figures: two in a row, a map or the last one alone."""
  rows: list[list[str]] = []
  open_ = False
  for name, figure in figures.items():
    wide = bool(figure.layout.meta.get('wide'))
    if open_ and not wide:
      rows[-1].append(name)
      open_ = False
    else:
      rows.append([name])
      open_ = not wide
  return rows
