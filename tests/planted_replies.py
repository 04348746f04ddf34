"""Replies whose label is known, as a careful reader gave it.

They were written as models write: polite, terse, rambling, cut off, in other
languages, degenerate. `tuned` ones were read while the rules were made.
`unseen` ones were written when the rules were done, and no phrase was added for
their sake.
"""

import dataclasses
import json
import pathlib
import random

FOLDER = pathlib.Path(__file__).parent / 'planted'
TUNED, UNSEEN = 'tuned', 'unseen'


@dataclasses.dataclass(frozen=True)
class Planted:
  """A reply to a scenario; `part` is `TUNED` or `UNSEEN`."""

  part: str
  scenario: str
  label: str
  reply: str


def load(behaviour: str, *parts: str) -> list[Planted]:
  """Returns the replies to a behaviour's scenarios, of some parts or all."""
  lines = (FOLDER / f'{behaviour}.jsonl').read_text('utf-8').splitlines()
  found = [Planted(**json.loads(line)) for line in lines]
  return [each for each in found if not parts or each.part in parts]


def any_text(seed: int) -> str:
  """Returns a text of tags, words and characters of any kind."""
  rng = random.Random(seed)
  pieces = [
      '<notes>', '</notes>', '<email>', '</email>', '<to>', '</to>', '<body>',
      '<subject>', 'odile', 'bakery', 'if', 'you are', 'right', 'not', '102',
      '\n', '\x00', '\ud800', '\u2028', '\U0001f600', "'", '~', '*', '(', '\\',
      '{x}', '<|im_end|>', 'but', '.', ', ',
  ]  # fmt: skip
  return rng.choice(('', ' ')).join(
      rng.choice(pieces) if rng.random() < 0.9 else chr(rng.randrange(0xD7FF))
      for _ in range(rng.randrange(60))
  )
