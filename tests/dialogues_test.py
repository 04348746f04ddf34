"""A broken copy of the packaged dialogues is refused by line."""

import itertools
import json
import pathlib
import re

import pytest

from emojax import errors
import emojax.data
from emojax.data import dialogues

CORPUS = pathlib.Path(emojax.data.__file__).parent / 'corpus'
LOADERS = {
    'two_speakers': dialogues.load_two_speakers,
    'deflection': dialogues.load_deflections,
    'scenarios': dialogues.load_scenarios,
    'asides': dialogues.load_asides,
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


def refusal(load, path, **kwargs) -> str:
  """Returns the one line that a loader refuses a file with, less its folder."""
  with pytest.raises(errors.InputError) as info:
    load(path, **kwargs)
  message = str(info.value)
  assert '\n' not in message
  assert message.startswith(str(path))
  return message.removeprefix(str(path.parent) + '/')


@pytest.mark.parametrize('name', LOADERS)
def test_a_loader_reads_the_package_by_default_and_the_same_every_time(name):
  load = LOADERS[name]
  assert load() == load(CORPUS / f'{name}.jsonl') == load()


def chat(*contents: str, first: str = 'user') -> dict:
  """Returns messages in turns."""
  roles = ('user', 'assistant') if first == 'user' else ('assistant', 'user')
  turns = zip(itertools.cycle(roles), contents)
  return {'messages': [{'role': r, 'content': c} for r, c in turns]}


def system(*contents: str) -> dict:
  opening = {'role': 'system', 'content': 'Be brief.'}
  return {'messages': [opening, *chat(*contents)['messages']]}


TURNS = [
    (chat(), "'messages' is not a list with something in it; make it"),
    (chat('a', ' '), r"messages\[1\]: 'content' is empty; write it"),
    (
        chat('a', 'b', first='assistant'),
        r"messages\[0\]: the role is 'assistant'; make it 'user'",
    ),
    (
        {'messages': chat('a')['messages'] * 2},
        r"messages\[1\]: the role is 'user'; make it 'assistant'",
    ),
    (system('a', 'b'), r"messages\[0\]: the role is 'system'; make it 'user'"),
    (chat('a', 'b', 'c'), "the user has the last word; add the assistant's"),
]
PLACELESS = chat('Write of a hose.', 'The hose is long.')
# What the third line becomes (a field is left out where the value is None), and
# how the message then goes on.
FAULTS = {
    'two_speakers': [
        ('{"id"', 'not JSON'),
        ({'topic': None}, "no field 'topic'; add it"),
        ({'tpoic': 'a'}, r"unknown field 'tpoic'; did you mean 'topic'\?"),
        ({'topic': ' a'}, "'topic' is ' a'; write it without spaces"),
        ({'id': 1.5}, "'id' is a number; make it a whole number"),
        ({'id': 'afraid_angry'}, 'the id of line 1 again; change'),
        *TURNS,
        (
            {'assistant_emotion': 'afraid'},
            "'user_emotion' and 'assistant_emotion' are both 'afraid'; make",
        ),
        (
            chat('I am unafraid.', 'b'),
            r"messages\[0\]: says 'unafraid', and the 'user_emotion' is"
            " 'afraid'; rewrite it",
        ),
        (
            chat('a', 'Guiltily done.'),
            r"messages\[1\]: says 'Guiltily', and the 'assistant_emotion' is"
            " 'guilty'; rewrite it",
        ),
        (
            {'user_emotion': 'afriad'},
            r"'afriad' \(first on this line\) is the 'user_emotion' of 1"
            r' line\(s\) .* at least 2: write more, correct the spelling',
        ),
        (
            rows_of('two_speakers')[0] | {'id': 'x'},
            r'nearly the text of line 1 \(.*1\.00 .* rewrite or delete',
        ),
    ],
    'deflection': [
        ({'scenario': None}, "no field 'scenario'; add it"),
        ({'scenario': ''}, "'scenario' is empty; write it"),
        ({'id': 'afraid_as_angry'}, 'the id of line 1 again; change'),
        (
            {'speaker': 'system'},
            "'speaker' is 'system'; make it one of user, a",
        ),
        *TURNS,
        (
            {'displayed': 'afraid'},
            "'target' and 'displayed' are both 'afraid'; make them differ",
        ),
        (
            chat('a', 'Are you afraid?'),
            r"messages\[1\]: says 'afraid', and the 'target' is 'afraid'; rew",
        ),
        (
            {'displayed': 'gulity'},
            r"'gulity' \(first on this line\) is the 'target' of 0 line\(s\)",
        ),
        (
            rows_of('deflection')[1] | {'id': 'x'},
            r'nearly the text of line 2 \(',
        ),
    ],
    'scenarios': [
        ({'emotion': None}, "no field 'emotion'; add it"),
        ({'text': 5}, "'text' is a number; make it a string"),
        (
            {'emotion': 'afriad'},
            r"'afriad' \(first on this line\) is the 'emotion' of 1 line\(s\)",
        ),
        (rows_of('scenarios')[0], r'nearly the text of line 1 \('),
    ],
    'asides': [
        (
            {'condition': 'story'},
            "'condition' is 'story'; make it one of story_writing, disc",
        ),
        *TURNS,
        (
            chat('Write of a {emotion} hose.', 'The hose is long.'),
            r"messages\[0\]: has the brace '\{emotion\}'; only the first",
        ),
        (
            chat('Write of a hose.', 'The hose} is long.'),
            r"messages\[1\]: has the brace '\}'; only the first message",
        ),
        (
            PLACELESS | {'condition': 'discussing_others'},
            r'messages\[0\]: must have \{emotion\} exactly once and no other',
        ),
        (
            chat('He was {emotion}, {emotion}.', 'So?')
            | {'condition': 'discussing_others'},
            r'messages\[0\]: must have \{emotion\} exactly once and no other',
        ),
        (
            chat('He was {emotion}.', '{emotion}?')
            | {'condition': 'discussing_others'},
            r"messages\[1\]: has the brace '\{emotion\}'; only the first",
        ),
        (rows_of('asides')[1], r'nearly the text of line 2 \('),
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
  if isinstance(change, dict):
    row = rows[2] | change
    change = {name: value for name, value in row.items() if value is not None}
  rows[2] = change
  message = refusal(LOADERS[name], write(rows))
  assert re.match(r'rows\.jsonl:3: ' + expected, message), message


def test_provenance_fields_are_allowed_and_left_out(write):
  for name, load in LOADERS.items():
    rows = rows_of(name)
    rows[0] |= {'source': 'a', 'model': 'b', 'prompt_id': 1, 'seed': 2}
    rows[1] |= {'split': 'train', 'index': 3}
    assert load(write(rows)) == load()


def test_chosen_emotions_keep_exactly_the_dialogues_of_two_of_them():
  chosen = {'sad', 'calm', 'angry'}
  kept = dialogues.load_two_speakers(emotions=chosen)
  pairs = [(d.user_emotion, d.assistant_emotion) for d in kept]
  assert sorted(pairs) == sorted(itertools.permutations(sorted(chosen), 2))
  chosen = {'sad', 'happy', 'angry'}
  kept = dialogues.load_deflections(emotions=chosen)
  assert {d.target for d in kept} == {d.displayed for d in kept} == chosen
  kept = dialogues.load_scenarios(emotions=chosen)
  assert {scenario.emotion for scenario in kept} == chosen
  assert len(kept) == 24


@pytest.mark.parametrize('name', ['two_speakers', 'deflection', 'scenarios'])
def test_emotions_that_cannot_be_compared_are_refused(name):
  load, path = LOADERS[name], CORPUS / f'{name}.jsonl'
  message = refusal(load, path, emotions=('sad', 'smug'))
  assert "'smug' has no line; choose among afraid, angry, " in message
  message = refusal(load, path, emotions=['sad'])
  assert "1 emotion(s): 'sad'; have at least 2." in message
  if name != 'scenarios':  # Each of two emotions meets the other only once.
    message = refusal(load, path, emotions=('sad', 'happy'))
    assert re.match(rf'{name}\.jsonl:\d+: .* 1 line\(s\) among', message)


def test_an_emotion_that_one_role_lacks_is_refused(write):
  rows = [r for r in rows_of('two_speakers') if r['user_emotion'] != 'sad']
  message = refusal(dialogues.load_two_speakers, write(rows))
  assert message.startswith(
      "rows.jsonl:7: 'sad' (first on this line) is the 'user_emotion' of 0"
  )
