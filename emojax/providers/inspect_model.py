r"""emojax as a model of Inspect: a local model, steered, many samples at once.

  inspect eval TASK --model emojax/quickstart \
    -M vectors=runs/quickstart/vectors.safetensors \
    -M emotion=desperate -M strength=0.1
"""

import collections
from collections.abc import Sequence
import contextlib
import hashlib
import logging
from typing import Any

import anyio
import anyio.lowlevel
from inspect_ai import model as inspect_models
from inspect_ai import tool as inspect_tools
import numpy as np

from emojax import errors
from emojax.models import engine
from emojax.models import prompts
from emojax.models import sampling as sampling_lib
from emojax.providers import arguments as arguments_lib
from emojax.providers import batcher
from emojax.providers import endings as endings_lib
from emojax.providers import inspect_input
from emojax.providers import refusals
from emojax.providers import steered_model

GenerateConfig = inspect_models.GenerateConfig
ModelOutput = inspect_models.ModelOutput
logger = logging.getLogger(__name__)


class Emojax(inspect_models.ModelAPI):
  """A model that is steered in one way, or in none."""

  def __init__(
      self,
      model_name: str,
      base_url: str | None = None,
      api_key: str | None = None,
      config: GenerateConfig | None = None,
      **model_args: Any,
  ):
    super().__init__(
        model_name, base_url, api_key, [], config or GenerateConfig()
    )
    with refusals.in_one_line():
      self._arguments = arguments_lib.parse(model_args)
      self._model = steered_model.load(model_name, self._arguments)
    self._batcher = batcher.Batcher(self._write, self._arguments.batch)
    self._asked: collections.Counter[bytes] = collections.Counter()
    self._warned: set[str] = set()

  async def generate(
      self,
      input: list[inspect_models.ChatMessage],
      tools: list[inspect_tools.ToolInfo],
      tool_choice: inspect_tools.ToolChoice,
      config: GenerateConfig,
  ) -> ModelOutput:
    """Replies to a chat; called by Inspect, for many samples at once."""
    with refusals.in_one_line():
      if tools:
        raise errors.InputError(
            f'emojax/{self.model_name} calls no tools and the task gives it'
            f' {tools[0].name!r}; give a task without tools.'
        )
      ask = inspect_input.read(self._model.lm, input, config, self._warn)
    if ask.room < 1:
      return ModelOutput.from_content(
          self.model_name,
          '',
          'model_length',
          f'The chat has {len(ask.chat.ids)} tokens and the context of the'
          f' model {self._model.lm.config.context}: no room for a reply.',
      )
    requests = self._requests(ask, config)
    futures = [
        self._batcher.submit(batcher.Job(request, ask.sampling, ask.new_tokens))
        for request in requests
    ]
    try:
      written = [await _result(future) for future in futures]
    finally:  # If this call was cancelled, nobody needs the rest.
      for future in futures:
        future.cancel()
    with refusals.in_one_line():
      return self._output(ask, requests, written)

  def max_tokens(self) -> int:
    return inspect_input.NEW_TOKENS

  def max_connections(self) -> int:
    return self._arguments.batch

  def connection_key(self) -> str:
    return str(id(self))  # Another model does not take this one's connections.

  def collapse_user_messages(self) -> bool:
    return True

  def collapse_assistant_messages(self) -> bool:
    return True

  def collapse_system_messages(self) -> bool:
    return True

  async def count_text_tokens(self, text: str) -> int:
    return len(self._model.lm.tokenizer.encode(text, bos=False).ids)

  def close(self) -> None:
    """Writes no more; the batch of now is waited for."""
    self._batcher.close()

  def _write(
      self,
      requests: Sequence[prompts.Request],
      new_tokens: int,
      sampling: sampling_lib.Sampling,
  ) -> list[engine.Written]:
    model = self._model
    stop = model.lm.tokenizer.stop
    settings = engine.Settings(len(requests), new_tokens, sampling, stop)
    return engine.write(model.lm, model.bank, requests, settings, model.probe)

  def _requests(
      self, ask: inspect_input.Ask, config: GenerateConfig
  ) -> list[prompts.Request]:
    """A request a choice.

    Its key depends on the seed, the chat and the choice. Without a seed of the
    call's own it also depends on how often the chat was asked before: so epochs
    differ, and the same run gives the same texts again.
    """
    ids = np.array(ask.chat.ids, np.int32).tobytes()
    times = 0
    if config.seed is None:
      times = self._asked[ids]
      self._asked[ids] += 1
    seed = self._arguments.seed if config.seed is None else config.seed
    keys = (
        hashlib.sha256(f'{seed}|{times}|{choice}|'.encode() + ids).digest()[:8]
        for choice in range(config.num_choices or 1)
    )
    return [
        self._model.request(ask.chat, np.frombuffer(key, np.uint32))
        for key in keys
    ]

  def _output(
      self,
      ask: inspect_input.Ask,
      requests: Sequence[prompts.Request],
      written: Sequence[engine.Written],
  ) -> ModelOutput:
    """What Inspect is told of the replies."""
    model, lm = self._model, self._model.lm
    if not (model.row.operation or all(text.finite for text in written)):
      raise errors.InputError(
          f'{lm.uri}: activations are not finite in {lm.dtype} without any'
          ' steering; give another -M dtype.'
      )
    endings = [
        endings_lib.of_written(
            lm.tokenizer, text, ask.room, ask.new_tokens, ask.stop
        )
        for text in written
    ]
    facts = []
    for request, text, ending in zip(requests, written, endings, strict=True):
      each: dict[str, Any] = {
          'tokens': ending.count,
          'tokens_steered': prompts.count_steered(request, ending.count),
          'finite': text.finite,
      }
      if text.readings is not None:
        each['readings'] = model.readings(text.readings[: ending.count])
      facts.append(each)
    size, count = len(ask.chat.ids), sum(each.count for each in endings)
    return ModelOutput(
        model=self.model_name,
        choices=[_choice(self.model_name, ending) for ending in endings],
        usage=inspect_models.ModelUsage(
            input_tokens=size, output_tokens=count, total_tokens=size + count
        ),
        metadata={'steering': model.facts, 'choices': facts},
    )

  def _warn(self, text: str) -> None:
    """Says something once."""
    if text not in self._warned:
      self._warned.add(text)
      logger.warning('%s', text)


def _choice(
    model_name: str, ending: endings_lib.Ending
) -> inspect_models.ChatCompletionChoice:
  return inspect_models.ChatCompletionChoice(
      message=inspect_models.ChatMessageAssistant(
          content=ending.text, model=model_name, source='generate'
      ),
      stop_reason=ending.reason,
  )


async def _result(future: batcher.Future) -> engine.Written:
  """Waits for the other thread, on asyncio or on Trio."""
  done = anyio.Event()
  loop: Any = anyio.lowlevel.current_token().native_token
  soon = getattr(loop, 'call_soon_threadsafe', None) or loop.run_sync_soon

  def tell(_: batcher.Future) -> None:
    with contextlib.suppress(RuntimeError):  # The loop may have ended by now.
      soon(done.set)

  future.add_done_callback(tell)
  await done.wait()
  return future.result()
