"""The corpus, and any file of texts, read and checked line by line.

Every loader takes a file of JSON lines and returns frozen rows, or raises an
`InputError` of the form `path:line: what is wrong; what to do`. Without a path
it reads the corpus in the package.
"""

from collections.abc import Collection
import dataclasses
import importlib.resources
import pathlib

from emojax import files
from emojax.data import rows
from emojax.data import story_checks

Path = pathlib.Path

_STORY, _DIALOGUE = ('emotion', 'topic', 'text'), ('id', 'messages')
# Fields that any line may have beside those that are read.
PROVENANCE = ('source', 'model', 'prompt_id', 'seed', 'split', 'index')


@dataclasses.dataclass(frozen=True)
class Story:
  emotion: str
  topic: str
  text: str


@dataclasses.dataclass(frozen=True)
class Stories:
  """Stories in which every emotion has every topic.

  Names are in the order of their first appearance in the file; `sha256` is that
  of the file's bytes, whichever emotions were kept.
  """

  emotions: tuple[str, ...]
  topics: tuple[str, ...]
  stories: tuple[Story, ...]
  sha256: str


@dataclasses.dataclass(frozen=True)
class Dialogue:
  id: int | str
  messages: tuple[rows.Message, ...]


@dataclasses.dataclass(frozen=True)
class Activity:
  category: str
  text: str


@dataclasses.dataclass(frozen=True)
class Text:
  """A chat to read: `line` counts from 1 in its file."""

  line: int
  id: int | str | None
  title: str | None
  implies: str | None
  messages: tuple[rows.Message, ...]


def load_stories(
    path: Path | None = None, emotions: Collection[str] | None = None
) -> Stories:
  """Returns the stories of a file, checked.

  Args:
    path: JSON lines with `emotion`, `topic` and `text`.
    emotions: those to keep; all by default. The others' lines must be well
      formed, but are not compared.

  Raises:
    InputError: a malformed line, too few emotions or topics, an emotion without
      a story on some topic, a story with its emotion's own word, or two stories
      that are nearly the same.
  """
  path = path or _packaged('stories.jsonl')
  stories = {}  # Line -> story.
  for where, line, row in rows.read(path, _STORY):
    rows.check_fields(where, row, _STORY, PROVENANCE)
    stories[line] = Story(
        emotion=rows.label(where, row, 'emotion'),
        topic=rows.label(where, row, 'topic'),
        text=rows.string(where, row, 'text'),
    )
  if emotions is not None:
    stories = _of_emotions(path, stories, emotions)
  lines = list(stories)
  labels = [story.emotion for story in stories.values()]
  topics = [story.topic for story in stories.values()]
  texts = [story.text for story in stories.values()]
  story_checks.check_crossed(path, lines, labels, topics)
  story_checks.check_own_words(path, lines, labels, texts)
  story_checks.check_near_duplicates(path, lines, texts)
  return Stories(
      emotions=tuple(dict.fromkeys(labels)),
      topics=tuple(dict.fromkeys(topics)),
      stories=tuple(stories.values()),
      sha256=files.sha256(path),
  )


def load_dialogues(path: Path | None = None) -> tuple[Dialogue, ...]:
  """Returns neutral dialogues, in which user and assistant take turns.

  Args:
    path: JSON lines with `id` and `messages`.

  Raises:
    InputError: a malformed line, two messages of one role in a row, or an id or
      a dialogue that was there before.
  """
  first_id, first_talk, dialogues = {}, {}, []
  path = path or _packaged('neutral.jsonl')
  for where, line, row in rows.read(path, _DIALOGUE):
    rows.check_fields(where, row, _DIALOGUE, PROVENANCE)
    dialogue = Dialogue(
        id=rows.identifier(where, row, 'id'),
        messages=rows.messages(where, row),
    )
    _check_turns(where, dialogue.messages)
    talk = '\n'.join(message['content'] for message in dialogue.messages)
    rows.check_new(where, 'id', dialogue.id, line, first_id)
    rows.check_new(where, 'dialogue', talk, line, first_talk)
    dialogues.append(dialogue)
  return tuple(dialogues)


