"""Texts -> readings: how far every token points along every emotion vector."""

from collections.abc import Sequence
import dataclasses
import functools
import json
from typing import Any

import jax
import ml_collections
import numpy as np

from emojax import errors
from emojax import files
from emojax import growing
from emojax import readings
from emojax import runs
from emojax import steering
from emojax.data import chats
from emojax.data import stories as stories_lib
from emojax.experiments import build_vectors
from emojax.experiments import encode as encode_lib
from emojax.experiments import exchange
from emojax.experiments import limits
from emojax.experiments import read_replies
from emojax.experiments import token_cosines
from emojax.models import load
from emojax.models import sharding
from emojax.report import reader_page

NAME = 'readings.jsonl'

# The arrays and the metadata of vectors.safetensors.
Vectors = tuple[dict[str, np.ndarray], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Source:
  """A chat that is read.

  Attributes:
    id: of the row.
    text: what it was made of.
    chat: its tokens.
    more: fields of the row that not every row has.
  """

  id: int | str
  text: stories_lib.Text
  chat: chats.Chat
  more: dict[str, Any] = dataclasses.field(default_factory=dict)


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Reads `config.texts` with `config.vectors`; then writes `reader.html`."""
  for field, what in (
      ('vectors', 'the vectors.safetensors of a quickstart'),
      ('texts', 'JSON lines that have `text` or `messages` each'),
  ):
    if not config[field]:
      raise errors.InputError(f'Give --config.{field}=FILE, {what}.')
  limits.check(config, {'batch': 1})
  path = files.locate(config.vectors)
  arrays, metadata = build_vectors.read_vectors(path)
  layer = metadata['layer'] if config.layer is None else config.layer
  # The vectors know how many there are: the model may take long to load.
  steering.check_layer(layer, arrays['vectors'].shape[1])
  steering.check_directed(arrays['vectors'], [layer])
  texts = stories_lib.load_texts(files.locate(config.texts))
  lm = load_model(config, metadata)
  arrays, metadata = build_vectors.read_vectors(path, lm)
  # Everything that can be wrong with the texts is found before anything is
  # written.
  sources = sources_of(lm, texts, config.texts)
  replier, controls = None, read_replies.controls_of(config)
  if controls.steer:
    replier = exchange.Replier(lm, arrays, metadata)
    read_replies.check(replier, controls, texts, config.texts)
  runs.open_workdir(
      workdir,
      config.to_dict(),
      lm.identity()
      | {
          'vectors': files.sha256(config.vectors),
          'texts': files.sha256(config.texts),
      },
  )
  if replier:
    sources = _replied(config, workdir, replier, controls, texts)
  only = None if config.all_layers else layer
  write(workdir, lm, (arrays, metadata), layer, sources, config.batch, only)
  if not files.exists(workdir / reader_page.NAME):
    reader_page.write(workdir)


def load_model(
    config: ml_collections.ConfigDict, metadata: dict[str, Any]
) -> load.LanguageModel:
  """Returns the model that is asked for, or the one that the vectors name.

  The last one is kept: in a notebook it is asked for with every text.
  """
  said = (config.dtype or metadata['dtype'], sharding.make_mesh(**config.mesh))
  try:
    lm = loaded(config.model or metadata['model'], *said, metadata['weights'])
  except errors.InputError as error:
    if config.model:
      raise
    raise errors.InputError(
        f'{error} (The model is the one that {config.vectors} names; give'
        ' --config.model=URI if it is elsewhere now.)'
    ) from error
  if lm.sha256 != metadata['weights']:
    loaded.cache_clear()  # Another may lie there next time.
  return lm


@functools.lru_cache(maxsize=1)
def loaded(
    uri: str, dtype: str, mesh: jax.sharding.Mesh, weights: str
) -> load.LanguageModel:
  """`load.load`, once for the same arguments, one after the other.

  Args:
    uri: of the model.
    dtype: of its weights.
    mesh: that they lie on.
    weights: the SHA-256 that is hoped for: others at the same place are another
      model.
  """
  del weights
  loaded.cache_clear()  # There may be room for one model only.
  return load.load(uri, dtype, mesh)


def sources_of(
    lm: load.LanguageModel, texts: Sequence[stories_lib.Text], path: str
) -> list[Source]:
  """Tokenises texts; an error names the line."""
  return [
      Source(
          text_id(text),
          text,
          encode_lib.chat(lm, text.messages, f'{path}:{text.line}'),
      )
      for text in texts
  ]


def write(
    workdir: files.Path,
    lm: load.LanguageModel,
    vectors: Vectors,
    layer: int,
    sources: Sequence[Source],
    batch_size: int,
    only: int | None = None,
) -> None:
  """Writes `cosines.safetensors` and `readings.jsonl`, unless they are there.

  Args:
    workdir: where they go.
    lm: the model.
    vectors: of `build_vectors.read_vectors`.
    layer: that of `readings.jsonl`.
    sources: the chats.
    batch_size: rows a batch.
    only: the layer that `cosines.safetensors` is of; all if None.
  """
  if files.exists(workdir / NAME):
    return
  path = workdir / token_cosines.NAME
  if not files.exists(path):
    ids = [source.chat.ids for source in sources]
    token_cosines.write(path, lm, vectors, ids, batch_size, only)
  arrays, metadata = vectors
  with growing.file(workdir / NAME) as file:
    for source, cosine in zip(
        sources, token_cosines.each(path, layer), strict=True
    ):
      score = readings.scores(cosine, source.chat.response, arrays, layer)
      row = _row(source, cosine, score, metadata['emotions'], layer)
      line = json.dumps(row, ensure_ascii=False, allow_nan=False)
      file.write(line.encode() + b'\n')


def text_id(text: stories_lib.Text) -> int | str:
  return text.id if text.id is not None else f'line {text.line}'


def _replied(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    replier: exchange.Replier,
    controls: exchange.Controls,
    texts: Sequence[stories_lib.Text],
) -> list[Source]:
  """The chats, each with the unsteered and with the steered reply."""
  replies = read_replies.write(
      workdir / read_replies.NAME, replier, controls, texts
  )
  sources = []
  for text, both in zip(texts, replies, strict=True):
    for kind, reply in both.items():
      said = {'role': 'assistant', 'content': reply}
      whole = dataclasses.replace(text, messages=(*text.messages, said))
      place = f'{config.texts}:{text.line} with the {kind} reply'
      (source,) = sources_of(replier.lm, [whole], place)
      how = None
      if kind == 'steered':
        how = read_replies.steering_of(controls, replier.layer)
      more = {'pair': source.id, 'steering': how}
      id_ = f'{source.id} {kind}'
      sources.append(dataclasses.replace(source, id=id_, more=more))
  return sources


def _row(
    source: Source,
    cosine: np.ndarray,
    score: np.ndarray,
    emotions: list[str],
    layer: int,
) -> dict[str, Any]:
  """One line of `readings.jsonl`; cosine and score are [T, E]."""
  text, chat = source.text, source.chat
  message = np.array(chat.message)

  def named(x: np.ndarray) -> dict[str, float | None]:
    return {
        e: _short(v) if np.isfinite(v) else None
        for e, v in zip(emotions, x, strict=True)
    }

  def mean(x: np.ndarray, own: np.ndarray) -> dict[str, float | None]:
    # A reply can be empty.
    nothing = np.full(len(emotions), np.nan)
    return named(x[own].mean(axis=0) if own.any() else nothing)

  return {
      'id': source.id,
      'title': text.title or f'Line {text.line}',
      'layer': layer,
      'messages': [dict(m) for m in text.messages],
      'tokens': list(chat.pieces),
      'roles': list(chat.roles),
      'response_index': chat.response,
      'emotions': emotions,
      'mean': mean(cosine, message >= 0),
      'mean_score': mean(score, message >= 0),
      'message_means': [
          mean(cosine, message == m) for m in range(len(text.messages))
      ],
      'response': named(cosine[chat.response]),
      'response_score': named(score[chat.response]),
      'cosine': [[_short(v) for v in token] for token in cosine],
      'score': [[_short(v) for v in token] for token in score],
  } | source.more


def _short(value: float) -> float:
  """Five decimals: float32 has no more to say, and the file stays small."""
  return round(float(value), 5)
