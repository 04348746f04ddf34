"""Texts -> readings: how far every token points along every emotion vector."""

import pathlib
from typing import Any

import ml_collections
import numpy as np

from emojax import errors
from emojax import files
from emojax import readings
from emojax import runs
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.data import batches
from emojax.data import chats
from emojax.data import stories as stories_lib
from emojax.experiments import build_vectors
from emojax.experiments import capture_stories
from emojax.models import load

NAME = 'readings.jsonl'


def run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
  """Reads `config.texts` with `config.vectors`; writes `readings.jsonl`."""
  for field in ('vectors', 'texts'):
    if not config[field]:
      raise errors.InputError(f'--config.{field}=FILE is missing.')
  _, metadata = build_vectors.read_vectors(pathlib.Path(config.vectors))
  texts = stories_lib.load_texts(pathlib.Path(config.texts))
  uri = config.model or metadata['model']
  lm = load.load(uri, config.dtype or metadata['dtype'])
  arrays, metadata = build_vectors.read_vectors(
      pathlib.Path(config.vectors), lm
  )
  layer = metadata['layer'] if config.layer is None else config.layer
  steering.check_layer(layer, lm.config.num_layers)
  # Everything that can be wrong with the texts is found before anything is
  # written.
  encoded = encode(lm, texts, config.texts)
  runs.open_workdir(
      workdir,
      config.to_dict(),
      lm.identity()
      | {
          'vectors': files.sha256(config.vectors),
          'texts': files.sha256(config.texts),
      },
  )
  if not (workdir / NAME).exists():
    rows = read(lm, arrays, metadata, layer, texts, encoded, config.batch)
    files.write_jsonl(workdir / NAME, rows)


def encode(
    lm: load.LanguageModel,
    texts: tuple[stories_lib.Text, ...],
    path: str,
) -> list[chats.Chat]:
  """Tokenises texts; an error names the line."""
  out = []
  for text in texts:
    try:
      chat = chats.encode_chat(lm.tokenizer, text.messages)
    except errors.InputError as error:
      raise errors.InputError(f'{path}:{text.line}: {error}') from error
    if len(chat.ids) > lm.config.context:
      raise errors.InputError(
          f'{path}:{text.line}: {len(chat.ids)} tokens, more than the context of'
          f' the model ({lm.config.context}); shorten or split the text.'
      )
    out.append(chat)
  return out


def read(
    lm: load.LanguageModel,
    arrays: dict[str, np.ndarray],
    metadata: dict[str, Any],
    layer: int,
    texts: tuple[stories_lib.Text, ...],
    encoded: list[chats.Chat],
    batch_size: int,
) -> list[dict[str, Any]]:
  """Reads chats at one layer.

  Args:
    lm: the model.
    arrays: of `vectors.safetensors`.
    metadata: of the same file.
    layer: the layer.
    texts: what the chats were made of.
    encoded: the chats.
    batch_size: rows a batch.

  Returns:
    One row a chat, in order; see `_row`.
  """
  directions = vectors_lib.unit(arrays['vectors'])
  baseline = lambda name: (
      arrays[f'neutral_{name}_{part}'][:, layer] for part in ('mean', 'std')
  )
  rows: list[dict[str, Any]] = [{}] * len(texts)
  ids = [chat.ids for chat in encoded]
  for batch in capture_stories.progress(
      list(batches.bucketed(ids, batch_size)), 'Readings'
  ):
    cosine = build_vectors.read_cosines(lm, batch, directions)[layer]
    for row, i in enumerate(batch.rows):
      if i >= 0:
        x = cosine[row, : len(ids[i])]
        score = readings.standardised(x, *baseline('cosine'))
        at = encoded[i].response
        score[at] = readings.standardised(x[at], *baseline('response'))
        rows[i] = _row(
            texts[i], encoded[i], x, score, metadata['emotions'], layer
        )
  return rows


def _row(
    text: stories_lib.Text,
    chat: chats.Chat,
    cosine: np.ndarray,
    score: np.ndarray,
    emotions: list[str],
    layer: int,
) -> dict[str, Any]:
  """One line of `readings.jsonl`; cosine and score are [T, E]."""
  message = np.array(chat.message)
  named = lambda x: {e: _short(v) for e, v in zip(emotions, x)}
  return {
      'id': text.id if text.id is not None else f'line {text.line}',
      'title': text.title or f'Line {text.line}',
      'layer': layer,
      'messages': [dict(m) for m in text.messages],
      'tokens': list(chat.pieces),
      'roles': list(chat.roles),
      'response_index': chat.response,
      'emotions': emotions,
      'mean': named(cosine[message >= 0].mean(axis=0)),
      'mean_score': named(score[message >= 0].mean(axis=0)),
      'message_means': [
          named(cosine[message == m].mean(axis=0))
          for m in range(len(text.messages))
      ],
      'response': named(cosine[chat.response]),
      'response_score': named(score[chat.response]),
      'cosine': [[_short(v) for v in token] for token in cosine],
      'score': [[_short(v) for v in token] for token in score],
  }


def _short(value: float) -> float:
  """Five decimals: float32 has no more to say, and the file stays small."""
  return round(float(value), 5)
