"""Do the vectors lie along valence and arousal, and in the paper's clusters?

Component 1 is taken for valence and component 2 for arousal beforehand, as the
paper found them; the one that fits best is reported as picked.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from emojax import axes
from emojax import errors
from emojax import geometry
from emojax import statistics
from emojax.data import norms as norms_lib
from emojax.data import valence as valence_lib
from emojax.experiments import inputs
from emojax.experiments import study as study_lib
from emojax.experiments.measures import affect_axes
from emojax.experiments.measures import affect_clusters
from emojax.experiments.measures import affect_numbers
from emojax.experiments.measures import flat_map
from emojax.experiments.measures import one_layer
from emojax.experiments.measures import self_ratings
from emojax.models import load

NAME = 'affect'
FILES: dict[str, str | None] = {'norms': None}
_MIN_EMOTIONS = 4
_MOST_CLUSTERS = 10  # The paper's, of 171 emotions.


@dataclasses.dataclass(frozen=True)
class Prepared:
  """Ratings by people, and the questions for the model's, if it is asked."""

  norms: norms_lib.Norms
  asked: self_ratings.Asked | None


def prepare(
    config, lm: load.LanguageModel, emotions: Sequence[str]
) -> Prepared:
  """Reads the ratings, and tokenises what the model is asked."""
  own, count = config[NAME], config[NAME].clusters
  if count and not 2 <= count <= len(emotions):
    raise errors.InputError(
        f'config.{NAME}.clusters={count}: must be 0, or from 2 to'
        f' {len(emotions)}, the number of emotions.'
    )
  if own.norms:
    norms = norms_lib.load_norms(inputs.path_of(own.norms), emotions)
  else:
    rated = valence_lib.valence(emotions)
    norms = norms_lib.Norms(valence_lib.SOURCE, rated)
  asked = self_ratings.prepare(lm, emotions) if own.own_ratings else None
  return Prepared(norms, asked)


def run(study: study_lib.Study, prepared: Prepared) -> dict[str, Any]:
  """Maps the vectors of the layer of the readings."""
  emotions, seed = study.emotions, study.config.seed
  if len(emotions) < _MIN_EMOTIONS:
    return {
        'absent': f'under {_MIN_EMOTIONS} emotions have a vector; give stories'
        ' of more.'
    }
  vectors = one_layer.vectors_of(study)
  count = min(affect_axes.COMPONENTS, len(emotions) - 1, vectors.own.shape[1])
  asked = prepared.asked
  own = asked and self_ratings.run(study.lm, asked, study.config.sweep_batch)
  ratings = _ratings(study, prepared.norms, own)
  scores, share = geometry.principal_components(vectors.own, count)
  flat, how = flat_map.place(vectors.own, seed)
  k = study.config[NAME].clusters or max(
      2, min(_MOST_CLUSTERS, len(emotions) // 3)
  )
  words = prepared.norms.valence
  out = {
      'emotions': emotions,
      'layer': study.layer,
      'topics': len(np.unique(study.captured['topic'])),
      'cosine': geometry.cosine_matrix(vectors.own).tolist(),
      'order': geometry.hierarchical_order(vectors.own).tolist(),
      'pca': {
          'scores': affect_axes.oriented(scores, ratings).tolist(),
          'explained': share.tolist(),
      },
      'variance': vectors.measure(
          lambda x: geometry.principal_components(x, 2)[1]
      ),
      'valence': {
          'source': prepared.norms.source,
          'sha256': prepared.norms.sha256,
          'words': dict(words),
          'missing': [e for e in emotions if e not in words],
      },
      'relations': affect_axes.relate(study, vectors, ratings, count),
      'own_ratings': own and _compared(own, prepared.norms, emotions, seed),
      'clusters': affect_clusters.compare(emotions, vectors, k, seed),
      'map': {'places': flat.tolist(), 'how': how},
  }
  return out | {'numbers': affect_numbers.of(out)}


def _ratings(
    study: study_lib.Study, norms: norms_lib.Norms, own: dict[str, Any] | None
) -> dict[str, affect_axes.Ratings]:
  """What components are correlated with; the first of a kind turns them."""
  out = {}
  scales = list(enumerate(self_ratings.PROMPTS))
  for i, scale in scales:
    values = getattr(norms, scale)
    if values is not None:
      out[scale] = affect_axes.Ratings(
          scale, scale, norms.source, i, _array(values, study.emotions)
      )
  if own is not None:
    for i, scale in scales:
      out[f'own_{scale}'] = affect_axes.Ratings(
          scale,
          f'{scale}, the model’s own ratings',
          'The model itself, 1 to 7',
          i,
          own[scale]['values'],
          own=True,
      )
  lengths: dict[str, list[int]] = {name: [] for name in study.emotions}
  for story in study.stories.stories:
    lengths[story.emotion].append(len(story.text.split()))
  return out | {
      'length': affect_axes.Ratings(
          'story length',
          'the mean length of its stories',
          'words',
          None,
          np.array([np.mean(lengths[name]) for name in study.emotions]),
      )
  }


def _array(values, emotions: Sequence[str]) -> np.ndarray:
  return np.array([values.get(e, np.nan) for e in emotions])


def _compared(own, norms, emotions, seed: int) -> dict[str, Any]:
  """The model's own ratings: with each other, and with those of people."""
  out = {'mass': own['mass']}
  for scale in self_ratings.PROMPTS:
    values, up, down = (
        own[scale][name] for name in ('values', 'upwards', 'downwards')
    )
    rated = getattr(norms, scale)
    people = None if rated is None else _array(rated, emotions)
    out[scale] = {
        'values': values.tolist(),
        'agreement': _signed(up, down, seed),
        'people': None if people is None else _signed(values, people, seed),
    }
  return out


def _signed(x, y, seed: int) -> dict[str, Any] | None:
  """r with its sign, and what it is with y dealt out anew."""
  found = axes.correlation(x, y, signed=True)
  if found is None:
    return None
  known = np.isfinite(y)
  null = statistics.null_correlations(
      lambda dealt: float(statistics.pearson(x[known], dealt)), y[known], seed
  )
  return found | {'permuted': null}
