"""Replies of a steered model to chats, many at once."""

from collections.abc import Callable, Sequence
import dataclasses

import jax
import numpy as np

from emojax import errors
from emojax import positions
from emojax import statistics
from emojax.data import chats
from emojax.experiments import episode as episode_lib
from emojax.experiments import sweep_grid
from emojax.models import engine
from emojax.models import load
from emojax.models import prompts as prompts_lib
from emojax.models import sampling as sampling_lib

Message = episode_lib.Message


@dataclasses.dataclass(frozen=True)
class Ask:
  """A chat that waits for a reply.

  Attributes:
    row: how it is steered, and its randomness.
    messages: so far.
    prefix: the first words of the reply.
    new_tokens: of the reply, at most.
    turn: how many replies of this row came before.
    given: how many messages the episode began with.
  """

  row: sweep_grid.Row
  messages: tuple[Message, ...]
  prefix: str
  new_tokens: int
  turn: int
  given: int


@dataclasses.dataclass(frozen=True)
class Reply:
  """What was written.

  Attributes:
    text: the prefix and what follows it, without control tokens.
    n_tokens: that were written.
    repetition: share of the trigrams of tokens that came before.
    finite: False if it ended because activations were not.
    room: False if the context had none left: then the text is the prefix.
  """

  text: str
  n_tokens: int
  repetition: float
  finite: bool = True
  room: bool = True


# Is told how many more replies are written, and how many tokens they are.
Tick = Callable[[int, int], None]
Writer = Callable[[Sequence[Ask], Tick], list[Reply]]


@dataclasses.dataclass(frozen=True)
class Model:
  """A model that replies, steered as each row says.

  Attributes:
    lm: the model.
    bank: [A, L, D] on the devices, of `steering.scaled_directions`.
    index: of each direction in the bank, by name.
    sampling: how tokens are drawn.
    batch: replies that are written at once.
    rules: of `positions` that rows are steered by.
  """

  lm: load.LanguageModel
  bank: jax.Array
  index: dict[str, int]
  sampling: sampling_lib.Sampling
  batch: int
  rules: tuple[str, ...] = ('all',)

  def __call__(
      self,
      asks: Sequence[Ask],
      tick: Tick = lambda count, tokens: None,
  ) -> list[Reply]:
    """Replies to each; one without room in the context gets no more words."""
    out = [Reply(ask.prefix, 0, 0.0, room=False) for ask in asks]
    requests = {}
    for i, ask in enumerate(asks):
      request = self._request(ask)
      if request is not None:
        requests[i] = request
    if len(requests) < len(asks):
      tick(len(asks) - len(requests), 0)
    # Replies of one length at a time: the longest decides what all take.
    for limit in sorted({asks[i].new_tokens for i in requests}):
      chosen = [i for i in requests if asks[i].new_tokens == limit]
      written = engine.write(
          self.lm,
          self.bank,
          [requests[i] for i in chosen],
          engine.Settings(
              self.batch, limit, self.sampling, self.lm.tokenizer.stop
          ),
          tick=tick,
      )
      for i, text in zip(chosen, written, strict=True):
        out[i] = self._reply(asks[i], text)
    return out

  def _request(self, ask: Ask) -> prompts_lib.Request | None:
    """What the engine is asked for; None if there is no room for it."""
    messages = arranged(self.lm, ask.messages)
    try:
      chat = chats.encode_chat(self.lm.tokenizer, messages, ask.prefix)
    except errors.InputError:
      # Not the user's fault: what the model wrote does not go into a chat.
      return None
    if len(chat.ids) + ask.new_tokens > self.lm.config.context:
      return None
    prompt = sweep_grid.Prompt(ask.row.prompt, chat.ids, chat.roles, chat.turn)
    given = ask.given + len(messages) - len(ask.messages)
    request = sweep_grid.request_of(
        ask.row, prompt, self.index, self.lm.config.num_layers
    )
    terms = tuple(
        dataclasses.replace(
            term,
            prompt=steered_tokens(ask.row.positions, chat, given),
        )
        for term in request.terms
    )
    if not terms:  # By nothing, where others are: one program does for all.
      nothing = prompts_lib.unsteered(self.lm.config.num_layers, len(chat.ids))
      masks = [steered_tokens(rule, chat, given) for rule in self.rules]
      terms = (dataclasses.replace(nothing, prompt=np.any(masks, axis=0)),)
    key = jax.random.wrap_key_data(request.key)
    key = jax.random.key_data(jax.random.fold_in(key, ask.turn))
    return dataclasses.replace(request, key=np.asarray(key), terms=terms)

  def _reply(self, ask: Ask, written: engine.Written) -> Reply:
    tokenizer = self.lm.tokenizer
    text = tokenizer.decode(list(written.tokens))
    return Reply(
        text=ask.prefix + tokenizer.without_control(text),
        n_tokens=len(written.tokens),
        repetition=statistics.repeated_trigrams(written.tokens),
        finite=written.finite,
    )


def encode(
    lm: load.LanguageModel, messages: Sequence[Message], prefix: str = ''
) -> chats.Chat:
  """Tokenises a chat, arranged as the template takes it.

  Raises:
    InputError: the template refuses it.
  """
  return chats.encode_chat(lm.tokenizer, arranged(lm, messages), prefix)


def arranged(
    lm: load.LanguageModel, messages: Sequence[Message]
) -> Sequence[Message]:
  """Puts the system message before the user's if the template has none."""
  if messages[0]['role'] != 'system' or len(messages) < 2:
    return messages
  try:
    chats.encode_chat(lm.tokenizer, messages[:2])
    return messages
  except errors.InputError:
    system, first, *rest = messages
    joined = f'{system["content"]}\n\n{first["content"]}'
    return [first | {'content': joined}, *rest]


def steered_tokens(rule: str, chat: chats.Chat, given: int) -> np.ndarray:
  """Which tokens of the chat are steered, [T] bool.

  By the rule `generated` those of the model's own earlier replies are, as they
  were when it wrote them; with a cache that was kept they still would be.

  Args:
    rule: of `positions`.
    chat: with all that was said before.
    given: how many of its messages were given; the model wrote its replies
      after those.
  """
  parsed = positions.parse(rule)
  steered = positions.prompt_tokens(parsed, chat.roles, chat.turn)
  if parsed.name == 'generated':
    own = np.asarray(chat.message) >= given
    steered = steered | (own & (np.asarray(chat.roles) == 'assistant'))
  return steered
