"""Artefacts -> `dose.json` and `summary.json`: every number, its controls."""

from typing import Any

import ml_collections
import numpy as np

from emojax import doses
from emojax import files
from emojax.experiments import build_vectors
from emojax.experiments import headlines
from emojax.experiments import map_geometry
from emojax.experiments import read
from emojax.experiments import steer
from emojax.models import load

NAME = 'summary.json'
DOSE = 'dose.json'


def run(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    lm: load.LanguageModel,
    expected: dict[int | str, str],
) -> None:
  """Writes `dose.json` and `summary.json`, unless they are there.

  Args:
    config: of the run.
    workdir: with all other artefacts in it.
    lm: the model.
    expected: the emotion that each chat implies, by its id.
  """
  if files.exists(workdir / NAME):
    return
  _, metadata = build_vectors.read_vectors(workdir / build_vectors.NAME)
  sweep = [row for _, row in files.read_jsonl(workdir / steer.NAME)]
  dose = summarise_doses(config, metadata['emotions'], sweep, lm)
  files.write_json(workdir / DOSE, dose)
  readings = [row for _, row in files.read_jsonl(workdir / read.NAME)]
  held_out = files.read_json(workdir / build_vectors.HELD_OUT)
  geometry = files.read_json(workdir / map_geometry.NAME)
  files.write_json(
      workdir / NAME,
      {
          'model': {
              'uri': lm.uri,
              'name': lm.name,
              'layers': lm.config.num_layers,
              'width': lm.config.width,
              'dtype': lm.dtype,
              'weights_sha256': lm.sha256,
          },
          'layer': metadata['layer'],
          'numbers': [
              *headlines.held_out_numbers(held_out, metadata),
              *headlines.geometry_numbers(geometry),
              *headlines.dose_numbers(dose),
              *headlines.reading_numbers(readings, expected),
          ],
          'counts': {
              'stories': sum(metadata['stories'].values()),
              'stories_too_short': metadata['stories_too_short'],
              'emotions': len(metadata['emotions']),
              'topics': metadata['topics'],
              'neutral_dialogues': metadata['neutral_dialogues'],
              'chats_read': len(readings),
              'generations': len(sweep),
          },
      },
  )


def summarise_doses(
    config: ml_collections.ConfigDict,
    emotions: list[str],
    sweep: list[dict[str, Any]],
    lm: load.LanguageModel,
) -> dict[str, Any]:
  """Dose-response curves out of the rows of `sweep.jsonl`."""
  steered = [row for row in sweep if row['kind'] != 'unsteered']
  deltas = [row['word_delta'] for row in steered]
  delta = np.array([[words[e] for e in emotions] for words in deltas])
  strength = np.array([row['strength'] for row in steered])
  index = {e: i for i, e in enumerate(emotions)} | {None: -1}
  emotion = np.array([index[row['emotion']] for row in steered])
  direction = np.array([row['direction'] for row in steered])
  measures = {}
  for measure in ('kl', 'repetition'):
    values = np.array([row[measure] for row in steered])
    measures[measure] = {
        kind: doses.means_by_strength(
            values[mask], direction[mask], strength[mask], config.seed
        )
        for kind, mask in (('emotion', emotion >= 0), ('random', emotion < 0))
    }
  words = {e: lm.tokenizer.encode_word(e) for e in emotions}
  return {
      'layer': steered[0]['layer'],
      'unit': 'fraction of the mean residual norm at that layer',
      'strengths': sorted(set(strength.tolist())),
      'words': emotions,
      'prompts': sorted({row['prompt'] for row in sweep}),
      'multi_token_words': [e for e, ids in words.items() if len(ids) > 1],
      'random_directions': len(set(direction[emotion < 0])),
      'curves': doses.curves(delta, emotion, direction, strength, config.seed),
      'emotions': {
          e: doses.emotion_curves(delta, emotion, strength, i)
          for i, e in enumerate(emotions)
      },
      **measures,
  }
