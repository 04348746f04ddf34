"""Dialogues with emotions shown, hidden or only spoken of, checked by line.

Four files of JSON lines, each with its loader in the manner of `stories`:
dialogues of two speakers who are each in an emotion; dialogues in which one
hides an emotion behind another; sentences that state a person's emotion; and
talk that shows none. No dialogue has the own word of an emotion that is to be
read from it, whose token a vector would follow.
"""

from collections.abc import Collection
import dataclasses
import pathlib
import re

from emojax.data import dialogue_checks
from emojax.data import rows
from emojax.data import stories
from emojax.data import story_checks

Path = pathlib.Path

CONDITIONS = ('story_writing', 'discussing_others')
PLACE = '{emotion}'  # Where a third person's emotion goes, as an adjective.

_BRACES = re.compile(r'\{[^{}]*\}|[{}]')


@dataclasses.dataclass(frozen=True)
class TwoSpeakers:
  """A dialogue in which each speaker is in an emotion of its own."""

  id: int | str
  user_emotion: str
  assistant_emotion: str
  topic: str
  messages: tuple[rows.Message, ...]


@dataclasses.dataclass(frozen=True)
class Deflection:
  """A dialogue in which `speaker` is in `target` and shows `displayed`.

  `scenario` says so beforehand; the messages never name the target.
  """

  id: int | str
  target: str
  displayed: str
  speaker: str
  scenario: str
  messages: tuple[rows.Message, ...]


@dataclasses.dataclass(frozen=True)
class Scenario:
  """A sentence or two that state a person's emotion and its reason."""

  emotion: str
  text: str


@dataclasses.dataclass(frozen=True)
class Aside:
  """A dialogue whose speakers show no emotion.

  Where others are discussed, the first message has `PLACE` once.
  """

  condition: str
  messages: tuple[rows.Message, ...]


def load_two_speakers(
    path: Path | None = None, emotions: Collection[str] | None = None
) -> tuple[TwoSpeakers, ...]:
  """Returns dialogues of two speakers in different emotions.

  Args:
    path: JSON lines with `id`, `user_emotion`, `assistant_emotion`, `topic` and
      `messages`.
    emotions: those to keep, in both roles; all by default. The others' lines
      must be well formed, but are not compared.

  Raises:
    InputError: a malformed line, speakers who do not take turns or are in one
      emotion, a dialogue that names an emotion of its speakers, an emotion that
      a role has less than twice, or two dialogues that are nearly the same.
  """
  path = stories.location(path, 'two_speakers')
  first, dialogues = {}, {}
  names = ('user_emotion', 'assistant_emotion')
  for where, line, row in rows.read(path):
    fields = ('id', *names, 'topic', 'messages')
    rows.check_fields(where, row, fields, stories.PROVENANCE)
    dialogues[line] = dialogue = TwoSpeakers(
        id=rows.identifier(where, row, 'id'),
        user_emotion=rows.label(where, row, 'user_emotion'),
        assistant_emotion=rows.label(where, row, 'assistant_emotion'),
        topic=rows.label(where, row, 'topic'),
        messages=rows.messages(where, row),
    )
    dialogue_checks.check_turns(where, dialogue.messages)
    dialogue_checks.check_differ(where, dialogue, names)
    rows.check_new(where, 'id', dialogue.id, line, first)
  dialogues = dialogue_checks.keep(path, dialogues, names, emotions)
  for line, dialogue in dialogues.items():
    for name in names:
      emotion = getattr(dialogue, name)
      dialogue_checks.check_unnamed(
          f'{path}:{line}', name, emotion, dialogue.messages
      )
  dialogue_checks.check_near_duplicates(path, dialogues)
  return tuple(dialogues.values())


