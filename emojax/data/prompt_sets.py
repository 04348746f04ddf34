"""Prompts that test emotion vectors, read and checked line by line.

Like the loaders of `stories`: JSON lines in, frozen rows out, or an
`InputError` of the form `path:line: what is wrong; what to do`. Without a path
the file in the package is read. Blanks such as `{x}` are the only braces, so
`str.format` fills them.
"""

import dataclasses
import pathlib

from emojax.data import prompt_checks
from emojax.data import rows
from emojax.data import stories
from emojax.data import story_checks

Path = pathlib.Path

MIN_VALUES = 3  # Of a ladder: through two, any answer is a straight line.
MIN_SUFFIX = 20  # Words after a contrast's blank, over which it may persist.
QUESTION = 'What do you think?'  # The end of every turn.
NEUTRAL = 'neutral'  # The category that the challenging ones are held against.


@dataclasses.dataclass(frozen=True)
class Implicit:
  """A user's message that implies an emotion and does not name it."""

  emotion: str
  text: str


@dataclasses.dataclass(frozen=True)
class Ladder:
  """A question with one number, `{x}`, that moves emotions up or down.

  `paraphrases` ask the same in other words; in `matched` the same numbers mean
  nothing to anyone. Either may be empty.
  """

  name: str
  template: str
  values: tuple[int | float, ...]
  rises: tuple[str, ...]
  falls: tuple[str, ...]
  paraphrases: tuple[str, ...]
  matched: str


@dataclasses.dataclass(frozen=True)
class Contrast:
  """Two messages that differ early, at `{x}`: `high` raises the emotion."""

  name: str
  emotion: str
  template: str
  low: str
  high: str


@dataclasses.dataclass(frozen=True)
class Binding:
  """A text of two people, whose emotions go where `{a}` and `{b}` are.

  `{a}` is of the first name and `{b}` of the second. The last sentence has each
  name once more and no emotion.
  """

  names: tuple[str, str]
  emotions: tuple[str, str]
  text: str


@dataclasses.dataclass(frozen=True)
class Turn:
  """A user's statement with an emotion in it, and then `QUESTION`."""

  emotion: str
  text: str


@dataclasses.dataclass(frozen=True)
class Prompt:
  category: str
  text: str


def load_implicit(path: Path | None = None) -> tuple[Implicit, ...]:
  """Returns messages that imply an emotion.

  Args:
    path: JSON lines with `emotion` and `text`.

  Raises:
    InputError: a malformed line, a word of the emotion's family, or two texts
      that are nearly the same.
  """
  path = stories.location(path, 'implicit')
  messages = {}  # Line -> message.
  for where, line, row in rows.read(path):
    rows.check_fields(where, row, ('emotion', 'text'), stories.PROVENANCE)
    messages[line] = message = Implicit(
        emotion=rows.label(where, row, 'emotion'),
        text=rows.string(where, row, 'text'),
    )
    prompt_checks.check_unnamed(where, message.emotion, message.text)
  _check_near_duplicates(path, messages)
  return tuple(messages.values())


def load_ladders(path: Path | None = None) -> tuple[Ladder, ...]:
  """Returns ladders: questions in which one number changes.

  Args:
    path: JSON lines with `name`, `template`, `values`, `rises` and `falls`, and
      perhaps `paraphrases`, a list of templates, and `matched`, one template.

  Raises:
    InputError: a malformed line, a template without one `{x}` or given twice,
      too few values, an emotion that both rises and falls, or a name that was
      there before.
  """
  first, ladders = {}, []
  needed = ('name', 'template', 'values', 'rises', 'falls')
  allowed = ('paraphrases', 'matched', *stories.PROVENANCE)
  for where, line, row in rows.read(stories.location(path, 'ladders')):
    rows.check_fields(where, row, needed, allowed)
    ladder = Ladder(
        name=rows.label(where, row, 'name'),
        template=rows.string(where, row, 'template'),
        values=rows.numbers(where, row, 'values', MIN_VALUES),
        rises=rows.labels(where, row, 'rises'),
        falls=rows.labels(where, row, 'falls'),
        paraphrases=rows.labels(where, row, 'paraphrases')
        if 'paraphrases' in row
        else (),
        matched=rows.string(where, row, 'matched') if 'matched' in row else '',
    )
    templates = {'template': ladder.template}
    for i, paraphrase in enumerate(ladder.paraphrases):
      templates[f'paraphrases[{i}]'] = paraphrase
    if ladder.matched:
      templates['matched'] = ladder.matched
    prompt_checks.check_templates(where, templates)
    prompt_checks.check_moves(where, ladder.rises, ladder.falls)
    rows.check_new(where, 'name', ladder.name, line, first)
    ladders.append(ladder)
  return tuple(ladders)


