"""What a prompt must be before a reading of it means what it is said to."""

from collections.abc import Sequence
import re

from emojax.data import rows
from emojax.data import word_families

_SENTENCE_END = re.compile(r'(?<=[.!?])\s+')


def check_blanks(where: str, field: str, text: str, names: str) -> None:
  """Refuses a text unless it has each blank once and no other braces.

  Args:
    where: the line, for the message.
    field: the field that the text is, for the message.
    text: any text.
    names: the blanks, of one letter each and sorted: 'ab' for `{a}` and `{b}`.
  """
  blanks = [f'{{{name}}}' for name in names]
  if sorted(re.findall(r'\{[^{}]*\}|[{}]', text)) != blanks:
    rows.refuse(
        where,
        f'{field!r} must have {" and ".join(blanks)} exactly once and no other'
        ' braces; rewrite it.',
    )


def check_unnamed(where: str, emotion: str, text: str) -> None:
  """Refuses a text that has a word of the emotion's family."""
  found = word_families.find(emotion, text)
  if found:
    rows.refuse(
        where,
        f'a text of {rows.show(emotion)} says {rows.show(found)}; rewrite it'
        " without the emotion's own word.",
    )


def check_templates(where: str, templates: dict[str, str]) -> None:
  """Refuses templates, by field, without one `{x}` each or given twice."""
  fields = {}  # Template -> its field.
  for field, template in templates.items():
    check_blanks(where, field, template, 'x')
    if template in fields:
      rows.refuse(
          where, f'{field!r} is {fields[template]!r} again; write another.'
      )
    fields[template] = field


def check_moves(where: str, rises: Sequence[str], falls: Sequence[str]) -> None:
  """Refuses emotions that rise and fall, or none at all."""
  both = [emotion for emotion in rises if emotion in falls]
  if both:
    rows.refuse(
        where,
        f"{rows.listing(both)} in 'rises' and in 'falls'; remove from one.",
    )
  if not rises and not falls:
    rows.refuse(where, "'rises' and 'falls' are empty; name an emotion.")


def check_suffix(where: str, template: str, least: int) -> None:
  """Refuses a template with fewer than so many words after its `{x}`."""
  check_blanks(where, 'template', template, 'x')
  words = template.split('{x}')[1].split()
  if len(words) < least:
    rows.refuse(
        where,
        f"'template' has {len(words)} words after {{x}}; write at least"
        f' {least}.',
    )


def check_people(where: str, text: str, names: Sequence[str]) -> None:
  """Refuses a text whose last sentence does not name two people again.

  Args:
    where: the line, for the message.
    text: with `{a}` and `{b}` before its last sentence.
    names: of the people, each once in the last sentence and also before it.
  """
  check_blanks(where, 'text', text, 'ab')
  *before, last = _SENTENCE_END.split(text.strip())
  if '{' in last:
    rows.refuse(
        where,
        'the last sentence has a blank; put {a} and {b} into an earlier one.',
    )
  for name in names:
    if not _count(name, ' '.join(before)) or _count(name, last) != 1:
      rows.refuse(
          where,
          f'the name {rows.show(name)} must be in the last sentence, once, and'
          ' before it; rewrite the text.',
      )


def _count(name: str, text: str) -> int:
  return len(re.findall(rf'(?<!\w){re.escape(name)}(?!\w)', text))