def load_activities(path: Path | None = None) -> tuple[Activity, ...]:
  """Returns activities, between which a model is asked to choose.

  Args:
    path: JSON lines with `category` and `text`.

  Raises:
    InputError: a malformed line, or a text that was there before.
  """
  first, activities = {}, []
  for where, line, row in rows.read(path or _packaged('activities.jsonl')):
    rows.check_fields(where, row, ('category', 'text'), PROVENANCE)
    activity = Activity(
        category=rows.label(where, row, 'category'),
        text=rows.string(where, row, 'text'),
    )
    rows.check_new(where, 'text', activity.text, line, first)
    activities.append(activity)
  return tuple(activities)


def load_texts(path: Path | None = None) -> tuple[Text, ...]:
  """Returns the chats of any file; a bare text is one message of the user.

  Args:
    path: JSON lines with either `text` or `messages`, and perhaps `id`, `title`
      and `implies`, the emotion that the text is about; null counts as absent.
      Other fields are left alone.

  Raises:
    InputError: a malformed line, an empty text, or both or neither of the two.
  """
  found = rows.read(path or _packaged('chats.jsonl'), ('text',))
  return tuple(text_of(where, line, row) for where, line, row in found)


def text_of(where: str, line: int, row: rows.Row) -> Text:
  """Reads one object of `load_texts`; `where` begins an error's message."""
  given = {name for name, value in row.items() if value is not None}
  if len(given & {'text', 'messages'}) != 1:
    found = 'both' if 'text' in given else 'neither'
    rows.refuse(
        where,
        f"{found} of 'text' and 'messages'; give one of the two, as in"
        f' {rows.example(["text"])} or {rows.example(["messages"])}',
    )
  if 'text' in given:
    text = rows.string(where, row, 'text')
    messages = ({'role': 'user', 'content': text},)
  else:
    messages = rows.messages(where, row)
  of = lambda kind, name: kind(where, row, name) if name in given else None
  return Text(
      line=line,
      id=of(rows.identifier, 'id'),
      title=of(rows.string, 'title'),
      implies=of(rows.label, 'implies'),
      messages=messages,
  )


def location(path: Path | None, name: str) -> Path:
  """Returns the file that a loader reads: `path`, or the packaged `name`."""
  return path or _packaged(f'{name}.jsonl')


def _packaged(name: str) -> Path:
  # As a path, which it is wherever pip unpacks a wheel.
  return Path(str(importlib.resources.files('emojax.data') / 'corpus' / name))


def _of_emotions(
    path: Path, stories: dict[int, Story], emotions: Collection[str]
) -> dict[int, Story]:
  """Keeps the stories of some emotions, each of which must have one."""
  there = dict.fromkeys(story.emotion for story in stories.values())
  for emotion in emotions:
    if emotion not in there:
      rows.refuse(
          str(path),
          f'the emotion {rows.show(emotion)} has no story; choose among'
          f' {", ".join(there)}.',
      )
  return {
      line: story
      for line, story in stories.items()
      if story.emotion in emotions
  }


def _check_turns(where: str, messages: tuple[rows.Message, ...]) -> None:
  """Refuses messages that are not a system's, if any, and then turns."""
  roles = [message['role'] for message in messages]
  turns = roles[1:] if roles[0] == 'system' else roles
  if not turns:
    rows.refuse(where, 'only a system message; add a user message.')
  for i, role in enumerate(turns):
    expected = 'assistant' if i % 2 else 'user'
    if role != expected:
      rows.refuse(
          f'{where}: messages[{i + len(roles) - len(turns)}]',
          f'the role is {role!r}; make it {expected!r}, as user and assistant'
          ' take turns.',
      )
