"""Chats in the model's own template: ids, roles, where the reply begins."""

from collections.abc import Sequence
import dataclasses
from typing import Any

import jinja2
import jinja2.sandbox

from emojax import errors
from emojax.data import tokens

Message = dict[str, str]
ROLES = ('user', 'assistant', 'system', 'template')
# A template is a stranger's program: what it may write is bounded.
_MAX_CHARS = 4_000_000


@dataclasses.dataclass(frozen=True)
class Chat:
  """A tokenised chat.

  Attributes:
    ids: T token ids.
    pieces: the text of each token.
    roles: of each token: whose message it is in, or 'template'.
    message: of each token: the index of its message, or -1 in the template.
    response: the index of the last template token before the reply: the last
      token if the reply is still to come, else the one before the content of
      the last message, if that is the assistant's.
    turn: the index of the first token after the last message that is not the
      assistant's: where the assistant's turn begins, its header included.
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

  Args:
    tokenizer: of the model.
    messages: each with `role` and `content`. Unless the last is the
      assistant's, the template's generation prompt follows.
    reply_prefix: the first words of the reply, put after that prompt.

  Returns:
    The chat. Token ids are those of the rendered text as a whole; it has at
    most one BOS.

  Raises:
    InputError: a message holds a control token (which would forge a turn), the
      template fails, or the model has none.
  """
  for message in messages:
    token = tokenizer.control_token_in(message['content'] + reply_prefix)
    if token is not None:
      raise errors.InputError(
          f'A message contains the control token {token!r}; take it out.'
      )
  text, spans = _render(tokenizer, messages)
  if reply_prefix:
    spans.append(('assistant', len(text), len(text) + len(reply_prefix)))
    text += reply_prefix
  encoding = tokenizer.encode(text, bos=False)
  message = [
      _span_at(spans, start, piece)
      for start, piece in zip(encoding.starts, encoding.pieces, strict=True)
  ]
  roles = [spans[m][0] if m >= 0 else 'template' for m in message]
  size = len(message)
  replied = spans[-1][0] == 'assistant'
  response = message.index(len(spans) - 1) - 1 if replied else size - 1
  asked = max(
      (i for i in range(size) if roles[i] in ('user', 'system')), default=-1
  )
  return Chat(
      ids=encoding.ids,
      pieces=encoding.pieces,
      roles=tuple(roles),
      message=tuple(message),
      response=response,
      turn=_after_message(tokenizer, encoding, asked),
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
  marks = [f'\ue000{i}\ue001' for i in range(len(messages))]
  marked = [
      m | {'content': mark} for m, mark in zip(messages, marks, strict=True)
  ]
  skeleton = apply_template(tokenizer, marked)
  text = apply_template(tokenizer, messages)
  # Some templates strip the contents.
  for strip in (lambda s: s, str.strip):
    spans, built, rest = [], '', skeleton
    for message, mark in zip(messages, marks, strict=True):
      head, found, rest = rest.partition(mark)
      content = strip(message['content'])
      if found:
        start = len(built) + len(head)
        spans.append((message['role'], start, start + len(content)))
        built += head + content
      else:
        rest = head
    if built + rest == text and len(spans) == len(messages):
      return text, spans
  raise errors.InputError(
      'The chat template changes or drops messages, so that roles cannot be'
      ' told; give messages that it keeps (check their order and roles).'
  )


def apply_template(
    tokenizer: tokens.Tokenizer, messages: Sequence[Message]
) -> str:
  """Renders the checkpoint's Jinja template in a sandbox."""
  if tokenizer.template is None:
    raise errors.InputError(
        'This model has no chat template; give an instruct model.'
    )
  environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
      trim_blocks=True,
      lstrip_blocks=True,
      extensions=['jinja2.ext.loopcontrols'],
  )
  environment.globals['raise_exception'] = _raise_exception
  variables: dict[str, Any] = dict(tokenizer.special)
  variables['add_generation_prompt'] = messages[-1]['role'] != 'assistant'
  size, parts = 0, []
  try:
    template = environment.from_string(tokenizer.template)
    for part in template.generate(messages=messages, **variables):
      size += len(part)
      if size > _MAX_CHARS:
        raise errors.InputError(
            f'The chat template writes more than {_MAX_CHARS} characters.'
        )
      parts.append(part)
  except errors.InputError:
    raise
  # The template is a stranger's program: it may fail in any way it likes.
  except Exception as error:
    raise errors.InputError(f'The chat template fails: {error}.') from error
  return ''.join(parts)


def _raise_exception(message: str) -> None:
  raise jinja2.TemplateError(message)


def _span_at(spans: list[tuple[str, int, int]], start: int, piece: str) -> int:
  """Returns the span that a piece overlaps, or -1."""
  for i, (_, first, last) in enumerate(spans):
    if first < start + max(len(piece), 1) and start < last:
      return i
  return -1
