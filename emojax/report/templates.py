"""Renders the templates of this folder."""

import pathlib

import jinja2


def environment() -> jinja2.Environment:
  """Returns what renders them: text stays text, and nothing is left out."""
  return jinja2.Environment(
      loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
      autoescape=True,
      undefined=jinja2.StrictUndefined,
      trim_blocks=True,
      lstrip_blocks=True,
  )
