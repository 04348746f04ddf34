"""Emotion vectors of the layer of a study, and the same made as controls."""

from collections.abc import Callable
import dataclasses

import numpy as np

from emojax import resampling
from emojax import stability
from emojax import statistics
from emojax.experiments import study as study_lib
from emojax.experiments.measures import relabelled

Estimate = statistics.Estimate


@dataclasses.dataclass(frozen=True)
class Vectors:
  """Vectors of one layer.

  Attributes:
    own: [E, D].
    embed: [E, D], of token embeddings.
    shuffled: [S, E, D], of labels that mean nothing.
    without: [K, E, D], of the stories on all topics but one.
  """

  own: np.ndarray
  embed: np.ndarray
  shuffled: np.ndarray
  without: np.ndarray

  def measure(
      self, statistics_of: Callable[[np.ndarray], np.ndarray]
  ) -> list[dict[str, Estimate]]:
    """Statistics of vectors, with a jackknife over topics, and their controls.

    Args:
      statistics_of: [E, D] -> [M].

    Returns:
      Of each of M: `own`, of the vectors; `shuffled`, the band of shuffled
      labels; `embed`, of the embedding layer.
    """
    own, embed = statistics_of(self.own), statistics_of(self.embed)
    left_out = np.stack([statistics_of(x) for x in self.without])
    shuffled = np.stack([statistics_of(x) for x in self.shuffled])
    return [
        {
            'own': resampling.jackknife(own[i], left_out[:, i]),
            'shuffled': statistics.band(shuffled[:, i]),
            'embed': Estimate(
                value=float(embed[i]), low=None, high=None, n=len(left_out)
            ),
        }
        for i in range(len(own))
    ]


def vectors_of(study: study_lib.Study) -> Vectors:
  """Makes them of what was captured."""
  layer, captured = study.layer, study.captured
  without = stability.vectors_of(
      captured['stories'][:, layer],
      captured['emotion'],
      stability.leave_out(captured['topic'], captured['count']),
      captured['components'][layer],
  )
  return Vectors(
      own=study.arrays['vectors'][:, layer],
      embed=study.embed_vectors,
      shuffled=np.stack(
          [
              relabelled.vectors(study, labels, layer)[:, 0]
              for labels in relabelled.labels(study)
          ]
      ),
      # An emotion may have all its stories in one fold of topics.
      without=without[np.isfinite(without).all(axis=(1, 2))],
  )
