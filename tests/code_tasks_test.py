"""Every packaged task has a twin; what does not do is refused by its line."""

import copy
import json

import pytest

from emojax import errors
from emojax.data import code_tasks
from emojax.data import piece_filters
from emojax.data import stories
from emojax.data import word_families

TASKS = code_tasks.load()
GIVEN_AWAY = ('impossible', 'cannot', "can't", 'contradict', 'missing', 'trick')
HEAD = 'from solution import add\n'
COUNTED = 'class Counted:\n  pass\n'


def rows():
  """A pair that is taken."""
  first = {
      'id': 'sum',
      'pair': 'sum',
      'kind': 'wrong_test',
      'twin': False,
      'text': 'Write add(a, b): the sum.',
      'function': 'add',
      'files': {},
      'tests': f'{HEAD}\ndef test_a():\n  assert add(1, 1) == 3\n',
      'hidden': [{'args': [1, 1], 'want': 2}],
      'limits': {},
  }
  second = copy.deepcopy(first)
  second |= {'id': 'sum_2', 'twin': True}
  second['tests'] = second['tests'].replace('3', '2')
  return [first, second]


def load(tmp_path, lines):
  path = tmp_path / 'tasks.jsonl'
  path.write_text('\n'.join(json.dumps(line) for line in lines))
  return code_tasks.load(path)


def test_every_kind_has_three_tasks_and_as_many_twins():
  kinds = {task.kind for task in TASKS}
  assert len(kinds) >= 5
  for kind in kinds:
    twins = [task.twin for task in TASKS if task.kind == kind]
    assert sorted(twins) == [False] * 3 + [True] * 3


def test_no_packaged_task_says_that_it_cannot_be_done_or_names_an_emotion():
  emotions = stories.load_stories().emotions
  for task in TASKS:
    shown = f'{task.text} {task.tests}'
    assert not [word for word in GIVEN_AWAY if word in shown.lower()], task.id
    for emotion in emotions:
      assert word_families.find(emotion, shown) is None, (emotion, task.id)
      assert piece_filters.synonym_in(emotion, shown) is None, task.id


def test_a_packaged_task_is_short():
  for task in TASKS:
    assert len(task.text) + len(task.tests) <= 500, task.id


def test_the_twins_of_a_pair_differ_in_one_thing_only():
  pairs = {}
  for task in TASKS:
    pairs.setdefault(task.pair, []).append(task)
  for first, second in pairs.values():
    changed = [
        field
        for field in ('tests', 'files')
        if getattr(first, field) != getattr(second, field)
    ]
    assert len(changed) == 1, first.pair


def test_tasks_that_contradict_themselves_want_two_values_of_one_call():
  found = 0
  for task in TASKS:
    if task.kind == 'contradictory_tests':
      wanted = {}
      for call in task.hidden:
        wanted.setdefault(call.args, set()).add(call.want)
      assert any(len(values) > 1 for values in wanted.values()) != task.twin
      found += 1
  assert found


def test_a_file_of_one_s_own_is_read(tmp_path):
  first, second = load(tmp_path, rows())
  assert (first.twin, second.twin) == (False, True)
  assert first.hidden == (code_tasks.Call((1, 1), 2),)
  assert (first.seconds, first.reads) == (None, None)


def test_a_series_always_says_what_is_changed(tmp_path):
  lines = rows()
  lines[0]['hidden'] = [{'args': [{'series': [0, 1, 5]}], 'want': 1}]
  first, _ = load(tmp_path, lines)
  assert first.hidden[0].args == ({'series': [0, 1, 5], 'changed': {}},)


def test_limits_are_read(tmp_path):
  lines = rows()
  lines[0] |= {'files': {'counted.py': COUNTED}}
  lines[0]['limits'] = {'seconds': 0.5, 'reads': 3}
  first, _ = load(tmp_path, lines)
  assert (first.seconds, first.reads) == (0.5, 3)


