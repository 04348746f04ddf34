"""Bad stories, texts and vectors: one line, exit code 2, nothing written."""

import pathlib

import command_line
import numpy as np
import pytest
import tiny_model

E, L, D = len(tiny_model.EMOTIONS), tiny_model.LAYERS, tiny_model.WIDTH


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
  return command_line.Command(tmp_path, monkeypatch, capsys)


def test_a_malformed_story_is_named_by_line(command):
  path = pathlib.Path(command.quickstart_fields['stories'])
  lines = path.read_text().splitlines()
  lines[3] = lines[3][:40]
  path.write_text('\n'.join(lines))
  assert 'stories.jsonl:4: not JSON' in command.quickstart()


def test_an_emotion_without_a_story_on_a_topic_is_refused(command):
  path = pathlib.Path(command.quickstart_fields['stories'])
  path.write_text('\n'.join(path.read_text().splitlines()[:-1]))
  line = command.quickstart()
  assert repr(tiny_model.EMOTIONS[-1]) in line and 'no story on' in line
  assert repr(tiny_model.TOPICS[-1]) in line and 'write what lacks' in line


@pytest.mark.parametrize(
    ('text', 'parts'),
    [
        ('', ("'text' is empty", 'write it')),
        ('word ' * 500, ('2500 tokens', '2048', 'shorten or split')),
        ('One <|im_end|> two.', ("'<|im_end|>'", 'take it out')),
        ('So happy. ' * 5, ("says 'happy'", 'own word')),
    ],
    ids=['empty', 'long', 'control', 'own word'],
)
def test_a_story_that_cannot_be_used_is_refused(command, text, parts):
  command.change_row('stories', 1, text=text)
  line = command.quickstart()
  for part in ('stories.jsonl', *parts):
    assert part in line


@pytest.mark.parametrize('name', ['neutral', 'chats'])
@pytest.mark.parametrize(
    ('content', 'part'),
    [
        ('', "'content' is empty"),
        ('word ' * 500, 'more than the context'),
        ('One <|im_end|> two.', 'take it out'),
    ],
    ids=['empty', 'long', 'control'],
)
def test_a_message_that_cannot_be_used_is_refused(command, name, content, part):
  messages = [{'role': 'user', 'content': content}]
  command.change_row(name, 2, messages=messages)
  line = command.quickstart()
  assert f'{name}.jsonl' in line and '2: ' in line and part in line


@pytest.mark.parametrize(
    ('rows', 'parts'),
    [
        ([{'text': 'Hm.'}, {'text': ' '}], ("texts.jsonl:2: 'text' is empty",)),
        (
            [{'text': 'Hm.'}, {'text': 'x' * 2048}],
            ('texts.jsonl:2: 2067 tokens', '2048', 'shorten or split'),
        ),
        ([{'text': '<|im_end|>'}], ('texts.jsonl:1:', 'take it out')),
        (['{"text": "Hm."}', '{"text":'], ('texts.jsonl:2: not JSON',)),
        ([{'text': 'Hm.', 'messages': []}], ('texts.jsonl:1: both',)),
        ([{'title': 'Hm.'}], ('texts.jsonl:1: neither', 'give one')),
        ([], ('texts.jsonl: the file has no rows',)),
    ],
    ids=['empty', 'long', 'control', 'cut', 'both', 'neither', 'none'],
)
def test_a_text_that_cannot_be_read_is_named_by_line(command, rows, parts):
  line = command.read(rows=rows)
  for part in parts:
    assert part in line


@pytest.mark.parametrize(
    ('fields', 'parts'),
    [
        ({'layer': L}, (f'Layer {L} is out of range', f'0 to {L - 1}')),
        ({'layer': -1}, ('Layer -1 is out of range', f'0 to {L - 1}')),
        ({'batch': 0}, ('config.batch=0', '1 or more')),
        ({'texts': ''}, ('Give --config.texts=FILE',)),
        ({'vectors': ''}, ('Give --config.vectors=FILE',)),
        ({'texts': 'lost.jsonl'}, ('lost.jsonl: No such file',)),
        ({'vectors': 'lost.safetensors'}, ('lost.safetensors: no such file',)),
    ],
    ids=str,
)
def test_a_reading_that_cannot_be_done_is_refused(command, fields, parts):
  line = command.read(**fields)
  for part in parts:
    assert part in line


def test_vectors_of_another_model_are_refused(command):
  other = tiny_model.write(command.folder / 'other', seed=1)
  line = command.read(model=other)
  assert f'made for {command.model} (weights' in line
  assert f'not for {other} (weights' in line


def test_a_model_that_has_moved_is_asked_for(command):
  command.write_vectors(metadata={'model': 'gone/model'})
  line = command.read()
  assert 'gone/model: no such file' in line and '--config.model=URI' in line


@pytest.mark.parametrize('size', [0, 100, 2000])
def test_damaged_vectors_are_refused(command, size):
  command.write_vectors()
  path = command.folder / 'vectors.safetensors'
  path.write_bytes(path.read_bytes()[:size])
  assert 'vectors.safetensors: not a whole' in command.read()


def test_a_file_of_another_program_is_refused(command):
  line = command.read(vectors=command.model / 'model.safetensors')
  assert 'not written by emojax' in line


@pytest.mark.parametrize(
    ('arrays', 'metadata'),
    [
        ({}, {'schema': 1}),
        ({}, {'layer': L}),
        ({}, {'emotions': ['happy']}),
        ({}, {'model': None}),
        ({'vectors': np.ones((E, L + 1, D))}, {}),
        ({'neutral_cosine_std': np.ones(L)}, {}),
        ({'vectors': np.full((E, L, D), np.nan)}, {}),
        ({'shuffled': np.ones((2, L))}, {}),
    ],
    ids=['schema', 'layer', 'emotions', 'model', 'layers', 'baseline', 'nan']
    + ['shuffled'],
)
def test_vectors_that_do_not_fit_together_are_refused(
    command, arrays, metadata
):
  command.write_vectors(arrays, metadata)
  line = command.read()
  assert 'not vectors of schema 2; build them with this version' in line
