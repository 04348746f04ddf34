"""The pages say what is there: every link leads somewhere, every command runs.

Commands run here as `small_commands` says. What nothing can run here (it
installs, or is the tests) is named in `FORMS`, and its form is checked; what
needs more than its command is in `ELSEWHERE`, with the test that runs it.
"""

import ast
import pathlib
import re
import subprocess
import tomllib

import documents
import launch_test
import planted_solutions
import pytest
import small_commands
import tiny_model

ROOT = documents.ROOT
PAGES = {str(page.relative_to(ROOT)): page for page in documents.PAGES}
COMMANDS = small_commands.COMMANDS
CONFIGS = sorted(path.stem for path in (ROOT / 'configs').glob('*.py'))
BLOCKS = [block for page in documents.PAGES for block in documents.blocks(page)]
PYTHON = [block for block in BLOCKS if block.language == 'python']


def check_pip(words):
  """The extras that are asked for are there."""
  extras = tomllib.loads((ROOT / 'pyproject.toml').read_text())
  extras = extras['project']['optional-dependencies']
  for found in re.findall(r'(?:emojax|\.)\[([^\]]+)\]', ' '.join(words)):
    assert set(found.split(',')) <= set(extras), words


def check_script(words):
  """The script is there, is shell, and has the flags that it is given."""
  path = ROOT / words[1]
  subprocess.run(['bash', '-n', path], check=True)
  for flag in words[2:]:
    assert re.search(f'== {flag}( |$)', path.read_text(), re.M), words


def check_target(words):
  """The target is one of the tests' BUILD file."""
  name = words[2].removeprefix('//tests:')
  assert f'name = "{name}",' in (ROOT / 'tests' / 'BUILD').read_text()


def check_package(words):
  """The package is the one that the code asks for where it lacks."""
  text = (ROOT / 'emojax' / 'sandbox' / 'isolation.py').read_text()
  assert ' '.join(words[1:]) in text


# What is not run here: it installs from a network, or runs the tests.
FORMS = {
    ('pip', 'install'): check_pip,
    ('sudo', 'apt', 'install'): check_package,
    ('bash', 'launch/test.sh'): check_script,
    ('bash', 'launch/lock.sh'): check_script,
    ('bash', '.ci/run'): check_script,
    ('bazel', 'test'): check_target,
}


# What needs more than its command: a program, a part of the command, and the
# test that gives it that.
ELSEWHERE = {
    ('emojax', 'configs/chat.py'): (
        'live_server_test',
        'test_the_command_serves_logs_and_ends_and_its_line_replays',
    ),
    ('emojax', 'configs/read_states.py'): (
        'import_vectors_test',
        'test_hidden_states_give_the_cosines_of_a_direct_read',
    ),
    ('emojax', 'config.hidden_states'): (
        'import_vectors_test',
        'test_labelled_hidden_states_become_vectors',
    ),
}


def elsewhere_of(words):
  """The test that runs a command elsewhere, or None."""
  for (program, part), test in ELSEWHERE.items():
    if words[0] == program and part in ' '.join(words):
      return test
  return None


def form_of(words):
  for start, check in FORMS.items():
    if words[: len(start)] == start:
      return check
  return None


def name_of(words):
  """For the list of tests: where it stands first, and how it begins."""
  return f'{COMMANDS[words].id} {" ".join(words)[:50]}'


FORM = [words for words in COMMANDS if form_of(words)]
TOLD = [words for words in COMMANDS if elsewhere_of(words)]
RUN = [words for words in COMMANDS if words not in FORM + TOLD]
# By the config that is planned: what has a line.
PLANNED = {
    'gemma3_27b': ('capture', 'probe fit', 'prefill', 'decode', 'chip-hours'),
    'paper_gemma3_27b': ('capture', 'prefill', 'decode', 'chip-hours'),
}


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
  return small_commands.Checkout(tmp_path_factory.mktemp('docs'))


@pytest.mark.parametrize('page', PAGES)
def test_every_link_leads_somewhere(page):
  for target in documents.links(PAGES[page]):
    if re.match(r'https?:', target):
      continue
    path, _, anchor = target.partition('#')
    there = PAGES[page] if not path else PAGES[page].parent / path
    assert there.resolve().is_relative_to(ROOT) and there.exists(), target
    if anchor:
      assert anchor in documents.anchors(documents.read(there)), target


