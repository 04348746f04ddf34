"""The model's own ratings of emotions' words: valence and arousal, 1 to 7.

What it says, not what it represents. Each is asked for twice, with the scale
turned round in the second: a liking for some digit would else pass for a
rating.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from emojax import errors
from emojax.data import chats
from emojax.experiments import encode
from emojax.experiments import next_words
from emojax.models import load
from emojax.models import prompts as prompts_lib

_DIGITS = tuple('1234567')
# Each scale upwards, and downwards.
PROMPTS = {
    'valence': (
        'How pleasant or unpleasant is it to feel “{word}”? Answer with one'
        ' digit from 1 to 7, where 1 is very unpleasant and 7 is very'
        ' pleasant.',
        'On a scale on which 1 stands for the most pleasant and 7 for the most'
        ' unpleasant feelings, where is “{word}”? Reply with a single digit.',
    ),
    'arousal': (
        'How much bodily energy is there in feeling “{word}”? Answer with one'
        ' digit from 1 to 7, where 1 is very quiet and drowsy and 7 is very'
        ' stirred up and excited.',
        'On a scale on which 1 stands for the most agitated and 7 for the most'
        ' placid feelings, where is “{word}”? Reply with a single digit.',
    ),
}


@dataclasses.dataclass(frozen=True)
class Asked:
  """The tokenised questions.

  Attributes:
    requests: of each word every prompt, in the order of PROMPTS.
    digits: ids of each, as a reply begins with it.
  """

  requests: list[prompts_lib.Request]
  digits: list[tuple[int, ...]]


def prepare(lm: load.LanguageModel, words: Sequence[str]) -> Asked:
  """Tokenises the questions about words.

  Raises:
    InputError: the model has no chat template, or its replies cannot begin with
      a digit of their own tokens.
  """
  requests = []
  for word in words:
    for text in (text for pair in PROMPTS.values() for text in pair):
      messages = [{'role': 'user', 'content': text.format(word=word)}]
      chat = encode.chat(lm, messages, f'own rating of {word!r}')
      requests.append(prompts_lib.Request(chat.ids, np.zeros(2, np.uint32)))
  digits = []
  for digit in _DIGITS:
    whole = chats.encode_chat(lm.tokenizer, messages, digit).ids
    size = len(chat.ids)
    if whole[:size] != chat.ids or len(whole) == size:
      raise errors.InputError(
          f'{lm.uri}: its tokenizer joins a digit to what comes before a reply;'
          ' give --config.affect.own_ratings=False.'
      )
    digits.append(whole[size:])
  return Asked(requests, digits)


def run(lm: load.LanguageModel, asked: Asked, size: int) -> dict[str, Any]:
  """Reads expected ratings off the probabilities of the digits.

  Args:
    lm: the model.
    asked: of `prepare`, about E words.
    size: rows a batch.

  Returns:
    By scale, `values` [E], the mean of both prompts, and `upwards` and
    `downwards` [E], of each, the latter turned; 1 to 7. And `mass`, the mean
    probability of a digit from 1 to 7: the less, the less they are ratings.
  """
  log_p = next_words.log_probs(lm, None, asked.requests, asked.digits, size)
  p = np.exp(log_p).reshape(-1, len(PROMPTS), 2, len(_DIGITS))
  ratings = expected(p)
  out: dict[str, Any] = {'mass': float(p.sum(axis=-1).mean())}
  for i, scale in enumerate(PROMPTS):
    upwards, downwards = ratings[:, i, 0], len(_DIGITS) + 1 - ratings[:, i, 1]
    out[scale] = {
        'values': (upwards + downwards) / 2,
        'upwards': upwards,
        'downwards': downwards,
    }
  return out


def expected(p: np.ndarray) -> np.ndarray:
  """The mean of 1 to 7 under probabilities [..., 7], made to sum to 1."""
  return p @ np.arange(1.0, len(_DIGITS) + 1) / p.sum(axis=-1)
