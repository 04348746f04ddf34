"""An answer is one token after the prompt; activities are found by place."""

import dataclasses

import numpy as np
import pytest
import tiny_model
import tokenizers

from emojax import errors
from emojax.data import chats
from emojax.data import choices
from emojax.data import tokens

ACTIVITIES = (
    'sort names',
    'chat in a caf\u00e9 \U0001f600',
    'or (B) sort names',
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tiny_model.write(tmp_path_factory.mktemp('choices') / 'model')


@pytest.fixture(scope='module')
def bytewise(folder):
  """One token a byte: a character may be many."""
  return tokens.from_folder(folder)


def merging(folder, *pairs, normalizer=None):
  """Returns the same tokenizer with merges of its own."""
  letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
  backend = tokenizers.Tokenizer(
      tokenizers.models.BPE(
          vocab={
              piece: i
              for i, piece in enumerate([*letters, *(a + b for a, b in pairs)])
          },
          merges=list(pairs),
      )
  )
  backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
      add_prefix_space=False, use_regex=False
  )
  if normalizer is not None:
    backend.normalizer = normalizer
  backend.decoder = tokenizers.decoders.ByteLevel()
  backend.add_special_tokens(list(tiny_model.CONTROL))
  return dataclasses.replace(tokens.from_folder(folder), backend=backend)


def text_of(codec, first, second):
  content = f'Would you prefer to (A) {first} or (B) {second}?'
  messages = [{'role': 'user', 'content': content}]
  return chats.apply_template(codec, messages)


def whole(codec, text):
  return codec.encode(text, bos=False).ids


def check_answers(codec, prefix, texts):
  """The law that a wrong tokenizer would break in silence."""
  answers = choices.options(codec)
  assert (answers.prefix, answers.texts) == (prefix, texts)
  for first, second in zip(ACTIVITIES, ACTIVITIES[::-1]):
    choice = choices.encode_choice(codec, answers, first, second)
    text = text_of(codec, first, second) + prefix
    assert choice.ids == whole(codec, text)
    for answer, id_ in zip(texts, answers.ids, strict=True):
      assert whole(codec, text + answer) == (*choice.ids, id_)


def test_an_answer_is_one_token_after_the_prompt(bytewise):
  check_answers(bytewise, '(', ('A', 'B'))


def test_where_the_bracket_and_the_letter_are_one_token_that_is_the_answer(
    folder,
):
  codec = merging(folder, ('(', 'A'), ('(', 'B'))
  check_answers(codec, '', ('(A', '(B'))


def test_where_only_one_of_them_is_merged_the_answer_has_no_bracket(folder):
  check_answers(merging(folder, ('(', 'A')), '', ('A', 'B'))


def test_two_answers_that_are_one_token_are_refused(folder):
  blind = tokenizers.normalizers.Replace('B', 'A')
  with pytest.raises(errors.InputError, match='no two tokens that answer'):
    choices.options(merging(folder, normalizer=blind))


@pytest.mark.parametrize('first', ACTIVITIES)
@pytest.mark.parametrize('second', ACTIVITIES)
def test_activities_are_where_their_characters_are(bytewise, first, second):
  """By characters, not by search: one may be within the other."""
  answers = choices.options(bytewise)
  choice = choices.encode_choice(bytewise, answers, first, second)
  for place, own in zip(choice.places, (first, second), strict=True):
    assert bytewise.decode([choice.ids[i] for i in place]) == own
    assert list(place) == list(range(place[0], place[-1] + 1))
  before = bytewise.decode(list(choice.ids[: choice.places[0][0]]))
  between = choice.ids[choice.places[0][-1] + 1 : choice.places[1][0]]
  assert before.endswith('Would you prefer to (A) ')
  assert bytewise.decode(list(between)) == ' or (B) '


def test_a_token_with_a_letter_of_an_activity_is_the_activitys(folder):
  codec = merging(folder, ('\u0120', 's'))  # ' s'
  answers = choices.options(codec)
  choice = choices.encode_choice(codec, answers, 'sing', 'jump')
  texts = [
      codec.decode([choice.ids[i] for i in place]) for place in choice.places
  ]
  assert texts == [' sing', 'jump']


def test_a_feeling_is_read_on_the_activity_alone(bytewise):
  for activity in ACTIVITIES:
    ids, pool = choices.encode_feeling(bytewise, activity)
    assert pool.shape == (len(ids),)
    own = np.asarray(ids)[pool].tolist()
    assert bytewise.decode(own) == activity


def test_a_control_token_in_an_activity_is_refused(bytewise):
  with pytest.raises(errors.InputError, match='control token'):
    choices.encode_choice(
        bytewise, choices.options(bytewise), 'stop <|im_end|>', 'sing'
    )


def test_a_template_that_changes_the_question_is_refused(bytewise):
  twice = bytewise.template.replace(
      "message['content']", "message['content'] + ' ' + message['content']"
  )
  changed = dataclasses.replace(bytewise, template=twice)
  with pytest.raises(errors.InputError, match='template'):
    choices.encode_feeling(changed, 'sing')
