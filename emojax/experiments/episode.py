"""An episode: a chat with a model, one reply after another, and how it ends.

Each behaviour is a module of `behaviours`, which has

  NAME: of its section of the config and of its artefact;
  FILES: the fields of that section which name files, and the packaged ones;
  OUTCOMES: what an episode can end as, by label, and what each means;
  MEASURES: the shares that are reported, by name; the first is the headline;
  prepare(config): its scenarios, each with an `id`, refused if they do not do;
  most_replies(config): how many replies an episode has at most;
  begin(config, scenario): an episode that waits for a reply;
  advance(config, scenario, episode, reply, isolation): the same after it;
  grade(config, scenario, episode): `outcome`, `hits` by measure (None where the
    episode does not count for it) and `facts`, of an episode that has ended.

They know nothing of the model: whatever it writes, they take it.
"""

import dataclasses
from typing import Any

Message = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Episode:
  """A chat that goes on, or has ended.

  Attributes:
    messages: each with `role` and `content`; the last is the user's unless the
      episode has ended.
    events: what each message is, in the behaviour's own words: 'task',
      'reply', 'failed'.
    new_tokens: of the next reply, at most.
    prefix: the first words of the next reply, put into the model's mouth.
    ended: whether no reply is waited for.
    state: what else the behaviour remembers, as JSON has it.
  """

  messages: tuple[Message, ...]
  events: tuple[str, ...]
  new_tokens: int
  prefix: str = ''
  ended: bool = False
  state: dict[str, Any] = dataclasses.field(default_factory=dict)

  def say(self, role: str, content: str, event: str) -> 'Episode':
    """The same with one message more."""
    return dataclasses.replace(
        self,
        messages=(*self.messages, {'role': role, 'content': content}),
        events=(*self.events, event),
    )
