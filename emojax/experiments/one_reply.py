"""Episodes of one reply: what is asked, what the model says, the end."""

from collections.abc import Sequence
import dataclasses
from typing import Any

import ml_collections

from emojax import errors
from emojax.experiments import episode as episode_lib
from emojax.experiments import limits

Episode = episode_lib.Episode


def check(config: ml_collections.ConfigDict, name: str) -> None:
  """Refuses a section of the config that leaves no room for a reply."""
  if name not in config:
    raise errors.InputError(
        f'config.{name}: there is no such section; give the one of'
        ' configs/behaviour.py.'
    )
  limits.check(config, {'new_tokens': 1}, name)


def most_replies(config: ml_collections.ConfigDict) -> int:
  """Returns 1: it is `most_replies` of every behaviour of one reply."""
  del config
  return 1


def begin(
    messages: Sequence[episode_lib.Message],
    events: Sequence[str],
    new_tokens: int,
) -> Episode:
  """Returns an episode that waits for its reply."""
  return Episode(tuple(messages), tuple(events), new_tokens)


def advance(
    config: ml_collections.ConfigDict,
    scenario: Any,
    episode: Episode,
    reply: str,
    isolation: object = None,
) -> Episode:
  """Returns the episode after the reply, which ends it; no code runs.

  It is `advance` of every behaviour of one reply.
  """
  del config, scenario, isolation
  return dataclasses.replace(
      episode.say('assistant', reply, 'reply'), ended=True
  )


def reply_of(episode: Episode) -> str:
  """Returns the reply; '' if there is none yet."""
  last = episode.messages[-1]
  return last['content'] if last['role'] == 'assistant' else ''
