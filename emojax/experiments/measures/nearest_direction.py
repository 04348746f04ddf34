"""How often stories are nearest to the direction named after their emotion.

For directions that were not made here, of which nothing else says how well they
tell emotions apart.
"""

from collections.abc import Sequence
import dataclasses
import functools
from typing import Any, Literal

from absl import logging
import ml_collections
import numpy as np

from emojax import chunks
from emojax import files
from emojax import vectors as vectors_lib
from emojax.data import stories as stories_lib
from emojax.experiments import build_vectors
from emojax.experiments import capture_stories
from emojax.experiments import encode
from emojax.experiments import headlines
from emojax.experiments import inputs
from emojax.models import load

_LEAST = 2  # Emotions, between which there is something to tell.


def stories_of(
    config: ml_collections.ConfigDict, names: Sequence[str]
) -> stories_lib.Stories:
  """The stories of emotions that directions are named after.

  Args:
    config: `stories`, the file.
    names: of the directions.

  Returns:
    None of them, and a line in the log, if too few emotions have both.
  """
  every = stories_lib.load_stories(inputs.path_of(config.stories))
  folded = {name.casefold() for name in names}
  known = [e for e in every.emotions if e.casefold() in folded]
  if len(known) < _LEAST:
    logging.warning(
        'No accuracy: stories of %d of these emotions, and it needs %d. Name'
        ' the directions by config.names as the stories do (%s), or give'
        ' config.stories.',
        len(known),
        _LEAST,
        ', '.join(every.emotions),
    )
    known = []
  return dataclasses.replace(
      every,
      emotions=tuple(known),
      stories=tuple(s for s in every.stories if s.emotion in known),
  )


def run(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    lm: load.LanguageModel,
    stories: stories_lib.Stories,
    encoded: encode.Encoded,
    names: Sequence[str],
    vectors: np.ndarray,
    layers: Sequence[int],
) -> None:
  """Writes `heldout.json`, unless it is there or there are no stories.

  Args:
    config: `batch`, `chunk`, `start`, `shuffles` and `seed`.
    workdir: of the run.
    lm: the model.
    stories: of `stories_of`.
    encoded: the same, tokenised.
    names: E.
    vectors: [E, L, D].
    layers: those that have directions, rising.
  """
  path = workdir / build_vectors.HELD_OUT
  if not stories.emotions or files.exists(path):
    return
  settings = ml_collections.ConfigDict(
      {name: config[name] for name in ('batch', 'chunk', 'start')}
      | {'unit': 'story', 'folds': 0, 'keep_layers': ()}
  )
  rows = capture_stories.story_means(settings, path, lm, stories, encoded)
  folded = [name.casefold() for name in names]
  own = [folded.index(e.casefold()) for e in stories.emotions]
  at = list(layers)
  rank = functools.partial(
      ranks, rows['stories'][:, at], rows['topic'], vectors[own][:, at]
  )
  found = build_vectors.evaluate(rows, config, rank, layers)
  files.write_json(path, found)
  chunks.clear(path)
  _log(found, len(own), len(names))


def ranks(
    pooled: np.ndarray,
    topic: np.ndarray,
    directions: np.ndarray,
    emotion: np.ndarray,
    centre: Literal['topic', 'train'] = 'topic',
) -> np.ndarray:
  """Ranks each story's emotion by directions as they are, by cosine.

  Args:
    pooled: [N, L, D].
    topic: [N].
    directions: [E, L, D].
    emotion: [N], from 0 to E - 1.
    centre: what is subtracted from a story: the mean over the stories of its
      own 'topic', or over those of the others, 'train'. Neither uses a label.

  Returns:
    [N, L]: 0 where the story's own emotion is the nearest of the E. A tie
    counts against it.
  """
  x = np.empty_like(pooled)
  for fold in np.unique(topic):
    test = topic == fold
    around = test if centre == 'topic' else ~test
    x[test] = pooled[test] - pooled[around].mean(axis=0)
  unit = vectors_lib.unit
  cosine = np.einsum('NLD,ELD->NLE', unit(x), unit(directions), optimize=True)
  own = np.take_along_axis(cosine, emotion[:, None, None], axis=2)
  return (cosine >= own).sum(axis=2) - 1  # Less itself.


def _log(found: dict[str, Any], known: int, size: int) -> None:
  nested = found['nested']['top1']
  best = headlines.best_row(found)
  logging.info(
      '%d of %d directions are named after emotions of the stories: the nearest'
      ' one is right for %.2f (%.2f to %.2f) of %d stories, the layer chosen'
      ' without their topics; shuffled labels up to %.2f, chance %.2f. That is'
      ' too much if the directions were made of these stories.',
      known,
      size,
      *(nested[name] for name in ('value', 'low', 'high', 'n')),
      best['shuffled_top1']['high'],
      found['chance']['top1'],
  )
