"""Do vectors agree between layers, and with those of other topics?"""

from typing import Any

import numpy as np

from emojax import geometry
from emojax import progress
from emojax import resampling
from emojax import stability
from emojax import statistics
from emojax.experiments import study as study_lib
from emojax.experiments.measures import relabelled

_DRAWS = 1000  # Of emotions, for the interval of a similarity.
_SHARE = 5  # A control is a mean over shuffles: a fifth of the draws do.


def similarity(study: study_lib.Study) -> dict[str, Any]:
  """How alike emotions lie in different layers (paper, figure 9).

  Returns:
    `matrix` and `shuffled_matrix` [L, L], Pearson's r of the cosines of all
    pairs of emotions, of vectors and on average of shuffled labels; `embedding`
    [L], the same of the embedding layer and each. Of the layers of `middle`,
    the central third: `between`, the mean over two of them, beside `shuffled`,
    and `from_embedding`; None for a model of one layer.
  """
  depth, size = study.lm.config.num_layers, len(study.emotions)
  middle = slice(depth // 3, 2 * depth // 3 + 1)
  cosines = geometry.pair_cosines(study.arrays['vectors'])
  embedding = geometry.pairs(geometry.cosine_matrix(study.embed_vectors))
  part = np.concatenate([embedding[None], cosines[middle]])

  def over_emotions(average) -> statistics.Estimate:
    emotion = np.arange(size)

    def redrawn(picks, axis):
      del axis
      weights = [geometry.pair_weights(row, size) for row in picks]
      return np.array([average(geometry.similarity(part, w)) for w in weights])

    return resampling.bootstrap(
        redrawn, (emotion,), emotion, study.config.seed, _DRAWS
    )

  null = [
      geometry.similarity(
          geometry.pair_cosines(relabelled.vectors(study, labels))
      )
      for labels in progress.over(
          relabelled.labels(study),
          'Shuffles',
          'shuffles',
          study.config.shuffles,
      )
  ]
  out = {
      'matrix': _known(geometry.similarity(cosines)),
      'shuffled_matrix': _known(np.mean(null, axis=0)),
      'embedding': _known(
          geometry.similarity(np.concatenate([embedding[None], cosines]))[0, 1:]
      ),
      'middle': [middle.start, min(middle.stop, depth) - 1],
      'between': None,
  }
  if depth > 1:
    inner = [geometry.pairs(x[middle, middle]).mean() for x in null]
    out |= {
        'between': over_emotions(lambda x: geometry.pairs(x[1:, 1:]).mean()),
        'shuffled': statistics.band(np.array(inner)),
        'from_embedding': over_emotions(lambda x: x[0, 1:].mean()),
    }
  return out


def steadiness(
    study: study_lib.Study, resamples: int, splits: int
) -> dict[str, Any]:
  """How far the vectors depend on the topics that they are made of.

  Args:
    study: the model and its vectors.
    resamples: of topics.
    splits: of topics, into halves.

  Returns:
    How many `topics` and `stories`, and `layers`: estimates over emotions of
    `resampled`, the cosine of the vectors of resampled topics with those of
    all, and of `halves`, the reliability of the whole that two halves tell; and
    the bands of shuffled labels.
  """
  captured, seed = study.captured, study.config.seed
  topic, count = captured['topic'], captured['count']

  def measure(emotion, draws: int, halvings: int) -> list[np.ndarray]:
    args = (captured['stories'], emotion, topic, captured['components'])
    return [
        stability.bootstrap_cosines(*args, count, seed, draws),
        stability.split_half_cosines(*args, count, seed, halvings),
    ]

  resampled, halves = measure(captured['emotion'], resamples, splits)
  few = resamples // _SHARE, splits // _SHARE
  null = [
      [np.nanmean(x, axis=1) for x in measure(labels, *few)]
      for labels in progress.over(
          relabelled.labels(study), 'Topics', 'shuffles', study.config.shuffles
      )
  ]
  shuffled = np.array(null)  # [shuffles, 2, L]
  return {
      'topics': len(np.unique(topic)),
      'stories': int(count.sum()),
      'layers': [
          {
              'layer': layer,
              'resampled': _over_emotions(resampled[layer], seed),
              'halves': _whole(_over_emotions(halves[layer], seed)),
              'shuffled_resampled': statistics.band(shuffled[:, 0, layer]),
              'shuffled_halves': _whole(statistics.band(shuffled[:, 1, layer])),
          }
          for layer in range(len(halves))
      ],
  }


def _over_emotions(values: np.ndarray, seed: int) -> statistics.Estimate:
  known = values[np.isfinite(values)]
  return statistics.cluster_bootstrap(known, np.arange(len(known)), seed)


def _whole(half: statistics.Estimate) -> dict[str, Any]:
  """What halves say of the whole: Spearman-Brown, which keeps the order."""
  return half | {
      name: None if half[name] is None else stability.spearman_brown(half[name])
      for name in ('value', 'low', 'high')
  }


def _known(x: np.ndarray) -> list:
  """Lists with None for NaN, as JSON has none."""
  return np.where(np.isfinite(x), x.astype(object), None).tolist()
