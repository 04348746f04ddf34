"""Parts of the report as the output of a notebook's cell.

A notebook has no style sheet of ours, so that each part brings the page's
colours along: those on paper, whatever the notebook's theme is.
"""

from collections.abc import Mapping, Sequence
import fnmatch
import functools
import re
from typing import Any

import plotly.graph_objects as go

from emojax.report import overview as overview_lib
from emojax.report import page
from emojax.report import templates

View = Mapping[str, Any]


def overview(summary: View) -> str:
  """Returns what a run begins with: few numbers, chosen beforehand.

  Args:
    summary: the contents of summary.json.
  """
  view = overview_lib.pick(summary['numbers'], overview_lib.QUICKSTART)
  return render('overview', summary, view)


def chosen(summary: View, ids: Sequence[str]) -> tuple[View, ...]:
  """Returns numbers of a summary, in its order.

  Args:
    summary: the contents of summary.json.
    ids: of numbers, with * for what differs from run to run.
  """
  return tuple(
      row
      for row in summary['numbers']
      if any(fnmatch.fnmatch(row['id'], pattern) for pattern in ids)
  )


def figure(drawn: go.Figure) -> go.Figure:
  """Returns a figure with the page's colours in place of their names."""
  colours = dict(re.findall(r'--([\w-]+): ([^;]+);', _palette()))
  colours['clear'] = colours['page']  # The notebook's theme may be dark.

  def dressed(value: Any) -> Any:
    if isinstance(value, dict):
      return {key: dressed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
      return [dressed(item) for item in value]
    named = re.fullmatch(r'var\(--([\w-]+)\)', str(value))
    return colours[named[1]] if named else value

  return go.Figure(dressed(drawn.to_plotly_json()))


def render(macro: str, *arguments: Any) -> str:
  """Returns the markup of a macro of notebook.html.j2; text stays text."""
  environment = templates.environment()
  environment.filters['number'] = page.number
  template = environment.get_template('notebook.html.j2')
  module = template.make_module({'palette': _palette()})
  return str(getattr(module, macro)(*arguments)).strip()


@functools.cache
def _palette() -> str:
  """The first block of the page's style sheet: colours and fonts, by name."""
  css = templates.part('page.css')
  return ' '.join(css.partition('{')[2].partition('}')[0].split())
