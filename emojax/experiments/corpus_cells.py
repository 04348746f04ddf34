"""What a corpus is to have: so many pieces of each kind, emotion and topic."""

from collections.abc import Iterator, Sequence
import dataclasses
import itertools

import ml_collections
import numpy as np

from emojax import errors
from emojax.data import chats
from emojax.data import stories as stories_lib
from emojax.data import story_checks
from emojax.data import story_prompts
from emojax.models import load

Request = story_prompts.Request
Key = tuple[str, tuple[str, ...], str]


@dataclasses.dataclass(frozen=True)
class Cell:
  """Pieces that are wanted of one kind, with some emotions, on one topic.

  Attributes:
    kind: of `story_prompts.KINDS`.
    emotions: as many as the kind has.
    topic: what they are about.
    wanted: how many pieces.
    turn: the number of the wording that is asked for first.
  """

  kind: str
  emotions: tuple[str, ...]
  topic: str
  wanted: int
  turn: int

  @property
  def key(self) -> Key:
    return self.kind, self.emotions, self.topic


def key_of(request: Request) -> Key:
  """Returns the key of the cell that a request is for."""
  return request.kind, request.emotions, request.topic


def plan(
    config: ml_collections.ConfigDict, reference: stories_lib.Stories | None
) -> tuple[Cell, ...]:
  """Returns the cells of a corpus, topic by topic.

  Raises:
    InputError: emotions that are none of the paper's, given twice or fewer than
      two, or nothing that is wanted.
  """
  emotions = _emotions(config, reference)
  topics = story_prompts.topics()[: config.topics]
  pairs = [(a, b) for a in emotions for b in emotions if a != b]
  order = np.random.default_rng(config.seed).permutation(len(pairs))
  # Taken in turn, so that few dialogues have many pairs.
  turns = itertools.cycle(pairs[i] for i in order)
  cells = []
  for t, topic in enumerate(topics):
    # Emotions and topics both move the turn on: neither has a wording of its
    # own, whatever their numbers.
    cells += [
        Cell('story', (e,), topic, config.stories, t + i)
        for i, e in enumerate(emotions)
    ]
    cells.append(Cell('neutral', (), topic, config.neutral, t))
    taken = list(itertools.islice(turns, config.dialogues))
    cells += [
        Cell('dialogue', pair, topic, taken.count(pair), t + i)
        for i, pair in enumerate(dict.fromkeys(taken))
    ]
  cells = tuple(cell for cell in cells if cell.wanted)
  if not cells:
    raise errors.InputError(
        'config.stories, config.neutral and config.dialogues are all 0: nothing'
        ' is to be written.'
    )
  return cells


def _emotions(config, reference) -> tuple[str, ...]:
  emotions = tuple(config.emotions)
  if emotions == ('all',):
    return story_prompts.emotions()
  if not emotions:
    emotions = (reference or stories_lib.load_stories()).emotions
  for e in emotions:
    if e not in story_prompts.emotions():
      raise errors.InputError(
          f"config.emotions has {e!r}, which is none of the paper's 171; take"
          ' it out or correct its spelling.'
      )
  least = story_checks.MIN_EMOTIONS
  if len(set(emotions)) < max(len(emotions), least):
    raise errors.InputError(
        f'config.emotions={emotions}: give {least} or more, each once.'
    )
  return emotions


def request_of(
    config: ml_collections.ConfigDict, cell: Cell, attempt: int
) -> Request:
  """Returns what an attempt asks for; the wordings of a kind take turns."""
  wordings = wordings_of(cell.kind)
  return Request(
      prompt_id=wordings[(cell.turn + attempt) % len(wordings)],
      emotions=cell.emotions,
      topic=cell.topic,
      count=pieces_of(config, cell.kind),
  )


def wordings_of(kind: str) -> list[str]:
  return [name for name in story_prompts.PROMPTS if name.startswith(f'{kind}-')]


def pieces_of(config: ml_collections.ConfigDict, kind: str) -> int:
  """Returns how many pieces a completion has; a dialogue is long by itself."""
  return 1 if kind == 'dialogue' else config.pieces


def prefix_of(config: ml_collections.ConfigDict, request: Request) -> str:
  return story_prompts.reply_prefix(request) if config.reply_prefix else ''


def encode(
    config: ml_collections.ConfigDict, lm: load.LanguageModel, request: Request
) -> tuple[int, ...]:
  """Returns the ids of the chat that asks for a completion."""
  return chats.encode_chat(
      lm.tokenizer,
      list(story_prompts.messages(request)),
      prefix_of(config, request),
  ).ids


def check_room(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    cells: Sequence[Cell],
) -> int:
  """Refuses completions that the model's context has no room for.

  Returns:
    The tokens of the longest prompt.
  """
  longest = max(
      len(encode(config, lm, request)) for request in _all(config, cells)
  )
  if longest + config.new_tokens > lm.config.context:
    raise errors.InputError(
        f'A prompt of {longest} tokens and config.new_tokens='
        f'{config.new_tokens} are more than the context of the model'
        f' ({lm.config.context}); lower config.new_tokens, or give another'
        ' model.'
    )
  return longest


def _all(config, cells) -> Iterator[Request]:
  for cell in cells:
    for attempt in range(len(wordings_of(cell.kind))):
      yield request_of(config, cell, attempt)
