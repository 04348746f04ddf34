"""A model and a corpus: loaded and refused before anything is written."""

import dataclasses
import hashlib

import ml_collections

from emojax import files
from emojax.data import stories as stories_lib
from emojax.experiments import encode
from emojax.experiments import grids
from emojax.experiments import settings
from emojax.models import load
from emojax.models import sharding


@dataclasses.dataclass(frozen=True)
class Inputs:
  """What vectors are made of.

  Attributes:
    lm: the model.
    stories: that evoke emotions.
    dialogues: neutral ones.
    encoded: both, tokenised.
  """

  lm: load.LanguageModel
  stories: stories_lib.Stories
  dialogues: tuple[stories_lib.Dialogue, ...]
  encoded: encode.Encoded


def load_inputs(config: ml_collections.ConfigDict) -> Inputs:
  """Loads what a config names.

  Raises:
    InputError: a setting, a file or the model does not do.
  """
  settings.check(config)
  mesh = sharding.make_mesh(**config.mesh)
  stories = stories_lib.load_stories(
      path_of(config.stories), tuple(config.emotions) or None
  )
  dialogues = stories_lib.load_dialogues(path_of(config.neutral))
  if config.neutral_dialogues:
    step = max(1, len(dialogues) // config.neutral_dialogues)
    dialogues = dialogues[::step]
  settings.check_corpus(config, dialogues)
  if 'directions' in config:
    grids.check_names(config.directions, stories.emotions)
  lm = load.load(
      config.model,
      config.dtype,
      mesh,
      lambda shape: settings.check_layers(config, shape.num_layers),
  )
  encoded = encode.corpus(config, lm, stories, dialogues)
  return Inputs(lm, stories, dialogues, encoded)


def path_of(setting: str) -> files.Path | None:
  """The file that a setting names; None, the packaged one, if it is empty."""
  return files.locate(setting) if setting else None


def hash_of(setting: str, name: str | None) -> str:
  """SHA-256 of the file that a setting names, or of the packaged `name`.

  Of a folder, that of its files' names and hashes.
  """
  path = stories_lib.location(path_of(setting), name)
  if files.exists(path):
    return files.sha256(path)
  lines = [f'{x} {files.sha256(path / x)}' for x in files.sizes(path)]
  return hashlib.sha256('\n'.join(lines).encode()).hexdigest()
