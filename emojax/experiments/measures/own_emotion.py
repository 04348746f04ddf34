"""Readings -> how high the emotion that a text is about stands."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emojax import agreement
from emojax import readings
from emojax import resampling
from emojax import statistics
from emojax.experiments import numbers as numbers_lib
from emojax.experiments.measures import prompt_readings

FORMS = ('raw', 'centred', 'standardised')
UNITS = {
    'top1': 'fraction of prompts',
    'topk': 'fraction of prompts',
    'percentile': 'share of the other emotions below',
    'contrast': 'SD over all readings',
}


def formed(
    x: np.ndarray, form: str, mean: np.ndarray, deviation: np.ndarray
) -> np.ndarray:
  """Puts readings into a form.

  Args:
    x: [..., N, E] of N texts.
    form: 'raw'; 'centred' over the texts; or 'standardised', in standard
      deviations over neutral dialogues.
    mean: [E], in neutral dialogues.
    deviation: [E], likewise.

  Returns:
    [..., N, E].
  """
  if form == 'centred':
    return agreement.centred(x)
  if form == 'standardised':
    return readings.standardised(x, mean, deviation)
  return x


def measure(
    x: np.ndarray,
    own: np.ndarray,
    sets: Mapping[str, np.ndarray],
    words: np.ndarray | None,
    top: int,
    seed: int,
    draws: int,
) -> dict[str, dict[str, Any]]:
  """Measures N texts, each about one of E emotions.

  Args:
    x: [N, E], readings.
    own: [N], the emotion of each text.
    sets: by kind of control, [K, N, E] readings of sets of directions; empty if
      there are none.
    words: [N, E], what their token embeddings would read; or None.
    top: of the hits that are called 'topk'.
    seed: of resamples and of draws.
    draws: of the control that deals the emotions' names out anew.

  Returns:
    By the names of `agreement.measures`, an estimate with an interval over
    emotions, whose texts are alike, and `controls`.
  """
  dealt = agreement.renamed(own, seed, draws)
  out = {}
  for name, (each, chance) in agreement.measures(top, x.shape[-1]).items():
    null = statistics.band(np.array([each(x, d).mean() for d in dealt]))
    controls = [
        numbers_lib.exactly('chance', chance, len(own)),
        numbers_lib.control('names dealt out anew (central 95 %)', null),
    ]
    if sets:
      controls += prompt_readings.bands(
          {k: each(v, own).mean(axis=-1) for k, v in sets.items()}
      )
    if words is not None:
      embed = _mean(each(words, own), own, seed)
      controls.append(numbers_lib.control(prompt_readings.WORDS, embed))
    out[name] = _mean(each(x, own), own, seed) | {'controls': controls}
  return out


def over_layers(
    x: np.ndarray,
    own: np.ndarray,
    sets: Mapping[str, np.ndarray],
    seed: int,
    draws: int,
) -> list[dict[str, Any]]:
  """Measures centred readings at every layer.

  Args:
    x: [N, L, E].
    own: [N].
    sets: by kind of control, [K, N, L, E].
    seed: of resamples and of draws.
    draws: of the control that deals the emotions' names out anew.

  Returns:
    A row a layer: `layer`, and by measure estimates of the vectors, of each
    kind of control and of `renamed`.
  """
  x, sets = _by_layer(x), {kind: _by_layer(v) for kind, v in sets.items()}
  dealt = agreement.renamed(own, seed, draws)
  rows: list[dict[str, Any]] = [{'layer': i} for i in range(len(x))]
  for name in ('top1', 'percentile'):
    each, _ = agreement.measures(1, x.shape[-1])[name]
    values = each(x, own)
    null = np.stack([each(x, d).mean(axis=-1) for d in dealt])
    drawn = {kind: each(v, own).mean(axis=-1) for kind, v in sets.items()}
    for row, value in zip(rows, values, strict=True):
      i = row['layer']
      row[name] = {
          'emotions': _mean(value, own, seed),
          'renamed': statistics.band(null[:, i]),
          **{kind: statistics.band(v[:, i]) for kind, v in drawn.items()},
      }
  return rows


def _mean(values, own, seed) -> statistics.Estimate:
  """The mean of [N], with an interval over emotions."""
  return resampling.bootstrap(np.mean, (values.astype(float),), own, seed)


def _by_layer(x: np.ndarray) -> np.ndarray:
  """[..., N, L, E] -> [..., L, N, E], centred over the texts."""
  return agreement.centred(np.moveaxis(x.astype(float), -2, -3))
