"""Texts with swapped words -> what that does to readings, by layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emojax import resampling
from emojax import statistics
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib
from emojax.experiments.measures import bindings
from emojax.experiments.measures import minimal_pairs
from emojax.experiments.measures import negations
from emojax.experiments.measures import prompt_readings

# By kind, `prompt_readings.KINDS`, and 'embedding' where that was read: of N
# items what a swap does to their readings, [..., N, L] or [N, 1].
Effects = dict[str, np.ndarray]
EMBEDDING = 'embedding'


def of_pairs(
    study: study_lib.Study, pairs: Sequence[minimal_pairs.Pair]
) -> dict[str, Effects]:
  """High minus low, by place."""
  encoded = [chat for pair in pairs for chat in pair.encoded]
  by_text = [pools for pair in pairs for pools in pair.pools]
  pools = {place: [each[place] for each in by_text] for place in by_text[0]}
  own = np.array(study.index([pair.contrast.emotion for pair in pairs]))
  read = _read(study, encoded, pools, 'Contrasts')
  places = (minimal_pairs.WORD, minimal_pairs.SUFFIX)
  words = _words(study, encoded, pools, places)
  read[EMBEDDING] = words
  return _by_place(
      {kind: minimal_pairs.differences(x, own) for kind, x in read.items()}
  )


def of_sentences(
    study: study_lib.Study, sentences: negations.Sentences
) -> dict[str, dict[str, Effects]]:
  """How far emotions are read that are affirmed or not, by place and form."""
  read = _read(study, sentences.encoded, sentences.pools, 'Negations')
  by_kind = {kind: negations.expressed(x) for kind, x in read.items()}
  return {
      place: _by_place({kind: x[place] for kind, x in by_kind.items()})
      for place in negations.PLACES
  }


def of_bindings(
    study: study_lib.Study, texts: bindings.Texts
) -> dict[str, Effects]:
  """How far emotions are read where they belong, by place."""
  pools = {
      f'{place} {person}': [pair[person] for pair in pairs]
      for place, pairs in texts.pools.items()
      for person in (0, 1)
  }
  emotions = np.array([study.index(x.emotions) for x in texts.bindings])
  read = _read(study, texts.encoded, pools, 'Bindings')
  read[EMBEDDING] = _words(study, texts.encoded, pools, pools)
  return _by_place(
      {kind: bindings.bound(x, emotions) for kind, x in read.items()}
  )


def _read(study, encoded, pools, label) -> dict[str, dict[str, np.ndarray]]:
  """Readings by kind and place: [N, L, E], of controls [K, N, L, E]."""
  names = study.emotions
  directions = prompt_readings.directions(
      study, names, study.config.contrasts.sets
  )
  ids = [chat.ids for chat in encoded]
  read = study_lib.read(study, ids, pools, label, directions)
  split = {p: prompt_readings.split(x, len(names)) for p, x in read.items()}
  return {
      kind: {place: x[kind].astype(float) for place, x in split.items()}
      for kind in prompt_readings.KINDS
  }


def _words(study, encoded, pools, places) -> dict[str, np.ndarray]:
  """What token embeddings read, by place: [N, 1, E]."""
  ids = [chat.ids for chat in encoded]
  return {
      place: study_lib.embed_read(study, ids, pools[place])[:, None]
      for place in places
  }


def _by_place(by_kind: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
  """{kind: {place: x}} -> {place: {kind: x}}."""
  out: dict[str, Any] = {}
  for kind, by_place in by_kind.items():
    for place, x in by_place.items():
      out.setdefault(place, {})[kind] = x
  return out


def over_layers(effects: Effects, seed: int) -> list[dict[str, Any]]:
  """The mean over items at every layer, and bands of the controls' means."""
  own = effects['emotions']
  bands = {
      kind: effects[kind].mean(axis=1) for kind in prompt_readings.CONTROLS
  }
  return [
      {
          'layer': i,
          'emotions': mean(own[:, i], seed),
          **{kind: statistics.band(x[:, i]) for kind, x in bands.items()},
      }
      for i in range(own.shape[1])
  ]


def mean(values: np.ndarray, seed: int) -> statistics.Estimate:
  """The mean of [N], with an interval over items."""
  return resampling.bootstrap(np.mean, (values,), np.arange(len(values)), seed)


def averaged(effects: Effects, layers: slice) -> Effects:
  """The mean over some layers: of each kind [..., N]."""
  return {
      kind: x[..., slice(0, 1) if kind == EMBEDDING else layers].mean(axis=-1)
      for kind, x in effects.items()
  }


def controls_of(values: Effects, seed: int) -> list[dict[str, Any]]:
  """Controls of a mean over items, of [N] and [K, N] by kind."""
  kinds = prompt_readings.CONTROLS
  out = prompt_readings.bands({k: values[k].mean(axis=-1) for k in kinds})
  if EMBEDDING in values:
    estimate = mean(values[EMBEDDING], seed)
    out.append(numbers_lib.control('embedding layer', estimate))
  return out
