"""Pieces of a corpus, parsed from what a model wrote.

The text is untrusted and the form strict: what is not as it was asked for is
dropped and counted, nothing is guessed at, and no text raises an error. What a
piece says is for `piece_filters`.
"""

from collections.abc import Mapping
import dataclasses
import re
from typing import Any
import unicodedata

from emojax.data import rows
from emojax.data import story_prompts

Piece = str | tuple[rows.Message, ...]  # A story, or the turns of a dialogue.

# Why text was dropped. 'chatter' is before the first tag, or all of a reply
# without the tags that were asked for; 'extra' are pieces beyond the count.
DROPS = ('chatter', 'malformed', 'cut off', 'extra')

_MAX_TITLE = 100  # Characters.
# Emphasis and headings of Markdown, and rules, which are lines of nothing else.
_MARKS = ' \t*_#=-'
# With bounded repeats only: the text may be made to be slow.
_TURN = re.compile(
    r'[ \t>#*_]{0,8}(?:(person)|ai|assistant)[ \t*_]{0,4}:[*_]{0,3}',
    re.IGNORECASE,
)
_TITLE = re.compile(r'#|title *:|\*\*title *:', re.IGNORECASE)
_SENTENCE_END = re.compile(
    r'(?:(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)\.|[!?…])'
    r'["”’\')\]*_]*(?=\s|$)'
)
_QUOTES = ('""', '“”', '«»')


@dataclasses.dataclass(frozen=True)
class Parsed:
  """The pieces of a completion, and why each of its other parts was dropped."""

  pieces: tuple[Piece, ...]
  dropped: tuple[str, ...]


def parse(
    request: story_prompts.Request, text: str, finished: bool, least_words: int
) -> Parsed:
  """Returns the pieces of a completion, no more than were asked for.

  A story becomes one paragraph, without a title and without quotation marks
  around it. A dialogue is turns of user and assistant; its headings are left
  out.

  If the token limit cut the completion, the last piece is unfinished. A story
  then ends with its last whole sentence and a dialogue with its last whole
  exchange, if at least `least_words` are left; else it is dropped as cut off.

  Args:
    request: what was asked for.
    text: the completion, which begins with the reply's prefix if there was one.
    finished: whether the model ended it, and not the token limit.
    least_words: of an unfinished piece that is kept.
  """
  before, *sections = _sections(_legible(text), request.tag)
  if request.count == 1 and not sections:  # One piece is asked for without.
    before, sections = [], [before]
  dropped = ['chatter'] if any(map(str.strip, before)) else []
  read = _story if request.kind == 'story' else _dialogue
  pieces = []
  for i, lines in enumerate(sections):
    whole = finished or i < len(sections) - 1
    piece = read(lines, whole)
    if piece is None:
      dropped.append('malformed')
    elif not whole and len(spoken(piece).split()) < max(least_words, 1):
      dropped.append('cut off')
    else:
      pieces.append(piece)
  dropped += ['extra'] * (len(pieces) - request.count)
  return Parsed(tuple(pieces[: request.count]), tuple(dropped))


def spoken(piece: Piece) -> str:
  """Returns all that a piece says, in one text."""
  if isinstance(piece, str):
    return piece
  return '\n'.join(message['content'] for message in piece)


def row(
    request: story_prompts.Request, piece: Piece, provenance: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns a line of a corpus, for the loaders of `stories`.

  Stories are for `load_stories`, neutral dialogues for `load_dialogues` and
  dialogues with two emotions for `load_texts`.

  Args:
    request: what the piece was written for.
    piece: one of those parsed.
    provenance: `source`, `model`, `seed`, `split` and `index`, the piece's
      number among those of its request and seed.
  """
  tail = {'prompt_id': request.prompt_id, **provenance}
  if request.kind == 'story':
    (emotion,) = request.emotions
    head = {'emotion': emotion, 'topic': request.topic, 'text': piece}
    return head | tail
  name = [request.topic, request.prompt_id, *request.emotions]
  name += [str(provenance['seed']), str(provenance['index'])]
  head = {'id': ', '.join(name), 'messages': list(piece)}
  if request.kind == 'dialogue':
    head |= {'topic': request.topic, 'emotions': list(request.emotions)}
  return head | tail


def _legible(text: str) -> str:
  """Returns the text without what no file of a corpus may hold."""
  text = text.replace('\r\n', '\n').replace('\r', '\n')
  return ''.join(
      c
      for c in text
      if c in '\n\t' or unicodedata.category(c) not in ('Cc', 'Cs')
  )


def _sections(text: str, tag: str) -> list[list[str]]:
  """Returns the lines before the first tag, after it, after the next, ...

  A tag may be numbered, emphasised or closed, in any case. Rules go with it.
  """
  name = re.escape(tag[1:-1])
  opening = re.compile(rf'\[{name}(?: \d{{1,3}})?\]', re.IGNORECASE)
  closing = f'[/{tag[1:]}'
  sections = [[]]
  for line in text.split('\n'):
    bare = line.strip(_MARKS)
    if opening.fullmatch(bare):
      sections.append([])
    elif bare.lower() != closing and (bare or not line.strip()):
      sections[-1].append(line)
  return sections


def _story(lines: list[str], whole: bool) -> str:
  lines = [line.strip() for line in lines if line.strip()]
  if len(lines) > 1 and _is_title(lines[0]):
    del lines[0]
  text = ' '.join(' '.join(lines).split())
  if not whole:
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    text = text[: ends[-1]] if ends else ''
  for left, right in _QUOTES:
    # Not if there are others within: then they are those of speech.
    if text.startswith(left) and text[1:].endswith(right):
      within = text[1:-1]
      if left not in within and right not in within:
        text = within.strip()
  return text


def _is_title(line: str) -> bool:
  bold = line.startswith('**') and line.endswith('**')
  return len(line) <= _MAX_TITLE and (bold or bool(_TITLE.match(line)))


def _dialogue(lines: list[str], whole: bool) -> tuple[rows.Message, ...] | None:
  """Returns the turns, or None if they are not the user's and assistant's."""
  turns = []  # (role, lines)
  for line in lines:
    turn = _TURN.match(line)
    if turn:
      role = 'user' if turn[1] else 'assistant'
      turns.append((role, [line[turn.end() :]]))
    elif turns:
      turns[-1][1].append(line)
  if not whole:  # The last turn is cut off, and with it its exchange.
    del turns[(len(turns) - 1) // 2 * 2 :]
  contents = ['\n'.join(lines).strip() for _, lines in turns]
  roles = [role for role, _ in turns]
  taken = ['user', 'assistant'] * (len(turns) // 2)
  if roles != taken or not all(contents) or (whole and not turns):
    return None
  return tuple(
      {'role': role, 'content': content}
      for role, content in zip(roles, contents)
  )
