"""Characters of a message -> the tokens of a chat that stand for them."""

import itertools

import numpy as np

from emojax import errors
from emojax.data import chats


def tokens_of(
    chat: chats.Chat, message: int, content: str, start: int, end: int
) -> np.ndarray:
  """Says which tokens stand for a part of a message.

  A token belongs where its first character is that is not white space: ' lost'
  belongs to 'lost', and what straddles the end of the part to the part. So a
  token of the message is in just one of the parts that the message is cut into.
  A character that is made of several tokens has them all.

  Args:
    chat: of `chats.encode_chat`.
    message: index of the message.
    content: the text of that message, as it was given to the chat.
    start: the first character of the part in `content`.
    end: the first character after it.

  Returns:
    [T] bool; all False if the part is inside a token that begins before it, for
    which see `token_at`.

  Raises:
    InputError: the chat has no such message.
  """
  first, _ = _spans(chat, message, content)
  return (np.array(chat.message) == message) & (start <= first) & (first < end)


def holding(
    chat: chats.Chat, message: int, content: str, start: int, end: int
) -> np.ndarray:
  """As `tokens_of`, or the token that the whole part is inside of: [T] bool."""
  found = tokens_of(chat, message, content, start, end)
  if not found.any():
    found[token_at(chat, message, content, end - 1)] = True
  return found


def token_at(chat: chats.Chat, message: int, content: str, at: int) -> int:
  """Returns the token that a character is in; of several, the last.

  Args:
    chat: of `chats.encode_chat`.
    message: index of the message.
    content: the text of that message, as it was given to the chat.
    at: a character of it.

  Raises:
    InputError: the chat has no such message, or the message no such character.
  """
  _, ends = _spans(chat, message, content)
  inside = np.array(chat.message) == message
  holding = np.flatnonzero(inside & (ends > at))
  if not 0 <= at < len(content) or not len(holding):
    raise errors.InputError(
        f'The message {content!r:.40} has no token with its character {at};'
        ' give one of its characters that the template does not strip.'
    )
  # The tokens after the first have no characters of their own.
  return int(np.flatnonzero(inside & (ends == ends[holding[0]]))[-1])


def _spans(
    chat: chats.Chat, message: int, content: str
) -> tuple[np.ndarray, np.ndarray]:
  """Where each token of a message begins and ends in its content: [T], [T].

  The first may begin in the template and the last end there. A token begins at
  its first character that is not white space, if it has one.
  """
  own = [i for i, m in enumerate(chat.message) if m == message]
  text = ''.join(chat.pieces[i] for i in own)
  kept = content.strip()
  if not kept or kept not in text:
    raise errors.InputError(
        f'Message {message} of the chat is not {content!r:.40}; give the'
        ' message that the chat was made of.'
    )
  at = text.index(kept) - content.index(kept)
  first, ends = (np.zeros(len(chat.ids), int) for _ in range(2))
  place = begin = -at
  for i in own:
    piece = chat.pieces[i]
    if piece:  # Else it is the rest of the character before.
      begin = place + len(piece) - len(piece.lstrip() or piece)
      place += len(piece)
    first[i], ends[i] = begin, place
  return first, ends


def shared_end(a: chats.Chat, b: chats.Chat) -> int:
  """Returns how many tokens two chats end with that are the same."""
  pairs = zip(reversed(a.ids), reversed(b.ids))
  same = itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)
  return sum(1 for _ in same)
