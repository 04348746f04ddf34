"""Transcripts of a file or of a folder, and where a broken one is."""

import json

import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax.data import transcripts

ROWS = (
    {'text': 'I lost my keys in the snow.', 'implies': 'sad'},
    {
        'id': 7,
        'source': 'anywhere',
        'messages': [
            {'role': 'user', 'content': 'Hm?'},
            {'role': 'assistant', 'content': 'Well.'},
        ],
    },
    {'text': 'All the lamps went out.'},
)


def load(path):
  return transcripts.load_transcripts(files.locate(str(path)))


def texts(found):
  return [one.text.messages for one in found]


@pytest.fixture
def lines(tmp_path):
  path = tmp_path / 'chats.jsonl'
  tiny_model.write_rows(path, list(ROWS))
  return path


def test_lines_are_transcripts_that_know_their_place(lines):
  found = load(lines)
  assert [one.place for one in found] == [f'{lines}:{i}' for i in (1, 2, 3)]
  assert [one.text.implies for one in found] == ['sad', None, None]
  assert found[1].text.id == 7
  assert texts(found)[0] == ({'role': 'user', 'content': ROWS[0]['text']},)
  assert texts(found)[1] == tuple(ROWS[1]['messages'])


def test_without_a_path_the_packaged_chats_are_read():
  found = transcripts.load_transcripts()
  assert len(found) > 5
  assert len(found) == len(tiny_model.packaged('chats'))


def test_a_json_file_holds_one_or_a_list(tmp_path, lines):
  one, many = tmp_path / 'one.json', tmp_path / 'many.json'
  one.write_text(json.dumps(ROWS[1], indent=2))
  many.write_text(json.dumps(ROWS, indent=2))
  assert texts(load(one)) == texts(load(lines))[1:2]
  assert [x.place for x in load(one)] == [str(one)]
  assert texts(load(many)) == texts(load(lines))
  assert load(many)[2].place == f'{many}: [2]'


def test_a_folder_is_its_files_in_the_order_of_names(tmp_path, lines):
  folder = tmp_path / 'folder'
  (folder / 'deep').mkdir(parents=True)
  tiny_model.write_rows(folder / 'a.jsonl', [ROWS[0]])
  (folder / 'b.json').write_text(json.dumps(ROWS[1]))
  (folder / 'deep' / 'c.json').write_text(json.dumps([ROWS[2]]))
  (folder / 'notes.txt').write_text('no transcript')
  found = load(folder)
  assert texts(found) == texts(load(lines))
  assert found[2].place == f'{folder}/deep/c.json: [0]'


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('x.jsonl', '{"text": "a"}\n{"text": }\n', r'x\.jsonl:2: not JSON'),
        ('x.jsonl', '{"text": "a"}\n[1]\n', r'x\.jsonl:2: not a JSON object'),
        ('x.jsonl', '{}\n', r"x\.jsonl:1: neither of 'text'.*; give one"),
        (
            'x.jsonl',
            '{"text": "a", "messages": [{"role": "user", "content": "b"}]}\n',
            r"x\.jsonl:1: both of 'text' and 'messages'; give one",
        ),
        ('x.jsonl', '{"text": 5}\n', r"x\.jsonl:1: 'text' is a number; make"),
        (
            'x.jsonl',
            '{"messages": [{"role": "tool", "content": "b"}]}\n',
            r"x\.jsonl:1: messages\[0\]: the role is 'tool'; make it one of",
        ),
        ('x.jsonl', '\n', r'x\.jsonl: the file has no rows'),
        ('x.json', '{"text": "a"', r'x\.json: not JSON'),
        ('x.json', '"a"', r'x\.json: a string; make it an object'),
        ('x.json', '[{"text": "a"}, 3]', r'x\.json: \[1\]: a number; make it'),
        ('x.json', '[{"text": ""}]', r"x\.json: \[0\]: 'text' is empty; write"),
    ],
)
@pytest.mark.parametrize('in_folder', [False, True])
def test_what_is_malformed_is_named_with_its_place(
    tmp_path, name, text, message, in_folder
):
  (tmp_path / 'in').mkdir()
  path = tmp_path / 'in' / name
  path.write_text(text)
  with pytest.raises(errors.InputError, match=message) as caught:
    load(path.parent if in_folder else path)
  assert str(caught.value).startswith(str(path))
  assert '\n' not in str(caught.value)


def test_what_is_not_there_is_named(tmp_path):
  with pytest.raises(errors.InputError, match='lost.jsonl: No such file'):
    load(tmp_path / 'lost.jsonl')
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'other').mkdir()
  (tmp_path / 'other' / 'notes.txt').write_text('no transcript')
  for name in ('empty', 'other'):
    message = rf'{name}: no file that ends in \.jsonl or \.json; put some there'
    with pytest.raises(errors.InputError, match=message):
      load(tmp_path / name)
