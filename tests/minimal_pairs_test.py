"""Pairs whose tokens are cut otherwise behind the word that differs."""

import types

import numpy as np
import tokenizers

from emojax.data import prompt_sets
from emojax.data import tokens
from emojax.experiments.measures import minimal_pairs

WORDS = ('took', 'mg', 'and', 'sleep', 'well', 'now', '?', 'Q', 'A', ':')


def language_model():
  """Digits are cut in threes from the left: '8|000', '180|00'."""
  numbers = ('1', '8', '0', '00', '000', '100', '180', '800')
  names = [f' {word}' for word in (*WORDS, *numbers)]
  names += ['<unk>', *WORDS, *numbers]
  backend = tokenizers.Tokenizer(
      tokenizers.models.WordLevel(
          {name: i for i, name in enumerate(names)}, unk_token='<unk>'
      )
  )
  backend.pre_tokenizer = tokenizers.pre_tokenizers.Split(
      tokenizers.Regex(r'\s?\d{1,3}|\s?[A-Za-z]+|\s?[^\w\s]'),
      behavior='isolated',
  )
  tokenizer = tokens.Tokenizer(
      backend=backend,
      bos=None,
      stop=(),
      template='Q: {{ messages[0].content }} A:',
      special={},
  )
  return types.SimpleNamespace(
      tokenizer=tokenizer, config=types.SimpleNamespace(context=100)
  )


def pair(low, high):
  contrast = prompt_sets.Contrast(
      name='dose',
      emotion='afraid',
      template='took {x}000 mg and sleep well now?',
      low=low,
      high=high,
  )
  return minimal_pairs.encode(language_model(), contrast, 'pairs.jsonl', 2)


def read(found, place):
  return [
      [p.strip() for p, inside in zip(chat.pieces, pools[place]) if inside]
      for chat, pools in zip(found.encoded, found.pools, strict=True)
  ]


def test_a_token_of_the_word_and_what_follows_is_the_words():
  found = pair('1', '8')
  assert read(found, 'word') == [['800'], ['100']]
  shared = ['0', 'mg', 'and', 'sleep', 'well', 'now', '?']
  assert read(found, 'suffix') == [shared, shared]


def test_tokens_that_are_cut_otherwise_are_not_compared():
  found = pair('1', '18')
  assert read(found, 'word') == [['180'], ['100']]
  # '180|00 mg' and '100|0 mg': the zeros stand for other tokens.
  shared = ['mg', 'and', 'sleep', 'well', 'now', '?']
  assert read(found, 'suffix') == [shared, shared]
  assert read(found, '1') == [shared[:3]] * 2
  assert read(found, '2') == [shared[3:]] * 2


def test_shared_tokens_have_one_distance_from_the_end():
  for found in (pair('1', '8'), pair('1', '18')):
    ends = [
        (len(chat.ids) - np.flatnonzero(pools['suffix'])).tolist()
        for chat, pools in zip(found.encoded, found.pools, strict=True)
    ]
    assert ends[0] == ends[1]
