"""The grid of a sweep: its rows, and the prompts that they begin with."""

from collections.abc import Sequence
import dataclasses
import hashlib

import jax
import ml_collections
import numpy as np

from emojax.data import batches
from emojax.data import chats
from emojax.models import load


@dataclasses.dataclass(frozen=True)
class Row:
  """One generation: everything that its text depends on.

  Attributes:
    kind: 'emotion', 'random' or 'unsteered'.
    direction: its name: an emotion, `random_0`, or 'none'.
    index: of the direction in the bank.
    prompt: index into the prompts.
  """

  kind: str
  direction: str
  index: int
  strength: float
  prompt: int
  layer: int
  seed: int

  def id(self) -> str:
    return (
        f'{self.direction}|{self.layer}|{self.strength:g}|{self.prompt}'
        f'|{self.seed}'
    )

  def key(self) -> jax.Array:
    """A row's key is a hash of the row: no other row changes its text."""
    digest = hashlib.sha256(self.id().encode()).digest()
    key = jax.random.key(self.seed)
    return jax.random.fold_in(key, int.from_bytes(digest[:4], 'big'))


@dataclasses.dataclass(frozen=True)
class Prompts:
  """Prompts cut where steering begins: at the assistant's turn.

  What comes before is the same in every row, so that it is run once a prompt.

  Attributes:
    texts: P labels.
    head: P lists of ids, never steered.
    tail: P lists of ids, the header of the assistant's turn and the first words
      of its reply: steered.
  """

  texts: tuple[str, ...]
  head: tuple[tuple[int, ...], ...]
  tail: tuple[tuple[int, ...], ...]


def grid(
    config: ml_collections.ConfigDict,
    emotions: Sequence[str],
    layer: int,
    num_prompts: int,
) -> list[Row]:
  """Crosses directions, strengths and prompts; controls are never optional."""
  names = [('emotion', e) for e in emotions] + [
      ('random', f'random_{i}') for i in range(config.random_directions)
  ]
  place = dict(layer=layer, seed=config.seed)
  unsteered = [
      Row('unsteered', 'none', 0, 0.0, prompt, **place)
      for prompt in range(num_prompts)
  ]
  return unsteered + [
      Row(kind, name, index, float(strength), prompt, **place)
      for index, (kind, name) in enumerate(names)
      for strength in config.strengths
      for prompt in range(num_prompts)
  ]


def encode_prompts(
    lm: load.LanguageModel, users: Sequence[str], reply_prefix: str
) -> Prompts:
  """Wraps user messages in the template and begins the reply."""
  encoded = [
      chats.encode_chat(
          lm.tokenizer, [{'role': 'user', 'content': user}], reply_prefix
      )
      for user in users
  ]
  return Prompts(
      texts=tuple(f'{user} / {reply_prefix}' for user in users),
      head=tuple(chat.ids[: chat.turn] for chat in encoded),
      tail=tuple(chat.ids[chat.turn :] for chat in encoded),
  )


def encode_words(
    lm: load.LanguageModel, emotions: Sequence[str]
) -> list[list[int]]:
  """Tokenises the words that a reply may go on with."""
  return [list(lm.tokenizer.encode_word(e)) for e in emotions]


def tails_of(
    prompts: Prompts, prompt: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
  """Pads tails on the left, so that all end in the last column."""
  tails = [prompts.tail[p] for p in prompt]
  return batches.padded(tails, max(map(len, prompts.tail)), side='left')
