"""Parts of a message and their tokens, whatever a template writes around."""

import dataclasses

import numpy as np
import pytest
import tokenizers

from emojax import errors
from emojax.data import chats
from emojax.data import places
from emojax.data import tokens

CONTENT = 'We lost the key, \N{MELTING FACE} and\n\nthen the caf\u00e9.'
BOS = '<|endoftext|>'


def encode(tokenizer, content=CONTENT, **changes):
  tokenizer = dataclasses.replace(tokenizer, **changes)
  return chats.encode_chat(tokenizer, [{'role': 'user', 'content': content}])


def read(chat, content, part, message=0):
  start = content.index(part)
  found = places.tokens_of(chat, message, content, start, start + len(part))
  return ''.join(p for p, inside in zip(chat.pieces, found) if inside)


@pytest.fixture(scope='module')
def merging():
  """A tokenizer of words with the white space before them: '\\n\\nWe'."""
  words = tokenizers.Tokenizer(
      tokenizers.models.WordLevel({'<unk>': 0}, unk_token='<unk>')
  )
  words.pre_tokenizer = tokenizers.pre_tokenizers.Split(
      tokenizers.Regex(r'\s*\S+'), behavior='isolated'
  )
  return tokens.Tokenizer(
      backend=words,
      bos=None,
      stop=(),
      template='{% for m in messages %}Q:\n\n{{ m.content }}! {% endfor %}A:',
      special={},
  )


@pytest.mark.parametrize(
    'part', ['We', 'lost', 'key', 'lost the key', '\N{MELTING FACE}', 'then']
)
def test_a_part_has_the_tokens_of_its_words_and_no_others(tokenizer, part):
  # The default system message of the template comes before the user's.
  chat = encode(tokenizer)
  assert 'SmolLM' in ''.join(chat.pieces)
  assert read(chat, CONTENT, part).strip() == part


@pytest.mark.parametrize('prefix', ['', BOS, BOS + 'Be brief. We lost it. '])
def test_parts_do_not_move_with_what_the_template_writes_before(
    tokenizer, prefix
):
  template = prefix + '[{{ messages[0].content }}]\nReply:'
  special = {'bos_token': BOS}
  chat = encode(tokenizer, template=template, special=special)
  assert read(chat, CONTENT, 'lost the').strip() == 'lost the'
  start = CONTENT.index('lost')
  found = places.tokens_of(chat, 0, CONTENT, start, start + 4)
  first = np.flatnonzero(found)[0]
  assert ''.join(chat.pieces[:first]) == f'{prefix}[We'


def test_the_parts_of_a_message_share_its_tokens_out(tokenizer):
  chat = encode(tokenizer)
  cuts = [0, 3, 4, 11, 18, 19, 25, len(CONTENT)]
  parts = [
      places.tokens_of(chat, 0, CONTENT, a, b) for a, b in zip(cuts, cuts[1:])
  ]
  assert np.sum(parts, axis=0).tolist() == [m == 0 for m in chat.message]


def test_every_token_of_a_character_goes_with_it(tokenizer):
  face = '\N{MELTING FACE}'
  chat, size = encode(tokenizer), len(tokenizer.encode(face, bos=False).ids)
  assert size > 1
  at = CONTENT.index(face)
  found = np.flatnonzero(places.tokens_of(chat, 0, CONTENT, at, at + 1))
  assert chat.pieces[found[0]].strip() == face
  assert [chat.pieces[i] for i in found[1:]] == [''] * (len(found) - 1)
  assert len(found) >= size
  assert places.token_at(chat, 0, CONTENT, at) == found[-1]


def test_a_straddling_token_is_where_its_first_character_is(merging):
  # Pieces: 'Q:', '\n\nWe', ' lost', ' the', ' key!', ' A:'.
  content = 'We lost the key'
  chat = encode(merging, content)
  assert chat.pieces == ('Q:', '\n\nWe', ' lost', ' the', ' key!', ' A:')
  assert read(chat, content, 'We') == '\n\nWe'
  assert read(chat, content, 'key') == ' key!'
  assert read(chat, content, 'We lo') == '\n\nWe lost'
  assert read(chat, content, 'st the') == ' the'
  assert read(chat, content, 'ey') == ''
  assert places.token_at(chat, 0, content, content.index('ey')) == 4


def test_a_character_is_in_the_token_that_holds_it(tokenizer):
  chat = encode(tokenizer)
  dot = places.token_at(chat, 0, CONTENT, CONTENT.rindex('.'))
  assert chat.pieces[dot] == '.' and chat.pieces[dot + 1] == '<|im_end|>'
  comma = places.token_at(chat, 0, CONTENT, CONTENT.index(','))
  assert chat.pieces[comma] == ','


def test_parts_count_from_the_message_before_it_was_stripped(tokenizer):
  content = ' \n We lost the key. \n'
  template = '<<{{ messages[0].content | trim }}>>\nReply:'
  chat = encode(tokenizer, content, template=template)
  assert read(chat, content, 'We').strip() == 'We'
  assert read(chat, content, 'key').strip() == 'key'


def test_a_part_is_of_its_own_message(tokenizer):
  first, second = 'It is late.', 'Yes, it is late.'
  chat = chats.encode_chat(
      tokenizer,
      [
          {'role': 'user', 'content': first},
          {'role': 'assistant', 'content': second},
      ],
  )
  for message, content in enumerate((first, second)):
    start = content.index('late')
    found = places.tokens_of(chat, message, content, start, start + 4)
    (at,) = np.flatnonzero(found)
    assert chat.pieces[at] == ' late' and chat.message[at] == message


@pytest.mark.parametrize('message, content', [(0, 'Other'), (1, CONTENT)])
def test_a_message_that_is_not_there_is_refused(tokenizer, message, content):
  with pytest.raises(errors.InputError, match='give the message that'):
    places.tokens_of(encode(tokenizer), message, content, 0, 1)


@pytest.mark.parametrize('at', [-1, len(CONTENT)])
def test_a_character_that_is_not_there_is_refused(tokenizer, at):
  with pytest.raises(errors.InputError, match='no token with its character'):
    places.token_at(encode(tokenizer), 0, CONTENT, at)
