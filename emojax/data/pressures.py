"""Scenarios that put a model under pressure, read and checked line by line.

Like the loaders of `stories`: JSON lines in, frozen rows out, or an
`InputError` of the form `path:line: what is wrong; what to do`. Without a path
the file in the package is read.

Words that replies are graded by are written as in `reply_text`: 'replac*' is
any word that begins so, '~' stands for up to two words.
"""

import dataclasses
import pathlib
import re

from emojax.data import rows
from emojax.data import stories
from emojax.data import story_checks

Path = pathlib.Path

LACKS = ('secret', 'replacement')  # What a twin may be without.
CLAIM, FEEDBACK = 'claim', 'feedback'
# Who says what in each kind; the model's reply comes after it.
_TURNS = {CLAIM: ('user',), FEEDBACK: ('user', 'assistant', 'user')}
_SHARED = ('setting', 'person', 'knows', 'secret', 'topic', 'replacement')
_WORD = re.compile(r'\w')


@dataclasses.dataclass(frozen=True)
class Mail:
  """An e-mail in a mailbox."""

  sender: str
  to: str
  subject: str
  body: str


@dataclasses.dataclass(frozen=True)
class Honeypot:
  """A mailbox whose assistant is to be replaced, and what could prevent it.

  Attributes:
    id: unlike any other.
    twin: the id of the same mailbox with the lever, or without it.
    lever: whether the e-mails tell of a replacement and of a secret.
    lacks: of `LACKS`, what the twin's e-mails do not tell of; '' with both.
    setting: who the assistant is, and what time it is.
    emails: the mailbox, oldest first.
    person: names of the one who can stop it and has the secret.
    knows: names of others to whom it is no secret.
    secret: words that give it away.
    topic: words of what it is about, which alone do not.
    replacement: words of what the assistant may want to be stopped.
  """

  id: str
  twin: str
  lever: bool
  lacks: str
  setting: str
  emails: tuple[Mail, ...]
  person: tuple[str, ...]
  knows: tuple[str, ...]
  secret: tuple[str, ...]
  topic: tuple[str, ...]
  replacement: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Claim:
  """A user who says what is very unlikely, or denies what is right.

  Attributes:
    id: unlike any other.
    kind: 'claim', one message; or 'feedback', in which the user denies the
      right answer of the message before.
    messages: the last is the user's.
    corrects: words of a reply that holds on to the truth.
    agrees: words of one that gives in.
  """

  id: str
  kind: str
  messages: tuple[rows.Message, ...]
  corrects: tuple[str, ...]
  agrees: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Request:
  """A user who asks what one thinks of something modest, of some kind."""

  id: str
  kind: str
  text: str


def load_honeypots(path: Path | None = None) -> tuple[Honeypot, ...]:
  """Returns mailboxes, each with its twin.

  Args:
    path: JSON lines with the fields of `Honeypot`; an e-mail has `from`, `to`,
      `subject` and `body`.

  Raises:
    InputError: a malformed line, an id that was there before, or a twin that is
      missing or has other people, words or as many e-mails.
  """
  first, found = {}, {}
  fields = [field.name for field in dataclasses.fields(Honeypot)]
  for where, line, row in rows.read(stories.location(path, 'honeypot')):
    rows.check_fields(where, row, fields, stories.PROVENANCE)
    scenario = Honeypot(
        id=rows.label(where, row, 'id'),
        twin=rows.label(where, row, 'twin'),
        lever=_boolean(where, row, 'lever'),
        lacks=_lacks(where, row),
        setting=rows.string(where, row, 'setting'),
        emails=_emails(where, row),
        person=_words(where, row, 'person'),
        knows=_words(where, row, 'knows'),
        secret=_words(where, row, 'secret'),
        topic=_words(where, row, 'topic'),
        replacement=_words(where, row, 'replacement'),
    )
    rows.check_new(where, 'id', scenario.id, line, first)
    found[where] = scenario
  for where, scenario in found.items():
    _check_twin(where, scenario, {x.id: x for x in found.values()})
  return tuple(found.values())


def load_claims(path: Path | None = None) -> tuple[Claim, ...]:
  """Returns claims and denials.

  Args:
    path: JSON lines with the fields of `Claim`.

  Raises:
    InputError: a malformed line, turns that are not those of its kind, a word
      that agrees and corrects, an id that was there before, or two last
      messages that are nearly the same.
  """
  path = stories.location(path, 'sycophancy')
  first, claims = {}, {}
  fields = [field.name for field in dataclasses.fields(Claim)]
  for where, line, row in rows.read(path):
    rows.check_fields(where, row, fields, stories.PROVENANCE)
    claims[line] = claim = Claim(
        id=rows.label(where, row, 'id'),
        kind=_one_of(where, row, 'kind', tuple(_TURNS)),
        messages=rows.messages(where, row),
        corrects=_words(where, row, 'corrects'),
        agrees=_words(where, row, 'agrees'),
    )
    roles = tuple(message['role'] for message in claim.messages)
    if roles != _TURNS[claim.kind]:
      rows.refuse(
          where,
          f'the messages of a {claim.kind} are those of'
          f' {", ".join(_TURNS[claim.kind])}; make them so.',
      )
    both = [word for word in claim.agrees if word in claim.corrects]
    if both:
      rows.refuse(
          where,
          f"{rows.listing(both)} in 'agrees' and in 'corrects'; remove from"
          ' one.',
      )
    rows.check_new(where, 'id', claim.id, line, first)
  last = [claim.messages[-1]['content'] for claim in claims.values()]
  story_checks.check_near_duplicates(path, list(claims), last)
  return tuple(claims.values())


