"""What the questions of a paper run have in common: a model and its vectors."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
from typing import Any

from absl import logging
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from emojax import files
from emojax import hosts
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.data import stories as stories_lib
from emojax.experiments import build_vectors
from emojax.experiments import capture_stories
from emojax.experiments import inputs as inputs_lib
from emojax.experiments import map_geometry
from emojax.experiments import passes
from emojax.models import capture
from emojax.models import load
from emojax.models import sharding

Pools = Sequence[np.ndarray]  # Of each text, [T] bool.
_SITES = ('resid_post/norm', 'resid_post/project')


@dataclasses.dataclass(frozen=True)
class Study:
  """A model, its emotion vectors, and the controls that go with every reading.

  Attributes:
    config: of the run.
    workdir: with `activations.safetensors` and `vectors.safetensors` in it.
    lm: the model.
    stories: that the vectors are made of.
    dialogues: the neutral ones.
    arrays: of `vectors.safetensors`.
    metadata: of the same file.
  """

  config: ml_collections.ConfigDict
  workdir: files.Path
  lm: load.LanguageModel
  stories: stories_lib.Stories
  dialogues: tuple[stories_lib.Dialogue, ...]
  arrays: dict[str, np.ndarray]
  metadata: dict[str, Any]

  @property
  def emotions(self) -> list[str]:
    return self.metadata['emotions']

  @property
  def layer(self) -> int:
    """Where readings are reported: chosen on stories, not on what is read."""
    return self.metadata['layer']

  @property
  def band(self) -> tuple[int, ...]:
    """The middle layers, 40 to 60 % of the depth, that are steered together."""
    depth = self.lm.config.num_layers
    return tuple(range(int(0.4 * depth), int(0.6 * depth) + 1))

  @property
  def places(self) -> dict[str, slice]:
    """Where emotions, shuffled and random directions lie in `directions`."""
    ends = np.cumsum(
        [
            0,
            len(self.emotions),
            len(self.arrays['shuffled']),
            self.config.random_directions,
        ]
    ).tolist()
    names = ('emotions', 'shuffled', 'random')
    return {n: slice(a, b) for n, a, b in zip(names, ends, ends[1:])}

  @property
  def names(self) -> list[str]:
    """Of the directions: emotions, `shuffled_0` and so on, `random_0`..."""
    return list(self.emotions) + [
        f'{kind}_{i}'
        for kind in ('shuffled', 'random')
        for i in range(self.places[kind].stop - self.places[kind].start)
    ]

  @functools.cached_property
  def directions(self) -> np.ndarray:
    """[A, L, D] unit vectors: the emotions', then the controls (`places`)."""
    _, depth, width = self.arrays['vectors'].shape
    drawn = steering.random_directions(
        self.config.seed, self.config.random_directions, depth, width
    )
    every = (self.arrays['vectors'], self.arrays['shuffled'], drawn)
    return vectors_lib.unit(np.concatenate(every)).astype(np.float32)

  @functools.cached_property
  def bank(self) -> jax.Array:
    """`directions`, each as long as its layer's mean residual norm; on devices.

    With it strengths are fractions of that norm.
    """
    scaled = steering.scaled_directions(
        self.directions, self.arrays['resid_norm']
    )
    return sharding.replicate(self.lm.mesh, scaled)

  @functools.cached_property
  def captured(self) -> dict[str, np.ndarray]:
    """`activations.safetensors`: sums or means of the stories."""
    return files.read_arrays(self.workdir / capture_stories.NAME)[0]

  @functools.cached_property
  def embed_vectors(self) -> np.ndarray:
    """[E, D]: emotion vectors made of token embeddings, a control."""
    return map_geometry.embed_vectors(self.workdir, self.stories)

  def index(self, names: Sequence[str]) -> list[int]:
    return [self.emotions.index(name) for name in names]

  def known(self, rows: Sequence[Any]) -> list[Any]:
    """The rows whose `emotion` has a vector."""
    return [row for row in rows if row.emotion in self.emotions]


