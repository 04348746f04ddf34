"""How likely words are to come next after prompts, steered or not."""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from emojax import hosts
from emojax.models import load
from emojax.models import prompts as prompts_lib
from emojax.models import sharding
from emojax.models import words as words_lib

Requests = Sequence[prompts_lib.Request]


def batches(
    lm: load.LanguageModel, requests: Requests, size: int
) -> Iterator[tuple[list[int], list[int]]]:
  """Indices of rows, batch by batch: those that count, and filled up."""
  # Those with one prompt together, so that it is run once.
  order = sorted(range(len(requests)), key=lambda i: requests[i].prompt)
  size = sharding.round_up_rows(lm.mesh, min(size, len(requests)))
  for start in range(0, len(order), size):
    real = order[start : start + size]
    yield real, real + real[:1] * (size - len(real))


def log_probs(
    lm: load.LanguageModel,
    bank: jax.Array | None,
    requests: Requests,
    words: Sequence[Sequence[int]],
    size: int,
) -> np.ndarray:
  """Log-probabilities of words after each request's prompt, as it is steered.

  Args:
    lm: the model.
    bank: [A, L, D] on the devices, that requests are steered with.
    requests: N prompts.
    words: W words of one token or more; those of a word are summed.
    size: rows a batch.

  Returns:
    [N, W] nats.
  """
  out = np.zeros((len(requests), len(words)))
  traits = prompts_lib.traits(requests)
  room = max(map(len, words))
  for real, filled in batches(lm, requests, size):
    rows = prompts_lib.run(
        lm, bank, [requests[i] for i in filled], *traits, room=room
    )
    scores = words_lib.log_probs(lm.model, lm.params, rows, bank, words)
    out[real] = hosts.fetch(scores)[: len(real)]
  return out
