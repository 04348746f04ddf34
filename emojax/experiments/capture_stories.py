"""Stories and neutral dialogues -> mean activations of every layer."""

from collections.abc import Callable, Iterator, Sequence
import concurrent.futures
import dataclasses
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


@dataclasses.dataclass(frozen=True)
class Encoded:
  """The tokenised corpus.

  Attributes:
    stories: N lists of ids.
    pools: of each, [T] bool, the positions that are averaged.
    used: [N] bool, False for a story that ends before them.
    neutral: M lists of ids.
    contents: of each, [T] bool, the tokens of its messages.
  """

  stories: list[tuple[int, ...]]
  pools: list[np.ndarray]
  used: np.ndarray
  neutral: list[tuple[int, ...]]
  contents: list[np.ndarray]


def encode(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    stories: stories_lib.Stories,
    dialogues: tuple[stories_lib.Dialogue, ...],
) -> Encoded:
  """Tokenises the corpus.

  Raises:
    InputError: a text is longer than the model's context or has a control
      token in it, or so many stories end before `config.start` that an emotion
      is left with fewer than 2 topics.
  """
  ids = []
  for number, story in enumerate(stories.stories, start=1):
    place = f'{config.stories or "stories.jsonl"}: story {number}'
    token = lm.tokenizer.control_token_in(story.text)
    if token is not None:
      raise errors.InputError(
          f'{place} contains the control token {token!r}; take it out.'
      )
    ids.append(lm.tokenizer.encode(story.text, bos=True).ids)
    check_length(ids[-1], lm, place)
  pools = [np.arange(len(row)) >= config.start for row in ids]
  used = np.array([pool.any() for pool in pools])
  kept = [s for s, reach in zip(stories.stories, used, strict=True) if reach]
  topics = {
      e: len({s.topic for s in kept if s.emotion == e})
      for e in stories.emotions
  }
  # Held out, a topic leaves the others: an emotion must be among them.
  few = [e for e, count in topics.items() if count < 2]
  if few:
    raise errors.InputError(
        f'config.start={config.start}: too few stories are that many tokens'
        f' long; {", ".join(few)} would have fewer than 2 topics. Lower it, or'
        ' give longer stories.'
    )
  neutral = []
  for number, dialogue in enumerate(dialogues, start=1):
    place = f'{config.neutral or "neutral.jsonl"}: dialogue {number}'
    neutral.append(encode_chat(lm, dialogue.messages, place))
  return Encoded(
      stories=ids,
      pools=pools,
      used=used,
      neutral=[chat.ids for chat in neutral],
      contents=[np.array(chat.message) >= 0 for chat in neutral],
  )


def run(
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    lm: load.LanguageModel,
    encoded: Encoded,
) -> None:
  """Writes `activations.safetensors`, unless it is there.

  Its tensors: `stories` [N, L, D] and `stories_embed` [N, D], the mean over
  positions from `config.start` on; `used` [N], False for a story that ends
  before it; `neutral` [M, L, D], the mean over the contents of each dialogue;
  `resid_norm` [L], over all its tokens but the first and the outliers.
  """
  if (workdir / NAME).exists():
    return
  kept = np.flatnonzero(encoded.used)
  got = means(
      config,
      lm,
      [encoded.stories[i] for i in kept],
      [encoded.pools[i] for i in kept],
      'Stories',
  )
  rest = means(config, lm, encoded.neutral, encoded.contents, 'Neutral')
  size = len(encoded.stories)
  files.write_arrays(
      workdir / NAME,
      {
          'stories': _spread(got['resid_post/mean'], kept, size),
          'stories_embed': _spread(got['embed/mean'], kept, size),
          'used': encoded.used,
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

  Raises:
    InputError: the model gives NaN or infinity.
  """
  c = lm.config
  embed = np.zeros((len(ids), c.width), np.float32)
  resid = np.zeros((len(ids), c.num_layers, c.width), np.float32)
  norms = []

  def reduced(batch: batches.Batch) -> dict[str, np.ndarray]:
    pool = np.zeros(batch.tokens.shape, np.float32)
    for row, i in enumerate(batch.rows):
      if i >= 0:
        pool[row, : len(ids[i])] = pools[i]
    readout = taps.Readout(pool)
    return jax.device_get(
        capture.capture(
            lm.model, lm.params, batch.tokens, batch.valid, readout, _SITES
        )
    )

  work = list(batches.bucketed(ids, config.batch))
  for batch, got in two_at_a_time(reduced, work, label):
    real = batch.rows >= 0
    embed[batch.rows[real]] = got['embed/mean'][real]
    resid[batch.rows[real]] = got['resid_post/mean'].swapaxes(0, 1)[real]
    inner = batch.valid.copy()
    inner[:, 0] = False
    norms.append(got['resid_post/norm'][:, inner])
  norms = np.concatenate(norms, axis=1)
  if not np.isfinite(resid).all() or not np.isfinite(norms).all():
    raise errors.InputError(
        f'{lm.uri}: activations are not finite in {lm.dtype}; the weights are'
        ' damaged, or it wants another config.dtype.'
    )
  return {
      'embed/mean': embed,
      'resid_post/mean': resid,
      'resid_post/norm': norms,
  }


def two_at_a_time(
    compute: Callable[[batches.Batch], Any],
    work: Sequence[batches.Batch],
    label: str,
) -> Iterator[tuple[batches.Batch, Any]]:
  """Yields each batch and its result, in order, with a progress bar.

  While one batch is in a part of the program that keeps one core busy, the
  other keeps the rest busy: a seventh less time on two cores.
  """
  pool = concurrent.futures.ThreadPoolExecutor(2)
  try:
    results = pool.map(compute, work)
    pairs = zip(work, results, strict=True)
    yield from tqdm.tqdm(
        pairs, f'{label:<9}', len(work), leave=False, unit='batch'
    )
  finally:
    pool.shutdown(cancel_futures=True)


def progress(items: Any, label: str) -> Any:
  """A progress bar on stderr, gone when it is done."""
  return tqdm.tqdm(items, desc=f'{label:<9}', leave=False, unit='batch')


def encode_chat(
    lm: load.LanguageModel, messages: Sequence[chats.Message], place: str
) -> chats.Chat:
  """Tokenises a chat; `place` begins an error's message."""
  try:
    chat = chats.encode_chat(lm.tokenizer, messages)
  except errors.InputError as error:
    raise errors.InputError(f'{place}: {error}') from error
  check_length(chat.ids, lm, place)
  return chat


def check_length(
    ids: Sequence[int], lm: load.LanguageModel, place: str
) -> None:
  """Refuses a text longer than the model's context."""
  if len(ids) > lm.config.context:
    raise errors.InputError(
        f'{place}: {len(ids)} tokens, more than the context of the model'
        f' ({lm.config.context}); shorten or split the text.'
    )


def _spread(x: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
  out = np.zeros((size,) + x.shape[1:], x.dtype)
  out[rows] = x
  return out
