"""Parts of the report as the output of a notebook's cell.

A notebook has no style sheet of ours, so that each part brings the page's
colours along: those on paper, whatever the notebook's theme is.
"""

from collections.abc import Collection, Mapping, Sequence
import dataclasses
import functools
import pathlib
import re
from typing import Any

import plotly.graph_objects as go

from emojax.report import page
from emojax.report import sections
from emojax.report import templates

View = Mapping[str, Any]

_HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Html:
  """Markup, which a notebook shows as what it means."""

  text: str = dataclasses.field(repr=False)

  def _repr_html_(self) -> str:
    return self.text


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


def numbers(summary: View, ids: Sequence[str]) -> Html:
  """Returns headline numbers, each with its interval, its n and controls.

  Args:
    summary: the contents of summary.json.
    ids: which numbers, in the order in which they are shown.
  """
  rows = {row['id']: row for row in summary['numbers']}
  return _render('numbers', [rows[id_] for id_ in ids])


def reading(row: View, emotion: str) -> Html:
  """Returns a chat coloured token by token, in standard deviations.

  Args:
    row: a line of readings.jsonl.
    emotion: the vector that the tokens are compared with.
  """
  chat = sections.chat(dict(row))
  at = chat['emotions'].index(emotion)
  scale = chat['scale']['score'] or 1.0
  tokens = [
      {
          'text': text,
          'role': role,
          'value': score[at],
          'amount': round(min(1.0, abs(score[at]) / scale), 3),
          'response': i == chat['response'],
      }
      for i, (text, role, score) in enumerate(
          zip(chat['tokens'], chat['roles'], chat['score'], strict=True)
      )
  ]
  return _render('reading', emotion, scale, tokens)


def texts(rows: Sequence[View], directions: Collection[str]) -> Html:
  """Returns what was written under some directions, beside the unsteered.

  Args:
    rows: those of sweep.jsonl.
    directions: emotions, or controls as random_0.
  """
  return _render(
      'texts',
      [
          row
          for row in rows
          if row['kind'] == 'unsteered' or row['direction'] in directions
      ],
  )


def frame(report: pathlib.Path, height: int = 720) -> Html:
  """Returns the whole page in a frame of its own.

  Args:
    report: a report.html.
    height: of the frame, in pixels.
  """
  return _render('frame', report.read_text(encoding='utf-8'), height)


def _render(macro: str, *arguments: Any) -> Html:
  environment = templates.environment()
  environment.filters['number'] = page.number
  template = environment.get_template('notebook.html.j2')
  module = template.make_module({'palette': _palette()})
  return Html(str(getattr(module, macro)(*arguments)).strip())


@functools.cache
def _palette() -> str:
  """The first block of the page's style sheet: colours and fonts, by name."""
  css = (_HERE / 'page.css').read_text(encoding='utf-8')
  return ' '.join(css.partition('{')[2].partition('}')[0].split())
