"""The packaged corpus keeps every rule, and a broken copy is refused."""

import collections
import hashlib
import json
import pathlib
import re

import pytest

from emojax import errors
import emojax.data
from emojax.data import stories

CORPUS = pathlib.Path(emojax.data.__file__).parent / 'corpus'
LOADERS = {
    'stories': stories.load_stories,
    'neutral': stories.load_dialogues,
    'activities': stories.load_activities,
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


def test_packaged_stories_are_crossed_and_keep_every_rule():
  corpus = stories.load_stories()
  assert len(corpus.emotions) == 24
  assert len(corpus.topics) == 12
  cells = collections.Counter((s.emotion, s.topic) for s in corpus.stories)
  assert set(cells) == {(e, t) for e in corpus.emotions for t in corpus.topics}
  assert set(cells.values()) == {1}


def test_packaged_dialogues_and_activities_keep_every_rule():
  assert len(stories.load_dialogues()) == 96
  categories = collections.Counter(
      activity.category for activity in stories.load_activities()
  )
  assert len(categories) == 8
  assert set(categories.values()) == {8}


@pytest.mark.parametrize('name', LOADERS)
def test_a_loader_reads_the_package_by_default_and_the_same_every_time(name):
  load = LOADERS[name]
  assert load() == load(CORPUS / f'{name}.jsonl') == load()


def test_hash_is_of_the_bytes_and_not_of_the_stories(write):
  rows = rows_of('stories')
  path = write(rows)
  first = stories.load_stories(path)
  assert first.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
  second = stories.load_stories(write([*rows, '']))
  assert second.stories == first.stories
  assert second.sha256 != first.sha256


def test_names_are_in_order_of_first_appearance(write):
  rows = rows_of('stories')[::-1]
  corpus = stories.load_stories(write(rows))
  assert corpus.emotions == stories.load_stories().emotions[::-1]
  assert corpus.topics == stories.load_stories().topics[::-1]
  kept = stories.load_stories(emotions=('sad', 'calm', 'happy'))
  assert kept.emotions == ('happy', 'calm', 'sad')


def test_chosen_emotions_keep_exactly_their_stories():
  corpus = stories.load_stories()
  kept = stories.load_stories(emotions=['bored', 'happy'])
  assert kept.stories == tuple(
      s for s in corpus.stories if s.emotion in ('happy', 'bored')
  )
  assert kept.sha256 == corpus.sha256


def test_an_emotion_without_a_story_is_named_beside_those_there_are():
  path = CORPUS / 'stories.jsonl'
  message = refusal(stories.load_stories, path, emotions=('happy', 'smug'))
  assert "'smug' has no story" in message
  assert 'happy, excited, proud' in message


def test_provenance_fields_are_allowed_and_left_out(write):
  rows = rows_of('stories')
  rows[0] |= {'source': 'a', 'model': 'b', 'prompt_id': 1, 'seed': 2}
  rows[1] |= {'split': 'train', 'index': 3}
  loaded = stories.load_stories(write(rows))
  assert loaded.stories == stories.load_stories().stories


def chat(*turns: tuple[str, str]) -> dict:
  return {'messages': [{'role': r, 'content': c} for r, c in turns]}


# What the third line becomes (a field is left out where the value is None), and
# how the message then goes on.
FAULTS = {
    'stories': [
        ('{"emotion"', 'not JSON'),
        ('[]', 'not a JSON object'),
        ({'topic': None}, "no field 'topic'; add it"),
        ({'txet': 'a'}, r"unknown field 'txet'; did you mean 'text'\?"),
        ({'zzz': 1}, "unknown field 'zzz'; remove it"),
        ({'text': 5}, "'text' is a number; make it a string"),
        ({'text': ' \n'}, "'text' is empty; write it"),
        ({'text': 'a\0b'}, r"'text' .* U\+0000 as its character 2; remove"),
        ({'text': 'a \ud800'}, r"'text' .* U\+D800 .*; remove"),
        ({'emotion': 'happy '}, "'emotion' is 'happy '; write it without"),
        ({'emotion': 'hap\npy'}, r"'emotion' is 'hap\\npy'; write it without"),
        ({'text': 'Happily so.'}, "a story of 'happy' says 'Happily'; tell it"),
        (
            {'topic': 'an exam hal'},
            "the topic 'an exam hal' has no story of 'excited', .* and 18 more;"
            ' .* correct the spelling',
        ),
        (
            {'emotion': 'hapy'},
            r"the emotion 'hapy' \(first on this line\) has no story on"
            " 'a train platform', .* and 6 more; .* correct the spelling",
        ),
    ],
    'neutral': [
        (chat(('system', 'a')), 'only a system message; add a user message'),
        (
            chat(('user', 'a'), ('user', 'b')),
            r"messages\[1\]: the role is 'user'; make it 'assistant'",
        ),
        (
            chat(('system', 'a'), ('assistant', 'b')),
            r"messages\[1\]: the role is 'assistant'; make it 'user'",
        ),
        (
            chat(('tool', 'a')),
            r"messages\[0\]: the role is 'tool'; make it one",
        ),
        (chat(('user', '')), r"messages\[0\]: 'content' is empty; write it"),
        (chat(), "'messages' is not a list with something in it; make it"),
        ({'messages': [1]}, r'messages\[0\]: is a number; make it'),
        (
            {'messages': [{'role': 'user'}]},
            r"messages\[0\]: no field 'content'",
        ),
        (
            {'id': True},
            "'id' is true or false; make it a whole number or a str",
        ),
        ({'id': 1}, 'the id of line 1 again; change'),
        (
            rows_of('neutral')[0] | {'id': 'x'},
            'the dialogue of line 1 again; ch',
        ),
    ],
    'activities': [
        ({'category': ''}, "'category' is empty; write it"),
        (
            {'text': rows_of('activities')[0]['text']},
            'the text of line 1 again',
        ),
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


def test_a_missing_story_is_named_by_emotion_and_topic(write):
  rows = rows_of('stories')
  lost = rows.pop(30)
  message = refusal(stories.load_stories, write(rows))
  first = next(i for i, r in enumerate(rows) if r['emotion'] == lost['emotion'])
  assert message.startswith(f'rows.jsonl:{first + 1}: ')
  assert f'{lost["emotion"]!r} (first on this line) has no story on' in message
  assert f' {lost["topic"]!r}; ' in message
  others = {r['emotion'] for r in rows} - {lost['emotion']}
  assert len(stories.load_stories(write(rows), emotions=others).emotions) == 23


def test_a_copied_story_is_refused_by_both_lines(write):
  rows = rows_of('stories')
  words = rows[3]['text'].split()
  words[10] = 'another'  # Takes 5 of the 5-grams.
  rows[200]['text'] = ' '.join(words).upper()
  message = refusal(stories.load_stories, write(rows))
  assert re.match(
      r'rows\.jsonl:201: nearly the text of line 4 \(.*0\.9\d', message
  )


def test_a_system_message_may_open_a_dialogue(write):
  rows = rows_of('neutral')
  rows[1]['messages'].insert(0, {'role': 'system', 'content': 'Be brief.'})
  assert stories.load_dialogues(write(rows))[1].messages[0]['role'] == 'system'


def test_texts_keep_their_line_id_and_title(write):
  path = write(
      [
          {'text': 'One.', 'id': 7, 'title': 'First', 'rating': 3},
          '',
          {'messages': [{'role': 'user', 'content': 'Two.'}], 'id': None},
      ]
  )
  one, two = stories.load_texts(path)
  assert (one.line, one.id, one.title) == (1, 7, 'First')
  assert one.messages == ({'role': 'user', 'content': 'One.'},)
  assert (two.line, two.id, two.title) == (3, None, None)
  assert two.messages == ({'role': 'user', 'content': 'Two.'},)


@pytest.mark.parametrize(
    ('row', 'expected'),
    [
        ({'text': ''}, "'text' is empty; write it"),
        ({'title': 'a'}, "neither of 'text' and 'messages'; give one"),
        (
            {'text': 'a'} | chat(('user', 'b')),
            "both of 'text' and 'messages'; g",
        ),
        (
            chat(('user', 'b'), ('user', ' ')),
            r"messages\[1\]: 'content' is empty",
        ),
        ({'text': 'a', 'id': 1.5}, "'id' is a number; make it a whole number"),
    ],
)
def test_a_broken_text_is_refused_by_line_reason_and_fix(row, expected, write):
  message = refusal(stories.load_texts, write([{'text': 'Fine.'}, row]))
  assert re.match(r'rows\.jsonl:2: ' + expected, message), message


def test_an_empty_or_absent_file_is_refused(tmp_path, write):
  assert 'has no rows; write' in refusal(stories.load_texts, write(['']))
  absent = tmp_path / 'absent.jsonl'
  assert 'No such file' in refusal(stories.load_texts, absent)
