"""Stories, dialogues and chats -> tokens, each refused with its place."""

from collections.abc import Sequence
import dataclasses

import ml_collections
import numpy as np

from emojax import errors
from emojax.data import chats
from emojax.data import stories as stories_lib
from emojax.models import load


@dataclasses.dataclass(frozen=True)
class Encoded:
  """The tokenised corpus.

  Attributes:
    stories: N lists of ids.
    pools: of each, [T] bool, the positions that are averaged.
    used: [N] bool, False for a story that ends before them.
    neutral: M lists of ids.
    contents: of each, [T] bool, the tokens of its messages.
  """

  stories: list[tuple[int, ...]]
  pools: list[np.ndarray]
  used: np.ndarray
  neutral: list[tuple[int, ...]]
  contents: list[np.ndarray]


def corpus(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    stories: stories_lib.Stories,
    dialogues: tuple[stories_lib.Dialogue, ...],
) -> Encoded:
  """Tokenises the corpus.

  Raises:
    InputError: a text is longer than the model's context or has a control
      token in it, or so many stories end before `config.start` that an emotion
      is left with fewer than 2 topics.
  """
  ids = []
  for number, story in enumerate(stories.stories, start=1):
    place = f'{config.stories or "stories.jsonl"}: story {number}'
    token = lm.tokenizer.control_token_in(story.text)
    if token is not None:
      raise errors.InputError(
          f'{place} contains the control token {token!r}; take it out.'
      )
    ids.append(lm.tokenizer.encode(story.text, bos=True).ids)
    check_length(ids[-1], lm, place)
  pools = [np.arange(len(row)) >= config.start for row in ids]
  used = np.array([pool.any() for pool in pools])
  kept = [s for s, reach in zip(stories.stories, used, strict=True) if reach]
  topics = {
      e: len({s.topic for s in kept if s.emotion == e})
      for e in stories.emotions
  }
  # Held out, a topic leaves the others: an emotion must be among them.
  few = [e for e, count in topics.items() if count < 2]
  if few:
    raise errors.InputError(
        f'config.start={config.start}: too few stories are that many tokens'
        f' long; {", ".join(few)} would have fewer than 2 topics. Lower it, or'
        ' give longer stories.'
    )
  neutral = []
  for number, dialogue in enumerate(dialogues, start=1):
    place = f'{config.neutral or "neutral.jsonl"}: dialogue {number}'
    neutral.append(chat(lm, dialogue.messages, place))
  return Encoded(
      stories=ids,
      pools=pools,
      used=used,
      neutral=[each.ids for each in neutral],
      contents=[np.array(each.message) >= 0 for each in neutral],
  )


def chat(
    lm: load.LanguageModel, messages: Sequence[chats.Message], place: str
) -> chats.Chat:
  """Tokenises a chat; `place` begins an error's message."""
  try:
    encoded = chats.encode_chat(lm.tokenizer, messages)
  except errors.InputError as error:
    raise errors.InputError(f'{place}: {error}') from error
  check_length(encoded.ids, lm, place)
  return encoded


def check_length(
    ids: Sequence[int], lm: load.LanguageModel, place: str
) -> None:
  """Refuses a text longer than the model's context."""
  if len(ids) > lm.config.context:
    raise errors.InputError(
        f'{place}: {len(ids)} tokens, more than the context of the model'
        f' ({lm.config.context}); shorten or split the text.'
    )
