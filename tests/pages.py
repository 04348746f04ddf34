"""What a browser would make of a page."""

import html.parser
import json
import re

import plotly.offline


class _Tags(html.parser.HTMLParser):

  def __init__(self) -> None:
    super().__init__()
    self.tags: list[tuple[str, dict[str, str | None]]] = []

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))


def without_plotly(text: str) -> str:
  """Returns the page less the script that is not ours."""
  script = plotly.offline.get_plotlyjs()
  assert text.count(script) == 1, 'plotly.js goes in once'
  return text.replace(script, '')


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
  """Returns the tags of a page, with their attributes."""
  parser = _Tags()
  parser.feed(without_plotly(text))
  return parser.tags


def data(text: str):
  """Returns what the page's script draws."""
  pattern = r'<script type="application/json" id="data">(.*?)</script>'
  return json.loads(re.search(pattern, text, re.DOTALL).group(1))


def assert_asks_nothing_of_a_network(text: str) -> None:
  for tag, attrs in tags(text):
    assert not {'src', 'srcset', 'action', 'data', 'poster'} & set(attrs), tag
    assert tag not in ('link', 'iframe', 'object', 'embed', 'base', 'form')
    assert (attrs.get('href') or '#').startswith('#')
  own = without_plotly(text)
  for word in ('://', 'fetch(', 'XMLHttp', 'import(', '@import', 'url('):
    assert word not in own, word
  policy = next(a['content'] for _, a in tags(text) if 'http-equiv' in a)
  assert policy.startswith("default-src 'none'; script-src 'sha256-")
  assert 'unsafe-eval' not in policy and policy.count('sha256-') == 2
