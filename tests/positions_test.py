"""A rule names its tokens by role and absolute position, and no others."""

import numpy as np
import pytest

from emojax import errors
from emojax import positions

# A chat of two turns: BOS, user, reply, user, header of the reply, its prefix.
ROLES = (
    ['template', 'user', 'user', 'template', 'assistant', 'template']
    + ['user', 'template', 'template', 'assistant']
)  # fmt: skip
TURN = 7
SIZE = len(ROLES)


def steered(text, written=4):
  """Absolute positions that a rule steers, of the prompt and of 4 more."""
  rule = positions.parse(text)
  prompt = positions.prompt_tokens(rule, ROLES, TURN)
  first, last = positions.written_span(rule, SIZE)
  after = range(SIZE, SIZE + written)
  return [
      *np.flatnonzero(prompt).tolist(),
      *(position for position in after if first <= position < last),
  ]


@pytest.mark.parametrize(
    ('rule', 'expected'),
    [
        ('all', list(range(14))),
        ('prompt', list(range(10))),
        ('user', [1, 2, 6]),
        ('assistant', [4, 7, 8, 9, 10, 11, 12, 13]),
        ('generated', [10, 11, 12, 13]),
        ('from:0', list(range(14))),
        ('from:8', [8, 9, 10, 11, 12, 13]),
        ('from:12', [12, 13]),
        ('span:2:4', [2, 3]),
        ('span:9:11', [9, 10]),
        ('span:11:13', [11, 12]),
        ('span:20:30', []),
    ],
)
def test_a_rule_steers_exactly_the_tokens_it_names(rule, expected):
  assert steered(rule) == expected


@pytest.mark.parametrize(
    'text',
    ['', 'All', 'none', 'from', 'from:', 'from:-1', 'from:1.5', 'from:1:2']
    + ['span:3', 'span:3:3', 'span:4:2', 'all:1', 'from:9999999999', 'from:²'],
)
def test_any_other_rule_is_refused_with_the_rules(text):
  with pytest.raises(errors.InputError, match='must be one of all, prompt'):
    positions.parse(text)
