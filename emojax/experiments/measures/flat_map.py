"""Emotion vectors on a plane: for the eye, and for nothing else."""

import importlib.util

import numpy as np

from emojax import geometry
from emojax import vectors as vectors_lib

_LEAST = 12  # Emotions that UMAP finds neighbours among.
_NEIGHBOURS = 15
SCALED = 'classical scaling of the distances between unit vectors'
INSTALL = 'pip install emojax[umap] gives a UMAP in its place'


def place(vectors: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
  """Lays vectors out in two dimensions.

  By UMAP of their cosines, as the paper does, if umap-learn is installed and
  there are enough of them; else by classical scaling, which is what components
  of unit vectors are.

  Args:
    vectors: [E, D].
    seed: of UMAP.

  Returns:
    [E, 2], and how it was made.
  """
  x = vectors_lib.unit(vectors.astype(np.float64))
  if importlib.util.find_spec('umap') is None:
    return geometry.principal_components(x, 2)[0], f'{SCALED}; {INSTALL}'
  if len(x) < _LEAST:
    return geometry.principal_components(x, 2)[0], SCALED
  import umap  # Takes seconds, and few have it.

  made = umap.UMAP(
      n_neighbors=min(_NEIGHBOURS, len(x) - 1),
      metric='cosine',
      random_state=seed,
      n_jobs=1,  # Else it warns that a seed allows no more.
  )
  return made.fit_transform(x), f'UMAP of the cosines, seed {seed}'
