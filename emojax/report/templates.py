"""Renders the templates of this folder."""

import base64
from collections.abc import Callable, Mapping, Sequence
import hashlib
import pathlib
import types
from typing import Any

import jinja2

_HERE = pathlib.Path(__file__).parent


def environment() -> jinja2.Environment:
  """Returns what renders them: text stays text, and nothing is left out."""
  made = jinja2.Environment(
      loader=jinja2.FileSystemLoader(_HERE),
      autoescape=True,
      undefined=jinja2.StrictUndefined,
      trim_blocks=True,
      lstrip_blocks=True,
  )
  # tojson escapes <, >, & and quotes, and json.dumps all that is not ASCII.
  made.policies['json.dumps_kwargs'] = {
      'allow_nan': False,
      'separators': (',', ':'),
  }
  return made


def fill(
    template: str,
    styles: Sequence[str],
    scripts: Sequence[str],
    data: Any,
    filters: Mapping[str, Callable[..., Any]],
    known: Mapping[str, Any] = types.MappingProxyType({}),
    **shown: Any,
) -> str:
  """Returns a page on which only its own scripts run, known by their hashes.

  Args:
    template: one that extends base.html.j2.
    styles: files of this folder, put together.
    scripts: their texts.
    data: what the scripts read, as JSON has it.
    filters: of the template, by name.
    known: what every template and macro reads, wherever it is imported.
    **shown: what the template reads.
  """
  made = environment()
  made.filters.update(filters)
  made.globals.update(known)
  return made.get_template(template).render(
      **shown,
      data=data,
      css='\n'.join(part(name) for name in styles),
      scripts=scripts,
      hashes=[csp_hash(text) for text in scripts],
  )


def part(name: str) -> str:
  """Reads a file of this folder."""
  return (_HERE / name).read_text(encoding='utf-8')


def csp_hash(script: str) -> str:
  """The name of a script in a Content-Security-Policy."""
  digest = hashlib.sha256(script.encode('utf-8')).digest()
  return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
