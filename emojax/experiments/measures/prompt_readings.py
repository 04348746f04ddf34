"""Prompts -> readings of emotion vectors and of sets of controls beside them.

A set of controls has a direction for each emotion, so that it can stand in for
the vectors in any measurement.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from emojax import statistics
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.data import chats
from emojax.experiments import encode
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib
from emojax.experiments.measures import relabelled
from emojax.models import load

CONTROLS = {'shuffled': 'shuffled labels', 'random': 'random directions'}
KINDS = ('emotions', *CONTROLS)
# Of the readings of `study.embed_read`.
WORDS = 'embedding layer, words of the message'


def user_chats(
    lm: load.LanguageModel, texts: Sequence[str], file: str
) -> list[chats.Chat]:
  """Tokenises messages of a user; an error names the file and the text."""
  return [
      encode.chat(lm, [{'role': 'user', 'content': text}], f'{file}: {text!r}')
      for text in texts
  ]


def messages_of(encoded: Sequence[chats.Chat]) -> list[np.ndarray]:
  """The tokens of a chat's messages: of each [T] bool."""
  return [np.array(chat.message) >= 0 for chat in encoded]


def responses_of(encoded: Sequence[chats.Chat]) -> list[np.ndarray]:
  """The last template token before the reply: of each [T] bool."""
  return [one(len(chat.ids), chat.response) for chat in encoded]


def one(size: int, at: int) -> np.ndarray:
  """[size] bool, True at one place."""
  return np.arange(size) == at


def directions(
    study: study_lib.Study, emotions: Sequence[str], sets: int
) -> np.ndarray:
  """Unit vectors of emotions, then `sets` sets of each kind of control.

  Shuffled labels: vectors made as the emotions' are, of the same stories, whose
  emotions were dealt out anew within each topic.

  Returns:
    [(1 + 2 sets) E, L, D] float32, for `split`.
  """
  own = study.arrays['vectors'][study.index(emotions)]
  shuffled = [
      relabelled.vectors(study, labels)[study.index(emotions)]
      for labels in relabelled.labels(study, sets)
  ]
  drawn = steering.random_directions(
      study.config.seed, sets * len(own), *own.shape[1:]
  )
  every = np.concatenate([own, *shuffled, drawn])
  return vectors_lib.unit(every).astype(np.float32)


def split(readings: np.ndarray, emotions: int) -> dict[str, np.ndarray]:
  """Takes readings of `directions` apart.

  Args:
    readings: [..., (1 + 2K) E].
    emotions: E.

  Returns:
    'emotions': [..., E]; 'shuffled' and 'random': [K, ..., E].
  """
  sets = readings.reshape(*readings.shape[:-1], -1, emotions)
  sets = np.moveaxis(sets, -2, 0)
  own, *controls = np.split(sets, [1, 1 + len(sets) // 2])
  return {'emotions': own[0], **dict(zip(CONTROLS, controls, strict=True))}


def bands(values: Mapping[str, np.ndarray]) -> list[dict]:
  """Controls of a number: the bands of its values, [K] of each kind."""
  return [
      numbers_lib.control(
          f'{name} (central 95 % of {len(values[kind])} sets)',
          statistics.band(values[kind]),
      )
      for kind, name in CONTROLS.items()
  ]
