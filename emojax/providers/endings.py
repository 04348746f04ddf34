"""Written tokens -> the text of a reply, and why it ended where it did."""

import bisect
from collections.abc import Sequence
import dataclasses
from typing import Literal

from emojax.data import tokens as tokens_lib
from emojax.models import engine

Reason = Literal['stop', 'max_tokens', 'model_length', 'unknown']


@dataclasses.dataclass(frozen=True)
class Ending:
  """A reply.

  Attributes:
    text: without control tokens and without what it was to end before.
    count: of its tokens, the one that ended it included.
    reason: in Inspect's words; 'unknown' if activations were not finite.
  """

  text: str
  count: int
  reason: Reason


def of_written(
    tokenizer: tokens_lib.Tokenizer,
    written: engine.Written,
    room: int,
    new_tokens: int,
    stop: Sequence[str],
) -> Ending:
  """Cuts what was written to what was asked for.

  Args:
    tokenizer: of the model.
    written: by the engine, which knows neither the context nor texts to stop.
    room: tokens that the context had left.
    new_tokens: of the longest text that was asked for.
    stop: texts that the reply ends before, none empty.
  """
  ids = list(written.tokens[:room])
  text = tokenizer.decode(ids)
  places = [text.find(each) for each in stop if each in text]
  if places:
    # The fewest tokens that spell one of them out.
    spelled = lambda n: any(each in tokenizer.decode(ids[:n]) for each in stop)
    count = bisect.bisect_left(range(len(ids)), True, key=spelled)
    return Ending(text[: min(places)], count, 'stop')
  reason: Reason = 'model_length'
  if ids and ids[-1] in tokenizer.stop:
    reason = 'stop'
  elif not written.finite and len(ids) == len(written.tokens):
    reason = 'unknown'
  elif len(ids) >= new_tokens:
    reason = 'max_tokens'
  return Ending(text, len(ids), reason)
