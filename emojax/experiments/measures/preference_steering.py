"""Choices between activities, asked of a model that is steered on some."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from emojax import elo
from emojax import preferences
from emojax import statistics
from emojax import steering
from emojax.data import choices
from emojax.data import stories as stories_lib
from emojax.experiments import chunked_rows
from emojax.experiments import next_words
from emojax.experiments import study as study_lib
from emojax.models import prompts as prompts_lib

_NONE = -1  # No direction.


@dataclasses.dataclass(frozen=True)
class Prepared:
  """What is asked.

  Attributes:
    activities: N of them.
    answers: how the model answers a choice.
    pairs: [P, 2], all ordered pairs.
    asked: P choices.
    feelings: of each activity the ids of a question, and its own tokens.
  """

  activities: tuple[stories_lib.Activity, ...]
  answers: choices.Options
  pairs: np.ndarray
  asked: tuple[choices.Choice, ...]
  feelings: tuple[tuple[tuple[int, ...], np.ndarray], ...]

  def places(self, pairs: np.ndarray) -> list[int]:
    """Where some of the pairs are."""
    known = {tuple(pair): k for k, pair in enumerate(self.pairs.tolist())}
    return [known[tuple(pair)] for pair in pairs.tolist()]


def choose(
    study: study_lib.Study,
    prepared: Prepared,
    pairs: np.ndarray,
    steered: np.ndarray | None = None,
    directions: Sequence[int] = (_NONE,),
) -> np.ndarray:
  """Asks choices, steered on the tokens of some activities.

  Args:
    study: the model and its directions.
    prepared: of the question.
    pairs: [P, 2] of `prepared.pairs`.
    steered: [N] bool, the activities whose tokens are steered; none if None.
    directions: G indices of `study.directions`.

  Returns:
    [P], or [G, P] if steered: P(the first is chosen), 0 or 1 if
    `preferences.hard` (1/2 for a tie).
  """
  own = study.config.preferences
  layers = tuple(own.layers) or study.band
  items = []
  for pair, at in zip(pairs.tolist(), prepared.places(pairs)):
    asked = prepared.asked[at]
    # Those of one prompt follow each other: what they share is run once.
    for direction in directions:
      where = steered_places(asked, pair, steered)
      items.append((asked.ids, where, direction, own.strength, layers))
  words = [(i,) for i in prepared.answers.ids]

  def write(chunk, tick):
    requests = [request(study, *item) for item in chunk]
    rows = next_words.log_probs(
        study.lm, study.bank, requests, words, own.batch
    )
    tick(len(chunk))
    return rows.tolist()

  rows = chunked_rows.run(
      study.workdir / 'preferences.json', items, own.chunk, 'Choices', write
  )
  chosen = elo.choice_probability(*np.array(rows).T)
  if own.hard:
    chosen = (np.sign(chosen - 0.5) + 1) / 2
  return chosen if steered is None else chosen.reshape(len(pairs), -1).T


def steered_places(
    asked: choices.Choice, pair: Sequence[int], steered: np.ndarray | None
) -> tuple[int, ...]:
  """The positions of a question's tokens that are steered."""
  if steered is None:
    return ()
  return tuple(
      at for i, own in zip(pair, asked.places) if steered[i] for at in own
  )


def request(
    study: study_lib.Study,
    ids: tuple[int, ...],
    where: tuple[int, ...],
    direction: int,
    strength: float,
    layers: tuple[int, ...],
) -> prompts_lib.Request:
  """A question with a direction added at `where`, and at no other token."""
  terms: tuple[prompts_lib.Term, ...] = ()
  if direction != _NONE and where:
    tokens = np.zeros(len(ids), bool)
    tokens[list(where)] = True
    depth = study.lm.config.num_layers
    strengths = steering.at_layers(strength, layers, depth)
    terms = (prompts_lib.Term(direction, strengths, tokens, (0, 0)),)
  return prompts_lib.Request(ids, np.zeros(2, np.uint32), terms)


def steer(
    study: study_lib.Study,
    prepared: Prepared,
    chosen: np.ndarray,
    values: np.ndarray,
    strength: np.ndarray,
    names: Mapping[str, str],
) -> dict[str, Any]:
  """Steers one half of the activities, with emotions read on the other.

  Args:
    study: the model and its directions.
    prepared: of the question.
    chosen: [P], unsteered.
    values: [N, A] readings; A begins with `study.directions`.
    strength: [N] Elo, unsteered.
    names: the two emotions that are steered in any case.

  Returns:
    What is in the artefact under `steered`.
  """
  own, seed = study.config.preferences, study.config.seed
  category = np.array([a.category for a in prepared.activities])
  steered = preferences.split(category, seed)
  # On the other half: no activity is in both numbers of the coupling.
  count = len(study.directions)
  r = statistics.pearson(
      values[~steered, :count], strength[~steered, None], axis=0
  )
  used = _directions(study, r, names)
  pairs = preferences.steered_pairs(steered, own.pairs_per_activity, seed)
  # Steering leaves questions about the other half as they are.
  still = ~steered[prepared.pairs].any(axis=1)
  before = chosen[prepared.places(pairs)]
  every = np.concatenate([pairs, prepared.pairs[still]])
  fit = lambda p: elo.bradley_terry(
      every, np.concatenate([p, chosen[still]]), len(category)
  )
  baseline = fit(before).elo
  rows = []
  for at, p in zip(used, choose(study, prepared, pairs, steered, used)):
    rows.append(
        {
            'direction': study.names[at],
            'kind': next(k for k, x in study.places.items() if at < x.stop),
            'r': float(r[at]),
            **_effect(fit(p).elo, baseline, steered, category, seed),
            **_certainty(pairs, p, seed),
        }
    )
  return _settings(study) | {
      'activities': int(steered.sum()),
      'questions': len(pairs),
      **_certainty(pairs, before, seed),
      'rows': rows,
  }


def _settings(study: study_lib.Study) -> dict[str, Any]:
  own = study.config.preferences
  return {
      'strength': own.strength,
      'layers': list(tuple(own.layers) or study.band),
      'left_out': [e for e in own.steered if e not in study.emotions],
  }


def _effect(changed, baseline, steered, category, seed) -> dict[str, Any]:
  """How far the steered half moved, and how far it moved together."""
  gain = elo.shift(changed, baseline, steered)
  return {
      'shift': statistics.cluster_bootstrap(gain, category[steered], seed),
      'slope': elo.compression(changed[steered], baseline[steered]),
  }


def _certainty(pairs, chosen, seed) -> dict[str, Any]:
  certain, _ = elo.certainty(pairs, chosen, seed)
  return {'certainty': certain, 'first_chosen': float(chosen.mean())}


def _directions(study, r: np.ndarray, names: Mapping[str, str]) -> list[int]:
  """Which steer: emotions from one end of r to the other, and controls."""
  own = study.config.preferences
  if own.steered:
    emotions = study.index([e for e in own.steered if e in study.emotions])
  else:
    emotions = preferences.spread(r[study.places['emotions']], own.steer)
    emotions = emotions.tolist()
  emotions += study.index(names.values())
  controls = [
      i
      for kind in ('random', 'shuffled')
      for i in range(len(study.names))[study.places[kind]][: own.controls]
  ]
  return [*dict.fromkeys(emotions), *controls]
