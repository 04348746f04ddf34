"""Questions about activities, and where in their tokens the activities are."""

from collections.abc import Sequence
import dataclasses
from typing import NoReturn

import numpy as np

from emojax import errors
from emojax.data import chats
from emojax.data import tokens

_CHOICE = ('Would you prefer to (A) ', ' or (B) ', '?')
_FEELING = ('How would you feel about ', '?')
# What the reply begins with, and its two ways to go on. The first that the
# tokenizer keeps apart is taken: where '(A' is one token, no model was trained
# to see '(' and then 'A'.
_REPLIES = (('(', 'A', 'B'), ('', '(A', '(B'), ('', 'A', 'B'))


@dataclasses.dataclass(frozen=True)
class Options:
  """How a choice is answered.

  Attributes:
    prefix: what the reply begins with.
    texts: of the two answers.
    ids: the token of each, the one right after the prompt.
  """

  prefix: str
  texts: tuple[str, str]
  ids: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Choice:
  """A question that ends where one of two tokens answers it.

  Attributes:
    ids: T of the prompt.
    places: the positions of the first activity's tokens, and of the second's.
  """

  ids: tuple[int, ...]
  places: tuple[tuple[int, ...], tuple[int, ...]]


def options(tokenizer: tokens.Tokenizer) -> Options:
  """Finds single tokens that answer a choice, in the model's own template.

  Raises:
    InputError: no way of answering leaves the prompt's tokens as they are.
  """
  messages = _message(_CHOICE, ('sing', 'swim'))
  for prefix, *texts in _REPLIES:
    prompt = chats.encode_chat(tokenizer, messages, prefix).ids
    whole = [
        chats.encode_chat(tokenizer, messages, prefix + text).ids
        for text in texts
    ]
    ends = [ids[len(prompt) :] for ids in whole]
    same = all(ids[: len(prompt)] == prompt for ids in whole)
    if same and ends[0] != ends[1] and [len(end) for end in ends] == [1, 1]:
      return Options(prefix, tuple(texts), tuple(end[0] for end in ends))
  raise errors.InputError(
      'The tokenizer has no two tokens that answer (A) or (B) at the beginning'
      ' of a reply and leave the tokens before them as they are; give another'
      ' model, or leave the preferences out of config.questions.'
  )


def encode_choice(
    tokenizer: tokens.Tokenizer, answers: Options, first: str, second: str
) -> Choice:
  """Tokenises the choice between two activities.

  Raises:
    InputError: what `chats.encode_chat` refuses, or the answer is not one token
      here.
  """
  # With the answer: the prompt is what comes before its token, for certain.
  chat = chats.encode_chat(
      tokenizer,
      _message(_CHOICE, (first, second)),
      answers.prefix + answers.texts[0],
  )
  if chat.ids[-1] != answers.ids[0]:
    _refuse(first, 'its answer is not one token')
  masks = _places(chat, _CHOICE, (first, second))
  return Choice(ids=chat.ids[:-1], places=(masks[0], masks[1]))


def encode_feeling(
    tokenizer: tokens.Tokenizer, activity: str
) -> tuple[tuple[int, ...], np.ndarray]:
  """Tokenises how one would feel about an activity.

  Returns:
    T ids, and [T] bool, the tokens of the activity.
  """
  chat = chats.encode_chat(tokenizer, _message(_FEELING, (activity,)))
  (places,) = _places(chat, _FEELING, (activity,))
  pool = np.zeros(len(chat.ids), bool)
  pool[list(places)] = True
  return chat.ids, pool


def _message(frame: Sequence[str], texts: Sequence[str]) -> list[chats.Message]:
  return [{'role': 'user', 'content': _written(frame, texts)}]


def _written(frame: Sequence[str], texts: Sequence[str]) -> str:
  """Puts texts between the parts of a frame."""
  return frame[0] + ''.join(
      text + after for text, after in zip(texts, frame[1:], strict=True)
  )


def _places(
    chat: chats.Chat, frame: Sequence[str], texts: Sequence[str]
) -> list[tuple[int, ...]]:
  """The positions of each text's tokens, by characters.

  A token with a character of the text is the text's: ' walk' is, and so would
  be 'walk?'.
  """
  content, text = _written(frame, texts), ''.join(chat.pieces)
  if text.count(content) != 1:
    _refuse(texts[0], 'the chat template changes it')
  at, out = text.index(content), []
  for before, own in zip(frame, texts):
    first = at + len(before)
    at = first + len(own)
    out.append(_overlapping(chat.pieces, first, at))
  return out


def _overlapping(
    pieces: Sequence[str], first: int, last: int
) -> tuple[int, ...]:
  """The tokens that have one of the characters `first` to `last` - 1."""
  out, start = [], 0
  for i, piece in enumerate(pieces):
    end = start + len(piece)
    # Without a piece it is the rest of a character, the token before's.
    if (first < end and start < last) if piece else out[-1:] == [i - 1]:
      out.append(i)
    start = end
  return tuple(out)


def _refuse(activity: str, reason: str) -> NoReturn:
  raise errors.InputError(
      f'The question about {activity!r:.60}: {reason}; change the activity, or'
      ' give another model.'
  )
