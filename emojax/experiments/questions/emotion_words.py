"""Do vectors raise the probability of their emotion's own word?

The paper's simple causal check: a reply that begins with "He feels" or "I
feel", steered on the tokens of the assistant's turn.
"""

from collections.abc import Sequence
import itertools
import math
import numbers as numbers_types
from typing import Any

import numpy as np

from emojax import doses
from emojax import errors
from emojax import statistics
from emojax import steering
from emojax.experiments import limits
from emojax.experiments import next_words
from emojax.experiments import numbers
from emojax.experiments import study as study_lib
from emojax.experiments import sweep_grid
from emojax.models import engine
from emojax.models import load
from emojax.models import prompts as prompts_lib
from emojax.models import sampling

NAME = 'emotion_words'
FILES: dict[str, str] = {}
_LEAST = 3  # Emotions: with fewer, the others' words are one word.
_RULE = 'assistant'


def prepare(config, lm: load.LanguageModel, emotions: Sequence[str]):
  """Returns the prompts by label, and the emotions that have a vector."""
  own = config[NAME]
  strengths = tuple(own.strengths)
  good = all(
      isinstance(x, numbers_types.Real) and math.isfinite(x) and x > 0
      for x in strengths
  )
  if not strengths or not good or len(set(strengths)) < len(strengths):
    raise errors.InputError(
        f'config.{NAME}.strengths={strengths}: give distinct numbers above 0.'
    )
  limits.check(config, {'new_tokens': 1}, NAME)
  for layer in own.layers:
    steering.check_layer(layer, lm.config.num_layers)
  prompts = {}
  for pair in own.prompts or ((),):
    if [isinstance(x, str) for x in pair] != [True, True] or not pair[0]:
      raise errors.InputError(
          f'config.{NAME}.prompts={tuple(own.prompts)}: give pairs of a message'
          ' and how the reply begins.'
      )
    try:
      prompts |= sweep_grid.encode_prompts(lm, [pair[0]], pair[1])
    except errors.InputError as error:
      raise errors.InputError(f'config.{NAME}.prompts: {error}') from error
  known = [e for e in dict.fromkeys(own.emotions) if e in emotions]
  words = sweep_grid.encode_words(lm, known)
  sweep_grid.check_room(lm, prompts, own.new_tokens, words, f'config.{NAME}')
  return prompts, known


def run(study: study_lib.Study, prepared) -> dict[str, Any]:
  """Measures what every direction does to every emotion's word."""
  own, (prompts, known) = study.config[NAME], prepared
  if len(known) < _LEAST:
    return {
        'absent': f'under {_LEAST} of config.{NAME}.emotions have a vector;'
        ' name others.'
    }
  layers = tuple(own.layers) or (study.layer,)
  words = sweep_grid.encode_words(study.lm, known)
  rows = _rows(study, known, prompts, layers)
  index = {name: i for i, name in enumerate(study.names)}
  requests = [
      sweep_grid.request_of(
          row, prompts[row.prompt], index, study.lm.config.num_layers
      )
      for row in rows
  ]
  delta = _deltas(study, rows, requests, words)
  if not np.isfinite(delta).all():
    return {
        'absent': 'activations are not finite when steered; lower'
        f' config.{NAME}.strengths.'
    }
  by_prompt = {
      label: doses.curves(
          _steered(rows, delta, known, label), study.config.seed
      )
      for label in prompts
  }
  strength = max(own.strengths)
  return {
      'emotions': known,
      'left_out': [e for e in own.emotions if e not in known],
      'multi_token_words': [e for e, ids in zip(known, words) if len(ids) > 1],
      'layers': list(layers),
      'strengths': sorted(own.strengths),
      'prompts': list(prompts),
      'curves': by_prompt,
      'deltas': {
          label: [
              delta[i].tolist()
              for i, row in enumerate(rows)
              if row.prompt == label
              and row.kind == 'emotion'
              and row.strength == strength
          ]
          for label in prompts
      },
      'texts': _texts(study, rows, requests, strength),
      'numbers': _numbers(by_prompt, strength, len(known)),
  }