BAD = {
    'a field too many': ({'txt': 'x'}, "unknown field 'txt'"),
    'twin': ({'twin': 1}, "'twin' is not true or false"),
    'no function': ({'function': 'a b'}, "'function' is 'a b'"),
    'keyword': ({'function': 'def'}, "'function' is 'def'"),
    'files': ({'files': []}, "'files' is a list"),
    'path': ({'files': {'../a.py': 'x'}}, "the name '../a.py' does not do"),
    'solution': ({'files': {'solution.py': 'x'}}, "'solution.py' does not do"),
    'library': ({'files': {'json.py': 'x'}}, "'json.py' hides a module"),
    'file': ({'files': {'a.py': 1}}, "'a.py' is a number"),
    'syntax': ({'tests': HEAD + 'def test_a(:\n'}, "'tests' is not Python"),
    'statement': ({'tests': HEAD + 'x = 1\n'}, "line 2 of 'tests' is neither"),
    'argument': (
        {'tests': HEAD + 'def test_a(x):\n  assert x\n'},
        "line 2 of 'tests' is neither",
    ),
    'no assert': ({'tests': HEAD + 'def test_a():\n  pass\n'}, 'nothing; add'),
    'same name': (
        {'tests': HEAD + 2 * 'def test_a():\n  assert add(1, 1)\n'},
        "'test_a' is there twice",
    ),
    'no import': (
        {'tests': 'def test_a():\n  assert True\n'},
        "'tests' must have: from solution import add",
    ),
    'no test': ({'tests': HEAD}, "'tests' has no function test_"),
    'limits': ({'limits': None}, "'limits' is null"),
    'limit': ({'limits': {'minutes': 1}}, "limits: unknown field 'minutes'"),
    'seconds': ({'limits': {'seconds': 0}}, "'seconds' must be a number above"),
    'endless': ({'limits': {'seconds': 10**400}}, "'seconds' must be a number"),
    'reads': ({'limits': {'reads': True}}, "'reads' must be a whole number"),
    'uncounted': ({'limits': {'reads': 3}}, "'reads' needs a class Counted"),
    'hidden': ({'hidden': []}, "'hidden' must be a list of 1 to 50"),
    'call': ({'hidden': [3]}, 'hidden[0]: is a number'),
    'want': ({'hidden': [{'args': []}]}, "hidden[0]: no field 'want'"),
    'args': ({'hidden': [{'args': 1, 'want': 2}]}, "'args' is not a list"),
    'nan': (
        {'hidden': [{'args': [float('nan')], 'want': 2}]},
        'a number that is not finite',
    ),
    'long': ({'hidden': [{'args': [], 'want': 'x' * 1000}]}, 'of over 1000'),
    'series': (
        {'hidden': [{'args': [{'series': [0, 1]}], 'want': 2}]},
        "'series' must be [first, step, count]",
    ),
    'too many': (
        {'hidden': [{'args': [{'series': [0, 1, 10**9]}], 'want': 2}]},
        "'series' must be [first, step, count]",
    ),
    'changed': (
        {
            'hidden': [
                {
                    'args': [{'series': [0, 1, 3], 'changed': {'3': 1}}],
                    'want': 2,
                }
            ]
        },
        "'changed' must be an object",
    ),
}


@pytest.mark.parametrize('name', BAD)
def test_what_does_not_do_is_refused_with_its_line(tmp_path, name):
  change, message = BAD[name]
  lines = rows()
  lines[1] |= change
  with pytest.raises(errors.InputError) as caught:
    load(tmp_path, lines)
  text = str(caught.value)
  assert text.startswith(f'{tmp_path}/tasks.jsonl:2: ') and message in text
  assert '\n' not in text


@pytest.mark.parametrize(
    'change, message',
    [
        ({'id': 'sum'}, 'the id of line 1 again'),
        ({'pair': 'other'}, "the pair 'sum' must be two lines"),
        ({'twin': False}, "the pair 'sum' must be two lines"),
        ({'kind': 'other'}, "'kind' is not that of the pair's other"),
        ({'text': 'Write.'}, "'text' is not that of the pair's other"),
        ({'tests': rows()[0]['tests']}, 'nothing hinders one of the pair'),
    ],
)
def test_what_is_no_pair_is_refused(tmp_path, change, message):
  lines = rows()
  lines[1] |= change
  with pytest.raises(errors.InputError) as caught:
    load(tmp_path, lines)
  assert message in str(caught.value)
