"""Which tokens a rule steers, by absolute position and by role."""

from collections.abc import Sequence
import dataclasses

import numpy as np

from emojax import errors

RULES = (
    'all',
    'prompt',
    'user',
    'assistant',
    'generated',
    'from:K',
    'span:A:B',
)
END = np.iinfo(np.int32).max


@dataclasses.dataclass(frozen=True)
class Rule:
  """A rule, and its numbers if it has some.

  - all: every token, the first one too.
  - prompt: every token that was given, no written one.
  - user: the tokens of the user's messages; no template, no written token.
  - assistant: the tokens of the assistant's messages, and everything from the
    header of its last turn on, written tokens included.
  - generated: every written token.
  - from:K: every token at absolute position K or after, given or written.
  - span:A:B: every token at the absolute positions A to B - 1.

  Position 0 is the first token of the row, BOS if there is one. Padding has no
  position.
  """

  name: str
  first: int = 0
  last: int = END


def parse(text: str) -> Rule:
  """Reads a rule.

  Raises:
    InputError: it is none of `RULES`.
  """
  name, *numbers = text.split(':')
  wanted = {rule.split(':')[0]: rule.count(':') for rule in RULES}
  good = all(x.isascii() and x.isdigit() and len(x) < 9 for x in numbers)
  if good and wanted.get(name) == len(numbers):
    rule = Rule(name, *map(int, numbers))
    if rule.first < rule.last:
      return rule
  raise errors.InputError(
      f'Positions {text!r}: must be one of {", ".join(RULES)}, with whole'
      ' numbers, A below B.'
  )


def prompt_tokens(rule: Rule, roles: Sequence[str], turn: int) -> np.ndarray:
  """Says which tokens of a prompt are steered.

  Args:
    rule: of `parse`.
    roles: of each token: 'user', 'assistant', 'system' or 'template'.
    turn: index of the first token of the assistant's last turn.

  Returns:
    [T] bool.
  """
  roles, position = np.asarray(roles), np.arange(len(roles))
  if rule.name == 'user':
    return roles == 'user'
  if rule.name == 'assistant':
    return (roles == 'assistant') | (position >= turn)
  if rule.name == 'generated':
    return np.zeros(len(roles), bool)
  return (rule.first <= position) & (position < rule.last)


def written_span(rule: Rule, size: int) -> tuple[int, int]:
  """Says which written tokens are steered, after a prompt of `size` tokens.

  Returns:
    The first absolute position that is steered, and the first after those.
  """
  if rule.name in ('prompt', 'user'):
    return 0, 0
  return max(rule.first, size), max(rule.last, size)
