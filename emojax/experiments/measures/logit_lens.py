"""Emotion vectors -> tokens: what each says, and whether it is its own word."""

from collections.abc import Sequence
import dataclasses
import itertools
from typing import Any

import numpy as np

from emojax import progress
from emojax import resampling
from emojax import statistics
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.experiments import study as study_lib
from emojax.experiments.measures import relabelled
from emojax.models import lens
from emojax.models import load

# With the final norm's gain folded in, as the model would, and without.
FOLDS = ('plain', 'gain')
MEASURES = {
    'percentile': np.median,
    'reciprocal': np.mean,
    'among': np.mean,
}
_DEALT = 8  # Words of other emotions that each vector is asked for as well.
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Words:
  """The words of emotions that can be told by their first token.

  Attributes:
    emotions: [E'] indices; the others' first token is another's as well, or no
      letter.
    tokens: [E'] ids.
    single: how many of these words are that one token.
    dealt: [E', J + 1] places among E': each emotion's own, then J others.
    kept: [V] bool, the tokens that can be text.
  """

  emotions: list[int]
  tokens: np.ndarray
  single: int
  dealt: np.ndarray
  kept: np.ndarray


def words_of(
    lm: load.LanguageModel, emotions: Sequence[str], seed: int
) -> Words:
  """Finds the first token of every emotion's word after a space."""
  ids = [lm.tokenizer.encode_word(name) for name in emotions]
  first = [word[0] for word in ids]
  told = [
      i
      for i, token in enumerate(first)
      if first.count(token) == 1
      and any(c.isalpha() for c in lm.tokenizer.decode([token]))
  ]
  return Words(
      emotions=told,
      tokens=np.array([first[i] for i in told], np.int32),
      single=sum(len(ids[i]) == 1 for i in told),
      dealt=deal(len(told), seed),
      kept=lens.words(lm),
  )


def profile(study: study_lib.Study, sets: int) -> dict[str, Any]:
  """What tokens the vectors say, and where their own word is among them.

  Args:
    study: the model and its vectors.
    sets: how many sets of shuffled-label vectors, and as many of random
      directions, are controls.

  Returns:
    `tokens` by emotion, of FOLDS and of `top` and `bottom`; `told`, the
    emotions whose word can be told by its first token, `single`, how many of
    these are one token, and `vocabulary`, of how many tokens; `layers` as
    `by_layer` has them, or None if fewer than two words can be told.
  """
  lm, seed = study.lm, study.config.seed
  words = words_of(lm, study.emotions, seed)
  vectors = study.arrays['vectors']
  tokens = tokens_of(lm, vectors[:, study.layer], words.kept)
  out = {
      'tokens': [
          {'emotion': name} | row
          for name, row in zip(study.emotions, tokens, strict=True)
      ],
      'told': [study.emotions[i] for i in words.emotions],
      'single': words.single,
      'vocabulary': int(words.kept.sum()),
      'layers': None,
  }
  if len(words.emotions) > 1:
    shuffled = [
        relabelled.vectors(study, labels)[words.emotions]
        for labels in itertools.islice(relabelled.labels(study), sets)
    ]
    out['layers'] = by_layer(lm, vectors[words.emotions], shuffled, words, seed)
  return out


def deal(size: int, seed: int) -> np.ndarray:
  """[E', J + 1]: own places, then J arrangements that leave none in place."""
  order = np.random.default_rng(seed).permutation(size)
  place = np.argsort(order)
  steps = np.arange(min(_DEALT, max(size - 1, 0)) + 1)
  return order[(place[:, None] + steps) % max(size, 1)]


