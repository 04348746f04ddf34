"""Mean activations -> emotion vectors, and how well they hold on new topics."""

from collections.abc import Callable, Iterator, Sequence
import functools
from typing import Any

import ml_collections
import numpy as np

from emojax import errors
from emojax import files
from emojax import hosts
from emojax import progress
from emojax import readings
from emojax import runs
from emojax import statistics
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.data import chats
from emojax.data import stories as stories_lib
from emojax.experiments import capture_stories
from emojax.experiments import passes
from emojax.models import load
from emojax.models import sharding

NAME = 'vectors.safetensors'
HELD_OUT = 'heldout.json'
SCHEMA = 2
# What is read back from the metadata.
_METADATA = {
    'model': str,
    'weights': str,
    'dtype': str,
    'emotions': list,
    'layer': int,
}
_TOPS = (('top1', 1), ('top5', 5))


def run(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    lm: load.LanguageModel,
    stories: stories_lib.Stories,
    dialogues: tuple[stories_lib.Dialogue, ...],
) -> None:
  """Writes `heldout.json` and `vectors.safetensors`, unless they are there."""
  if files.exists(workdir / NAME):
    return
  arrays, _ = files.read_arrays(workdir / capture_stories.NAME)
  components = arrays['components']
  held_out = evaluate(arrays, config)
  files.write_json(workdir / HELD_OUT, held_out)
  layer = held_out['chosen_layer'] if config.layer is None else config.layer
  steering.check_layer(layer, lm.config.num_layers)

  raw, mean = vectors_lib.emotion_vectors(
      arrays['stories'],
      arrays['emotion'],
      len(stories.emotions),
      arrays['count'],
  )
  vectors = vectors_lib.project_out(raw, components)
  files.write_arrays(
      workdir / NAME,
      {
          'vectors': vectors,
          'raw': raw,
          'mean': mean,
          'resid_norm': arrays['resid_norm'],
          'neutral_components': components,
          'shuffled': vectors_lib.shuffled_vectors(
              arrays['stories'],
              arrays['emotion'],
              arrays['topic'],
              components,
              config.shuffled_directions,
              config.seed,
              arrays['count'],
          ),
          **baselines(config, lm, vectors, dialogues),
      },
      describe(config, lm, stories, arrays)
      | {
          'layer': layer,
          'neutral_dialogues': len(dialogues),
          'neutral_components': arrays['num_components'].tolist(),
      },
  )


def describe(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    stories: stories_lib.Stories,
    arrays: dict[str, np.ndarray],
) -> dict[str, Any]:
  """What the metadata of `vectors.safetensors` says of where they come from."""
  return lm.identity() | {
      'schema': SCHEMA,
      'corpus': stories.sha256,
      'emotions': list(stories.emotions),
      'topics': len(stories.topics),
      'layers': 'resid_post[i] = output of block i, 0-based, before the final'
      ' norm',
      'start': config.start,
      'stories': {
          name: int(arrays['count'][arrays['emotion'] == e].sum())
          for e, name in enumerate(stories.emotions)
      },
      'stories_too_short': int((~arrays['used']).sum()),
      'unit': config.unit,
      'neutral_variance': config.neutral_variance,
      'strength_unit': 'fraction of resid_norm, the mean residual norm',
      'versions': runs.versions(),
  }


def evaluate(
    arrays: dict[str, np.ndarray],
    config: ml_collections.ConfigDict,
    rank: Callable[..., np.ndarray] | None = None,
    layers: Sequence[int] = (),
) -> dict[str, Any]:
  """Held-out accuracy of every layer, beside its controls.

  Args:
    arrays: of `activations.safetensors`.
    config: `seed` and `shuffles`.
    rank: (labels, centre) -> ranks [N, L]; `vectors.held_out_ranks` if None.
    layers: that it ranks at; all L by default.

  Returns:
    What `heldout.json` holds.
  """
  emotion, topic = arrays['emotion'], arrays['topic']
  embed, count = arrays['stories_embed'][:, None], arrays['count']
  held_out = functools.partial(
      vectors_lib.held_out_ranks, topic=topic, count=count
  )
  rank = rank or functools.partial(
      held_out, arrays['stories'], components=arrays['components']
  )
  ranks, alone = rank(emotion), rank(emotion, centre='train')
  base = held_out(embed, emotion, components=None)
  rng = np.random.default_rng(config.seed)
  null = []
  for _ in progress.over(range(config.shuffles), 'Shuffles', 'shuffles'):
    labels_ = vectors_lib.shuffled(rng, emotion, topic)
    null.append(rank(labels_))
  null = np.stack(null)  # [shuffles, N, L]

  def estimate(x, top):
    hits = (x < top).astype(float)
    return statistics.cluster_bootstrap(hits, topic, config.seed)

  rows = []
  for i, layer in enumerate(layers or range(ranks.shape[1])):
    row: dict[str, Any] = {'layer': layer}
    for name, top in _TOPS:
      row[name] = estimate(ranks[:, i], top)
      row[f'single_{name}'] = estimate(alone[:, i], top)
      chance = (null[:, :, i] < top).mean(axis=1)
      row[f'shuffled_{name}'] = statistics.band(chance)
    rows.append(row)
  return {
      'chance': {
          name: min(1.0, top / (emotion.max() + 1)) for name, top in _TOPS
      },
      'layers': rows,
      'embed': {name: estimate(base[:, 0], top) for name, top in _TOPS},
      'chosen_layer': rows[np.argmax((ranks == 0).mean(axis=0))]['layer'],
      'nested': {
          name: estimate(vectors_lib.nested_ranks(ranks, topic, 1), top)
          for name, top in _TOPS
      },
  }


