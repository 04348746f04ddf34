"""Components of emotion vectors beside ratings of the emotions' words."""

from collections.abc import Mapping
import dataclasses
from typing import Any

import numpy as np

from emojax import axes
from emojax import geometry
from emojax import statistics
from emojax.experiments import study as study_lib
from emojax.experiments.measures import one_layer

COMPONENTS = 5  # Of which one can be picked, to see what picking does.


@dataclasses.dataclass(frozen=True)
class Ratings:
  """Ratings of emotions' words, or something else that they differ in.

  Attributes:
    short: what is rated, in a word or two.
    label: the same in a sentence.
    source: by whom.
    component: that they belong to beforehand, from 0; None: to none.
    values: [E], NaN where there is none.
    own: whether the model itself gave them.
  """

  short: str
  label: str
  source: str
  component: int | None
  values: np.ndarray
  own: bool = False


def relate(
    study: study_lib.Study,
    vectors: one_layer.Vectors,
    ratings: Mapping[str, Ratings],
    components: int,
) -> dict[str, dict[str, Any]]:
  """Correlates components with ratings; signs are free.

  Args:
    study: the model and its vectors.
    vectors: of its layer, and the controls.
    ratings: by name.
    components: C.

  Returns:
    By name, of those that can be correlated: |r| with each of `components`, and
    the band of `permuted` ratings for each; the `best` of them, which is
    inflated, and the band of the best with permuted ratings. For those that
    belong to a component, `own`, its |r|; `embed` and `shuffled`, that of the
    same component of the controls; and `layers`, [L].
  """
  seed = study.config.seed
  pca = lambda x: geometry.principal_components(x, components)[0]
  own, embed = pca(vectors.own), pca(vectors.embed)
  shuffled = [pca(x) for x in vectors.shuffled]
  layers = [pca(x) for x in study.arrays['vectors'].swapaxes(0, 1)]
  out = {}
  for name, rated in ratings.items():
    values = rated.values
    found = [axes.correlation(x, values) for x in own.T]
    if None in found:
      continue
    picked, value = axes.best(own, values)
    out[name] = {
        'short': rated.short,
        'label': rated.label,
        'source': rated.source,
        'own_ratings': rated.own,
        'component': None,
        'components': found,
        'permuted': axes.permuted(own[:, :1], values, seed),
        'best': value | {'component': picked + 1},
        'best_permuted': axes.permuted(own, values, seed),
    }
    i = rated.component
    if i is not None and i < components:
      null = [axes.correlation(x[:, i], values) for x in shuffled]
      out[name] |= {
          'component': i + 1,
          'own': found[i],
          'embed': axes.correlation(embed[:, i], values),
          'shuffled': statistics.band(
              np.array([x['value'] for x in null if x is not None])
          ),
          'layers': [axes.correlation(x[:, i], values) for x in layers],
      }
  return out


def oriented(scores: np.ndarray, ratings: Mapping[str, Ratings]) -> np.ndarray:
  """Turns each component the way of the first ratings that belong to it."""
  out = scores.copy()
  turned = set()
  for rated in ratings.values():
    i = rated.component
    if i is not None and i < scores.shape[1] and i not in turned:
      if axes.correlation(scores[:, i], rated.values) is not None:
        out[:, [i]] = axes.oriented(scores[:, [i]], rated.values)
        turned.add(i)
  return out
