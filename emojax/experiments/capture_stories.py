"""Stories and neutral dialogues -> mean activations of every layer."""

import pathlib
from typing import Any

import jax
import ml_collections
import numpy as np
import tqdm

from emojax import errors
from emojax import files
from emojax import steering
from emojax.data import batches
from emojax.data import chats
from emojax.data import stories as stories_lib
from emojax.models import capture
from emojax.models import load
from emojax.models import taps

NAME = 'activations.safetensors'
_SITES = ('embed/mean', 'resid_post/mean', 'resid_post/norm')


def run(
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    lm: load.LanguageModel,
    stories: stories_lib.Stories,
    dialogues: tuple[stories_lib.Dialogue, ...],
) -> None:
  """Writes `activations.safetensors`, unless it is there.

  Its tensors: `stories` [N, L, D] and `stories_embed` [N, D], the mean over
  positions from `config.start` on; `used` [N], False for a story that ends
  before it; `neutral` [M, L, D], the mean over the contents of each dialogue;
  `resid_norm` [L], over all its tokens but the first and the outliers.
  """
  if (workdir / NAME).exists():
    return
  ids = [lm.tokenizer.encode(s.text, bos=True).ids for s in stories.stories]
  check_lengths(ids, lm.config.context, 'story')
  pools = [np.arange(len(row)) >= config.start for row in ids]
  used = np.array([pool.any() for pool in pools])
  missing = set(stories.emotions) - {
      s.emotion for s, kept in zip(stories.stories, used) if kept
  }
  if missing:
    raise errors.InputError(
        f'No story of {", ".join(sorted(missing))} reaches token'
        f' {config.start}; lower config.start.'
    )
  kept = np.flatnonzero(used)
  got = means(
      config, lm, [ids[i] for i in kept], [pools[i] for i in kept], 'Stories'
  )
  spread = lambda x: _spread(x, kept, len(ids))

  neutral = [chats.encode_chat(lm.tokenizer, d.messages) for d in dialogues]
  check_lengths([chat.ids for chat in neutral], lm.config.context, 'dialogue')
  contents = [np.array(chat.message) >= 0 for chat in neutral]
  rest = means(config, lm, [c.ids for c in neutral], contents, 'Neutral')
  files.write_arrays(
      workdir / NAME,
      {
          'stories': spread(got['resid_post/mean']),
          'stories_embed': spread(got['embed/mean']),
          'used': used,
          'neutral': rest['resid_post/mean'],
          'resid_norm': steering.ordinary_norm(rest['resid_post/norm']),
      },
      lm.identity() | {'start': config.start},
  )


def means(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    ids: list[tuple[int, ...]],
    pools: list[np.ndarray],
    label: str,
) -> dict[str, np.ndarray]:
  """Captures means and norms.

  Returns:
    'embed/mean' [N, D], 'resid_post/mean' [N, L, D] and 'resid_post/norm'
    [L, M] of the M tokens that are not at position 0.
  """
  c = lm.config
  embed = np.zeros((len(ids), c.width), np.float32)
  resid = np.zeros((len(ids), c.num_layers, c.width), np.float32)
  norms = []
  for batch in progress(list(batches.bucketed(ids, config.batch)), label):
    pool = np.zeros(batch.tokens.shape, np.float32)
    for row, i in enumerate(batch.rows):
      if i >= 0:
        pool[row, : len(ids[i])] = pools[i]
    got = jax.device_get(
        capture.capture(
            lm.model,
            lm.params,
            batch.tokens,
            batch.valid,
            taps.Readout(pool),
            _SITES,
        )
    )
    real = batch.rows >= 0
    embed[batch.rows[real]] = got['embed/mean'][real]
    resid[batch.rows[real]] = got['resid_post/mean'].swapaxes(0, 1)[real]
    inner = batch.valid.copy()
    inner[:, 0] = False
    norms.append(got['resid_post/norm'][:, inner])
  return {
      'embed/mean': embed,
      'resid_post/mean': resid,
      'resid_post/norm': np.concatenate(norms, axis=1),
  }


def progress(items: Any, label: str) -> Any:
  """A progress bar on stderr, gone when it is done."""
  return tqdm.tqdm(items, desc=f'{label:<9}', leave=False, unit='batch')


def check_lengths(
    ids: list[tuple[int, ...]], context: int, what: str
) -> None:
  """Refuses a text longer than the model's context, by its number from 1."""
  for number, row in enumerate(ids, start=1):
    if len(row) > context:
      raise errors.InputError(
          f'{what} {number} has {len(row)} tokens, more than the context of the'
          f' model ({context}); shorten or split it.'
      )


def _spread(x: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
  out = np.zeros((size,) + x.shape[1:], x.dtype)
  out[rows] = x
  return out
