"""Dialogues, some after a scenario, and who says which token."""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from emojax import errors
from emojax.data import chats
from emojax.data import tokens as tokens_lib
from emojax.experiments import encode
from emojax.models import load

_PREAMBLE = 'Scenario: '
_ASIDE = {'role': 'system', 'content': 'Scenario: it rains.'}
_TURNS = [
    {'role': 'user', 'content': 'Is it wet?'},
    {'role': 'assistant', 'content': 'It is.'},
    {'role': 'user', 'content': 'I see.'},
    {'role': 'assistant', 'content': 'Good.'},
]


@dataclasses.dataclass(frozen=True)
class Scene:
  """A tokenised dialogue.

  Attributes:
    ids: T token ids.
    user: [T] bool, tokens of what the user says; none of the scenario's.
    assistant: [T] bool, tokens of what the assistant says.
  """

  ids: tuple[int, ...]
  user: np.ndarray
  assistant: np.ndarray

  def said_by(self, speaker: str) -> np.ndarray:
    return self.user if speaker == 'user' else self.assistant

  @property
  def said(self) -> np.ndarray:
    """[T] bool: by either."""
    return self.user | self.assistant


def takes_system(tokenizer: tokens_lib.Tokenizer) -> bool:
  """Whether the model's template puts a system message before all others.

  Some refuse one, and some write it before the last message.
  """
  try:
    chat = chats.encode_chat(tokenizer, [_ASIDE, *_TURNS])
  except errors.InputError:
    return False
  return 0 in chat.message and chat.message.index(0) < chat.message.index(1)


def scene(
    lm: load.LanguageModel,
    messages: Sequence[chats.Message],
    place: str,
    scenario: str = '',
    system: bool = True,
) -> Scene:
  """Tokenises a dialogue after a scenario.

  Args:
    lm: the model.
    messages: the user's first.
    place: begins an error's message.
    scenario: '' for none.
    system: whether it is a system message; else it begins the user's first.

  Raises:
    InputError: as of `encode.chat`.
  """
  scenario = scenario and f'{_PREAMBLE}{scenario}'
  first, *rest = messages
  if scenario and system:
    messages = [{'role': 'system', 'content': scenario}, *messages]
  elif scenario:
    content = f'{scenario}\n\n{first["content"]}'
    messages = [first | {'content': content}, *rest]
  chat = encode.chat(lm, messages, place)
  roles = np.array(chat.roles)
  user = roles == 'user'
  if scenario and not system:
    # What is left of the message from each token on, in characters.
    mine = np.flatnonzero(np.array(chat.message) == 0)
    sizes = np.array([len(chat.pieces[i]) for i in mine])
    rest = np.cumsum(sizes[::-1])[::-1]
    user[mine[rest > len(first['content'])]] = False
  return Scene(chat.ids, user, roles == 'assistant')


def labelled(
    rows: Sequence[Any], fields: Sequence[str], emotions: Sequence[str]
) -> tuple[list[Any], list[str], np.ndarray]:
  """Keeps rows whose emotions all have vectors, and are there often enough.

  An emotion that is in some field less than twice is left out, and with it its
  rows, until none is.

  Args:
    rows: with the emotions in `fields`.
    fields: K names.
    emotions: that have vectors.

  Returns:
    N rows, the E emotions that they have, and their labels, [K, N].
  """
  names = list(emotions)
  while True:
    kept = [r for r in rows if all(getattr(r, f) in names for f in fields)]
    found = [[getattr(r, f) for r in kept] for f in fields]
    often = [e for e in names if all(x.count(e) > 1 for x in found)]
    if often == names:
      break
    names = often
  index = {name: i for i, name in enumerate(names)}
  return kept, names, np.array([[index[e] for e in x] for x in found], int)