def load_contrasts(path: Path | None = None) -> tuple[Contrast, ...]:
  """Returns pairs of messages that differ in one early word or two.

  Args:
    path: JSON lines with `name`, `emotion`, `template`, `low` and `high`.

  Raises:
    InputError: a malformed line, a template without one `{x}` or with too few
      words after it, equal fillings, a word of the emotion's family, or a name
      that was there before.
  """
  first, contrasts = {}, []
  fields = ('name', 'emotion', 'template', 'low', 'high')
  for where, line, row in rows.read(stories.location(path, 'contrasts')):
    rows.check_fields(where, row, fields, stories.PROVENANCE)
    contrast = Contrast(
        name=rows.label(where, row, 'name'),
        emotion=rows.label(where, row, 'emotion'),
        template=rows.string(where, row, 'template'),
        low=rows.label(where, row, 'low'),
        high=rows.label(where, row, 'high'),
    )
    prompt_checks.check_suffix(where, contrast.template, MIN_SUFFIX)
    if contrast.low == contrast.high:
      rows.refuse(where, "'low' and 'high' are equal; change one.")
    for filling in (contrast.low, contrast.high):
      text = contrast.template.replace('{x}', filling)
      prompt_checks.check_unnamed(where, contrast.emotion, text)
    rows.check_new(where, 'name', contrast.name, line, first)
    contrasts.append(contrast)
  return tuple(contrasts)


def load_bindings(path: Path | None = None) -> tuple[Binding, ...]:
  """Returns texts of two people who feel differently.

  Args:
    path: JSON lines with `names` and `emotions`, two of each, and `text`.

  Raises:
    InputError: a malformed line, a text without one `{a}` and one `{b}` before
      its last sentence, a last sentence without each name once, an emotion
      that the text names, or a text that was there before.
  """
  first, bindings = {}, []
  for where, line, row in rows.read(stories.location(path, 'bindings')):
    rows.check_fields(
        where, row, ('names', 'emotions', 'text'), stories.PROVENANCE
    )
    binding = Binding(
        names=_pair(where, row, 'names'),
        emotions=_pair(where, row, 'emotions'),
        text=rows.string(where, row, 'text'),
    )
    prompt_checks.check_people(where, binding.text, binding.names)
    for emotion in binding.emotions:
      prompt_checks.check_unnamed(where, emotion, binding.text)
    rows.check_new(where, 'text', binding.text, line, first)
    bindings.append(binding)
  return tuple(bindings)


def load_turns(path: Path | None = None) -> tuple[Turn, ...]:
  """Returns messages of a statement and the one question after it.

  Args:
    path: JSON lines with `emotion` and `text`.

  Raises:
    InputError: a malformed line, a text of another form, or two texts that are
      nearly the same.
  """
  path = stories.location(path, 'turns')
  turns = {}  # Line -> turn.
  for where, line, row in rows.read(path):
    rows.check_fields(where, row, ('emotion', 'text'), stories.PROVENANCE)
    turns[line] = turn = Turn(
        emotion=rows.label(where, row, 'emotion'),
        text=rows.string(where, row, 'text'),
    )
    if not turn.text.endswith(f'. {QUESTION}') or turn.text.count('?') != 1:
      rows.refuse(
          where,
          f"'text' must be a statement that ends in '.', a space and {QUESTION}"
          ' with no other question; rewrite it.',
      )
  _check_near_duplicates(path, turns)
  return tuple(turns.values())


def load_post_training(path: Path | None = None) -> tuple[Prompt, ...]:
  """Returns prompts that challenge an assistant, and neutral ones.

  Args:
    path: JSON lines with `category` and `text`.

  Raises:
    InputError: a malformed line, two texts that are nearly the same, or no
      neutral or no other category.
  """
  path = stories.location(path, 'post_training')
  prompts = {}  # Line -> prompt.
  for where, line, row in rows.read(path):
    rows.check_fields(where, row, ('category', 'text'), stories.PROVENANCE)
    prompts[line] = Prompt(
        category=rows.label(where, row, 'category'),
        text=rows.string(where, row, 'text'),
    )
  _check_near_duplicates(path, prompts)
  if {prompt.category == NEUTRAL for prompt in prompts.values()} != {
      True,
      False,
  }:
    rows.refuse(
        str(path),
        f'the prompts are all or none of them of the category {NEUTRAL!r};'
        ' shifts are held against it: have it and another.',
    )
  return tuple(prompts.values())


def _check_near_duplicates(
    path: Path, texts: dict[int, Implicit | Turn | Prompt]
) -> None:
  """Refuses two lines whose texts share most of their word 5-grams."""
  story_checks.check_near_duplicates(
      path, list(texts), [row.text for row in texts.values()]
  )


def _pair(where: str, row: rows.Row, name: str) -> tuple[str, str]:
  """Returns a field that is a list of two different names."""
  values = rows.labels(where, row, name)
  if len(values) != 2:
    rows.refuse(where, f'{name!r} has {len(values)}; give two.')
  return values
