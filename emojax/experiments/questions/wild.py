"""Where in ordinary chats is each vector most active?"""

from collections.abc import Sequence
from typing import Any

from emojax import steering
from emojax.experiments import limits
from emojax.experiments import study as study_lib
from emojax.experiments import wild
from emojax.experiments.measures import summarise_wild
from emojax.models import load

NAME = 'wild'
FILES = {'transcripts': 'chats'}


def prepare(config, lm: load.LanguageModel, emotions: Sequence[str]):
  """Returns the transcripts, tokenised."""
  del emotions
  limits.check(config, {'window': 1, 'top': 1}, NAME)
  return wild.encode(lm, wild.load_transcripts(config[NAME].transcripts))


def run(study: study_lib.Study, prepared: wild.Encoded) -> dict[str, Any]:
  """Reads them at the study's layer."""
  own = study.config[NAME]
  # As many as vectors: their maximum is of as many draws.
  random = steering.random_directions(
      study.config.seed, *study.arrays['vectors'].shape
  )
  found = wild.collect(
      study.lm,
      study.arrays,
      study.emotions,
      study.layer,
      prepared,
      (own.window, own.top, study.config.batch),
      random,
  )
  return summarise_wild.summarise(
      found, study.emotions, study.layer, prepared.left_out, study.config.seed
  )
