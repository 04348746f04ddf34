"""What the page of a chat can ask for: a reply is written, kept and read."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
import time
from typing import Any

import numpy as np

from emojax import errors
from emojax import positions
from emojax import steering
from emojax.experiments import controls as controls_lib
from emojax.experiments import exchange
from emojax.experiments import exchange_log
from emojax.experiments import read_again

_FULL = 3  # Standard deviations of neutral tokens that have full colour.

Event = dict[str, Any]


def facts(
    replier: exchange.Replier, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
  """What the page knows of the model and the vectors."""
  layer, depth = replier.layer, replier.lm.config.num_layers
  mean = arrays['neutral_cosine_mean'][:, layer]
  spread = arrays['neutral_cosine_std'][:, layer]
  emotions = list(replier.emotions)
  return {
      'model': replier.lm.name or replier.lm.uri,
      'weights': replier.lm.sha256[:12],
      'emotions': emotions,
      'controls': [n for n in replier.directions if n not in emotions],
      'layer': layer,
      'layers': [
          i for i in steering.directed_layers(arrays['vectors']) if i < depth
      ],
      'depth': depth,
      'rules': list(positions.RULES),
      'most': controls_lib.MOST,
      'most_tokens': min(exchange.MOST_TOKENS, replier.lm.config.context - 1),
      'defaults': exchange.Controls().as_json(),
      'unit': exchange.UNIT,
      # What is written in full colour; cosines are about projections.
      'full': exchange_log.short(np.abs(mean) + _FULL * spread),
  }


@dataclasses.dataclass(frozen=True)
class Asked:
  """A reply that the page asks for, checked.

  Attributes:
    messages: the chat.
    given: how many of them no reply of the model came before.
    controls: of the reply.
    beside: whether the unsteered reply is written, too.
  """

  messages: list[dict[str, str]]
  given: int
  controls: exchange.Controls
  beside: bool


@dataclasses.dataclass(frozen=True)
class Talk:
  """What the page can ask for.

  Attributes:
    replier: the model.
    read: reads a chat again without steering.
    log: where every reply goes.
  """

  replier: exchange.Replier
  read: read_again.Reader
  log: exchange_log.Log

  def warm(self) -> None:
    """Compiles what a first and a second reply need."""
    for text in ('Hello.', 'Hello. ' * 60):
      chat = [{'role': 'user', 'content': text}]
      for _ in self.replier.stream(chat, exchange.Controls(new_tokens=2)):
        pass
      self.read(chat)

  def prepare(self, asked: Any) -> Asked:
    """Checks what came from the page.

    Raises:
      InputError: it does not do.
    """
    if not isinstance(asked, dict) or set(asked) - {
        'messages',
        'controls',
        'beside',
    }:
      raise errors.InputError(
          'Give messages, controls and perhaps beside, as a JSON object.'
      )
    messages = asked.get('messages')
    exchange_log.check_messages(messages)
    controls = controls_lib.of_json(asked.get('controls', {}))
    roles = [message['role'] for message in messages]
    given = roles.index('assistant') if 'assistant' in roles else len(roles)
    self.replier.check(controls)
    self.replier.request(messages, controls, given)
    beside = asked.get('beside', False)
    if not isinstance(beside, bool):
      raise errors.InputError(f'beside={beside!r}: must be true or false.')
    return Asked(messages, given, controls, beside)

  def write(self, asked: Asked, stopped: Callable[[], bool]) -> Iterator[Event]:
    """Writes, logs and reads again; tells of every step."""
    kinds = {'steered': asked.controls}
    if asked.beside:
      kinds['unsteered'] = dataclasses.replace(asked.controls, steer='')
    texts, first = {}, None
    for kind, controls in kinds.items():
      yield {'event': 'begin', 'reply': kind}
      own = dataclasses.replace(asked, controls=controls)
      row = yield from self._reply(own, kind, first, stopped)
      texts[kind] = row['text']
      first = row['number'] if first is None else first
      if row['stopped']:
        break
    for kind, text in texts.items():
      said = {'role': 'assistant', 'content': text}
      yield {'event': 'read', 'reply': kind} | self._read(
          [*asked.messages, said]
      )

  def _reply(self, asked, kind, beside, stopped) -> Iterator[Event]:
    """One reply; returns its line in the log."""
    written = []
    cut = False
    stream = self.replier.stream(asked.messages, asked.controls, asked.given)
    start = time.monotonic()
    with contextlib.closing(stream):
      for token in stream:
        written.append(token)
        yield {
            'event': 'token',
            'reply': kind,
            'text': token.text,
            'readings': exchange_log.short(token.readings),
        }
        if stopped():
          cut = True
          break
    ids = [token.id for token in written]
    whole = (
        len(ids) == asked.controls.new_tokens
        or bool(ids)
        and ids[-1] in self.replier.lm.tokenizer.stop
    )
    row = self.log.add(
        {
            'beside': beside,
            'messages': asked.messages,
            'given': asked.given,
            'controls': asked.controls.as_json(),
            'text': self.replier.text(ids),
            'tokens': ids,
            'pieces': [token.text for token in written],
            'stopped': cut and not whole,
            'finite': cut or whole,
            'seconds': round(time.monotonic() - start, 3),
            'layer': self.replier.layer,
            'emotions': list(self.replier.emotions),
            'unit': exchange.UNIT,
            'readings': [exchange_log.short(t.readings) for t in written],
        }
    )
    said = ('number', 'text', 'stopped', 'finite', 'command')
    yield {'event': 'end', 'reply': kind} | {name: row[name] for name in said}
    return row

  def _read(self, messages) -> Event:
    """The chat, read again; or why that cannot be."""
    try:
      got = self.read(messages)
    except errors.InputError as error:
      return {'trouble': str(error)}
    return {
        'tokens': list(got.chat.pieces),
        'message': list(got.chat.message),
        'cosine': [exchange_log.short(x) for x in got.cosine],
        'score': [exchange_log.short(x) for x in got.score],
    }
