"""Vectors of two corpora beside each other: are they of emotions or authors?"""

import dataclasses

from absl import logging
import ml_collections

from emojax import errors
from emojax import files
from emojax.data import stories as stories_lib
from emojax.data import story_checks
from emojax.experiments import capture_stories
from emojax.experiments import corpus_rows
from emojax.experiments import encode
from emojax.experiments import limits
from emojax.experiments import transfer
from emojax.models import load

NAME = 'comparison.json'
# The least that each can be.
_LEAST = {
    'start': 0,
    'shuffles': 2,
    'capture_batch': 1,
    'capture_chunk': 1,
    'neutral_variance': 0,
}


@dataclasses.dataclass(frozen=True)
class Reference:
  """What the written corpus is compared with, and neutral text for both."""

  stories: stories_lib.Stories
  dialogues: tuple[stories_lib.Dialogue, ...]
  dialogues_sha256: str

  def identity(self) -> dict[str, str]:
    return {
        'reference': self.stories.sha256,
        'neutral_dialogues': self.dialogues_sha256,
    }


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses settings that no corpora can be compared with."""
  limits.check(config, _LEAST)
  if config.neutral_variance >= 1:
    raise errors.InputError(
        f'config.neutral_variance={config.neutral_variance}: must be below 1.'
    )
  if config.start >= config.least_words:  # A word is a token or more.
    raise errors.InputError(
        f'config.start={config.start}: must be below'
        f' config.least_words={config.least_words}, so that every story is read'
        ' from there on.'
    )


def load_reference(config: ml_collections.ConfigDict) -> Reference | None:
  """Reads what the config names; None if it names nothing."""
  if not config.reference:
    return None
  packaged = config.reference == 'packaged'
  stories = None if packaged else files.locate(config.reference)
  name = config.neutral_dialogues
  dialogues = files.locate(name) if name else None
  return Reference(
      stories=stories_lib.load_stories(stories),
      dialogues=stories_lib.load_dialogues(dialogues),
      dialogues_sha256=files.sha256(stories_lib.location(dialogues, 'neutral')),
  )


def encode_stories(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    stories: stories_lib.Stories,
    reference: Reference,
) -> encode.Encoded:
  """Tokenises stories and the neutral dialogues; refuses what `encode` does."""
  return encode.corpus(
      _settings(config, config.reference), lm, stories, reference.dialogues
  )


def _settings(config, stories: str) -> ml_collections.ConfigDict:
  """What the capture of a quickstart asks its config for."""
  return ml_collections.ConfigDict(
      dict(
          stories=stories,
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


def run(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    lm: load.LanguageModel,
    reference: Reference,
) -> None:
  """Writes `comparison.json`, unless it is there or cannot be had."""
  if files.exists(workdir / NAME):
    return
  both = common(workdir, reference.stories)
  if both is None:
    logging.warning(
        'Too few emotions and topics are complete in what was written and in'
        ' the reference: the corpora are not compared. See yields.json; raise'
        ' config.rounds, or give a larger model.'
    )
    return
  arrays = []
  for name, stories in zip(transfer.CORPORA, both, strict=True):
    settings = _settings(config, name)
    encoded = encode.corpus(settings, lm, stories, reference.dialogues)
    path = workdir / name / capture_stories.NAME
    capture_stories.run(settings, path.parent, lm, stories, encoded)
    arrays.append(files.read_arrays(path)[0])
  found = transfer.compare(config, *arrays)
  for name, row in zip(both[0].emotions, found['emotions'], strict=True):
    row['emotion'] = name
  files.write_json(
      workdir / NAME,
      {
          'topics': list(both[0].topics),
          'stories': {
              name: len(stories.stories)
              for name, stories in zip(transfer.CORPORA, both, strict=True)
          },
          **found,
      },
  )


def common(
    workdir: files.Path, reference: stories_lib.Stories
) -> tuple[stories_lib.Stories, stories_lib.Stories] | None:
  """The emotions and topics that both corpora have, of both; None if few."""
  path = workdir / corpus_rows.FILES['story']
  if not files.exists(path):
    return None
  written = [
      stories_lib.Story(row['emotion'], row['topic'], row['text'])
      for _, row in files.read_jsonl(path)
  ]
  own, other = (
      {(s.emotion, s.topic) for s in some}
      for some in (written, reference.stories)
  )
  cells = corpus_rows.crossed(own & other)
  emotions = tuple(sorted({e for e, _ in cells}))
  topics = tuple(sorted({t for _, t in cells}))
  if (
      len(emotions) < story_checks.MIN_EMOTIONS
      or len(topics) < story_checks.MIN_TOPICS
  ):
    return None
  return tuple(
      stories_lib.Stories(
          emotions=emotions,
          topics=topics,
          stories=tuple(s for s in some if (s.emotion, s.topic) in cells),
          sha256='',
      )
      for some in (written, reference.stories)
  )
