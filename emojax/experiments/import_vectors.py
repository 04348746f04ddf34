"""Directions of other tools -> vectors of a model, with what goes with them."""

from typing import Any

from absl import logging
import ml_collections

from emojax import chunks
from emojax import errors
from emojax import files
from emojax import runs
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.data import stories as stories_lib
from emojax.experiments import build_vectors
from emojax.experiments import capture_stories
from emojax.experiments import encode
from emojax.experiments import imported
from emojax.experiments import inputs
from emojax.experiments import limits
from emojax.experiments import settings
from emojax.experiments.measures import nearest_direction
from emojax.models import load
from emojax.models import sharding

# What of the vectors is captured first, and outlives a kill.
NEUTRAL = 'neutral.safetensors'
_LEAST = {
    'batch': 1,
    'chunk': 1,
    'neutral_rows': 0,
    'sketch': 1,
    'standard_dialogues': 2,
    'neutral_variance': 0,
    'start': 0,
    'shuffled_directions': 0,
    'shuffles': 2,
}


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Writes `heldout.json` and `vectors.safetensors`, unless they are there."""
  check(config)
  dialogues = stories_lib.load_dialogues(inputs.path_of(config.neutral))
  settings.check_corpus(config, dialogues)
  source = imported.read(config)
  stories = nearest_direction.stories_of(config, source.names)
  lm = load.load(config.model, config.dtype, sharding.make_mesh(**config.mesh))
  source.check_model(lm)
  encoded = encode.corpus(config, lm, stories, dialogues)
  runs.open_workdir(
      workdir,
      config.to_dict(),
      lm.identity()
      | {
          'source': source.sha256,
          'neutral': inputs.hash_of(config.neutral, 'neutral'),
          'stories': stories.sha256,
      },
  )
  if not files.exists(workdir / build_vectors.NAME):
    _write(config, workdir, lm, source, stories, dialogues, encoded)
  logging.info('%s', workdir / build_vectors.NAME)


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses settings that no source and no model can work with."""
  limits.check(config, _LEAST)
  limits.check_seed(config)
  if not config.model:
    raise errors.InputError(
        'Give --config.model=URI, the model that the vectors were made for.'
    )
  if bool(config.source) == bool(config.hidden_states):
    raise errors.InputError(
        'Give --config.source=FILE, or --config.hidden_states=FOLDER with'
        ' --config.layer_ids and --config.labels; one of the two.'
    )
  if config.neutral_variance >= 1:
    raise errors.InputError(
        f'config.neutral_variance={config.neutral_variance}: must be below 1.'
    )


def _write(config, workdir, lm, source, stories, dialogues, encoded) -> None:
  """Captures dialogues and stories, and puts all together."""
  neutral = workdir / NEUTRAL
  if not files.exists(neutral):
    files.write_arrays(
        neutral,
        capture_stories.neutral_components(config, neutral, lm, encoded),
        lm.identity(),
    )
  chunks.clear(neutral)
  captured, _ = files.read_arrays(neutral)
  components = captured['components']
  num_layers = lm.config.num_layers
  raw = source.spread(source.vectors, num_layers)
  shuffled = source.spread(source.shuffled, num_layers)
  vectors = raw
  if config.project_neutral:
    vectors = vectors_lib.project_out(raw, components)
    shuffled = vectors_lib.project_out(shuffled, components)
    steering.check_directed(vectors, source.layers)
  nearest_direction.run(
      config,
      workdir,
      lm,
      stories,
      encoded,
      source.names,
      vectors,
      source.layers,
  )
  files.write_arrays(
      workdir / build_vectors.NAME,
      {
          'vectors': vectors,
          'raw': raw,
          'mean': source.spread(source.mean[None], num_layers)[0],
          'resid_norm': captured['resid_norm'],
          'neutral_components': components,
          'shuffled': shuffled,
          **build_vectors.baselines(config, lm, vectors, dialogues),
      },
      _describe(config, lm, source)
      | {
          'neutral_dialogues': len(dialogues),
          'neutral_components': captured['num_components'].tolist(),
      },
  )
  files.remove(neutral)


def _describe(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    source: imported.Source,
) -> dict[str, Any]:
  """What the metadata say of vectors that were not made here."""
  return (
      lm.identity()
      | {
          'schema': build_vectors.SCHEMA,
          'emotions': list(source.names),
          'layer': source.own_layer(config.layer, lm.config.num_layers),
          'layers': (
              'resid_post[i] = output of block i, 0-based, before the final'
              ' norm'
          ),
          'imported_layers': list(source.layers),
          'source': {'format': source.form, 'sha256': source.sha256},
          'neutral_variance': (
              config.neutral_variance if config.project_neutral else None
          ),
          'strength_unit': 'fraction of resid_norm, the mean residual norm',
          'versions': runs.versions(),
      }
      | source.facts
  )
