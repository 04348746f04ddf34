"""Kinds of vectors of dialogues with two labels, compared with the stories'."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from emojax import effects
from emojax import likeness
from emojax import statistics
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib

INTERVAL = '95 % jackknife over dialogues'
_UNIT = 'cosine, mean over emotions'


class Found(NamedTuple):
  """What was found of kinds of vectors.

  Attributes:
    best: the method that the numbers are of.
    variants: by method, weights of `effects.Design.variants`.
    here: by method, at the study's layer.
    clean: the same of the best method, less the noise of few dialogues.
    layers: of each layer, by the best method.
    controls: by name and pair.
  """

  best: str
  variants: dict[str, likeness.Variants]
  here: dict[str, likeness.Likeness]
  clean: likeness.Clean
  layers: list[likeness.Likeness]
  controls: dict[str, dict[str, statistics.Estimate]]


def compare(
    study: study_lib.Study,
    kinds: likeness.Kinds,
    designs: Mapping[str, effects.Design],
    names: Sequence[str],
    x: np.ndarray,
    embed: np.ndarray,
    draws: int,
) -> Found:
  """Compares kinds at every layer, and in the embedding.

  Args:
    study: whose stories' vectors are the last kind.
    kinds: which.
    designs: of `effects.designs`, more than one.
    names: the E emotions.
    x: [T, N, L, D], mean activations of T kinds of tokens.
    embed: [T, N, D], mean embeddings.
    draws: of shuffled labels, and of random directions.
  """
  story, story_embed = (
      each[study.index(names)] - each[study.index(names)].mean(axis=0)
      for each in (study.arrays['vectors'], study.embed_vectors)
  )
  seed, at = study.config.seed, study.layer
  here = x[:, :, at], story[:, at]
  variants = {m: d.variants(seed, draws) for m, d in designs.items()}
  best = list(designs)[-1]
  own = variants[best]
  return Found(
      best=best,
      variants=variants,
      here={
          m: likeness.compare(kinds, each, *here)
          for m, each in variants.items()
      },
      clean=likeness.without_noise(kinds, designs[best], *here),
      layers=[
          likeness.compare(kinds, own, x[:, :, i], story[:, i])
          for i in range(x.shape[2])
      ],
      controls={
          'embedding layer': likeness.compare(
              kinds, own, embed, story_embed
          ).same,
          'random directions': likeness.random_bands(
              kinds, own['whole'][0], *here, seed, draws
          ),
      },
  )


def number(
    found: Found,
    id_: str,
    label: str,
    pair: str,
    method: str = '',
    side: int = 0,
) -> numbers_lib.Number:
  """The mean cosine of a pair of kinds, beside its controls.

  Args:
    found: of `compare`.
    id_: of the number.
    label: likewise.
    pair: which.
    method: the best one if ''.
    side: 1 if the two are expected to be alike, 0 if nothing is.
  """
  here = found.here[method or found.best]
  controls = {
      'shuffled labels': here.shuffled,
      'different emotions': here.different,
  }
  note = ''
  if not method:
    controls |= found.controls
    note = clean_note(found.clean.pairs[pair])
  return numbers_lib.number(
      id_,
      label,
      here.same[pair],
      _UNIT,
      INTERVAL,
      [numbers_lib.control(name, of[pair]) for name, of in controls.items()],
      note,
      side,
  )


def clean_note(clean: statistics.Estimate) -> str:
  """Says what an estimate is without the noise of few dialogues."""
  if not np.isfinite(clean['value']):
    return 'Not longer than the noise of so few dialogues.'
  ends = (
      'no interval'
      if clean['low'] is None or clean['high'] is None
      else f'{clean["low"]:.2f} to {clean["high"]:.2f}'
  )
  return f'Without the noise of few dialogues {clean["value"]:.2f} ({ends}).'


def contents(found: Found, size: int) -> dict[str, Any]:
  """What both artefacts hold of it; `size` is E."""
  best = found.here[found.best]
  same, _ = likeness.by_kind(best.cosine, size)
  return {
      'method': found.best,
      'cosine': plain(same),
      'without_noise': plain(found.clean.cosine),
      'structure': plain(likeness.structure(best.cosine, size)),
      'signal': [finite(each) for each in found.clean.signal],
      'clean_pairs': {k: finite(v) for k, v in found.clean.pairs.items()},
      'methods': {
          method: {
              'same': each.same,
              'different': each.different,
              'shuffled': each.shuffled,
          }
          for method, each in found.here.items()
      },
      'layers': [
          {'layer': i, 'same': each.same, 'shuffled': each.shuffled}
          for i, each in enumerate(found.layers)
      ],
  }


def plain(values: np.ndarray) -> list[list[float | None]]:
  """[N, M] as JSON: None where a number is not finite."""
  return [
      [x if np.isfinite(x) else None for x in row]
      for row in np.round(values, 5).tolist()
  ]


def finite(estimate: statistics.Estimate) -> statistics.Estimate | None:
  return estimate if np.isfinite(estimate['value']) else None
