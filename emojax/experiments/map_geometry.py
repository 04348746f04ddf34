"""Emotion vectors -> cosine map, components, valence, clusters."""

from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np

from emojax import errors
from emojax import files
from emojax import geometry
from emojax import statistics
from emojax import vectors as vectors_lib
from emojax.data import stories as stories_lib
from emojax.data import valence as valence_lib
from emojax.experiments import build_vectors
from emojax.experiments import capture_stories

NAME = 'geometry.json'
_COMPONENTS = 3
_MIN_RATED = 4  # Fisher's interval divides by the root of n - 3.


def check(config: ml_collections.ConfigDict, emotions: Sequence[str]) -> None:
  """Refuses a number of clusters that these emotions do not allow."""
  if not 2 <= config.clusters <= len(emotions):
    raise errors.InputError(
        f'config.clusters={config.clusters}: must be 2 to {len(emotions)}, the'
        ' number of emotions.'
    )


def run(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    stories: stories_lib.Stories,
) -> None:
  """Writes `geometry.json`, unless it is there."""
  if files.exists(workdir / NAME):
    return
  arrays, metadata = build_vectors.read_vectors(workdir / build_vectors.NAME)
  emotions, layer = metadata['emotions'], metadata['layer']
  vectors = arrays['vectors'][:, layer]
  count = min(_COMPONENTS, *vectors.shape)
  scores, explained = geometry.principal_components(vectors, count)
  embed = embed_vectors(workdir, stories)
  embed_scores, _ = geometry.principal_components(embed, count)
  words = valence_lib.valence(emotions)
  # Centred, E vectors have E - 1 components; the others are noise.
  correlated = min(count, len(emotions) - 1)
  if len(set(words.values())) < _MIN_RATED:
    correlated = 0
  files.write_json(
      workdir / NAME,
      {
          'layer': layer,
          'emotions': emotions,
          'cosine': geometry.cosine_matrix(vectors).tolist(),
          'order': geometry.hierarchical_order(vectors).tolist(),
          'pca': {'scores': scores.tolist(), 'explained': explained.tolist()},
          'valence': {
              'source': valence_lib.SOURCE,
              'words': words,
              'missing': [e for e in emotions if e not in words],
          },
          'correlations': [
              with_valence(
                  i, scores, embed_scores, emotions, words, config.seed
              )
              for i in range(correlated)
          ],
          'clusters': geometry.clusters(
              vectors, config.clusters, config.seed
          ).tolist(),
          'k': config.clusters,
      },
  )


def embed_vectors(
    workdir: files.Path, stories: stories_lib.Stories
) -> np.ndarray:
  """The same vectors made of token embeddings, [E, D]: no model, only words."""
  arrays, _ = files.read_arrays(workdir / capture_stories.NAME)
  vectors, _ = vectors_lib.emotion_vectors(
      arrays['stories_embed'][:, None],
      arrays['emotion'],
      len(stories.emotions),
      arrays['count'],
  )
  return vectors[:, 0]


def with_valence(
    component: int,
    scores: np.ndarray,
    embed_scores: np.ndarray,
    emotions: list[str],
    words: dict[str, float],
    seed: int,
) -> dict[str, Any]:
  """Correlates a component with rated valence; its sign is arbitrary.

  The component is chosen beforehand, not for its correlation. Controls: the
  same component of the embedding layer, and the valences permuted.
  """
  rated = [i for i, e in enumerate(emotions) if e in words]
  y = np.array([words[emotions[i]] for i in rated])
  x = scores[rated, component]
  base = statistics.correlation(embed_scores[rated, component], y)
  null = statistics.null_correlations(
      lambda permuted: abs(float(np.corrcoef(x, permuted)[0, 1])), y, seed
  )
  return {
      'component': component + 1,
      **statistics.correlation(x, y),
      'controls': [
          {
              'label': f'component {component + 1} of the embedding layer',
              'value': base['r'],
              'low': base['low'],
              'high': base['high'],
              'n': base['n'],
          },
          {'label': '|r| with permuted valences'} | null,
      ],
  }
