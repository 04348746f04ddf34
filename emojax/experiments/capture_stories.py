"""Stories and neutral dialogues -> mean activations of every layer.

Of each story its mean, or, for any number of stories, the sums of those of one
emotion and one fold of topics, added up on the devices. Either way the pass is
cut into chunks: a run that is killed goes on at the last.
"""

from collections.abc import Callable
import functools
from typing import Any

import jax
import ml_collections
import numpy as np

from emojax import chunks
from emojax import files
from emojax import moments
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.data import stories as stories_lib
from emojax.experiments import chunked
from emojax.experiments import encode
from emojax.experiments import passes
from emojax.experiments import predict
from emojax.experiments import story_rows
from emojax.models import load
from emojax.models import sharding

NAME = 'activations.safetensors'
_EMBED, _MEAN, _NORM = 'embed/mean', 'resid_post/mean', 'resid_post/norm'


def run(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    lm: load.LanguageModel,
    stories: stories_lib.Stories,
    encoded: encode.Encoded,
) -> None:
  """Writes `activations.safetensors`, unless it is there.

  Its tensors: `stories` [N, L, D] and `stories_embed` [N, D], the mean over
  positions from `config.start` on of N stories, or of N cells of an emotion and
  a fold of topics; `emotion`, `topic` and `count` [N], how many stories that
  is; `used` [stories], False for a story that ends before `config.start`;
  `components` [L, C, D] and `num_components` [L] of neutral text; `resid_norm`
  [L], over all its tokens but the first and the outliers; `stored`, which story
  is in which row of `stories.zarr`, if `config.keep_layers` names layers.
  """
  path = workdir / NAME
  if not files.exists(path):
    kept = encoded.used
    cell, _ = cells_of(config, *(x[kept] for x in labels(stories)))
    predict.report(
        predict.capture_needs(config, lm, encoded, int(cell.max()) + 1)
    )
    rows = story_means(config, path, lm, stories, encoded)
    neutral = neutral_components(config, path, lm, encoded)
    files.write_arrays(
        path,
        rows | neutral | {'used': encoded.used},
        lm.identity() | {'start': config.start, 'unit': config.unit},
    )
  chunks.clear(path)


def labels(stories: stories_lib.Stories) -> tuple[np.ndarray, np.ndarray]:
  """Returns each story's emotion and topic as indices, [N] and [N]."""
  emotion = {name: i for i, name in enumerate(stories.emotions)}
  topic = {name: i for i, name in enumerate(stories.topics)}
  rows = [(emotion[s.emotion], topic[s.topic]) for s in stories.stories]
  return tuple(np.array(rows).T)


def story_means(
    config: ml_collections.ConfigDict,
    path: files.Path,
    lm: load.LanguageModel,
    stories: stories_lib.Stories,
    encoded: encode.Encoded,
) -> dict[str, np.ndarray]:
  """Captures the stories, one by one or summed by emotion and fold."""
  kept = np.flatnonzero(encoded.used)
  emotion, topic = (x[kept] for x in labels(stories))
  ids = [encoded.stories[i] for i in kept]
  pools = [encoded.pools[i] for i in kept]
  stored, write = {}, None
  if config.keep_layers:
    planned = passes.plan(lm, ids, config.batch)
    stored = {'stored': kept[story_rows.order(planned)]}
    write = story_rows.writer(
        path.parent, lm, config.keep_layers, planned, config.chunk
    )
  capture = functools.partial(
      chunked.run, config, path, lm, ids, pools, label='Stories', write=write
  )
  if config.unit == 'story':
    got, _ = capture(keep=(_EMBED, _MEAN))
    return stored | {
        'stories': got[_MEAN],
        'stories_embed': got[_EMBED],
        'emotion': emotion,
        'topic': topic,
        'count': np.ones(len(kept), np.int64),
    }
  cell, cells = cells_of(config, emotion, topic)
  _, got = capture(keep=(), sums=cell_sums(lm, cell, len(cells)))
  count = np.bincount(cell)
  weight = count.astype(np.float32)
  return stored | {
      'stories': got['stream'] / weight[:, None, None],
      'stories_embed': got['embed'] / weight[:, None],
      'emotion': cells[:, 0],
      'topic': cells[:, 1],
      'count': count,
  }


