"""Vectors of two corpora beside each other: are they of emotions or authors?"""

from typing import Any

from absl import logging
import ml_collections
import numpy as np

from emojax import chunks
from emojax import files
from emojax import statistics
from emojax import vectors as vectors_lib
from emojax.data import stories as stories_lib
from emojax.experiments import capture_stories
from emojax.experiments import corpus_rows
from emojax.experiments import encode
from emojax.models import load

NAME = 'comparison.json'
_CORPORA = ('written', 'reference')
_TOPS = (('top1', 1), ('top5', 5))


def run(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    lm: load.LanguageModel,
    reference: stories_lib.Stories,
) -> None:
  """Writes `comparison.json`, unless it is there or cannot be had."""
  if files.exists(workdir / NAME):
    return
  both = common(workdir, reference)
  if both is None:
    logging.warning(
        'Too few emotions have stories on three topics or more that the'
        ' reference has, too: the corpora are not compared. See yields.json;'
        ' raise config.rounds, or give a larger model.'
    )
    return
  dialogues = stories_lib.load_dialogues(
      files.locate(config.neutral_dialogues)
      if config.neutral_dialogues
      else None
  )
  arrays = {}
  for name, stories in zip(_CORPORA, both, strict=True):
    settings = ml_collections.ConfigDict(
        dict(
            stories=name,
            neutral=config.neutral_dialogues,
            start=config.start,
            batch=config.capture_batch,
            chunk=config.capture_chunk,
            unit='story',
            folds=0,
            keep_layers=(),
            neutral_variance=config.neutral_variance,
            neutral_rows=2048,
            sketch=256,
            seed=config.seed,
        )
    )
    encoded = encode.corpus(settings, lm, stories, dialogues)
    path = workdir / name / capture_stories.NAME
    capture_stories.run(settings, path.parent, lm, stories, encoded)
    arrays[name], _ = files.read_arrays(path)
    chunks.clear(path)
  files.write_json(
      workdir / NAME,
      {
          'emotions': list(both[0].emotions),
          'topics': list(both[0].topics),
          'stories': {
              name: len(stories.stories)
              for name, stories in zip(_CORPORA, both, strict=True)
          },
          **compare(config, *(arrays[name] for name in _CORPORA)),
      },
  )


def common(
    workdir: files.Path, reference: stories_lib.Stories
) -> tuple[stories_lib.Stories, stories_lib.Stories] | None:
  """The emotions and topics that both corpora have, of both; None if few."""
  rows = [row for _, row in files.read_jsonl(workdir / corpus_rows.FILES['story'])]
  wanted = {(s.emotion, s.topic) for s in reference.stories}
  cells = corpus_rows.crossed(
      {(r['emotion'], r['topic']) for r in rows} & wanted
  )
  if len({e for e, _ in cells}) < 2 or len({t for _, t in cells}) < 3:
    return None
  emotions = tuple(sorted({e for e, _ in cells}))
  topics = tuple(t for t in reference.topics if (emotions[0], t) in cells)
  written = [
      stories_lib.Story(r['emotion'], r['topic'], r['text']) for r in rows
  ]
  return tuple(
      stories_lib.Stories(
          emotions=emotions,
          topics=topics,
          stories=tuple(s for s in own if (s.emotion, s.topic) in cells),
          sha256='',
      )
      for own in (written, reference.stories)
  )


def compare(
    config: ml_collections.ConfigDict,
    written: dict[str, np.ndarray],
    reference: dict[str, np.ndarray],
) -> dict[str, Any]:
  """Cosines of vectors by emotion and layer, and accuracy both ways.

  Args:
    config: `seed`.
    written: arrays of `activations.safetensors`.
    reference: likewise, of the same emotions and topics.

  Returns:
    `cosine`: by layer, the mean over emotions of the cosine of the two vectors
    of an emotion, and as a control that of different emotions; `by_emotion`
    [E][L]; `transfer`: by layer, how often the nearest vector of one corpus is
    right for a story of the other on a topic held out, and within one corpus,
    beside shuffled labels.
  """
  size = int(max(written['emotion'].max(), reference['emotion'].max())) + 1
  a, b = (
      vectors_lib.unit(
          vectors_lib.project_out(
              vectors_lib.emotion_vectors(x['stories'], x['emotion'], size)[0],
              x['components'],
          )
      )
      for x in (written, reference)
  )
  cosine = np.einsum('ELD,FLD->LEF', a, b, optimize=True)
  own = np.diagonal(cosine, axis1=1, axis2=2)  # [L, E]
  others = cosine[:, ~np.eye(size, dtype=bool)].reshape(len(own), size, -1)
  emotion = np.arange(size)
  return {
      'cosine': [
          {
              'layer': layer,
              'same': statistics.cluster_bootstrap(x, emotion, config.seed),
              'different': statistics.cluster_bootstrap(
                  y.mean(axis=1), emotion, config.seed
              ),
          }
          for layer, (x, y) in enumerate(zip(own, others, strict=True))
      ],
      'by_emotion': np.round(own.T, 5).tolist(),
      'transfer': _transfer(config, written, reference),
  }


def _transfer(config, written, reference) -> dict[str, list[dict[str, Any]]]:
  """Accuracy by layer: vectors of one corpus, stories of each."""
  corpora = dict(zip(_CORPORA, (written, reference), strict=True))
  out = {}
  for train_name, train in corpora.items():
    for test_name, test in corpora.items():
      joined = [train] if test is train else [train, test]
      stack = lambda name, joined=joined: np.concatenate(
          [x[name] for x in joined]
      )
      fitted = None
      if test is not train:
        fitted = np.arange(len(stack('emotion'))) < len(train['emotion'])
      tested = slice(None) if fitted is None else ~fitted
      ranks = lambda emotion, stack=stack, fitted=fitted: (
          vectors_lib.held_out_ranks(
              stack('stories'),
              emotion,
              stack('topic'),
              train['components'],
              train=fitted,
          )
      )
      topic = stack('topic')[tested]
      found = ranks(stack('emotion'))[tested]
      rng = np.random.default_rng(config.seed)
      null = []
      for _ in range(config.shuffles):
        labels = vectors_lib.shuffled(rng, stack('emotion'), stack('topic'))
        null.append(ranks(labels)[tested])
      out[f'{train_name} to {test_name}'] = [
          {
              'layer': layer,
              **{
                  name: statistics.cluster_bootstrap(
                      (found[:, layer] < top).astype(float), topic, config.seed
                  )
                  for name, top in _TOPS
              },
              **{
                  f'shuffled_{name}': statistics.band(
                      np.array([(x[:, layer] < top).mean() for x in null])
                  )
                  for name, top in _TOPS
              },
          }
          for layer in range(found.shape[1])
      ]
  return out
