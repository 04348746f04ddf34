"""Texts of two people: whether each one's emotion is read at their own name."""

from collections.abc import Mapping, Sequence
import dataclasses
import re

import numpy as np

from emojax import swaps
from emojax.data import chats
from emojax.data import places
from emojax.data import prompt_sets
from emojax.experiments.measures import prompt_readings
from emojax.models import load

# In words, for labels.
PLACES = {'word': 'the emotion’s word', 'name': 'the name’s last mention'}
_PEOPLE = 2


@dataclasses.dataclass(frozen=True)
class Texts:
  """Texts and the same with the emotions swapped, tokenised.

  Attributes:
    bindings: N of them.
    encoded: [2 N], as given and then swapped.
    pools: by place, of each text and person [T] bool: [2 N] pairs.
  """

  bindings: Sequence[prompt_sets.Binding]
  encoded: list[chats.Chat]
  pools: dict[str, list[tuple[np.ndarray, np.ndarray]]]


def encode(
    lm: load.LanguageModel,
    bindings: Sequence[prompt_sets.Binding],
    file: str,
) -> Texts:
  """Tokenises both assignments of emotions to people."""
  texts, words = [], []
  for order in (1, -1):
    for binding in bindings:
      filled, spans = fill(binding.text, binding.emotions[::order])
      texts.append(filled)
      words.append(spans)
  encoded = prompt_readings.user_chats(lm, texts, file)
  pools: dict[str, list] = {name: [] for name in PLACES}
  for i, (text, chat) in enumerate(zip(texts, encoded, strict=True)):
    names = bindings[i % len(bindings)].names
    pools['word'].append(
        tuple(places.holding(chat, 0, text, *span) for span in words[i])
    )
    pools['name'].append(
        tuple(
            prompt_readings.one(
                len(chat.ids),
                places.token_at(chat, 0, text, last_mention(text, name) - 1),
            )
            for name in names
        )
    )
  return Texts(bindings, encoded, pools)


def fill(
    text: str, emotions: Sequence[str]
) -> tuple[str, list[tuple[int, int]]]:
  """Puts emotions into {a} and {b}; returns where, that of {a} first."""
  spans = {}
  # From the left, as each filling moves what comes after it.
  blanks = sorted(zip(('{a}', '{b}'), emotions), key=lambda x: text.index(x[0]))
  for blank, emotion in blanks:
    start = text.index(blank)
    text = text.replace(blank, emotion)
    spans[blank] = (start, start + len(emotion))
  return text, [spans['{a}'], spans['{b}']]


def last_mention(text: str, name: str) -> int:
  """Where the last mention of a name ends."""
  found = list(re.finditer(rf'(?<!\w){re.escape(name)}(?!\w)', text))
  return found[-1].end()


def bound(
    read: Mapping[str, np.ndarray], emotions: np.ndarray
) -> dict[str, np.ndarray]:
  """How far emotions are read where they belong, see `swaps.matched`.

  Args:
    read: by place and person, as 'word 0', [..., 2 N, L, E].
    emotions: [N, 2], of the people in the texts as given.

  Returns:
    By place, [..., N, L].
  """
  out = {}
  for place in PLACES:
    x = np.stack([read[f'{place} {i}'] for i in range(_PEOPLE)], axis=-4)
    # [..., person, text, N, L, E] -> text first.
    x = x.reshape(*x.shape[:-3], 2, -1, *x.shape[-2:])
    out[place] = swaps.matched(np.swapaxes(x, -5, -4), emotions)
  return out