def read(
    lm: load.LanguageModel,
    sets: np.ndarray,
    words: Words,
    fold: str,
    dealt: bool = False,
) -> dict[str, np.ndarray]:
  """Ranks words by sets of vectors of one layer.

  Args:
    lm: the model.
    sets: [S, E', D], a vector for each of the words.
    words: of `words_of`.
    fold: of FOLDS.
    dealt: whether each vector is asked for other emotions' words, too.

  Returns:
    By name of MEASURES, [S, J + 1, E'] (J is 0 unless dealt): `percentile`, the
    share of the vocabulary that a word is above; `reciprocal`, 1 over its rank
    in the vocabulary, and `among`, in the E' words.
  """
  number, size, width = sets.shape
  asked = words.dealt if dealt else words.dealt[:, :1]
  scale = lens.gain(lm) if fold == 'gain' else np.ones(width, np.float32)
  rank, scores = lens.ranks(
      lm,
      # Of one length: a model that caps its logits caps none of them.
      vectors_lib.unit(sets.reshape(-1, width) * scale),
      np.tile(words.tokens[asked], (number, 1)),
      words.tokens,
      words.kept,
  )
  own = np.take_along_axis(scores, np.tile(asked, (number, 1)), axis=1)
  above = (scores[:, None] >= own[:, :, None]).sum(axis=2)  # Itself, too.
  shaped = lambda x: x.reshape(number, size, -1).swapaxes(1, 2)
  return {
      'percentile': shaped(1 - rank / (words.kept.sum() - 1)),
      'reciprocal': shaped(1 / (1 + rank)),
      'among': shaped(1 / above),
  }


def by_layer(
    lm: load.LanguageModel,
    vectors: np.ndarray,
    shuffled: Sequence[np.ndarray],
    words: Words,
    seed: int,
) -> dict[str, list[dict[str, Any]]]:
  """Scores of all layers, beside their controls.

  Args:
    lm: the model.
    vectors: [E', L, D], of the emotions of `words`.
    shuffled: S of [E', L, D], made of labels that mean nothing.
    words: of `words_of`.
    seed: of the random directions and of the resampling.

  Returns:
    By fold, a row a layer: each measure as an estimate over emotions; and
    bands of `shuffled_`, over sets, `dealt_`, over words dealt out, and
    `random_` that measure, over as many sets of random directions.
  """
  size, depth, width = vectors.shape
  count = len(shuffled)
  drawn = steering.random_directions(seed, count * size, 1, width)
  drawn = drawn.reshape(count, size, width)
  out = {}
  for fold in FOLDS:
    random = read(lm, drawn, words, fold)
    rows = []
    for layer in progress.over(range(depth), 'Lens', 'layers'):
      found = read(lm, vectors[None, :, layer], words, fold, dealt=True)
      null = read(lm, np.stack([x[:, layer] for x in shuffled]), words, fold)
      rows.append({'layer': layer} | summary(found, null, random, seed))
    out[fold] = rows
  return out


def summary(
    found: dict[str, np.ndarray],
    shuffled: dict[str, np.ndarray],
    random: dict[str, np.ndarray],
    seed: int,
) -> dict[str, statistics.Estimate]:
  """Estimates of one layer out of three of `read`."""
  out = {}
  for name, average in MEASURES.items():
    own, *others = found[name][0]
    out[name] = resampling.bootstrap(
        average, (own,), np.arange(len(own)), seed, method='percentile'
    )
    for label, sets in (
        ('shuffled', shuffled[name][:, 0]),
        ('random', random[name][:, 0]),
        ('dealt', np.array(others)),
    ):
      out[f'{label}_{name}'] = statistics.band(average(sets, axis=1))
  return out


def tokens_of(
    lm: load.LanguageModel, vectors: np.ndarray, kept: np.ndarray
) -> list[dict[str, dict[str, list[str]]]]:
  """The tokens that each of [E, D] raises and lowers most, by fold."""
  out = [{} for _ in vectors]
  for fold in FOLDS:
    scale = lens.gain(lm) if fold == 'gain' else 1
    found = lens.extremes(lm, vectors_lib.unit(vectors * scale), kept, _SHOWN)
    for row, *ids in zip(out, *found):
      row[fold] = {
          name: [readable(lm, int(i)) for i in part]
          for name, part in zip(('top', 'bottom'), ids)
      }
  return out


def readable(lm: load.LanguageModel, token: int) -> str:
  """A token as one can print it: whole characters, and none that acts."""
  text = lm.tokenizer.decode([token])
  if '\ufffd' in text or not text:  # A part of a character, or no text.
    text = lm.tokenizer.backend.id_to_token(token) or f'token {token}'
  text = text.strip(' ') or text
  return ''.join(
      c if c.isprintable() else c.encode('unicode_escape').decode()
      for c in text
  )