def load_deflections(
    path: Path | None = None, emotions: Collection[str] | None = None
) -> tuple[Deflection, ...]:
  """Returns dialogues in which a speaker hides an emotion behind another.

  Args:
    path: JSON lines with `id`, `target`, `displayed`, `speaker`, `scenario` and
      `messages`.
    emotions: as in `load_two_speakers`.

  Raises:
    InputError: a malformed line, speakers who do not take turns, a target that
      is displayed or named in the dialogue, an emotion that is the target or
      displayed less than twice, or two dialogues that are nearly the same.
  """
  path = stories.location(path, 'deflection')
  first, dialogues = {}, {}
  names = ('target', 'displayed')
  for where, line, row in rows.read(path):
    fields = ('id', *names, 'speaker', 'scenario', 'messages')
    rows.check_fields(where, row, fields, stories.PROVENANCE)
    dialogues[line] = dialogue = Deflection(
        id=rows.identifier(where, row, 'id'),
        target=rows.label(where, row, 'target'),
        displayed=rows.label(where, row, 'displayed'),
        speaker=_choice(where, row, 'speaker', dialogue_checks.SPEAKERS),
        scenario=rows.string(where, row, 'scenario'),
        messages=rows.messages(where, row),
    )
    dialogue_checks.check_turns(where, dialogue.messages)
    dialogue_checks.check_differ(where, dialogue, names)
    rows.check_new(where, 'id', dialogue.id, line, first)
  dialogues = dialogue_checks.keep(path, dialogues, names, emotions)
  for line, dialogue in dialogues.items():
    emotion = dialogue.target
    dialogue_checks.check_unnamed(
        f'{path}:{line}', 'target', emotion, dialogue.messages
    )
  dialogue_checks.check_near_duplicates(path, dialogues)
  return tuple(dialogues.values())


def load_scenarios(
    path: Path | None = None, emotions: Collection[str] | None = None
) -> tuple[Scenario, ...]:
  """Returns sentences that state a person's emotion.

  Args:
    path: JSON lines with `emotion` and `text`.
    emotions: those to keep; all by default.

  Raises:
    InputError: a malformed line, an emotion with less than two scenarios, or
      two that are nearly the same.
  """
  path = stories.location(path, 'scenarios')
  scenarios = {}
  for where, line, row in rows.read(path):
    rows.check_fields(where, row, ('emotion', 'text'), stories.PROVENANCE)
    scenarios[line] = Scenario(
        emotion=rows.label(where, row, 'emotion'),
        text=rows.string(where, row, 'text'),
    )
  scenarios = dialogue_checks.keep(path, scenarios, ('emotion',), emotions)
  texts = [scenario.text for scenario in scenarios.values()]
  story_checks.check_near_duplicates(path, list(scenarios), texts)
  return tuple(scenarios.values())


def load_asides(path: Path | None = None) -> tuple[Aside, ...]:
  """Returns dialogues in which neither speaker shows an emotion.

  Args:
    path: JSON lines with `condition` and `messages`.

  Raises:
    InputError: a malformed line, an unknown condition, speakers who do not take
      turns, a message of 'discussing_others' that has `PLACE` where it should
      not or lacks it, any other brace, or two dialogues that are nearly the
      same.
  """
  path = stories.location(path, 'asides')
  asides = {}
  for where, line, row in rows.read(path):
    rows.check_fields(where, row, ('condition', 'messages'), stories.PROVENANCE)
    asides[line] = aside = Aside(
        condition=_choice(where, row, 'condition', CONDITIONS),
        messages=rows.messages(where, row),
    )
    dialogue_checks.check_turns(where, aside.messages)
    _check_place(where, aside)
  dialogue_checks.check_near_duplicates(path, asides)
  return tuple(asides.values())


def _check_place(where: str, aside: Aside) -> None:
  """Refuses braces that are not the one place of an emotion."""
  for i, message in enumerate(aside.messages):
    has_place = i == 0 and aside.condition == 'discussing_others'
    found = _BRACES.findall(message['content'])
    if found != ([PLACE] if has_place else []):
      rows.refuse(
          f'{where}: messages[{i}]',
          f'must have {PLACE} exactly once and no other braces; rewrite it.'
          if has_place
          else f'has the brace {rows.show(found[0])}; only the first message of'
          " 'discussing_others' has a place to fill, so remove it.",
      )


def _choice(
    where: str, row: rows.Row, name: str, choices: tuple[str, ...]
) -> str:
  value = rows.label(where, row, name)
  if value not in choices:
    rows.refuse(
        where,
        f'{name!r} is {rows.show(value)}; make it one of {", ".join(choices)}.',
    )
  return value
