"""A chat that was written, read as a whole by the model without steering."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any

import jax
import numpy as np

from emojax import hosts
from emojax import readings
from emojax import vectors as vectors_lib
from emojax.data import batches
from emojax.data import chats
from emojax.experiments import replies
from emojax.models import capture
from emojax.models import engine_stream
from emojax.models import load
from emojax.models import sharding
from emojax.models import taps

_SITES = ('resid_post/norm', 'resid_post/project')


@dataclasses.dataclass(frozen=True)
class Reading:
  """Values of every token, as `experiments.read` has them.

  Attributes:
    chat: the tokens, and the message that each is in.
    cosine: [T, E].
    score: [T, E], cosines in standard deviations of neutral dialogues.
  """

  chat: chats.Chat
  cosine: np.ndarray
  score: np.ndarray


Reader = Callable[[Sequence[dict[str, str]]], Reading]


def reader(
    lm: load.LanguageModel,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, Any],
) -> Reader:
  """Returns what reads a chat at the vectors' own layer.

  Args:
    lm: the model.
    arrays: of `build_vectors.read_vectors`.
    metadata: likewise.
  """
  unit = sharding.replicate(lm.mesh, vectors_lib.unit(arrays['vectors']))
  layer = metadata['layer']

  def read(messages: Sequence[dict[str, str]]) -> Reading:
    """Reads messages; InputError if the template refuses them."""
    chat = chats.encode_chat(lm.tokenizer, replies.arranged(lm, messages))
    cosine = _cosines(lm, unit, chat.ids, layer)
    score = readings.scores(cosine, chat.response, arrays, layer)
    return Reading(chat, cosine, score)

  return read


def _cosines(
    lm: load.LanguageModel, unit: jax.Array, ids: Sequence[int], layer: int
) -> np.ndarray:
  """[T, E] of one text, padded as prompts are: so few programs are compiled."""
  rows = sharding.round_up_rows(lm.mesh, 1)
  width, _ = engine_stream.shape_of(len(ids), 1)
  tokens, valid = batches.padded([ids] * rows, width)
  put = lambda x: sharding.put(lm.mesh, ('B', 'T'), x)
  got = capture.capture(
      lm.model,
      lm.params,
      put(tokens),
      put(valid),
      taps.Readout(put(valid.astype(np.float32)), unit),
      _SITES,
  )
  got = hosts.fetch({site: x[layer, 0] for site, x in got.items()})
  norm, project = (got[site][: len(ids)] for site in _SITES)
  return readings.cosines(project, norm)