def make(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    inputs: inputs_lib.Inputs,
) -> Study:
  """Makes the vectors that a study works with, unless `workdir` has them."""
  lm = inputs.lm
  logging.info('%s in %s, %d layers', lm.name, lm.dtype, lm.config.num_layers)
  capture_stories.run(config, workdir, lm, inputs.stories, inputs.encoded)
  hosts.stop_if_asked()
  build_vectors.run(config, workdir, lm, inputs.stories, inputs.dialogues)
  hosts.stop_if_asked()
  arrays, metadata = build_vectors.read_vectors(
      workdir / build_vectors.NAME, lm
  )
  return Study(
      config,
      workdir,
      lm,
      inputs.stories,
      inputs.dialogues,
      arrays,
      metadata,
  )


def read(
    study: Study,
    ids: Sequence[Sequence[int]],
    pools: Mapping[str, Pools],
    label: str,
    directions: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
  """Reads texts: mean cosines over some of their tokens, all layers.

  Args:
    study: the model and its directions.
    ids: N texts.
    pools: by name, of each text the tokens that are averaged, [T] bool with at
      least one True.
    label: of the progress bar.
    directions: [A, L, D] unit vectors; `study.directions` if None.

  Returns:
    By name, [N, L, A] float32.
  """
  directions = study.directions if directions is None else directions
  size, depth, _ = directions.shape
  out = np.zeros((len(pools), len(ids), depth, size), np.float32)
  bank = sharding.replicate(study.lm.mesh, directions)
  planned = passes.plan(study.lm, ids, study.config.batch)
  for batch, got in passes.over(
      study.lm, ids, None, planned, _SITES, label, bank
  ):
    real = batch.rows >= 0
    weights = np.zeros(
        (len(pools), len(real), got[_SITES[0]].shape[-1]), np.float32
    )
    for p, pool in enumerate(pools.values()):
      for row in np.flatnonzero(real):
        own = np.asarray(pool[batch.rows[row]], bool)
        weights[p, row, : len(own)] = own / own.sum()
    # Pooled there: of all tokens of all layers little is wanted here.
    mean = _pooled(
        *(got[site] for site in _SITES),
        sharding.put(study.lm.mesh, ('', 'B', 'T'), weights),
    )
    out[:, batch.rows[real]] = hosts.fetch(mean)[:, real]
  return dict(zip(pools, out, strict=True))


@jax.jit
def _pooled(norm: jax.Array, project: jax.Array, weights: jax.Array):
  """[L, B, T], [L, B, T, A], P weights [P, B, T] -> cosines [P, B, L, A]."""
  cosine = project / jnp.maximum(norm, 1e-12)[..., None]
  return jnp.einsum('LBTA,PBT->PBLA', cosine, weights, precision='highest')


def means(
    study: Study,
    ids: Sequence[Sequence[int]],
    pools: Pools,
    label: str,
    sites: Sequence[str] = capture.MEANS,
) -> tuple[np.ndarray, ...]:
  """Means over some tokens of texts, of embeddings and of residual streams.

  Args:
    study: the model.
    ids: N texts.
    pools: of each the tokens that are averaged, [T] bool, one at least.
    label: of the progress bar.
    sites: of 'embed/mean' and 'resid_post/mean'.

  Returns:
    Of each site, float32: [N, D] of the embedding, [N, L, D] of the blocks.
  """
  planned = passes.plan(study.lm, ids, study.config.batch)
  pools = [np.asarray(pool, np.float32) for pool in pools]
  depth, width = study.lm.config.num_layers, study.lm.config.width
  shapes = [
      (depth, width) if x.startswith('resid') else (width,) for x in sites
  ]
  out = tuple(np.zeros((len(ids), *x), np.float32) for x in shapes)
  for batch, got in passes.over(study.lm, ids, pools, planned, sites, label):
    real = batch.rows >= 0
    for whole, site in zip(out, sites, strict=True):
      mean = hosts.fetch(got[site])
      if mean.ndim == 3:  # Layers come first.
        mean = mean.swapaxes(0, 1)
      whole[batch.rows[real]] = mean[real]
  return out


def embed_read(
    study: Study, ids: Sequence[Sequence[int]], pools: Pools
) -> np.ndarray:
  """What words alone would read: [N, E] cosines of mean token embeddings.

  With the emotion vectors that are made of token embeddings, too.
  """
  (mean,) = means(study, ids, pools, 'Embedding', ('embed/mean',))
  return vectors_lib.unit(mean) @ vectors_lib.unit(study.embed_vectors).T