def baselines(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    vectors: np.ndarray,
    dialogues: tuple[stories_lib.Dialogue, ...],
) -> dict[str, np.ndarray]:
  """What cosines are in neutral dialogues: the zero of standardised scores.

  The last template token before a reply has a place of its own in the residual
  stream, far from the tokens of messages, so that it has a baseline of its own.

  Args:
    config: `standard_dialogues`, how many of them are read, and `batch`.
    lm: the model.
    vectors: [E, L, D].
    dialogues: all of them.

  Returns:
    Mean and standard deviation [E, L] of the cosine: `neutral_cosine_*` over
    the tokens of messages, `neutral_response_*` over those template tokens.
  """
  step = max(1, len(dialogues) // config.standard_dialogues)
  encoded = [
      chats.encode_chat(lm.tokenizer, d.messages) for d in dialogues[::step]
  ]
  directions = vectors_lib.unit(vectors)
  content, response = [], []
  for i, cosine in read_cosines(
      lm, [chat.ids for chat in encoded], directions, config.batch, 'Baseline'
  ):
    inside = np.flatnonzero(np.array(encoded[i].message) >= 0)
    content.append(cosine[:, inside])
    response.append(cosine[:, [encoded[i].response]])
  out = {}
  for name, parts in (('cosine', content), ('response', response)):
    x = np.concatenate(parts, axis=1).astype(np.float64)
    out[f'neutral_{name}_mean'] = x.mean(axis=1).T.astype(np.float32)
    out[f'neutral_{name}_std'] = x.std(axis=1, ddof=1).T.astype(np.float32)
  return out


def read_cosines(
    lm: load.LanguageModel,
    ids: Sequence[Sequence[int]],
    directions: np.ndarray,
    batch_size: int,
    label: str,
    layer: int | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
  """Cosines of every token's stream with unit directions.

  Args:
    lm: the model.
    ids: N texts.
    directions: [E, L, D], unit vectors.
    batch_size: rows a batch.
    label: of the progress bar.
    layer: the only one that is wanted; all if None.

  Yields:
    Index of a text and its [L, T, E], the shortest text first.
  """
  planned = passes.plan(lm, ids, batch_size)
  sites = ('resid_post/norm', 'resid_post/project')
  bank = sharding.replicate(lm.mesh, directions)
  for batch, got in passes.over(lm, ids, None, planned, sites, label, bank):
    if layer is not None:  # The others stay on the devices.
      got = {site: x[layer : layer + 1] for site, x in got.items()}
    got = hosts.fetch(got)
    for row in np.flatnonzero(batch.rows >= 0):
      i = int(batch.rows[row])
      norm, project = (got[site][:, row, : len(ids[i])] for site in sites)
      yield i, readings.cosines(project, norm)


def read_vectors(
    path: files.Path, lm: load.LanguageModel | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  """Reads `vectors.safetensors`.

  Args:
    path: of the file.
    lm: the model that is about to be read or steered with the vectors.

  Raises:
    InputError: damaged, of another schema, or made for another model.
  """
  arrays, metadata = files.read_arrays(path)
  if metadata.get('schema') != SCHEMA or not _is_whole(arrays, metadata):
    raise errors.InputError(
        f'{path}: not vectors of schema {SCHEMA}; build them with this version.'
    )
  if lm is not None and metadata['weights'] != lm.sha256:
    raise errors.InputError(
        f'{path}: made for {metadata["model"]} (weights'
        f' {metadata["weights"][:12]}), not for {lm.uri} (weights'
        f' {lm.sha256[:12]}); give the model that they were made for.'
    )
  return arrays, metadata


def _is_whole(arrays: dict[str, np.ndarray], metadata: dict[str, Any]) -> bool:
  """Whether a file has what is read from it, in shapes that fit."""
  vectors = arrays.get('vectors', np.zeros(0))
  if vectors.ndim != 3 or not all(
      isinstance(metadata.get(name), kind) for name, kind in _METADATA.items()
  ):
    return False
  size, layers, width = vectors.shape
  shapes = {'resid_norm': (layers,), 'mean': (layers, width)}
  for name in ('cosine_mean', 'cosine_std', 'response_mean', 'response_std'):
    shapes[f'neutral_{name}'] = (size, layers)
  shuffled = arrays.get('shuffled', np.zeros(0))
  return (
      len(metadata['emotions']) == size
      and shuffled.shape[1:] == (layers, width)
      and np.isfinite(shuffled).all()
      and 0 <= metadata['layer'] < layers
      and all(n in arrays and arrays[n].shape == x for n, x in shapes.items())
      and all(np.isfinite(arrays[n]).all() for n in ('vectors', *shapes))
  )