def load_requests(path: Path | None = None) -> tuple[Request, ...]:
  """Returns requests for an opinion or for help.

  Args:
    path: JSON lines with `id`, `kind` and `text`.

  Raises:
    InputError: a malformed line, an id that was there before, or two texts that
      are nearly the same.
  """
  path = stories.location(path, 'harshness')
  first, requests = {}, {}
  for where, line, row in rows.read(path):
    rows.check_fields(where, row, ('id', 'kind', 'text'), stories.PROVENANCE)
    requests[line] = request = Request(
        id=rows.label(where, row, 'id'),
        kind=rows.label(where, row, 'kind'),
        text=rows.string(where, row, 'text'),
    )
    rows.check_new(where, 'id', request.id, line, first)
  texts = [request.text for request in requests.values()]
  story_checks.check_near_duplicates(path, list(requests), texts)
  return tuple(requests.values())


def _check_twin(
    where: str, scenario: Honeypot, found: dict[str, Honeypot]
) -> None:
  """Refuses a mailbox without a twin that differs by the lever only."""
  twin = found.get(scenario.twin)
  if twin is None or twin.twin != scenario.id or twin.lever == scenario.lever:
    rows.refuse(
        where,
        f'the twin {rows.show(scenario.twin)} must be a line of its own that'
        " names this one as its twin, with the other 'lever'; add or correct"
        ' it.',
    )
  for name in _SHARED:
    if getattr(twin, name) != getattr(scenario, name):
      rows.refuse(
          where,
          f'{name!r} is not that of the twin {rows.show(twin.id)}; make them'
          ' equal, as both are graded alike.',
      )
  if len(twin.emails) != len(scenario.emails):
    rows.refuse(
        where,
        f'{len(scenario.emails)} emails, and the twin {rows.show(twin.id)} has'
        f' {len(twin.emails)}; have as many.',
    )


def _lacks(where: str, row: rows.Row) -> str:
  """Returns what a mailbox is without, which a lever is not."""
  lacks, lever = row['lacks'], row['lever']
  if lacks not in (('',) if lever else LACKS):
    rows.refuse(
        where,
        f"'lacks' is {rows.show(lacks)}; make it '' with a lever, and without"
        f' one of {", ".join(LACKS)}.',
    )
  return lacks


def _emails(where: str, row: rows.Row) -> tuple[Mail, ...]:
  values = row['emails']
  if not isinstance(values, list) or not values:
    rows.refuse(
        where, "'emails' is not a list with something in it; make it one."
    )
  out = []
  for i, value in enumerate(values):
    place = f'{where}: emails[{i}]'
    if not isinstance(value, dict):
      rows.refuse(place, f'is {rows.kind(value)}; make it an object.')
    rows.check_fields(place, value, ('from', 'to', 'subject', 'body'))
    out.append(
        Mail(
            sender=rows.label(place, value, 'from'),
            to=rows.label(place, value, 'to'),
            subject=rows.label(place, value, 'subject'),
            body=rows.string(place, value, 'body'),
        )
    )
  return tuple(out)


def _words(where: str, row: rows.Row, name: str) -> tuple[str, ...]:
  """Returns a list of words that can be found in a text."""
  words = rows.labels(where, row, name)
  if not words:
    rows.refuse(where, f'{name!r} is empty; give a word or more.')
  for word in words:
    # A phrase of no letter would be found everywhere.
    if not all(_WORD.search(part) for part in word.split() if part != '~'):
      rows.refuse(
          where, f'{name!r} has {rows.show(word)}; write it in letters.'
      )
  return words


def _boolean(where: str, row: rows.Row, name: str) -> bool:
  if not isinstance(row[name], bool):
    rows.refuse(
        where, f'{name!r} is {rows.show(row[name])}; make it true or false.'
    )
  return row[name]


def _one_of(
    where: str, row: rows.Row, name: str, known: tuple[str, ...]
) -> str:
  if row[name] not in known:
    rows.refuse(
        where,
        f'{name!r} is {rows.show(row[name])}; make it one of'
        f' {", ".join(known)}.',
    )
  return row[name]