def test_anchors_are_named_as_github_names_them():
  page = """# At the paper's size
## A `code` & [a link](x.md), twice
```bash
# no heading
```
## Twice
## Twice ##
### What *was* tried_out?
"""
  assert documents.anchors(page) == {
      'at-the-papers-size',
      'a-code--a-link-twice',
      'twice',
      'twice-1',
      'what-was-tried_out',
  }


def test_every_page_is_linked_from_the_readme():
  linked = {x.partition('#')[0] for x in documents.links(documents.README)}
  assert set(PAGES) - {'README.md'} <= linked


def test_the_first_screen_shows_the_picture_and_two_commands():
  first = documents.read(documents.README).splitlines()[:12]
  assert any(x.startswith('![') and 'docs/quickstart.png' in x for x in first)
  assert [x.split('#')[0].strip() for x in first if x.startswith('bash ')] == [
      'bash launch/quickstart.sh',
      'bash launch/test.sh',
  ]
  assert len(documents.read(documents.README).splitlines()) <= 200


@pytest.mark.parametrize('name', CONFIGS)
def test_every_config_is_on_a_page(name):
  said = ' '.join(documents.read(page) for page in PAGES.values())
  assert f'configs/{name}.py' in said


def test_every_field_that_the_pages_set_is_one_of_a_config():
  configs = [tiny_model.config(name) for name in CONFIGS]
  for page, path in PAGES.items():
    for name in re.findall(r'--config\.([\w.]*\w)', documents.read(path)):
      if name != 'FIELD':
        there = [small_commands.has_field(config, name) for config in configs]
        assert any(there), f'{page}: --config.{name}'


def test_every_file_and_module_in_backticks_is_there():
  folders = r'(configs|docs|emojax|launch|tests|third_party)/'
  for page, path in PAGES.items():
    for text in documents.code(path):
      words = text.split()
      if words[:2] == ['python', '-m']:
        module = ROOT / words[2].replace('.', '/')
        assert module.with_suffix('.py').exists(), f'{page}: {text}'
      for word in words:
        # Others may be a model or a task: emojax/quickstart.
        if re.fullmatch(rf'{folders}[\w/]+\.[a-z]\w*', word):
          assert (ROOT / word).exists(), f'{page}: {text}'


def test_no_two_commands_write_into_one_workdir():
  """The second would be refused: it has other settings."""
  makers = [small_commands.workdir_of(words) for words in COMMANDS]
  makers = [x for x in makers if x and not x.isupper()]
  assert len(set(makers)) == len(makers), sorted(makers)


@pytest.mark.parametrize('words', RUN, ids=name_of)
def test_a_command_runs(checkout, words):
  if words[0] == 'open':
    checkout.make_inputs(words)
    assert (checkout.folder / words[1]).exists()
    return
  if words[0] == 'emojax' and 'configs/behaviour' in ' '.join(words):
    planted_solutions.isolated()  # Or this test is skipped.
  if 'emojax/impossible_code' in words:
    planted_solutions.isolated()
  plans = words[:3] == ('python', '-m', 'launch.plan')
  if plans:
    small_commands.need_compiler()
  said = checkout.make(words).stdout
  for name in PLANNED[small_commands.config_of(words)] if plans else ():
    assert name in said


@pytest.mark.parametrize(
    'words', [w for w in RUN if 'launch/' in w[1]], ids=name_of
)
def test_what_a_slice_is_asked_for_is_seen_through_elsewhere(words):
  """Against imitations of the clouds, in launch_test.py."""
  if words[1] != 'launch/quickstart.sh':
    name = pathlib.Path(words[1]).stem
    verb = ' '.join(w for w in words[2:] if w.isalpha() or w == '--keep')
    assert verb in launch_test.CALLS[name]


@pytest.mark.parametrize('words', FORM, ids=name_of)
def test_a_command_that_cannot_run_here_has_its_form(words):
  form_of(words)(words)


@pytest.mark.parametrize('words', TOLD, ids=name_of)
def test_a_command_that_needs_more_is_run_by_its_own_test(words):
  file, name = elsewhere_of(words)
  tree = ast.parse((ROOT / 'tests' / f'{file}.py').read_text(encoding='utf-8'))
  (test,) = [n for n in tree.body if getattr(n, 'name', '') == name]
  config = small_commands.config_of(words)
  # It may start the run by a fixture or a function of its file.
  assert config in ast.unparse(tree) and test


@pytest.mark.parametrize(
    'block', PYTHON, ids=lambda b: f'{b.page.name}:{b.line}'
)
def test_python_on_a_page_runs(checkout, block):
  ast.parse(block.text)
  checkout.run_python(block)
