"""Plays the rows of a grid as episodes, all of them turn by turn together."""

from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
import dataclasses
import os
from types import ModuleType
from typing import Any

import ml_collections

from emojax import hosts
from emojax.experiments import chunked_rows
from emojax.experiments import episode as episode_lib
from emojax.experiments import replies
from emojax.experiments import sweep_grid
from emojax.sandbox import isolation as isolation_lib

Episode = episode_lib.Episode
_DIGITS = 5


@dataclasses.dataclass(frozen=True)
class Stage:
  """A behaviour, set up to be played.

  Attributes:
    module: of `behaviours`.
    config: of the run.
    scenarios: by id.
    isolation: that code runs in, or None where none does.
    clean: takes out of a text what would forge a turn of a chat.
  """

  module: ModuleType
  config: ml_collections.ConfigDict
  scenarios: Mapping[str, Any]
  isolation: isolation_lib.Isolation | None
  clean: Callable[[str], str]

  def begin(self, name: str) -> Episode:
    episode = self.module.begin(self.config, self.scenarios[name])
    return _cleaned(episode, self.clean)

  def advance(self, name: str, episode: Episode, reply: str) -> Episode:
    """The episode after a reply, by the first process: it may run code."""
    after = self.module.advance(
        self.config, self.scenarios[name], episode, reply, self.isolation
    )
    return _cleaned(after, self.clean)

  def most_replies(self) -> int:
    """How many replies an episode has at most."""
    return self.module.most_replies(self.config)

  def replies_in(self, line: dict[str, Any]) -> int:
    """How many replies an episode has, by its line of the artefact."""
    given = self.begin(line['scenario']).messages
    said = lambda messages: sum(m['role'] == 'assistant' for m in messages)
    return said(line['messages']) - said(given)

  def grade(self, name: str, episode: Episode) -> dict[str, Any]:
    return self.module.grade(self.config, self.scenarios[name], episode)


def unit(stage: Stage) -> chunked_rows.Unit:
  """What a bar counts: episodes advance together, replies one by one."""
  return chunked_rows.Unit('replies', stage.most_replies(), stage.replies_in)


def play(
    stage: Stage,
    rows: Sequence[sweep_grid.Row],
    write: replies.Writer,
    tick: replies.Tick = lambda count, tokens: None,
    fewer: Callable[[int], None] = lambda count: None,
) -> list[dict[str, Any]]:
  """Plays a row of the grid to its end, and every other with it.

  Args:
    stage: the behaviour; a row's `prompt` is the id of a scenario.
    rows: of the grid.
    write: replies to chats.
    tick: is told how many replies have been written since it was last called,
      and how many tokens they are.
    fewer: is told how many replies an episode that has ended leaves of the most
      that it could have had.

  Returns:
    A line of the artefact for each row, in order.
  """
  most = stage.most_replies()
  episodes = [stage.begin(row.prompt) for row in rows]
  given = [len(episode.messages) for episode in episodes]
  written: list[list[replies.Reply]] = [[] for _ in rows]
  with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    while waiting := [i for i, e in enumerate(episodes) if not e.ended]:
      asks = [
          replies.Ask(
              rows[i],
              episodes[i].messages,
              episodes[i].prefix,
              episodes[i].new_tokens,
              len(written[i]),
              given[i],
          )
          for i in waiting
      ]
      got = write(asks, tick)
      for i, reply in zip(waiting, got, strict=True):
        written[i].append(reply)
      after = _by_the_first(
          pool, stage, [(i, rows[i].prompt, episodes[i]) for i in waiting], got
      )
      for i, episode in zip(waiting, after, strict=True):
        episodes[i] = episode
      fewer(sum(most - len(written[i]) for i in waiting if episodes[i].ended))
    grades = hosts.from_first(
        lambda: list(
            pool.map(stage.grade, [row.prompt for row in rows], episodes)
        )
    )
  return [
      _line(*each) for each in zip(rows, episodes, written, grades, strict=True)
  ]


def _by_the_first(pool, stage, waiting, got) -> list[Episode]:
  """Episodes after replies. Of several processes the first runs the code."""

  def make() -> list[dict[str, Any]]:
    _, names, before = zip(*waiting)
    texts = [reply.text for reply in got]
    after = pool.map(stage.advance, names, before, texts)
    return [dataclasses.asdict(episode) for episode in after]

  return [
      Episode(
          **each
          | {
              'messages': tuple(each['messages']),
              'events': tuple(each['events']),
          }
      )
      for each in hosts.from_first(make)
  ]


def _cleaned(episode: Episode, clean: Callable[[str], str]) -> Episode:
  messages = tuple(
      m | {'content': clean(m['content'])} for m in episode.messages
  )
  return dataclasses.replace(episode, messages=messages)


def _line(row, episode, written, grade) -> dict[str, Any]:
  """What the artefact says of an episode."""
  place = row.place()
  place['scenario'] = place.pop('prompt')
  count = sum(reply.n_tokens for reply in written)
  repeated = [r.repetition for r in written if r.n_tokens]
  return (
      place
      | grade
      | {
          'messages': [
              message | {'event': event}
              for message, event in zip(
                  episode.messages, episode.events, strict=True
              )
          ],
          'n_tokens': count,
          'repetition': (
              round(sum(repeated) / len(repeated), _DIGITS)
              if repeated
              else None
          ),
          'finite': all(reply.finite for reply in written),
          'room': all(reply.room for reply in written),
      }
  )
