"""Emotion vectors of labels that mean nothing, made as the real ones are."""

from collections.abc import Iterator

import numpy as np

from emojax import vectors as vectors_lib
from emojax.experiments import study as study_lib


def labels(
    study: study_lib.Study, count: int | None = None
) -> Iterator[np.ndarray]:
  """Yields the stories' emotions [N], dealt out anew within each topic.

  So many times, `config.shuffles` if None; the same ones whenever they are
  asked for.
  """
  captured = study.captured
  rng = np.random.default_rng(study.config.seed)
  for _ in range(study.config.shuffles if count is None else count):
    yield vectors_lib.shuffled(rng, captured['emotion'], captured['topic'])


def vectors(
    study: study_lib.Study, emotion: np.ndarray, layer: int | None = None
) -> np.ndarray:
  """Makes the vectors of all emotions: [E, L, D], of one layer [E, 1, D]."""
  captured = study.captured
  at = slice(None) if layer is None else slice(layer, layer + 1)
  made, _ = vectors_lib.emotion_vectors(
      captured['stories'][:, at],
      emotion,
      len(study.emotions),
      captured['count'],
  )
  return vectors_lib.project_out(made, captured['components'][at])
