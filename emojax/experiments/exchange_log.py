"""The exchanges of a chat: every reply with all that it depends on."""

from collections.abc import Mapping, Sequence
import math
import shlex
from typing import Any

import numpy as np

from emojax import errors
from emojax import files
from emojax.experiments import controls as controls_lib
from emojax.experiments import exchange

NAME = 'exchanges.jsonl'
REPLAYED = 'replayed.jsonl'
# The types of what a replay reads.
_FIELDS = {
    'number': int,
    'messages': list,
    'given': int,
    'controls': dict,
    'tokens': list,
    'text': str,
    'weights': str,
    'vectors': str,
    'random_seed': int,
}


class Log:
  """`exchanges.jsonl` of a workdir; a line is there whole or not at all."""

  def __init__(
      self,
      workdir: files.Path,
      facts: Mapping[str, Any],
      fields: Mapping[str, str],
  ):
    """Goes on with the log that is there.

    Args:
      workdir: of the chat.
      facts: of the model and the vectors, that every line states.
      fields: of the config, by which a replay finds both again.
    """
    self._workdir = workdir
    self._facts = dict(facts)
    self._fields = dict(fields)
    path = workdir / NAME
    there = files.read_jsonl(path) if files.exists(path) else []
    self._rows = [row for _, row in there]

  def add(self, row: Mapping[str, Any]) -> dict[str, Any]:
    """Writes a line; returns it with its number and its command."""
    number = len(self._rows)
    whole = {'number': number} | dict(row) | self._facts
    whole['command'] = self._command(number)
    # The whole file anew: one that was killed meanwhile leaves the old one.
    files.write_jsonl(self._workdir / NAME, [*self._rows, whole])
    self._rows.append(whole)
    return whole

  def _command(self, number: int) -> str:
    """The line that writes an exchange again."""
    flags = self._fields | {
        'replay': str(files.absolute(self._workdir / NAME)),
        'only': number,
    }
    words = ['emojax', '--config=configs/chat.py']
    words.append(
        f'--workdir={files.absolute(self._workdir / f"replay_{number}")}'
    )
    words += [f'--config.{name}={value}' for name, value in flags.items()]
    return shlex.join(words)


def short(values: np.ndarray) -> list[float | None]:
  """Five decimals, as readings have; None for what is no number."""
  return [
      round(float(x), 5) if math.isfinite(x) else None for x in values.tolist()
  ]


def load(path: files.Path, only: int | None) -> list[dict[str, Any]]:
  """Reads the exchanges of a log, or the one that is asked for.

  Raises:
    InputError: no such file or exchange, or a line that is none.
  """
  rows = []
  for line, row in files.read_jsonl(path):
    wrong = [
        name
        for name, kind in _FIELDS.items()
        if type(row.get(name)) is not kind
    ]
    if wrong:
      raise errors.InputError(
          f'{path}:{line}: not an exchange of configs/chat.py'
          f' ({", ".join(wrong)}); give the exchanges.jsonl that it wrote.'
      )
    try:
      controls_lib.of_json(row['controls'])
    except errors.InputError as error:
      raise errors.InputError(f'{path}:{line}: {error}') from error
    check_messages(row['messages'], f'{path}:{line}: ')
    rows.append(row)
  if only is None:
    return rows
  chosen = [row for row in rows if row['number'] == only]
  if not chosen:
    raise errors.InputError(
        f'config.only={only}: {path} has the exchanges 0 to {len(rows) - 1}.'
    )
  return chosen


def check_messages(messages: Any, place: str = '') -> None:
  """Refuses what is no chat that waits for a reply."""
  good = isinstance(messages, list) and all(
      isinstance(message, dict)
      and set(message) == {'role', 'content'}
      and message['role'] in ('user', 'assistant', 'system')
      and isinstance(message['content'], str)
      and _has_utf8(message['content'])
      for message in messages
  )
  if not good:
    raise errors.InputError(
        f'{place}messages: must be a list of objects, each with a role (user,'
        ' assistant or system) and a content of text.'
    )
  if not messages or messages[-1]['role'] != 'user':
    raise errors.InputError(
        f'{place}messages: the last one must be of the user.'
    )
  if not messages[-1]['content'].strip():
    raise errors.InputError(
        f'{place}messages: the last one is empty; write something.'
    )


def _has_utf8(text: str) -> bool:
  """Whether it has no lone surrogate, which JSON can hold and no file can."""
  try:
    text.encode()
  except UnicodeEncodeError:
    return False
  return True


def replay(
    workdir: files.Path,
    replier: exchange.Replier,
    rows: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
  """Writes every exchange again; a row each goes to `replayed.jsonl`.

  A reply that was stopped is written as far as it came.
  """
  done = []
  for row in rows:
    own = dict(row['controls'])
    if row.get('stopped'):
      own['new_tokens'] = len(row['tokens'])
    written = list(
        replier.stream(row['messages'], controls_lib.of_json(own), row['given'])
    )
    tokens = [token.id for token in written]
    done.append(
        {
            'number': row['number'],
            'equal': tokens == row['tokens'],
            'text': replier.text(tokens),
            'recorded': row['text'],
            'tokens': tokens,
            'readings': [short(token.readings) for token in written],
        }
    )
    files.write_jsonl(workdir / REPLAYED, done)
  return done