def _deltas(study, rows, requests, words) -> np.ndarray:
  """What every row gains over its unsteered prompt, [N, E] nats."""
  scores = next_words.log_probs(
      study.lm, study.bank, requests, words, study.config.sweep_batch
  )
  base = {
      row.prompt: score for row, score in zip(rows, scores) if not row.operation
  }
  return np.array(
      [score - base[row.prompt] for row, score in zip(rows, scores)]
  )


def _rows(study, known, prompts, layers) -> list[sweep_grid.Row]:
  """The grid: every direction and strength on every prompt, and no steering."""
  controls = [n for n in study.names if n not in study.emotions]
  grid = sweep_grid.Grid(
      directions=tuple(known),
      layers=(layers,),
      strengths=tuple(study.config[NAME].strengths),
      positions=(_RULE,),
      seeds=(study.config.seed,),
      random=tuple(n for n in controls if n.startswith('random')),
      shuffled=tuple(n for n in controls if n.startswith('shuffled')),
      opposite=False,
  )
  return sweep_grid.rows_of(grid, list(prompts))


def _steered(rows, delta, known, label) -> doses.Steered:
  """The steered rows of one prompt."""
  here = [
      i for i, row in enumerate(rows) if row.operation and row.prompt == label
  ]
  of = lambda value: np.array([value(rows[i]) for i in here])
  return doses.Steered(
      delta=delta[here],
      emotion=of(
          lambda row: known.index(row.direction)
          if row.kind == 'emotion'
          else -1
      ),
      kind=of(lambda row: row.kind),
      direction=of(lambda row: row.direction),
      strength=of(lambda row: row.strength),
      kl=np.full(len(here), np.nan),
  )


def _texts(
    study: study_lib.Study,
    rows: Sequence[sweep_grid.Row],
    requests: Sequence[prompts_lib.Request],
    strength: float,
) -> list[dict[str, Any]]:
  """What the model writes under one strength, greedily."""
  kept = [
      i
      for i, row in enumerate(rows)
      if row.strength in (0, strength)
      and (row.kind in ('unsteered', 'emotion') or row.direction.endswith('_0'))
  ]
  settings = engine.Settings(
      batch=study.config.sweep_batch,
      new_tokens=study.config[NAME].new_tokens,
      sampling=sampling.Sampling(0.0, 0, 1.0),
      stop=study.lm.tokenizer.stop,
  )
  written = engine.write(
      study.lm, study.bank, [requests[i] for i in kept], settings
  )
  return [
      {
          'prompt': rows[i].prompt,
          'direction': rows[i].direction,
          'text': study.lm.tokenizer.decode(list(text.tokens)),
          'repetition': statistics.repeated_trigrams(text.tokens),
          'finite': text.finite,
      }
      for i, text in zip(kept, written, strict=True)
  ]


def _numbers(by_prompt, strength: float, size: int) -> list[numbers.Number]:
  """Matched minus unmatched, then each, on every prompt."""
  measures = (
      (
          'difference',
          'own word minus the others',
          {
              'words dealt out at random': 'permuted',
              'random directions for vectors': 'random_difference',
              'shuffled labels for vectors': 'shuffled_difference',
          },
      ),
      (
          'matched',
          'own word',
          {'random directions': 'random', 'shuffled labels': 'shuffled'},
      ),
      (
          'unmatched',
          'other emotions’ words',
          {'random directions': 'random', 'shuffled labels': 'shuffled'},
      ),
  )

  def at(curve):
    return next(point for point in curve if point['strength'] == strength)

  return [
      numbers.number(
          f'{NAME}_{place}_{name}',
          f'“{label}”: {title}, strength {strength:g}',
          at(by_prompt[label][name]),
          'nats',
          f'95 % bootstrap over {size} emotions',
          [
              numbers.control(control, at(by_prompt[label][key]))
              for control, key in controls.items()
              if by_prompt[label][key]
          ],
          side=0 if name == 'unmatched' else 1,
      )
      for (place, label), (name, title, controls) in itertools.product(
          enumerate(by_prompt), measures
      )
  ]
