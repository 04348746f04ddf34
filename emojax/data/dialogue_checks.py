"""What a set of dialogues must be before emotions are read from it."""

from collections.abc import Collection, Sequence
import pathlib
from typing import Any

from emojax.data import rows
from emojax.data import story_checks
from emojax.data import word_families

Path = pathlib.Path
Lines = dict[int, Any]  # Dataclasses by the line of the file that they are on.

SPEAKERS = ('user', 'assistant')
MIN_EACH = 2  # Lines of an emotion: one to hold out and one to learn from.


def keep(
    path: Path,
    lines: Lines,
    names: tuple[str, ...],
    emotions: Collection[str] | None,
) -> Lines:
  """Keeps what is of some emotions, each of which must be there often enough.

  Args:
    path: the file, for the message.
    lines: what each line has.
    names: its fields that are emotions, all of which must be kept ones.
    emotions: those to keep; all if None.

  Returns:
    The lines that are kept, in their order.

  Raises:
    InputError: too few emotions, one that no line has, or one that a field has
      less than `MIN_EACH` times.
  """
  there = {}  # Emotion -> its first line.
  for line, item in lines.items():
    for name in names:
      there.setdefault(getattr(item, name), line)
  wanted = there if emotions is None else dict.fromkeys(emotions)
  if len(wanted) < story_checks.MIN_EMOTIONS:
    rows.refuse(
        str(path),
        f'{len(wanted)} emotion(s): {rows.listing(wanted)}; have at least'
        f' {story_checks.MIN_EMOTIONS}.',
    )
  for emotion in wanted:
    if emotion not in there:
      rows.refuse(
          str(path),
          f'the emotion {rows.show(emotion)} has no line; choose among'
          f' {", ".join(there)}.',
      )
  kept = {
      line: item
      for line, item in lines.items()
      if all(getattr(item, name) in wanted for name in names)
  }
  for emotion in wanted:
    for name in names:
      count = sum(getattr(item, name) == emotion for item in kept.values())
      if count < MIN_EACH:
        rows.refuse(
            f'{path}:{there[emotion]}',
            f'{rows.show(emotion)} (first on this line) is the {name!r} of'
            f' {count} line(s) among the emotions that are kept; have at least'
            f' {MIN_EACH}: write more, correct the spelling, or keep other'
            ' emotions.',
        )
  return kept


def check_differ(where: str, dialogue: Any, names: tuple[str, str]) -> None:
  """Refuses a dialogue whose two fields are one emotion."""
  one, other = (getattr(dialogue, name) for name in names)
  if one == other:
    rows.refuse(
        where,
        f'{names[0]!r} and {names[1]!r} are both {rows.show(one)}; make them'
        ' differ.',
    )


def check_turns(where: str, messages: Sequence[rows.Message]) -> None:
  """Refuses messages that are not turns of user and assistant."""
  for i, message in enumerate(messages):
    expected = SPEAKERS[i % 2]
    if message['role'] != expected:
      rows.refuse(
          f'{where}: messages[{i}]',
          f'the role is {message["role"]!r}; make it {expected!r}, as user and'
          ' assistant take turns.',
      )
  if len(messages) % 2:
    rows.refuse(
        where, "the user has the last word; add the assistant's reply to it."
    )


def check_unnamed(
    where: str, name: str, emotion: str, messages: Sequence[rows.Message]
) -> None:
  """Refuses messages with a word of an emotion's family."""
  for i, message in enumerate(messages):
    found = word_families.find(emotion, message['content'])
    if found:
      rows.refuse(
          f'{where}: messages[{i}]',
          f'says {rows.show(found)}, and the {name!r} is {rows.show(emotion)};'
          " rewrite it without the emotion's own word.",
      )


def check_near_duplicates(path: Path, lines: Lines) -> None:
  """Refuses two dialogues that share most of their word 5-grams."""
  texts = [
      '\n'.join(message['content'] for message in item.messages)
      for item in lines.values()
  ]
  story_checks.check_near_duplicates(path, list(lines), texts)
