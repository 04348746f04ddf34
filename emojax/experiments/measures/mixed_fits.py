"""Probes that are fitted to some of the texts and asked about others."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from emojax import hosts
from emojax import mixed
from emojax import probe_selection
from emojax import statistics
from emojax.experiments import fit_probes
from emojax.experiments import study as study_lib
from emojax.experiments.measures import mixed_items

GROUPS = {name: (name,) for name in mixed_items.CONDITIONS} | {
    'unexpressed': mixed_items.UNEXPRESSED
}
_TOLERANCE = 1e-5  # Of the loss: guesses do not change with smaller steps.

Shares = dict[str, statistics.Estimate]  # By GROUPS.
Guess = Callable[[np.ndarray], np.ndarray]


class Data(NamedTuple):
  """All texts and their activations.

  Attributes:
    items: N of them.
    blocks: [N, L, D].
    embed: [N, D].
    size: E.
  """

  items: mixed_items.Items
  blocks: np.ndarray
  embed: np.ndarray
  size: int


class Asked(NamedTuple):
  """Some layers of the texts on the devices, and how probes are fitted.

  Attributes:
    examples: N texts.
    size: E.
    inverse_penalty: scikit-learn's C.
  """

  examples: fit_probes.Examples
  size: int
  inverse_penalty: float


def data_of(study: study_lib.Study, encoded: mixed_items.Encoded) -> Data:
  """Stories, whose activations are there, and dialogues, which are read."""
  captured, config = study.captured, study.config
  stories, rows = mixed_items.natural(
      captured,
      study.index(encoded.emotions),
      config.mixed_probe,
      config.seed,
  )
  ids = [each.ids for each in encoded.scenes]
  embed, blocks = study_lib.means(study, ids, encoded.pools, 'Mixed')
  return Data(
      mixed_items.joined(stories, encoded.items),
      np.concatenate([captured['stories'][rows], blocks]),
      np.concatenate([captured['stories_embed'][rows], embed]),
      len(encoded.emotions),
  )


def put(study: study_lib.Study, size: int, x: np.ndarray) -> Asked:
  """Takes texts to the devices: [N, L, D]; with the first penalty."""
  nowhere = np.zeros(len(x), int)
  return Asked(
      fit_probes.placed(study.lm.mesh, x, nowhere),
      size,
      study.config.mixed_probe.inverse_penalties[0],
  )


def guesses(
    asked: Asked, labels: np.ndarray, parts: Sequence[mixed.Part]
) -> np.ndarray:
  """What probes of each part's training texts say of its test texts: [L, N].

  Args:
    asked: the texts.
    labels: [N], from 0 to E - 1.
    parts: each text is in one's test.
  """
  most = max(part.test.sum() for part in parts)
  out = np.zeros((asked.examples.num_layers, len(labels)), int)
  for part in parts:
    # Of one length, so that all parts are one program.
    rows = np.resize(np.flatnonzero(part.test), most)
    said = _guess(asked, labels, part.train, rows)
    out[:, part.test] = said[:, : part.test.sum()]
  return out


def transfer(asked: Asked, labels: np.ndarray, train: np.ndarray) -> np.ndarray:
  """What probes of the texts in `train`, [N] bool, say of each: [L, N]."""
  return _guess(asked, labels, train, np.arange(len(labels)))


def _guess(asked: Asked, labels, train, rows) -> np.ndarray:
  examples = asked.examples
  said, _ = probe_selection.hold_out(
      examples.data,
      examples.per_example(labels),
      examples.weights(~train),
      rows,
      asked.inverse_penalty,
      num_classes=asked.size,
      tolerance=_TOLERANCE,
      at_once=examples.at_once,
  )
  return hosts.fetch(said)[: examples.num_layers].argmax(axis=2)


def splits(
    study: study_lib.Study, items: mixed_items.Items
) -> dict[str, list[mixed.Part]]:
  """Nothing seen; scenarios seen; dealt out at random, as in the paper."""
  strata = np.char.add(items.condition, items.label.astype(str))
  rng = np.random.default_rng(study.config.seed)
  folds = mixed.random_folds(rng, strata, study.config.mixed_probe.folds)
  return {
      'unseen': mixed.parts(items.fold, items.dialogue_fold),
      'scenario_seen': mixed.parts(items.dialogue_fold),
      'random': mixed.parts(folds),
  }


def of_split(
    study: study_lib.Study,
    data: Data,
    here: Asked,
    words: Asked,
    parts: Sequence[mixed.Part],
) -> dict[str, Any]:
  """Accuracies with each penalty; controls with the first.

  Args:
    study: its `config.mixed_probe` and seed.
    data: the texts.
    here: their activations at one layer.
    words: their embeddings.
    parts: of `splits`.
  """
  items = data.items
  guess = [
      guesses(here._replace(inverse_penalty=c), items.label, parts)[0]
      for c in study.config.mixed_probe.inverse_penalties
  ]
  embedded = guesses(words, items.label, parts)[0]
  return {
      'accuracy': [shares(study, g == items.label, items) for g in guess],
      'other': shares(study, guess[0] == items.other, items),
      'embed': shares(study, embedded == items.label, items),
      'shuffled': _shuffled(
          study, items, lambda label: guesses(here, label, parts)[0] == label
      ),
  }


def transfers(study: study_lib.Study, data: Data) -> dict[str, Any]:
  """Probes of stories alone, asked about all conditions.

  With activations as they are, and less the mean of each condition: a story is
  no chat, whatever it is about.
  """
  items = data.items
  train = items.condition == 'natural'
  out = {}
  for name, change in (
      ('raw', lambda x: x),
      ('centred', lambda x: mixed.centred(x, items.condition)),
  ):
    here, words = (
        put(study, data.size, change(x))
        for x in (data.blocks[:, [study.layer]], data.embed[:, None])
    )
    guess, embedded = (
        transfer(asked, items.label, train)[0] for asked in (here, words)
    )
    out[name] = {
        'accuracy': [shares(study, guess == items.label, items)],
        'embed': shares(study, embedded == items.label, items),
        'shuffled': _shuffled(
            study,
            items,
            lambda label, here=here: (
                transfer(here, label, train)[0] == items.label
            ),
        ),
    }
  return out


def shares(
    study: study_lib.Study, hits: np.ndarray, items: mixed_items.Items
) -> Shares:
  """The share of hits, [N] bool, of each of GROUPS."""
  out = {}
  for name, conditions in GROUPS.items():
    among = np.isin(items.condition, conditions)
    out[name] = mixed.share(
        hits[among], items.cluster[among], study.config.seed
    )
  return out


def _shuffled(study, items, hits_of: Guess) -> Shares:
  """Bands of labels dealt out anew to whole scenarios, dialogues and topics.

  Under 'natural' to the stories of one emotion on one topic; all within a fold.
  """
  rng = np.random.default_rng(study.config.seed)
  unit = np.char.add(items.cluster, items.label.astype(str))
  kind = np.array([name.split(' ')[0] for name in items.cluster])
  group = np.char.add(kind, items.fold.astype(str))
  draws = {name: [] for name in GROUPS}
  for _ in range(study.config.mixed_probe.shuffles):
    hits = hits_of(mixed.shuffled(rng, items.label, unit, group))
    for name, found in draws.items():
      found.append(hits[np.isin(items.condition, GROUPS[name])].mean())
  return {k: statistics.band(np.array(found)) for k, found in draws.items()}
