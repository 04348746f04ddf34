"""What a browser would make of a page."""

import html.parser
import json
import pathlib
import re
import subprocess
import sys

import plotly.offline

# As on a machine that has them not: `sys.modules[name] = None` would be found
# by libraries that ask whether an array is one of jax's.
_WITHOUT_JAX = """
import importlib
import sys


class Absent:

  @staticmethod
  def find_spec(name, path=None, target=None):
    if name.partition('.')[0] in ('flax', 'jax', 'jaxlib'):
      raise ModuleNotFoundError(f'No module named {name!r}', name=name)


sys.meta_path.insert(0, Absent)
_, module, *arguments = sys.argv
sys.exit(importlib.import_module(module).main(arguments))
"""


class _Tags(html.parser.HTMLParser):

  def __init__(self) -> None:
    super().__init__()
    self.tags: list[tuple[str, dict[str, str | None]]] = []

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))


def write_without_jax(
    module: str, folder: pathlib.Path
) -> subprocess.CompletedProcess[str]:
  """Runs a page's command where neither jax nor flax can be imported."""
  return subprocess.run(
      [sys.executable, '-c', _WITHOUT_JAX, module, str(folder)],
      capture_output=True,
      text=True,
      check=False,
  )


def without_plotly(text: str) -> str:
  """Returns the page less the script that is not ours."""
  script = plotly.offline.get_plotlyjs()
  assert text.count(script) == 1, 'plotly.js goes in once'
  return text.replace(script, '')


def tags(
    text: str, figures: bool = True
) -> list[tuple[str, dict[str, str | None]]]:
  """Returns the tags of a page, with their attributes."""
  parser = _Tags()
  parser.feed(without_plotly(text) if figures else text)
  return parser.tags


def data(text: str):
  """Returns what the page's script draws."""
  pattern = r'<script type="application/json" id="data">(.*?)</script>'
  return json.loads(re.search(pattern, text, re.DOTALL).group(1))


def assert_asks_nothing_of_a_network(text: str, figures: bool = True) -> None:
  for tag, attrs in tags(text, figures):
    assert not {'src', 'srcset', 'action', 'data', 'poster'} & set(attrs), tag
    assert tag not in ('link', 'iframe', 'object', 'embed', 'base', 'form')
    assert (attrs.get('href') or '#').startswith('#')
  own = without_plotly(text) if figures else text
  for word in ('://', 'fetch(', 'XMLHttp', 'import(', '@import', 'url('):
    assert word not in own, word
  policy = next(
      a['content'] for _, a in tags(text, figures) if 'http-equiv' in a
  )
  assert policy.startswith("default-src 'none'; script-src 'sha256-")
  assert 'unsafe-eval' not in policy and policy.count('sha256-') == 1 + figures
