"""Texts -> readings: how far every token points along every emotion vector."""

from typing import Any

import ml_collections
import numpy as np

from emojax import errors
from emojax import files
from emojax import readings
from emojax import runs
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.data import chats
from emojax.data import stories as stories_lib
from emojax.experiments import build_vectors
from emojax.experiments import encode as encode_lib
from emojax.models import load
from emojax.models import sharding

NAME = 'readings.jsonl'


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Reads `config.texts` with `config.vectors`; writes `readings.jsonl`."""
  for field in ('vectors', 'texts'):
    if not config[field]:
      raise errors.InputError(f'Give --config.{field}=FILE.')
  if config.batch < 1:
    raise errors.InputError(f'config.batch={config.batch}: must be 1 or more.')
  path = files.locate(config.vectors)
  _, metadata = build_vectors.read_vectors(path)
  texts = stories_lib.load_texts(files.locate(config.texts))
  lm = load_model(config, metadata)
  arrays, metadata = build_vectors.read_vectors(path, lm)
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
  if not files.exists(workdir / NAME):
    rows = read(lm, arrays, metadata, layer, texts, encoded, config.batch)
    files.write_jsonl(workdir / NAME, rows)


def load_model(
    config: ml_collections.ConfigDict, metadata: dict[str, Any]
) -> load.LanguageModel:
  """Loads the model that is asked for, or the one that the vectors name."""
  dtype = config.dtype or metadata['dtype']
  mesh = sharding.make_mesh(**config.mesh)
  if config.model:
    return load.load(config.model, dtype, mesh)
  try:
    return load.load(metadata['model'], dtype, mesh)
  except errors.InputError as error:
    raise errors.InputError(
        f'{error} (The model is the one that {config.vectors} names; give'
        ' --config.model=URI if it is elsewhere now.)'
    ) from error


def encode(
    lm: load.LanguageModel,
    texts: tuple[stories_lib.Text, ...],
    path: str,
) -> list[chats.Chat]:
  """Tokenises texts; an error names the line."""
  return [
      encode_lib.chat(lm, text.messages, f'{path}:{text.line}')
      for text in texts
  ]


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

  def baseline(name: str) -> list[np.ndarray]:
    return [
        arrays[f'neutral_{name}_{part}'][:, layer] for part in ('mean', 'std')
    ]

  rows: list[dict[str, Any]] = [{}] * len(texts)
  ids = [chat.ids for chat in encoded]
  for i, cosine in build_vectors.read_cosines(
      lm, ids, directions, batch_size, 'Readings', layer
  ):
    (x,) = cosine
    score = readings.standardised(x, *baseline('cosine'))
    at = encoded[i].response
    score[at] = readings.standardised(x[at], *baseline('response'))
    rows[i] = _row(texts[i], encoded[i], x, score, metadata['emotions'], layer)
  return rows


def text_id(text: stories_lib.Text) -> int | str:
  return text.id if text.id is not None else f'line {text.line}'


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

  def named(x: np.ndarray) -> dict[str, float]:
    return {e: _short(v) for e, v in zip(emotions, x, strict=True)}

  return {
      'id': text_id(text),
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
