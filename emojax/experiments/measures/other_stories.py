"""Vectors of one corpus on the stories of another: do they hold for both?"""

from collections.abc import Sequence
import dataclasses
from typing import Any

import ml_collections
import numpy as np

from emojax import chunks
from emojax import errors
from emojax import files
from emojax.data import stories as stories_lib
from emojax.experiments import capture_stories
from emojax.experiments import encode
from emojax.experiments import inputs
from emojax.experiments import study as study_lib
from emojax.experiments import transfer
from emojax.models import load

NAME = 'other_stories.safetensors'
_FIELD = 'config.layer_profile.other_stories'
_LEAST = 4  # Emotions.


@dataclasses.dataclass(frozen=True)
class Other:
  """The second corpus.

  Attributes:
    stories: those of the shared emotions.
    encoded: the same, tokenised.
    config: of the run, with this corpus in place of its own.
  """

  stories: stories_lib.Stories
  encoded: encode.Encoded
  config: ml_collections.ConfigDict


def prepare(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    emotions: Sequence[str],
) -> Other | None:
  """Loads and tokenises what the config names; None if it names nothing.

  Raises:
    InputError: the file does not do, is the first corpus again, or shares too
      few emotions with it.
  """
  name = config.layer_profile.other_stories
  if not name:
    return None
  own = stories_lib.load_stories(inputs.path_of(config.stories))
  loaded = stories_lib.load_stories(inputs.path_of(name))
  if loaded.sha256 == own.sha256:
    raise errors.InputError(
        f'{_FIELD}={name}: the very stories that the vectors are made of; give'
        ' those of another author, or leave it empty.'
    )
  shared = tuple(e for e in emotions if e in loaded.emotions)
  if len(shared) < _LEAST:
    raise errors.InputError(
        f'{_FIELD}={name}: stories of {len(shared)} of the emotions that have a'
        f' vector; give those of at least {_LEAST} of them.'
    )
  # A topic keeps its number, and with it its fold.
  topics = dict.fromkeys((*own.topics, *loaded.topics))
  stories = dataclasses.replace(
      loaded,
      emotions=shared,
      topics=tuple(topics),
      stories=tuple(s for s in loaded.stories if s.emotion in shared),
  )
  settings = ml_collections.ConfigDict(config)
  settings.stories, settings.keep_layers = name, ()
  return Other(stories, encode.corpus(settings, lm, stories, ()), settings)


def run(study: study_lib.Study, other: Other) -> dict[str, Any]:
  """Captures the second corpus and compares the two.

  Returns:
    `emotions`, `sha256` and the number of `stories`; by layer `across`,
    accuracy on the second corpus's stories, topics held out, of vectors of the
    first, and `within`, of vectors of the second; and `cosine`, between the two
    vectors of an emotion. Each beside shuffled labels.
  """
  captured = _capture(study, other)
  place = {e: i for i, e in enumerate(other.stories.emotions)}
  number = np.array([place.get(e, -1) for e in study.emotions])
  emotion = number[study.captured['emotion']]
  rows = emotion >= 0
  found = transfer.compare(
      study.config,
      {
          'stories': study.captured['stories'][rows],
          'emotion': emotion[rows],
          'topic': study.captured['topic'][rows],
          'components': study.captured['components'],
      },
      captured | {'components': study.captured['components']},
  )
  first, second = transfer.CORPORA
  return {
      'emotions': list(other.stories.emotions),
      'sha256': other.stories.sha256,
      'stories': int(captured['count'].sum()),
      'chance': found['chance'],
      'across': found['transfer'][f'{first} to {second}'],
      'within': found['transfer'][f'{second} to {second}'],
      'cosine': found['cosine'],
  }


def _capture(study: study_lib.Study, other: Other) -> dict[str, np.ndarray]:
  path = study.workdir / NAME
  if not files.exists(path):
    captured = capture_stories.story_means(
        other.config, path, study.lm, other.stories, other.encoded
    )
    files.write_arrays(path, captured, study.lm.identity())
  chunks.clear(path)
  return files.read_arrays(path)[0]
