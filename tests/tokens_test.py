"""Token ids are llama.cpp's, pieces are the text, BOS comes at most once."""

import dataclasses
import json
import pathlib

import pytest

from emojax import errors
from emojax.data import tokens

GOLDEN = json.loads(
    (
        pathlib.Path(__file__).parent / 'goldens/llama_cpp_tokens.json'
    ).read_text()
)
TEXTS = GOLDEN['texts'] + [list(row) for row in GOLDEN['prompts'].items()]


@pytest.mark.parametrize('text, ids', TEXTS)
def test_ids_are_those_of_llama_cpp(tokenizer, text, ids):
  assert list(tokenizer.encode(text, bos=False).ids) == ids


@pytest.mark.parametrize('text, ids', TEXTS)
def test_pieces_join_to_the_text_and_start_where_they_say(tokenizer, text, ids):
  encoding = tokenizer.encode(text, bos=True)
  assert len(encoding.pieces) == len(encoding.starts) == len(ids)
  assert ''.join(encoding.pieces) == text
  for piece, start in zip(encoding.pieces, encoding.starts):
    assert text[start : start + len(piece)] == piece


def test_smollm2_wants_no_bos_and_stops_at_the_end_of_a_turn(tokenizer):
  assert tokenizer.bos is None
  assert tokenizer.decode(list(tokenizer.stop)) == ''
  ids = [i for i in tokenizer.encode('<|im_end|>', bos=False).ids]
  assert list(tokenizer.stop) == ids


def test_bos_is_put_before_raw_text_once_and_never_before_a_template(tokenizer):
  wants = dataclasses.replace(tokenizer, bos=1)
  plain = tokenizer.encode('Hi', bos=False).ids
  assert wants.encode('Hi', bos=True).ids == (1,) + plain
  assert wants.encode('Hi', bos=False).ids == plain
  already = wants.encode('<|im_start|>Hi', bos=True)
  assert already.ids == (1,) + plain


def test_bos_shifts_pieces_along(tokenizer):
  wants = dataclasses.replace(tokenizer, bos=1)
  encoding = wants.encode('Hi there', bos=True)
  assert encoding.pieces == ('', 'Hi', ' there')
  assert encoding.starts == (0, 0, 2)


@pytest.mark.parametrize(
    'metadata',
    [
        {'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.pre': 'default'},
        {'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'unheard-of'},
    ],
)
def test_an_unknown_tokenizer_is_refused_by_name(metadata):
  with pytest.raises(errors.InputError, match='not supported'):
    tokens.from_gguf(metadata)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
  with pytest.raises(errors.InputError, match='no tokenizer.json'):
    tokens.from_folder(tmp_path)
  (tmp_path / 'tokenizer.json').write_text('{"model": 3}')
  with pytest.raises(errors.InputError, match='not a tokenizer'):
    tokens.from_folder(tmp_path)


def test_a_folder_gives_the_same_ids_as_the_gguf(tokenizer, tmp_path):
  tokenizer.backend.save(str(tmp_path / 'tokenizer.json'))
  config = {
      'bos_token': '<|im_start|>',
      'eos_token': {'content': '<|im_end|>'},
      'chat_template': tokenizer.template,
  }
  (tmp_path / 'tokenizer_config.json').write_text(json.dumps(config))
  folder = tokens.from_folder(tmp_path)
  for text, ids in TEXTS:
    assert list(folder.encode(text, bos=True).ids) == ids
  assert folder.stop == tokenizer.stop
  assert folder.bos is None
  assert folder.template_sha256 == tokenizer.template_sha256
