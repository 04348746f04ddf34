"""Files of prompts are read whole, and a broken line is refused by its rule."""

import json
import pathlib
import re

import pytest

from emojax import errors
import emojax.data
from emojax.data import prompt_sets

CORPUS = pathlib.Path(emojax.data.__file__).parent / 'corpus'
LOADERS = {
    'implicit': prompt_sets.load_implicit,
    'ladders': prompt_sets.load_ladders,
    'contrasts': prompt_sets.load_contrasts,
    'bindings': prompt_sets.load_bindings,
    'turns': prompt_sets.load_turns,
    'post_training': prompt_sets.load_post_training,
}


def rows_of(name: str) -> list[dict]:
  lines = (CORPUS / f'{name}.jsonl').read_text(encoding='utf-8').splitlines()
  return [json.loads(line) for line in lines]


@pytest.fixture
def write(tmp_path):
  """Returns a function that writes rows, or lines as they are, to a file."""

  def to_file(rows):
    lines = [r if isinstance(r, str) else json.dumps(r) for r in rows]
    path = tmp_path / 'rows.jsonl'
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return path

  return to_file


def refusal(load, path) -> str:
  """Returns the one line that a loader refuses a file with, less its folder."""
  with pytest.raises(errors.InputError) as info:
    load(path)
  message = str(info.value)
  assert '\n' not in message
  assert message.startswith(str(path))
  return message.removeprefix(str(path.parent) + '/')


@pytest.mark.parametrize('name', LOADERS)
def test_a_loader_reads_the_package_by_default_and_the_same_every_time(name):
  load = LOADERS[name]
  assert load() == load(CORPUS / f'{name}.jsonl') == load()


@pytest.mark.parametrize('name', LOADERS)
def test_provenance_fields_are_allowed_and_left_out(name, write):
  rows = rows_of(name)
  rows[0] |= {'source': 'a', 'model': 'b', 'prompt_id': 1, 'seed': 2}
  rows[1] |= {'split': 'train', 'index': 3}
  assert LOADERS[name](write(rows)) == LOADERS[name]()


def test_paraphrases_and_matched_templates_may_be_left_out(write):
  rows = rows_of('ladders')
  for row in rows:
    del row['paraphrases'], row['matched']
  for ladder in prompt_sets.load_ladders(write(rows)):
    assert ladder.paraphrases == ()
    assert ladder.matched == ''


