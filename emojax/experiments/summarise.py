"""Artefacts -> `dose.json` and `summary.json`: every number, its controls."""

from typing import Any

import ml_collections

from emojax import files
from emojax.experiments import build_vectors
from emojax.experiments import headlines
from emojax.experiments import map_geometry
from emojax.experiments import read
from emojax.experiments import summarise_sweep
from emojax.experiments import sweep as sweep_lib
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
  sweep = [row for _, row in files.read_jsonl(workdir / sweep_lib.NAME)]
  dose = summarise_doses(metadata['emotions'], sweep, config.seed, lm)
  files.write_json(workdir / DOSE, dose)
  readings = [row for _, row in files.read_jsonl(workdir / read.NAME)]
  held_out = files.read_json(workdir / build_vectors.HELD_OUT)
  geometry = files.read_json(workdir / map_geometry.NAME)
  files.write_json(
      workdir / NAME,
      {
          'model': describe_model(lm),
          'layer': metadata['layer'],
          'numbers': [
              *headlines.held_out_numbers(held_out, metadata),
              *headlines.geometry_numbers(geometry),
              *headlines.dose_numbers(dose),
              *headlines.reading_numbers(readings, expected),
          ],
          'counts': count_corpus(metadata)
          | {'chats_read': len(readings), 'generations': len(sweep)},
      },
  )


def describe_model(lm: load.LanguageModel) -> dict[str, Any]:
  """What a summary says of the model."""
  return {
      'uri': lm.uri,
      'name': lm.name,
      'layers': lm.config.num_layers,
      'width': lm.config.width,
      'dtype': lm.dtype,
      'weights_sha256': lm.sha256,
  }


def count_corpus(metadata: dict[str, Any]) -> dict[str, int]:
  """What a summary says of the size of the corpus."""
  return {
      'stories': sum(metadata['stories'].values()),
      'stories_too_short': metadata['stories_too_short'],
      'emotions': len(metadata['emotions']),
      'topics': metadata['topics'],
      'neutral_dialogues': metadata['neutral_dialogues'],
  }


def summarise_doses(
    emotions: list[str],
    sweep: list[dict[str, Any]],
    seed: int,
    lm: load.LanguageModel,
) -> dict[str, Any]:
  """The contents of `dose.json`: of the one layer that was steered."""
  words = {e: lm.tokenizer.encode_word(e) for e in emotions}
  return {
      **summarise_sweep.only_layer(
          summarise_sweep.summarise(emotions, sweep, seed)
      ),
      'multi_token_words': [e for e, ids in words.items() if len(ids) > 1],
  }