def cells_of(
    config: ml_collections.ConfigDict, emotion: np.ndarray, topic: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Sorts stories into cells of an emotion and a fold of topics.

  Returns:
    Each story's cell [N], and each cell's emotion and fold [C, 2]; none is
    empty.
  """
  fold = topic % config.folds if config.folds else topic
  cells, cell = np.unique(
      np.stack([emotion, fold], axis=1), axis=0, return_inverse=True
  )
  return cell.reshape(-1), cells


def neutral_components(
    config: ml_collections.ConfigDict,
    path: files.Path,
    lm: load.LanguageModel,
    encoded: encode.Encoded,
) -> dict[str, np.ndarray]:
  """Captures neutral dialogues: components, and the mean residual norm.

  Up to `config.neutral_rows` of them are kept and decomposed exactly; of more,
  a sketch of `config.sketch` random vectors is.
  """
  ids, contents = encoded.neutral, encoded.contents
  exact = len(ids) <= config.neutral_rows
  fraction = config.neutral_variance
  sums = None if exact else neutral_sketch(config, lm)
  keep = (_NORM, _MEAN) if exact else (_NORM,)
  kept, sketch = chunked.run(
      config, path, lm, ids, contents, keep, 'Neutral', sums
  )
  if exact:
    components, counts = vectors_lib.neutral_components(kept[_MEAN], fraction)
  else:
    components, counts = moments.sketched_components(
        sketch, _test_matrix(config, lm), fraction
    )
  return {
      'components': components,
      'num_components': counts,
      'resid_norm': steering.ordinary_norm(kept[_NORM].T),
  }


def cell_sums(
    lm: load.LanguageModel, cell: np.ndarray, size: int
) -> chunked.Sums:
  """Sums of stories in `size` cells; `cell` is each story's, [N]."""
  shape = (size, lm.config.num_layers, lm.config.width)
  start = moments.CellSums(
      stream=np.zeros(shape, np.float32),
      embed=np.zeros((size, shape[2]), np.float32),
  )
  where = jax.tree.map(
      lambda x: sharding.place_widely(lm.mesh, x.ndim - 1, x.shape), start
  )
  add = _compiled(moments.add_to_cells, where)

  def add_batch(sums, got, batch):
    # Fillers go to a cell that is not there.
    cells = np.where(batch.rows >= 0, cell[batch.rows], size).astype(np.int32)
    return add(sums, got[_MEAN], got[_EMBED], cells)

  return chunked.Sums(_put(start, where), add_batch)


def neutral_sketch(
    config: ml_collections.ConfigDict, lm: load.LanguageModel
) -> chunked.Sums:
  """The sketch of the second moments of neutral dialogues."""
  layers, width = lm.config.num_layers, lm.config.width
  test = _test_matrix(config, lm)
  zeros = lambda *shape: np.zeros(shape, np.float32)
  start = moments.Sketch(
      count=zeros(),
      origin=zeros(layers, width),
      total=zeros(layers, width),
      square=zeros(layers),
      product=zeros(layers, width, test.shape[1]),
  )
  where = jax.tree.map(
      lambda x: jax.sharding.NamedSharding(lm.mesh, jax.P()), start
  ).replace(product=sharding.place_widely(lm.mesh, 1, start.product.shape))
  add = _compiled(moments.add_to_sketch, where)
  on_devices = sharding.replicate(lm.mesh, test)

  def add_batch(sums, got, batch):
    real = (batch.rows >= 0).astype(np.float32)
    return add(sums, got[_MEAN], real, on_devices)

  return chunked.Sums(_put(start, where), add_batch)


def _test_matrix(
    config: ml_collections.ConfigDict, lm: load.LanguageModel
) -> np.ndarray:
  width = lm.config.width
  return moments.test_matrix(config.seed, width, min(config.sketch, width))


def _compiled(add: Callable[..., Any], where: Any) -> Callable[..., Any]:
  return jax.jit(add, donate_argnums=0, out_shardings=where)


def _put(tree: Any, where: Any) -> Any:
  return jax.tree.map(
      lambda x, place: jax.make_array_from_callback(
          x.shape, place, lambda index: x[index]
      ),
      tree,
      where,
  )
