"""Who may import whom, and how long a file may be."""

import ast
import functools
import pathlib

import pytest

import emojax

ROOT = pathlib.Path(emojax.__file__).parent
CORE = (
    'agreement',
    'axes',
    'code_outcomes',
    'deflection',
    'doses',
    'effects',
    'elo',
    'geometry',
    'kappa',
    'ladders',
    'likeness',
    'logistic',
    'matched_doses',
    'mixed',
    'moments',
    'passages',
    'permutations',
    'power',
    'preferences',
    'probe_selection',
    'probes',
    'rates',
    'readings',
    'resampling',
    'speakers',
    'stability',
    'statistics',
    'steering',
    'swaps',
    'traces',
    'vectors',
    'windows',
)
# Arrays, and of the standard library what touches nothing outside.
CORE_MAY = {
    'collections',
    'dataclasses',
    'emojax.errors',
    'enum',
    'flax.struct',
    'functools',
    'itertools',
    'jax',
    'math',
    'numpy',
    'optax',
    'scipy',
    'statsmodels',
    'typing',
    'warnings',
} | {f'emojax.{name}' for name in CORE}


def _name(path):
  """The module of a file: emojax/data/rows.py -> emojax.data.rows."""
  parts = ('emojax', *path.relative_to(ROOT).with_suffix('').parts)
  return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {_name(path): path for path in sorted(ROOT.rglob('*.py'))}


@functools.cache
def _tree(module):
  return ast.parse(MODULES[module].read_text(encoding='utf-8'))


def _imports(module):
  """Every module that a module names in an import, at any depth of its code.

  `from a import b` is a.b: whether b is a module or a name makes no difference
  to a law about a. A string given to `import_module` counts too.
  """
  found = set()
  for node in ast.walk(_tree(module)):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{module}: relative import'
      found |= {f'{node.module}.{alias.name}' for alias in node.names}
    elif isinstance(node, ast.Call) and _called(node) in (
        'import_module',
        '__import__',
    ):
      text = ast.unparse(node.args[0])
      found.add(text.strip('f').strip('\'"'))
  return found


def _called(call):
  return getattr(call.func, 'attr', getattr(call.func, 'id', None))


def _within(name, packages):
  return any(name == p or name.startswith(f'{p}.') for p in packages)


def _reaches(module):
  """All that is imported by a module or by what it imports of emojax."""
  found, left = set(), {module}
  while left:
    new = _imports(left.pop()) - found
    found |= new
    for name in new:
      # A package's own __init__ runs as well.
      parts = name.split('.')
      prefixes = {'.'.join(parts[: i + 1]) for i in range(len(parts))}
      left |= prefixes & MODULES.keys()
  return found


@pytest.mark.parametrize('name', CORE)
def test_the_core_takes_arrays_and_knows_nothing_outside(name):
  strange = {
      found
      for found in _imports(f'emojax.{name}')
      if not _within(found, CORE_MAY)
  }
  assert strange == set()


@pytest.mark.parametrize('name', CORE)
def test_the_core_prints_and_opens_nothing(name):
  calls = {
      _called(node)
      for node in ast.walk(_tree(f'emojax.{name}'))
      if isinstance(node, ast.Call)
  }
  assert calls & {'print', 'open', 'input', 'eval', 'exec'} == set()


def test_only_models_know_linen():
  users = {
      module
      for module in MODULES
      if any(
          _within(name, ['flax']) and not _within(name, ['flax.struct'])
          for name in _imports(module)
      )
  }
  assert users
  assert {m for m in users if not _within(m, ['emojax.models'])} == set()


def test_the_report_needs_no_jax():
  report = [m for m in MODULES if _within(m, ['emojax.report'])]
  assert len(report) > 2
  for module in report:
    heavy = {
        name
        for name in _reaches(module)
        if _within(name, ['jax', 'jaxlib', 'flax', 'optax'])
    }
    assert heavy == set(), module


def test_only_entry_points_and_experiments_know_experiments():
  users = {
      module
      for module in MODULES
      if any(_within(name, ['emojax.experiments']) for name in _imports(module))
  }
  known = ['emojax.experiments', 'emojax.providers']
  entries = {'emojax.main', 'emojax.notebook'}
  assert {m for m in users if not _within(m, known)} == entries


def test_only_providers_know_inspect_and_nothing_else_knows_providers():
  users = lambda package: {
      module
      for module in MODULES
      if any(_within(name, [package]) for name in _imports(module))
  }
  inspect, providers = users('inspect_ai'), users('emojax.providers')
  assert inspect and providers
  assert all(_within(m, ['emojax.providers']) for m in inspect | providers)


@pytest.mark.parametrize('banned', ['torch', 'transformers', 'pickle', 'dill'])
def test_nothing_imports_another_framework_or_unpickles(banned):
  users = {
      module
      for module in MODULES
      if any(_within(name, [banned]) for name in _imports(module))
  }
  assert users == set()


def test_numpy_never_unpickles():
  for module in MODULES:
    for node in ast.walk(_tree(module)):
      if isinstance(node, ast.keyword):
        assert node.arg != 'allow_pickle', module


def test_no_modules_import_each_other_in_a_circle():
  for module in MODULES:
    around = set()
    for name in _imports(module):
      around |= {name, name.rpartition('.')[0]} & MODULES.keys()
    for other in around - {module}:
      assert module not in _reaches(other), f'{module} and {other}'


def test_no_file_is_longer_than_300_lines():
  lengths = {
      module: len(path.read_text(encoding='utf-8').splitlines())
      for module, path in MODULES.items()
  }
  assert {m: n for m, n in lengths.items() if n > 300} == {}


def test_no_function_is_longer_than_60_lines():
  lengths = {
      f'{module}.{node.name}': node.end_lineno - node.lineno + 1
      for module in MODULES
      for node in ast.walk(_tree(module))
      if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
  }
  assert {name: n for name, n in lengths.items() if n > 60} == {}


def test_every_module_says_what_it_is():
  silent = {
      module
      for module, path in MODULES.items()
      if path.stat().st_size and not ast.get_docstring(_tree(module))
  }
  assert silent == set()
