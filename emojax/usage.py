"""What the command says of itself, and of words that it does not know.

Nothing here imports JAX: help is there at once.
"""

import ast
from collections.abc import Iterable
import difflib
import importlib.metadata
import os
import pathlib
import platform
import textwrap

import emojax

_FOLDER = 'configs'
_WIDTH = 78


def version() -> str:
  """Returns one line: the versions of emojax, Python and JAX."""
  return (
      f'emojax {emojax.__version__} (Python {platform.python_version()},'
      f' jax {importlib.metadata.version("jax")})'
  )


def configs() -> dict[str, str]:
  """Returns what each config is for, by its path as one types it.

  They are those of the working directory or, from elsewhere, of the checkout
  that this package lies in. None is run.
  """
  checkout = pathlib.Path(emojax.__file__).parents[1]
  for folder in (pathlib.Path(_FOLDER), checkout / _FOLDER):
    found = {str(x): _purpose(x) for x in sorted(folder.glob('*.py'))}
    if any(found.values()):
      return {name: purpose for name, purpose in found.items() if purpose}
  return {}


def _purpose(path: pathlib.Path) -> str:
  """The first line of a file's docstring; '' if it is none of our configs."""
  try:
    tree = ast.parse(path.read_text(encoding='utf-8'))
  except (OSError, ValueError, SyntaxError):
    return ''
  names = {x.name for x in tree.body if isinstance(x, ast.FunctionDef)}
  text = ast.get_docstring(tree) if 'get_config' in names else None
  return text.partition('\n')[0] if text else ''


def list_configs() -> str:
  """Returns the configs and their purposes, for --help."""
  found = configs()
  if not found:
    return (
        'There is no folder configs/ here: it is part of the source code, not\n'
        'of the installed package. Run emojax in a checkout, or give the path\n'
        'of a config: --config=CHECKOUT/configs/quickstart.py'
    )
  home = pathlib.Path(next(iter(found))).parents[1]
  lines = ['Configs:' if home == pathlib.Path() else f'Configs, in {home}:']
  names = {name: os.path.relpath(name, home) for name in found}
  indent = 4 + max(map(len, names.values()))
  for name, purpose in found.items():
    lines += textwrap.wrap(
        purpose,
        _WIDTH,
        initial_indent=f'  {names[name]}'.ljust(indent),
        subsequent_indent=' ' * indent,
    )
  return '\n'.join(lines)


def nearest_config(word: str) -> str | None:
  """Returns the config that a word most likely means."""
  stems = {pathlib.Path(name).stem: name for name in configs()}
  stem = os.path.basename(word).removesuffix('.py')
  near = difflib.get_close_matches(stem, stems, n=1)
  return stems[near[0]] if near else None


def of_config(word: str) -> str:
  """Says which --config to give instead of a word."""
  near = nearest_config(word)
  if near:
    return f'give --config={near}'
  return 'give --config=configs/NAME.py (--help lists them)'


def of_word(word: str, fields: Iterable[str]) -> str:
  """Says what to type instead of a word that belongs to no flag.

  Args:
    word: on the command line.
    fields: of the config, if one was given.
  """
  name, equals, _ = word.removeprefix('config.').partition('=')
  if equals and name.partition('.')[0] in fields:
    return f'give --config.{word.removeprefix("config.")}'
  if equals:
    return f'flags begin with --: give --{word}'
  near = nearest_config(word)
  if near:
    return f'try: emojax --config={near} {example_workdir(near)}'
  return (
      'every setting is of the form --config.FIELD=VALUE, and a list is one'
      ' word, such as --config.strengths=0.1,0.2 (--help tells more)'
  )


def of_flag(name: str, flags: Iterable[str], fields: Iterable[str]) -> str:
  """Says what to type instead of a flag that there is not.

  Args:
    name: of the flag.
    flags: that there are.
    fields: of the config, if one was given.
  """
  fields = list(fields)
  choices = {x: f'--{x}' for x in flags} | {x: f'--config.{x}' for x in fields}
  near = difflib.get_close_matches(name, choices, n=1)
  if near:
    return f'did you mean {choices[near[0]]}?'
  return 'settings are of the form --config.FIELD=VALUE (--help tells more)'


def example_workdir(config: str) -> str:
  """Returns the flag that would suit a config's file."""
  return f'--workdir=runs/{pathlib.Path(config).stem}'
