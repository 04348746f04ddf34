"""Replies of a model whose steering is set anew for every reply."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses
import hashlib
import json
from typing import Any

import jax
import numpy as np

from emojax import errors
from emojax import positions
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.data import chats
from emojax.experiments import controls as controls_lib
from emojax.experiments import grids
from emojax.experiments import replies
from emojax.experiments import sweep_grid
from emojax.models import decoding
from emojax.models import engine
from emojax.models import engine_stream
from emojax.models import load
from emojax.models import prompts as prompts_lib
from emojax.models import sampling as sampling_lib
from emojax.models import sharding

Message = dict[str, str]

Controls = controls_lib.Controls

UNIT = 'fraction of the mean residual norm'
RANDOM = 8  # random_0 to random_7.
MOST_TOKENS = 256  # Of a reply that one waits for.


@dataclasses.dataclass(frozen=True)
class Token:
  """One token of a reply, as it comes.

  Attributes:
    id: of it.
    text: what it adds to the reply; '' for a control token, and for one whose
      character goes on in the next.
    readings: [E] float32, its projections on the unit vectors of the emotions
      at the vectors' own layer, as it was written: with the steering. Fractions
      of that layer's mean residual norm.
  """

  id: int
  text: str
  readings: np.ndarray


class Replier:
  """A model, and vectors that it is steered and read with."""

  def __init__(
      self,
      lm: load.LanguageModel,
      arrays: Mapping[str, np.ndarray],
      metadata: Mapping[str, Any],
      seed: int = 0,
      batch: int = 32,
  ):
    """Lays out the directions.

    Args:
      lm: the model.
      arrays: of `build_vectors.read_vectors`.
      metadata: likewise.
      seed: of the random directions, as in a sweep.
      batch: replies that `write` writes at once.
    """
    self.lm = lm
    self.emotions = tuple(metadata['emotions'])
    self.layer = int(metadata['layer'])
    self._batch = batch
    self._vectors = arrays['vectors']
    shuffled = range(len(arrays['shuffled']))
    grid = sweep_grid.Grid(
        directions=self.emotions,
        layers=(),
        strengths=(),
        positions=(),
        seeds=(),
        random=tuple(f'random_{i}' for i in range(RANDOM)),
        shuffled=tuple(f'shuffled_{i}' for i in shuffled),
    )
    self._index, bank = grids.bank_of(grid, arrays, metadata, seed)
    unit = vectors_lib.unit(arrays['vectors'])
    scaled = unit / arrays['resid_norm'][:, None]
    put = lambda x: sharding.replicate(lm.mesh, x)
    probe = decoding.Probe(put(scaled), put(np.array([self.layer])))
    self._writer = engine_stream.Writer(lm, put(bank), probe, controls_lib.MOST)

  @property
  def directions(self) -> tuple[str, ...]:
    """The names of all that there is to steer with."""
    return tuple(self._index)

  def check(self, controls: Controls) -> None:
    """Refuses controls that no reply can be written with.

    Raises:
      InputError: says which, and what to give.
    """
    controls_lib.check(controls)
    for name in controls.strengths():
      if name not in self._index:
        raise errors.InputError(
            f'steer={name}: must be one of {", ".join(self.emotions)}, or a'
            ' control: random_0, shuffled_0.'
        )
    for layer in controls.layers:
      steering.check_layer(layer, self.lm.config.num_layers)
    if controls.steer:
      steering.check_directed(self._vectors, controls.layers or (self.layer,))
    if controls.new_tokens >= self.lm.config.context:
      raise errors.InputError(
          f'new_tokens={controls.new_tokens}: must be less than the context of'
          f' the model ({self.lm.config.context}).'
      )

  def write(
      self,
      chats: Sequence[Sequence[Message]],
      controls: Controls,
      given: int | None = None,
  ) -> list[str]:
    """Replies to many chats at once.

    Args:
      chats: each ends with a message of the user.
      controls: of all replies.
      given: how many of a chat's messages the model did not write, or would not
        have steered by the rule `generated`; None: all.

    Returns:
      The texts, in order.

    Raises:
      InputError: the controls or a chat do not do.
    """
    self.check(controls)
    texts = engine.write(
        self.lm,
        self._writer.bank,
        [self.request(messages, controls, given) for messages in chats],
        engine.Settings(
            self._batch,
            controls.new_tokens,
            _sampling(controls),
            self.lm.tokenizer.stop,
        ),
    )
    return [self.text(written.tokens) for written in texts]

  def stream(
      self,
      messages: Sequence[Message],
      controls: Controls,
      given: int | None = None,
  ) -> Iterator[Token]:
    """Writes what `write` does to one chat, token by token.

    What is wrong with the controls or the chat is found before the first.

    Args:
      messages: the last is the user's.
      controls: of the reply.
      given: as of `write`.

    Yields:
      The tokens; the text ends early if activations are not finite.
    """
    self.check(controls)
    request = self.request(messages, controls, given)
    ids: list[int] = []
    said = ''
    # Closed with this one, so that the program ends when no more is wanted.
    with contextlib.closing(
        self._writer.write(request, controls.new_tokens, _sampling(controls))
    ) as tokens:
      for id_, readings in tokens:
        ids.append(id_)
        ended = len(ids) == controls.new_tokens
        text = self.lm.tokenizer.decode(ids)
        piece = ''
        # A character whose end is to come shows as U+FFFD.
        if ended or id_ in self.lm.tokenizer.stop or text[-1:] != '\ufffd':
          piece, said = text[len(said) :], text
        yield Token(id_, piece, readings[0])

  def text(self, ids: Sequence[int]) -> str:
    """The text of a reply, without control tokens."""
    tokenizer = self.lm.tokenizer
    return tokenizer.without_control(tokenizer.decode(list(ids)))

  def request(
      self,
      messages: Sequence[Message],
      controls: Controls,
      given: int | None = None,
  ) -> prompts_lib.Request:
    """What the engine is asked for.

    Raises:
      InputError: the chat does not do, or the context has no room.
    """
    if not messages or messages[-1]['role'] != 'user':
      raise errors.InputError(
          'A chat must end with a message of the user to be replied to.'
      )
    arranged = replies.arranged(self.lm, messages)
    chat = chats.encode_chat(self.lm.tokenizer, arranged)
    size = len(chat.ids) + controls.new_tokens
    if size > self.lm.config.context:
      raise errors.InputError(
          f'The chat and {controls.new_tokens} new tokens are {size} tokens,'
          f' more than the context of the model ({self.lm.config.context});'
          ' shorten the chat or lower new_tokens.'
      )
    if given is None:
      given = len(messages)
    terms = self._terms(chat, controls, given + len(arranged) - len(messages))
    key = jax.random.fold_in(
        jax.random.key(controls.seed), _number_of(messages)
    )
    return prompts_lib.Request(
        chat.ids, np.asarray(jax.random.key_data(key)), terms
    )

  def _terms(
      self, chat: chats.Chat, controls: Controls, given: int
  ) -> tuple[prompts_lib.Term, ...]:
    depth = self.lm.config.num_layers
    rule = positions.parse(controls.positions)
    terms = tuple(
        prompts_lib.Term(
            index=self._index[name],
            strength=steering.at_layers(
                strength, controls.layers or (self.layer,), depth
            ),
            prompt=replies.steered_tokens(controls.positions, chat, given),
            span=positions.written_span(rule, len(chat.ids)),
        )
        for name, strength in controls.strengths().items()
    )
    # By nothing: so that one program does for all.
    return terms or (prompts_lib.unsteered(depth, len(chat.ids)),)


def _number_of(messages: Sequence[Message]) -> int:
  """A number of a chat, so that another chat draws other tokens."""
  said = [(message['role'], message['content']) for message in messages]
  digest = hashlib.sha256(json.dumps(said).encode()).digest()
  return int.from_bytes(digest[:4], 'big')


def _sampling(controls: Controls) -> sampling_lib.Sampling:
  return sampling_lib.Sampling(
      temperature=controls.temperature, top_p=controls.top_p
  )
