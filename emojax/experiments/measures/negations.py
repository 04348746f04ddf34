"""Sentences that affirm or deny an emotion: what is read of it, and where."""

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np

from emojax import swaps
from emojax.data import chats
from emojax.data import places
from emojax.experiments.measures import prompt_readings
from emojax.models import load

FORMS = ('affirmed', 'negated')
# In words, for labels.
PLACES = {
    'word': 'the emotion’s word',
    'end': 'the end of the user’s turn',
    'response': 'the last token before the reply',
}


@dataclasses.dataclass(frozen=True)
class Sentences:
  """Sentences about emotions, tokenised.

  Attributes:
    encoded: [2 E], affirmed ones of all emotions and then negated ones.
    pools: by place, of each [T] bool.
  """

  encoded: list[chats.Chat]
  pools: dict[str, list[np.ndarray]]


def encode(
    lm: load.LanguageModel, templates: Sequence[str], emotions: Sequence[str]
) -> Sentences:
  """Puts emotions into both templates."""
  texts = [t.replace('{x}', e) for t in templates for e in emotions]
  starts = [t.index('{x}') for t in templates for _ in emotions]
  encoded = prompt_readings.user_chats(lm, texts, 'config.contrasts')
  pools: dict[str, list[np.ndarray]] = {name: [] for name in PLACES}
  words = [*emotions, *emotions]
  for text, start, word, chat in zip(
      texts, starts, words, encoded, strict=True
  ):
    pools['word'].append(
        places.holding(chat, 0, text, start, start + len(word))
    )
    last = places.token_at(chat, 0, text, len(text.rstrip()) - 1)
    pools['end'].append(prompt_readings.one(len(chat.ids), last))
    pools['response'].append(prompt_readings.one(len(chat.ids), chat.response))
  return Sentences(encoded, pools)


def expressed(
    read: Mapping[str, np.ndarray],
) -> dict[str, dict[str, np.ndarray]]:
  """How far each emotion is read above what it is in the other sentences.

  Args:
    read: by place, [..., 2 E, L, E].

  Returns:
    By place and form, [..., E, L]; and `difference`, the affirmed minus the
    negated.
  """
  out = {}
  for place, x in read.items():
    halves = np.split(x.astype(float), 2, axis=-3)
    own = dict(zip(FORMS, map(swaps.over_others, halves), strict=True))
    out[place] = own | {'difference': own['affirmed'] - own['negated']}
  return out
