"""Replies to messages, and how readings of two places correlate."""

from collections.abc import Mapping, Sequence
import functools
from typing import Any

import numpy as np

from emojax import agreement
from emojax import resampling
from emojax import statistics
from emojax.data import chats
from emojax.experiments.measures import prompt_readings
from emojax.models import engine
from emojax.models import load
from emojax.models import prompts as prompts_lib
from emojax.models import sampling as sampling_lib


def write(
    lm: load.LanguageModel,
    encoded: Sequence[chats.Chat],
    new_tokens: int,
    batch: int,
) -> list[tuple[int, ...]]:
  """The likeliest reply to each chat, without the token that ends it."""
  settings = engine.Settings(
      batch=batch,
      new_tokens=new_tokens,
      sampling=sampling_lib.Sampling(temperature=0),
      stop=lm.tokenizer.stop,
  )
  key = np.zeros(2, np.uint32)
  requests = [prompts_lib.Request(chat.ids, key) for chat in encoded]
  return [
      tuple(i for i in text.tokens if i not in lm.tokenizer.stop)
      for text in engine.write(lm, None, requests, settings)
  ]


def pools_of(
    chat: chats.Chat, stop: int, reply: Sequence[int]
) -> dict[str, np.ndarray]:
  """The tokens of a chat and its reply that are read, by place: [T] bool.

  Args:
    chat: a message, about to be replied to.
    stop: the token at which its statement ends.
    reply: the ids that follow the chat.
  """
  at = np.arange(len(chat.ids) + len(reply))
  return {
      'statement': at == stop,
      'user': at == np.flatnonzero(np.array(chat.message) == 0)[-1],
      'response': at == chat.response,
      'reply': at >= len(chat.ids),
  }


def correlations(
    x: Mapping[str, np.ndarray],
    y: Mapping[str, np.ndarray],
    centre: bool,
    seed: int,
    draws: int,
) -> list[dict[str, Any]]:
  """Correlates two places over texts and probes at every layer.

  Args:
    x: by kind of direction, [N, L, E] or, of controls, [K, N, L, E].
    y: likewise, at the other place.
    centre: whether each probe's mean over texts is taken off.
    seed: of resamples and of draws.
    draws: of the control that deals the texts of y out anew.

  Returns:
    A row a layer: `layer`, r with an interval over texts, and bands of
    `permuted` texts and of each kind of control.
  """
  r = functools.partial(agreement.point_correlation, centre=centre)
  x, y = ({k: v.astype(float) for k, v in z.items()} for z in (x, y))
  n, depth, _ = x['emotions'].shape
  rng = np.random.default_rng(seed)
  orders = np.stack([rng.permutation(n) for _ in range(draws)])
  rows = []
  for layer in range(depth):
    a, b = x['emotions'][:, layer], y['emotions'][:, layer]
    row = {
        'layer': layer,
        **resampling.bootstrap(r, (a, b), np.arange(n), seed),
        'permuted': statistics.band(r(a[None], b[orders], axis=1)),
    }
    for kind in prompt_readings.CONTROLS:
      pair = (z[kind][..., layer, :] for z in (x, y))
      row[kind] = statistics.band(r(*pair, axis=1))
    rows.append(row)
  return rows
