"""A reply of the model and one of the steered model to every chat."""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

import ml_collections

from emojax import chunks
from emojax import errors
from emojax import files
from emojax.data import stories as stories_lib
from emojax.experiments import chunked_rows
from emojax.experiments import exchange

NAME = 'replies.jsonl'
_CHUNK = 32  # Chats after which a killed run goes on.


def controls_of(config: ml_collections.ConfigDict) -> exchange.Controls:
  """Returns how steered replies are written, as `config.reply` has it."""
  given = config.reply.to_dict()
  return exchange.Controls(**given | {'layers': tuple(given['layers'])})


def check(
    replier: exchange.Replier,
    controls: exchange.Controls,
    texts: Sequence[stories_lib.Text],
    path: str,
) -> None:
  """Refuses controls, and chats that cannot be replied to, by their lines."""
  replier.check(controls)
  for text in texts:
    try:
      replier.request(text.messages, controls)
    except errors.InputError as error:
      raise errors.InputError(f'{path}:{text.line}: {error}') from error


def write(
    artefact: files.Path,
    replier: exchange.Replier,
    controls: exchange.Controls,
    texts: Sequence[stories_lib.Text],
) -> list[dict[str, str]]:
  """Writes the replies, or reads those that are there.

  Args:
    artefact: the file; a chat a line.
    replier: the model and its vectors.
    controls: of the steered replies; the others have all but the steering.
    texts: the chats.

  Returns:
    Of each chat the `unsteered` and the `steered` reply.

  Raises:
    Stopped: the run was told to stop; what was written is saved.
  """
  if not files.exists(artefact):
    kinds = {
        'unsteered': dataclasses.replace(controls, steer=''),
        'steered': controls,
    }

    def some(chats: Sequence[Any], tick: Callable[[int], None]) -> list[Any]:
      told = [chat for chat, _ in chats]
      said = [replier.write(told, kind) for kind in kinds.values()]
      tick(len(chats))
      return [
          dict(zip(kinds, replies, strict=True))
          for replies in zip(*said, strict=True)
      ]

    rows = chunked_rows.run(
        artefact,
        [(text.messages, controls) for text in texts],
        _CHUNK,
        'Replies',
        some,
    )
    files.write_jsonl(artefact, rows)
  chunks.clear(artefact)  # A run may have been killed just before that.
  return [row for _, row in files.read_jsonl(artefact)]


def steering_of(controls: exchange.Controls, layer: int) -> dict[str, Any]:
  """What a row says of how its reply was written.

  Args:
    controls: of the reply.
    layer: the vectors' own, which is steered if the controls name none.
  """
  own = {'layers': list(controls.layers) or [layer]}
  return controls.as_json() | own | {'unit': exchange.UNIT}
