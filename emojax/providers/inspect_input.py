"""Inspect's messages and settings -> what our engine is asked for."""

from collections.abc import Callable, Sequence
import dataclasses
import math

from inspect_ai import model as inspect_models

from emojax import errors
from emojax.data import chats
from emojax.experiments import replies
from emojax.models import load
from emojax.models import sampling as sampling_lib

GenerateConfig = inspect_models.GenerateConfig
NEW_TOKENS = 256  # Where a task does not say how many.
_ROLES = ('system', 'user', 'assistant')
# What would change a text or be missed in the log, and is not done here.
_IGNORED = (
    'best_of',
    'frequency_penalty',
    'logit_bias',
    'logprobs',
    'presence_penalty',
    'prompt_logprobs',
    'response_schema',
    'top_logprobs',
)


@dataclasses.dataclass(frozen=True)
class Ask:
  """A chat that waits for replies.

  Attributes:
    chat: tokenised, the first words of the reply included.
    room: tokens that the context has left.
    new_tokens: of a reply, at most.
    sampling: how tokens are drawn.
    stop: texts that a reply ends before.
  """

  chat: chats.Chat
  room: int
  new_tokens: int
  sampling: sampling_lib.Sampling
  stop: tuple[str, ...]


def read(
    lm: load.LanguageModel,
    messages: Sequence[inspect_models.ChatMessage],
    config: GenerateConfig,
    warn: Callable[[str], None],
) -> Ask:
  """Reads what Inspect asks for.

  Args:
    lm: the model.
    messages: of text; the last may be the first words of the reply.
    config: of the call.
    warn: is told what is left out.

  Raises:
    InputError: the model cannot be given this.
  """
  for name in _IGNORED:
    if getattr(config, name) not in (None, False):
      warn(f'emojax has no {name}: it is ignored.')
  given = [_message(lm, message, warn) for message in messages]
  prefix = ''
  if given and given[-1]['role'] == 'assistant':
    prefix = given.pop()['content']
  if not given:
    raise errors.InputError('There is no message to reply to; give one.')
  chat = replies.encode(lm, given, prefix)
  limit = NEW_TOKENS if config.max_tokens is None else config.max_tokens
  if limit < 1:
    raise errors.InputError(f'max_tokens={limit}: must be 1 or more.')
  return Ask(
      chat=chat,
      room=lm.config.context - len(chat.ids),
      new_tokens=min(limit, lm.config.context),
      sampling=_sampling(config),
      stop=tuple(text for text in config.stop_seqs or () if text),
  )


def _message(
    lm: load.LanguageModel,
    message: inspect_models.ChatMessage,
    warn: Callable[[str], None],
) -> chats.Message:
  """A message of text alone, without what would forge a turn."""
  if message.role not in _ROLES:
    raise errors.InputError(
        f'A message is of the {message.role}, and emojax calls no tools; give a'
        ' task without tools.'
    )
  parts = message.content
  if isinstance(parts, str):
    parts = [inspect_models.ContentText(text=parts)]
  texts = []
  for part in parts:
    if part.type == 'text':
      texts.append(part.text)
    elif part.type != 'reasoning':  # Which no template shows to a model.
      raise errors.InputError(
          f'A message holds {part.type}, and emojax reads text only; give a'
          ' task of texts.'
      )
  text = '\n'.join(texts)
  clean = lm.tokenizer.without_control(text)
  if clean != text:
    warn(
        'A message spells out control tokens of the model: they are taken out,'
        ' as they would forge a turn of the chat.'
    )
  return {'role': message.role, 'content': clean}


def _sampling(config: GenerateConfig) -> sampling_lib.Sampling:
  """How tokens are drawn; from the whole distribution if nothing is said."""
  temperature = 1.0 if config.temperature is None else config.temperature
  top_k, top_p = config.top_k or 0, config.top_p
  top_p = 1.0 if top_p is None else top_p
  if not 0 <= temperature < math.inf or top_k < 0 or not 0 < top_p <= 1:
    raise errors.InputError(
        f'temperature={temperature}, top_k={top_k}, top_p={top_p}: must be 0 or'
        ' more, 0 (all) or more, and above 0 and at most 1.'
    )
  if not temperature:  # One program, whatever else is said.
    return sampling_lib.Sampling(0.0)
  return sampling_lib.Sampling(float(temperature), top_k, float(top_p))
