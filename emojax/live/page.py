"""The page of a chat: HTML, and the policy that its browser keeps to."""

from collections.abc import Mapping
import pathlib
from typing import Any

import jinja2

from emojax.report import templates

_HERE = pathlib.Path(__file__).parent


def render(facts: Mapping[str, Any]) -> tuple[str, str]:
  """Returns the page and its Content-Security-Policy.

  Only the page's own script runs and only its own style counts, both known by
  their hashes; it may ask the server that it came from, and nobody else.

  Args:
    facts: what the script knows from the start.
  """
  environment = templates.environment().overlay(
      loader=jinja2.FileSystemLoader(_HERE)
  )
  read = lambda name: (_HERE / name).read_text(encoding='utf-8')
  script, style = read('live.js'), templates.part('page.css') + read('live.css')
  text = environment.get_template('page.html.j2').render(
      facts=facts, script=script, style=style
  )
  # The newlines of the template beside both belong to what is hashed.
  own = {
      name: templates.csp_hash(x)
      for name, x in (('script', f'\n{script}\n'), ('style', f'\n{style}\n'))
  }
  return text, (
      f"default-src 'none'; script-src {own['script']}; style-src"
      f" {own['style']}; img-src data:; connect-src 'self'; base-uri 'none';"
      " form-action 'none'; frame-ancestors 'none'"
  )
