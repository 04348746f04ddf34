"""Bazel knows every test, and its unit tests need nothing that is not here."""

import ast
import pathlib

import pytest

TESTS = pathlib.Path(__file__).parent
ROOT = TESTS.parent
FILES = {path.name for path in TESTS.glob('*_test.py')}


def _assigned(path):
  """What a BUILD file, which is Python, assigns to its names."""
  return {
      node.targets[0].id: node.value
      for node in ast.parse(path.read_text(encoding='utf-8')).body
      if isinstance(node, ast.Assign)
  }


BUILD = _assigned(TESTS / 'BUILD')
LEFT_OUT = {
    name: ast.literal_eval(value)
    for name, value in BUILD.items()
    if isinstance(value, ast.List)
}
NAMES = [name for names in LEFT_OUT.values() for name in names]
UNIT = sorted(FILES - set(NAMES))


def _functions(path):
  tree = ast.parse(path.read_text(encoding='utf-8'))
  return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]


def test_every_test_is_a_unit_test_or_left_out_by_name():
  patterns, exclude = BUILD['_UNIT'].args[0], BUILD['_UNIT'].keywords[0].value
  assert ast.literal_eval(patterns) == ['*_test.py']
  added = {n.id for n in ast.walk(exclude) if isinstance(n, ast.Name)}
  assert added == set(LEFT_OUT)
  assert UNIT


def test_what_is_left_out_is_there_and_is_named_once_in_order():
  assert set(NAMES) <= FILES
  assert len(set(NAMES)) == len(NAMES)
  for name, names in LEFT_OUT.items():
    assert names == sorted(names), name


@pytest.mark.parametrize('name', UNIT)
def test_a_unit_test_asks_for_no_weights_and_no_browser(name):
  # The shared fixtures are the default model, parts of it, and a browser.
  shared = {function.name for function in _functions(TESTS / 'conftest.py')}
  functions = _functions(TESTS / name)
  asked = {a.arg for function in functions for a in function.args.args}
  assert asked & shared <= {function.name for function in functions}


def test_the_environments_are_no_packages_of_bazel():
  ignored = (ROOT / '.bazelignore').read_text(encoding='utf-8').split()
  assert {'.venv', '.venv-test', '.venv-parity', 'runs'} <= set(ignored)
