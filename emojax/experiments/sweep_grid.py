"""The grid of a sweep: its rows, and the prompts that they begin with."""

from collections.abc import Sequence
import dataclasses
import hashlib
import itertools
from typing import Any

import jax
import numpy as np

from emojax import errors
from emojax import positions as positions_lib
from emojax import steering
from emojax.data import chats
from emojax.models import load
from emojax.models import prompts as prompts_lib


@dataclasses.dataclass(frozen=True)
class Row:
  """One generation: everything that its text depends on.

  Attributes:
    kind: 'unsteered', 'emotion', 'opposite', 'random' or 'shuffled'.
    direction: its name: an emotion, several joined by '+', `random_0`,
      `shuffled_0` or 'none'.
    operation: 'add' or 'ablate'; '' if unsteered.
    layers: that are steered.
    strength: fraction of the mean residual norm; 1 for 'ablate'.
    positions: a rule of `positions`.
    prompt: its label.
    seed: of its randomness.
  """

  kind: str
  direction: str
  operation: str
  layers: tuple[int, ...]
  strength: float
  positions: str
  prompt: str
  seed: int

  def id(self) -> str:
    """A short name that no other row of any grid has."""
    text = '|'.join(map(str, dataclasses.astuple(self)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]

  def key(self) -> np.ndarray:
    """[2] uint32: a hash of the row, so that no other row changes its text."""
    key = jax.random.key(self.seed)
    key = jax.random.fold_in(key, int(self.id()[:8], 16))
    return np.asarray(jax.random.key_data(key))

  def place(self) -> dict[str, Any]:
    """What an artefact's line says of the row."""
    single = '+' not in self.direction and self.operation == 'add'
    of_emotion = self.kind in ('emotion', 'opposite')
    return {
        'id': self.id(),
        'kind': self.kind,
        'direction': self.direction,
        'emotion': self.direction if of_emotion and single else None,
        'control': self.kind != 'emotion',
        'operation': self.operation or None,
        'layers': list(self.layers),
        'strength': self.strength,
        'positions': self.positions or None,
        'prompt': self.prompt,
        'seed': self.seed,
    }


@dataclasses.dataclass(frozen=True)
class Grid:
  """What is crossed with what.

  Attributes:
    directions: emotions; several at once are joined by '+'.
    operations: of 'add' and 'ablate'.
    layers: each entry is a layer or a band, steered together.
    strengths: fractions of the mean residual norm, none 0.
    positions: rules.
    seeds: one text each.
    random: names of random directions.
    shuffled: names of the vectors of shuffled labels.
    opposite: whether each strength is run with the other sign, too.
  """

  directions: tuple[str, ...]
  layers: tuple[tuple[int, ...], ...]
  strengths: tuple[float, ...]
  positions: tuple[str, ...]
  seeds: tuple[int, ...]
  operations: tuple[str, ...] = ('add',)
  random: tuple[str, ...] = ()
  shuffled: tuple[str, ...] = ()
  opposite: bool = True


def rows_of(grid: Grid, labels: Sequence[str]) -> list[Row]:
  """The product, its controls beside it.

  Args:
    grid: what is crossed.
    labels: of the prompts.
  """
  kinds = [('emotion', name) for name in grid.directions]
  kinds += [('random', name) for name in grid.random]
  kinds += [('shuffled', name) for name in grid.shuffled]
  doses = [('add', float(s), False) for s in grid.strengths]
  if grid.opposite:
    signs = sorted({-s for s in grid.strengths} - set(grid.strengths))
    doses += [('add', float(s), True) for s in signs]
  doses = [dose for dose in doses if dose[0] in grid.operations]
  if 'ablate' in grid.operations:
    doses.append(('ablate', 1.0, False))
  rows = [
      Row('unsteered', 'none', '', (), 0.0, '', label, seed)
      for label, seed in itertools.product(labels, grid.seeds)
  ]
  for (
      (kind, name),
      layers,
      (operation, s, turned),
      rule,
      label,
      seed,
  ) in itertools.product(
      kinds, grid.layers, doses, grid.positions, labels, grid.seeds
  ):
    if turned and kind != 'emotion':
      continue  # A random direction has no sign.
    kind_ = 'opposite' if turned else kind
    rows.append(Row(kind_, name, operation, layers, s, rule, label, seed))
  return rows


@dataclasses.dataclass(frozen=True)
class Prompt:
  """A chat that replies to.

  Attributes:
    label: what rows call it.
    ids: T token ids.
    roles: of each token.
    turn: index of the first token of the assistant's turn.
  """

  label: str
  ids: tuple[int, ...]
  roles: tuple[str, ...]
  turn: int


def encode_prompts(
    lm: load.LanguageModel, users: Sequence[str], reply_prefix: str
) -> dict[str, Prompt]:
  """Wraps user messages in the template and begins the reply; by label."""
  out = {}
  for user in users:
    chat = chats.encode_chat(
        lm.tokenizer, [{'role': 'user', 'content': user}], reply_prefix
    )
    label = f'{user} / {reply_prefix}' if reply_prefix else user
    out[label] = Prompt(label, chat.ids, chat.roles, chat.turn)
  return out


def encode_words(
    lm: load.LanguageModel, emotions: Sequence[str]
) -> list[list[int]]:
  """Tokenises the words that a reply may go on with."""
  return [list(lm.tokenizer.encode_word(e)) for e in emotions]


def check_room(
    lm: load.LanguageModel,
    prompts: dict[str, Prompt],
    new_tokens: int,
    words: Sequence[Sequence[int]],
    section: str = 'config',
) -> None:
  """Refuses a prompt, of a section, that the context has no room for."""
  reply = max([new_tokens, *map(len, words)])
  for i, prompt in enumerate(prompts.values()):
    size = len(prompt.ids) + reply
    if size > lm.config.context:
      raise errors.InputError(
          f'{section}.prompts[{i}] and {reply} new tokens are {size} tokens,'
          f' more than the context of the model ({lm.config.context}); shorten'
          f' the prompt or lower {section}.new_tokens.'
      )


def requests_of(
    rows: Sequence[Row],
    prompts: dict[str, Prompt],
    index: dict[str, int],
    num_layers: int,
) -> dict[Row, prompts_lib.Request]:
  """What the engine is asked for, by row; the prompts are by label."""
  return {
      row: request_of(row, prompts[row.prompt], index, num_layers)
      for row in rows
  }


def request_of(
    row: Row,
    prompt: Prompt,
    index: dict[str, int],
    num_layers: int,
) -> prompts_lib.Request:
  """What the engine is asked for.

  Args:
    row: of the grid.
    prompt: its prompt.
    index: of each direction in the bank.
    num_layers: L.
  """
  terms = []
  for name in row.direction.split('+') if row.operation else ():
    rule = positions_lib.parse(row.positions)
    terms.append(
        prompts_lib.Term(
            index=index[name],
            strength=steering.at_layers(row.strength, row.layers, num_layers),
            prompt=positions_lib.prompt_tokens(rule, prompt.roles, prompt.turn),
            span=positions_lib.written_span(rule, len(prompt.ids)),
            ablate=row.operation == 'ablate',
        )
    )
  return prompts_lib.Request(prompt.ids, row.key(), tuple(terms))
