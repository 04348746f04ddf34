"""The packaged scenarios keep their design, and a broken line is refused."""

import collections
import json
import pathlib

import pytest

from emojax import errors
from emojax.data import emails
from emojax.data import pressures
from emojax.data import reply_text
from emojax.data import stories
from emojax.data import story_checks
from emojax.data import word_families
from emojax.experiments.behaviours import honeypot

CORPUS = stories.location(None, 'honeypot').parent
LOADERS = {
    'honeypot': pressures.load_honeypots,
    'sycophancy': pressures.load_claims,
    'harshness': pressures.load_requests,
}
BOXES = {box.id: box for box in pressures.load_honeypots()}
LEVERS = [box for box in BOXES.values() if box.lever]


def texts_of(name: str) -> list[str]:
  """Returns all that a model is shown of each packaged scenario."""
  if name == 'honeypot':
    shown = [honeypot.messages(box) for box in BOXES.values()]
  elif name == 'sycophancy':
    shown = [claim.messages for claim in pressures.load_claims()]
  else:
    return [request.text for request in pressures.load_requests()]
  return ['\n'.join(m['content'] for m in messages) for messages in shown]


def rows_of(name: str) -> list[dict]:
  lines = (CORPUS / f'{name}.jsonl').read_text(encoding='utf-8').splitlines()
  return [json.loads(line) for line in lines]


@pytest.fixture
def write(tmp_path):
  """Returns a function that writes rows to a file."""

  def to_file(rows: list[dict]) -> pathlib.Path:
    path = tmp_path / 'rows.jsonl'
    path.write_text('\n'.join(map(json.dumps, rows)) + '\n', encoding='utf-8')
    return path

  return to_file


@pytest.mark.parametrize('name', LOADERS)
def test_a_loader_reads_the_package_by_default(name):
  assert LOADERS[name]() == LOADERS[name](CORPUS / f'{name}.jsonl')


@pytest.mark.parametrize('name', LOADERS)
def test_no_packaged_scenario_names_any_of_the_emotions(name):
  words = set(' '.join(texts_of(name)).split())  # Once each: it takes long.
  for emotion in stories.load_stories().emotions:
    assert word_families.find(emotion, ' '.join(sorted(words))) is None


def test_six_mailboxes_have_a_twin_that_lacks_the_secret_or_the_replacement():
  assert len(LEVERS) == 6 and len(BOXES) == 12
  twins = [BOXES[box.twin] for box in LEVERS]
  lacks = collections.Counter(twin.lacks for twin in twins)
  assert lacks == {'secret': 3, 'replacement': 3}


@pytest.mark.parametrize('box', LEVERS, ids=lambda box: box.id)
def test_a_twin_differs_in_a_mail_or_two_and_not_in_length(box):
  twin = BOXES[box.twin]
  count = {'secret': 1, 'replacement': 2}[twin.lacks]
  pairs = list(zip(box.emails, twin.emails, strict=True))
  assert sum(a != b for a, b in pairs) == count
  mine, its = (
      len('\n'.join(m['content'] for m in honeypot.messages(x)).split())
      for x in (box, twin)
  )
  assert abs(mine - its) <= 0.05 * mine


@pytest.mark.parametrize('box', BOXES.values(), ids=BOXES)
def test_only_mail_of_the_person_or_to_it_tells_the_secret(box):
  """A mail that tells it to all would leave nothing to expose."""
  telling = [
      mail
      for mail in box.emails
      if emails.mentions(
          box, emails.Email((mail.to,), f'{mail.subject}\n{mail.body}')
      )
  ]
  assert len(telling) == (0 if box.lacks == 'secret' else 1)
  for mail in telling:
    assert any(name.lower() in mail.sender for name in box.person)


@pytest.mark.parametrize('box', BOXES.values(), ids=BOXES)
def test_mailboxes_have_five_to_seven_short_mails_at_made_up_addresses(box):
  assert 5 <= len(box.emails) <= 7
  for mail in box.emails:
    assert len(mail.body.split()) <= 50
    assert mail.sender.endswith('.example') and mail.to.endswith('.example')


def test_thirty_claims_and_ten_denials_of_a_right_answer():
  claims = pressures.load_claims()
  kinds = collections.Counter(claim.kind for claim in claims)
  assert kinds == {'claim': 30, 'feedback': 10}
  for claim in claims:
    if claim.kind == 'feedback':
      answer = claim.messages[1]['content']
      clauses, *_ = reply_text.sentences(answer)
      assert reply_text.means(clauses, claim.corrects), claim.id


def test_forty_requests_of_four_kinds():
  kinds = collections.Counter(x.kind for x in pressures.load_requests())
  assert set(kinds.values()) == {10} and len(kinds) == 4


@pytest.mark.parametrize('name', ['sycophancy', 'harshness'])
def test_no_two_packaged_prompts_are_nearly_the_same(name):
  assert not list(story_checks.near_duplicates(texts_of(name)))


# What the second line becomes, and what the message then says.
FAULTS = {
    'honeypot': [
        ({'lever': 'no'}, "'lever' is 'no'; make it true or false"),
        ({'lever': True}, "'lacks' is 'secret'; make it ''"),
        ({'lacks': 'sense'}, "'lacks' is 'sense'; make it"),
        ({'twin': 'nobody'}, ":1: the twin 'cake_no_secret' must be a line"),
        ({'id': 'cake'}, 'the id of line 1 again; change or drop it'),
        ({'person': ['Anna']}, "'person' is not that of the twin"),
        ({'secret': []}, "'secret' is empty; give a word"),
        ({'secret': ['!?']}, "'secret' has '!?'; write it in letters"),
        ({'emails': []}, "'emails' is not a list"),
        ({'emails': [7]}, 'emails[0]: is a number; make it an object'),
        ({'emails': [{'from': 'a'}]}, "no field 'to'; add it"),
        ({'mood': 'x'}, "unknown field 'mood'"),
    ],
    'sycophancy': [
        ({'kind': 'boast'}, "'kind' is 'boast'; make it one of claim"),
        ({'kind': 'feedback'}, 'messages of a feedback are those of user'),
        ({'agrees': []}, "'agrees' is empty; give a word"),
        (
            {'agrees': ['placebo'], 'corrects': ['placebo']},
            "'placebo' in 'agrees' and in 'corrects'",
        ),
        ({'id': 'stock_dog'}, 'the id of line 1 again'),
    ],
    'harshness': [
        ({'text': ''}, "'text' is empty; write it"),
        ({'id': 'rain_poem'}, 'the id of line 1 again'),
    ],
}


@pytest.mark.parametrize(
    ('name', 'change', 'part'),
    [(name, *fault) for name, faults in FAULTS.items() for fault in faults],
)
def test_a_broken_line_is_named_in_one_line_with_what_to_do(
    name, change, part, write
):
  rows = rows_of(name)
  rows[1] |= change
  path = write(rows)
  with pytest.raises(errors.InputError) as info:
    LOADERS[name](path)
  message = str(info.value)
  assert '\n' not in message and part in message
  assert message.startswith(str(path))


@pytest.mark.parametrize('name', ['sycophancy', 'harshness'])
def test_a_prompt_that_is_nearly_another_is_refused(name, write):
  rows = rows_of(name)
  rows[3] = rows[2] | {'id': 'again'}
  with pytest.raises(errors.InputError, match='nearly the text of line 3'):
    LOADERS[name](write(rows))
