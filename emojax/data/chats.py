"""Chats in the model's own template: ids, roles, where the reply begins."""

from collections.abc import Sequence
import dataclasses
import re

from emojax import errors
from emojax.data import templates
from emojax.data import tokens

Message = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Chat:
  """A tokenised chat.

  Attributes:
    ids: T token ids.
    pieces: the text of each token.
    roles: of each token: whose message it is in, or 'template'.
    message: of each token: the index of its message, or -1 in the template.
    response: the index of the last template token before the reply: where the
      generation prompt ends, whether the reply is there or still to come.
    turn: the index of the first token after the last message that is not the
      assistant's: where the assistant's turn begins, its header included, or
      the end of the user's (`[/INST]`) where that is all the header there is.
  """

  ids: tuple[int, ...]
  pieces: tuple[str, ...]
  roles: tuple[str, ...]
  message: tuple[int, ...]
  response: int
  turn: int


def encode_chat(
    tokenizer: tokens.Tokenizer,
    messages: Sequence[Message],
    reply_prefix: str = '',
) -> Chat:
  """Tokenises messages as the model was trained to see them.

  The token ids are those of the rendered text as a whole, without anything
  added. So BOS is there if the template writes it, and only then, as in
  transformers: a model whose template leaves it out was trained without.

  Args:
    tokenizer: of the model.
    messages: each with `role` (user, assistant or system) and `content`. Unless
      the last is the assistant's, the template's generation prompt follows.
    reply_prefix: the first words of the reply, put after that prompt.

  Raises:
    InputError: a message holds a control token (which would forge a turn), the
      template fails, changes messages, begins with two BOS or has no place for
      a reply, or the model has none.
  """
  for message in messages:
    token = tokenizer.control_token_in(message['content'] + reply_prefix)
    if token is not None:
      raise errors.InputError(
          f'A message contains the control token {token!r}; take it out.'
      )
  text, spans = _render(tokenizer, messages)
  prompt = _prompt_size(tokenizer, messages, text, spans)
  if reply_prefix:
    spans.append(('assistant', len(text), len(text) + len(reply_prefix)))
    text += reply_prefix
  encoding = tokenizer.encode(text, bos=False)
  _refuse_two_bos(tokenizer, encoding.ids)
  message = _message_of_tokens(spans, encoding)
  roles = [spans[m][0] if m >= 0 else 'template' for m in message]
  # Tokens that end where the generation prompt does, or before.
  places = zip(encoding.starts, encoding.pieces, strict=True)
  response = sum(start + len(piece) <= prompt for start, piece in places) - 1
  if response < 0 or roles[response] != 'template':
    raise errors.InputError(
        'The chat template writes nothing between the last message and the'
        ' reply, so that no token can be read there; give another model.'
    )
  asked = max(
      (i for i, role in enumerate(roles) if role in ('user', 'system')),
      default=-1,
  )
  return Chat(
      ids=encoding.ids,
      pieces=encoding.pieces,
      roles=tuple(roles),
      message=tuple(message),
      response=response,
      turn=_after_message(tokenizer, encoding, asked),
  )


def _prompt_size(
    tokenizer: tokens.Tokenizer,
    messages: Sequence[Message],
    text: str,
    spans: list[tuple[str, int, int]],
) -> int:
  """Returns how many characters of the text the reply comes after.

  Some templates write more before a reply that is there than they ask for it
  with: a space, or the empty thoughts of a model that has none.
  """
  role, start, _ = spans[-1]
  if role != 'assistant':
    return len(text)
  if len(messages) > 1 and messages[-2]['role'] != 'assistant':
    prompt = apply_template(tokenizer, messages[:-1])
    if text.startswith(prompt):
      return min(start, len(prompt))
  return start


def _refuse_two_bos(tokenizer: tokens.Tokenizer, ids: tuple[int, ...]) -> None:
  """Refuses the fault that costs the most and shows the least."""
  bos = tokenizer.special.get('bos_token', '')
  if ids[:2] == (tokenizer.backend.token_to_id(bos),) * 2:
    raise errors.InputError(
        f'The chat template writes {bos!r} twice at the beginning, and no model'
        ' is trained so; take one out of it.'
    )


def _after_message(
    tokenizer: tokens.Tokenizer, encoding: tokens.Encoding, last: int
) -> int:
  """Returns the first token past the user's turn.

  The token that closes the turn (a stop token, as `<|im_end|>`) and the white
  space after it are still the user's.
  """
  i = last + 1
  while i < len(encoding.ids) and (
      encoding.ids[i] in tokenizer.stop or not encoding.pieces[i].strip()
  ):
    i += 1
  return i


def _render(
    tokenizer: tokens.Tokenizer, messages: Sequence[Message]
) -> tuple[str, list[tuple[str, int, int]]]:
  """Renders the template; returns the text and (role, start, end) of contents.

  Contents are found by rendering once more with marks in their places, never
  by searching for them: a message may well say 'user'.
  """
  marked = [m | {'content': f'\ue000{i}\ue001'} for i, m in enumerate(messages)]
  # What the template writes around contents, and in which order it puts them:
  # some have the system message in the last turn of the user.
  first, *rest = re.split(
      '\ue000([0-9]{1,9})\ue001', apply_template(tokenizer, marked)
  )
  order, around = [int(i) for i in rest[::2]], rest[1::2]
  text = apply_template(tokenizer, messages)
  spans = {}
  if sorted(order) == list(range(len(messages))) and text.startswith(first):
    at = len(first)
    for i, after in zip(order, around, strict=True):
      for content in _as_written(messages[i]['content']):
        if text.startswith(content + after, at):
          spans[i] = (messages[i]['role'], at, at + len(content))
          at += len(content + after)
          break
    if len(spans) == len(messages) and at == len(text):
      return text, [spans[i] for i in range(len(messages))]
  raise errors.InputError(
      'The chat template changes or drops messages, so that roles cannot be'
      ' told; give messages that it keeps (check their order and roles).'
  )


def _as_written(content: str) -> tuple[str, ...]:
  """What templates make of a content: many strip it, in one way or another."""
  return (
      content,
      content.strip(),
      content.rstrip(),
      content.lstrip(),
      content.strip('\n'),
      content.rstrip('\n'),
      content.lstrip('\n'),
  )


def apply_template(
    tokenizer: tokens.Tokenizer, messages: Sequence[Message]
) -> str:
  """Renders the checkpoint's Jinja template as transformers would.

  A model that can think before it replies is told not to: then its reply begins
  where the generation prompt ends.
  """
  if tokenizer.template is None:
    raise errors.InputError(
        'This model has no chat template; give an instruct model.'
    )
  variables = dict(tokenizer.special) | {
      'messages': list(messages),
      'tools': None,
      'documents': None,
      'add_generation_prompt': messages[-1]['role'] != 'assistant',
      'enable_thinking': False,
  }
  return templates.render(tokenizer.template, variables)


def _message_of_tokens(
    spans: list[tuple[str, int, int]], encoding: tokens.Encoding
) -> list[int]:
  """Returns, for each token, the span that it overlaps, or -1."""
  found = [-1]
  for start, piece in zip(encoding.starts, encoding.pieces, strict=True):
    if piece:  # Else it is the rest of a character that began before.
      overlaps = (
          i
          for i, (_, first, last) in enumerate(spans)
          if first < start + len(piece) and start < last
      )
      found.append(next(overlaps, -1))
    else:
      found.append(found[-1])
  return found[1:]