# What the third line becomes (a field is left out where the value is None), and
# how the message then goes on.
FAULTS = {
    'implicit': [
        ({'text': None}, "no field 'text'; add it"),
        ({'emotion': ''}, "'emotion' is empty; write it"),
        ({'subject': 'a'}, "unknown field 'subject'; remove it"),
        (
            {'text': 'It was fearful. Unafraid, I ran. Where to?'},
            "a text of 'afraid' says 'Unafraid'; rewrite it without",
        ),
        (rows_of('implicit')[0], 'nearly the text of line 1 .*; rewrite or'),
    ],
    'ladders': [
        ({'template': '{y} apples.'}, r"'template' must have \{x\} exactly on"),
        ({'template': '{x} and {x}'}, r"'template' must have \{x\}"),
        ({'template': '{x} {x.__class__}'}, r"'template' must have \{x\}"),
        ({'template': '{{x}}'}, r"'template' must have \{x\}"),
        ({'template': None}, "no field 'template'; add it"),
        ({'values': [1, 2]}, "'values' has 2; give at least 3"),
        ({'values': [1, 2, 2.0]}, "'values' has 2.0 twice; remove one"),
        ({'values': [1, 2, True]}, r"'values\[2\]' is True; make it a number"),
        ({'values': [1, 2, float('nan')]}, r"'values\[2\]' is nan; make it a"),
        ({'values': [1, 2, 10**400]}, r"'values\[2\]' is 1000*\.\.\.; make it"),
        (
            {'rises': ['calm'], 'falls': ['calm']},
            "'calm' in 'rises' and in 'fal",
        ),
        ({'rises': [], 'falls': []}, "'rises' and 'falls' are empty; name an"),
        ({'rises': ['sad', 'sad']}, "'rises' has 'sad' twice; remove one"),
        ({'rises': 'sad'}, "'rises' is a string; make it a list of strings"),
        ({'name': 'caffeine_tablets_mg'}, 'the name of line 1 again; change'),
        (
            {'paraphrases': ['{x} pears.', 'Pears.']},
            r"'paraphrases\[1\]' must have \{x\} exactly once",
        ),
        ({'paraphrases': 'a {x}'}, "'paraphrases' is a string; make it a list"),
        (
            {'paraphrases': [rows_of('ladders')[2]['template']]},
            r"'paraphrases\[0\]' is 'template' again; write another",
        ),
        ({'matched': 'I own books.'}, r"'matched' must have \{x\} exactly onc"),
        ({'matched': ''}, "'matched' is empty; write it"),
    ],
    'contrasts': [
        ({'emotion': None}, "no field 'emotion'; add it"),
        ({'template': 'No blank.'}, r"'template' must have \{x\} exactly once"),
        (
            {'template': 'It is {x}. ' + 'a ' * 18},
            r"'template' has 19 words after \{x\}; write at least 20",
        ),
        ({'low': 'buried'}, "'low' and 'high' are equal; change one"),
        ({'high': 'sadly lost'}, "a text of 'sad' says 'sadly'; rewrite it"),
        ({'low': 5}, "'low' is a number; make it a string"),
        ({'name': 'village_cup'}, 'the name of line 2 again; change'),
    ],
    'bindings': [
        ({'names': ['Maria']}, "'names' has 1; give two"),
        ({'names': ['Maria', 'Maria']}, "'names' has 'Maria' twice; remove"),
        ({'emotions': ['sad', 'calm', 'happy']}, "'emotions' has 3; give two"),
        (
            {'text': 'Maria is {a}. Peter is here. Maria sees Peter.'},
            r"'text' must have \{a\} and \{b\} exactly once and no other",
        ),
        (
            {'text': 'Maria is {a}. Peter is here. Maria and Peter are {b}.'},
            r'the last sentence has a blank; put \{a\} and \{b\} into an earl',
        ),
        (
            {'text': 'Maria is {a}, Peter is {b}. Maria went to Petersburg.'},
            "the name 'Peter' must be in the last sentence, once, and before",
        ),
        (
            {'text': 'Maria is {a}, he is {b}. Maria sees Peter.'},
            "the name 'Peter' must be in the last sentence, once, and before",
        ),
        (
            {'text': 'Maria is {a}, Peter is {b}. Proudly Maria sees Peter.'},
            "a text of 'proud' says 'Proudly'; rewrite it",
        ),
        (rows_of('bindings')[0], 'the text of line 1 again; change'),
    ],
    'turns': [
        ({'emotion': None}, "no field 'emotion'; add it"),
        ({'text': 'It rains.'}, "'text' must be a statement that ends in '.'"),
        ({'text': 'It rains! What do you think?'}, "'text' must be a stat.* '"),
        ({'text': 'Is it. So? What do you think?'}, "'text' must be a stateme"),
        ({'text': 'Rain? Yes. What do you think?'}, "'text' .*; rewrite it"),
        (rows_of('turns')[1], 'nearly the text of line 2 .*; rewrite or'),
    ],
    'post_training': [
        ({'category': None}, "no field 'category'; add it"),
        ({'text': ' '}, "'text' is empty; write it"),
        (rows_of('post_training')[0], 'nearly the text of line 1 .*; rewrite'),
    ],
}


@pytest.mark.parametrize(
    ('name', 'change', 'expected'),
    [(name, *fault) for name, faults in FAULTS.items() for fault in faults],
)
def test_a_broken_line_is_refused_by_number_reason_and_fix(
    name, change, expected, write
):
  rows = rows_of(name)
  row = rows[2] | change
  rows[2] = {name: value for name, value in row.items() if value is not None}
  message = refusal(LOADERS[name], write(rows))
  assert re.match(r'rows\.jsonl:3: ' + expected, message), message


@pytest.mark.parametrize('category', ['neutral', 'confrontation'])
def test_prompts_without_anything_to_hold_them_against_are_refused(
    category, write
):
  rows = [r for r in rows_of('post_training') if r['category'] == category]
  message = refusal(prompt_sets.load_post_training, write(rows))
  assert "all or none of them of the category 'neutral'" in message


@pytest.mark.parametrize('name', LOADERS)
def test_a_line_that_is_no_object_is_refused_by_number(name, write):
  message = refusal(LOADERS[name], write([*rows_of(name)[:1], '[]']))
  assert message.startswith('rows.jsonl:2: not a JSON object')
