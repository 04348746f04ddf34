"""Every question is asked, shown, and held against what was published."""

import ast
import functools
import importlib
import pathlib
import re

import pytest

import emojax
from emojax.experiments import numbers
from emojax.report import paper_page

ROOT = pathlib.Path(emojax.__file__).parent
MODULES = sorted(
    path.stem
    for path in (ROOT / 'experiments' / 'questions').glob('*.py')
    if path.stem != '__init__'
)


def test_every_question_is_in_the_report_and_is_written_and_shown():
  shown = {
      path.stem
      for path in (ROOT / 'report' / 'questions').glob('*.py')
      if path.stem != '__init__'
  }
  assert set(MODULES) == shown == set(paper_page.QUESTIONS)
  for name in MODULES:
    module = importlib.import_module(f'emojax.report.questions.{name}')
    assert module.NAME == name and callable(module.view)


def test_everything_published_belongs_to_a_question_or_to_behaviours():
  known = {path.stem for path in (ROOT / 'data' / 'published').iterdir()}
  assert known <= {*paper_page.QUESTIONS, 'behaviour'}


@functools.cache
def _tree(path):
  return ast.parse(path.read_text(encoding='utf-8'))


def _sources(name):
  """The module of a question and those of `experiments` that it imports."""
  path = ROOT / 'experiments' / 'questions' / f'{name}.py'
  yield path
  for node in ast.walk(_tree(path)):
    if isinstance(node, ast.ImportFrom):
      start, _, folder = node.module.partition('emojax.experiments')
      if not start and folder in ('', '.measures'):
        for alias in node.names:
          inside = ROOT / 'experiments' / folder.strip('.')
          yield inside / f'{alias.name}.py'


@functools.cache
def _ids(name):
  """Patterns of all ids that the code of a question can spell.

  What an f-string has in braces is NAME, a whole number, or a string of the
  same code, which may be empty or such an f-string itself.
  """
  nodes = [n for path in _sources(name) for n in ast.walk(_tree(path))]
  plain = {
      node.value
      for node in nodes
      if isinstance(node, ast.Constant)
      and isinstance(node.value, str)
      and re.fullmatch('[a-z0-9_]+', node.value)
  }
  inner = '|'.join(map(re.escape, sorted(plain))) + r'|\d+'

  def pattern(node, inner):
    parts = []
    for part in node.values:
      if isinstance(part, ast.Constant):
        parts.append(re.escape(part.value))
      elif ast.unparse(part.value).endswith('NAME'):
        parts.append(re.escape(name))
      else:
        parts.append(f'(?:{inner})?')
    return ''.join(parts)

  joined = [node for node in nodes if isinstance(node, ast.JoinedStr)]
  short = [
      node
      for node in joined
      if all(
          re.fullmatch('[a-z0-9_]+', part.value)
          for part in node.values
          if isinstance(part, ast.Constant)
      )
  ]
  nested = '|'.join(dict.fromkeys(pattern(node, inner) for node in short))
  return [
      pattern(node, f'{inner}|{nested}') if nested else pattern(node, inner)
      for node in short
  ] + sorted(plain)


@pytest.mark.parametrize('name', MODULES)
def test_what_was_published_is_of_a_number_that_is_measured(name):
  published = numbers.published(name)
  patterns = _ids(name) if published else []
  for id_ in published:
    assert id_.startswith(f'{name}_')
    assert any(re.fullmatch(p, id_) for p in patterns), id_


def test_the_patterns_tell_an_id_from_what_no_code_spells():
  spelt = lambda name, id_: any(re.fullmatch(p, id_) for p in _ids(name))
  assert spelt('wild', 'wild_structural_raw')
  assert spelt('emotion_words', 'emotion_words_12_difference')
  assert not spelt('wild', 'wild_made_up')
  assert not spelt('emotion_words', 'emotion_words_x_difference')
