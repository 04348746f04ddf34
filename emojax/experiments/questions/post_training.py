"""What does post-training change in what a model reads before it replies?

The same vectors, those of the model itself, are read in another checkpoint of
its shape, such as the base model that it was trained from.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from emojax import errors
from emojax import steering
from emojax.data import prompt_sets
from emojax.experiments import encode
from emojax.experiments import inputs
from emojax.experiments import study as study_lib
from emojax.experiments.measures import training_shifts
from emojax.models import load

NAME = 'post_training'
FILES = {'prompts': 'post_training'}
NEUTRAL = 'neutral'
_LEAST = training_shifts.MIN_EMOTIONS
_SAME = (
    'num_layers',
    'width',
    'mlp_width',
    'num_kv_heads',
    'queries_per_kv',
    'head_dim',
    'vocab_size',
)


def prepare(config, lm: load.LanguageModel, emotions: Sequence[str]):
  """Returns the prompts and, tokenised, their chats; None: no base."""
  own = config[NAME]
  if not own.base or len(emotions) < _LEAST:
    return None
  shape = load.config_of(own.base)
  for name in _SAME:
    if getattr(shape, name) != getattr(lm.config, name):
      raise errors.InputError(
          f'config.{NAME}.base={own.base}: its {name} is'
          f' {getattr(shape, name)}, and {lm.uri} has'
          f' {getattr(lm.config, name)}; give a checkpoint of the same shape.'
      )
  rows = prompt_sets.load_post_training(inputs.path_of(own.prompts))
  place = own.prompts or 'post_training.jsonl'
  chats = [
      encode.chat(
          lm,
          [{'role': 'user', 'content': row.text}],
          f'{place}: prompt {i}',
      )
      for i, row in enumerate(rows, start=1)
  ]
  return rows, chats


def run(study: study_lib.Study, prepared) -> dict[str, Any]:
  """Reads the last template token before the reply in both models."""
  own = study.config[NAME]
  if prepared is None:
    return {
        'absent': f'it needs a second checkpoint of this shape: give'
        f' --config.{NAME}.base=URI (and {_LEAST} emotions or more).'
    }
  rows, chats = prepared
  lm = load.load(own.base, study.config.dtype, study.lm.mesh)
  split = lambda each: [
      each.tokenizer.encode(row.text, bos=False).ids for row in rows
  ]
  if split(lm) != split(study.lm):
    return {
        'absent': f'{lm.uri} has another tokenizer than {study.lm.uri}; give'
        f' a --config.{NAME}.base with the same one.'
    }
  category = np.array([row.category for row in rows])
  size = len(study.emotions)
  drawn = steering.random_directions(
      study.config.seed, size, *study.directions.shape[1:]
  )
  directions = np.concatenate([study.directions[:size], drawn])
  models = {'post': study, 'base': dataclasses.replace(study, lm=lm)}
  read = {
      name: study_lib.read(
          each,
          [chat.ids for chat in chats],
          {'response': [_only(chat) for chat in chats]},
          name.capitalize(),
          directions,
      )['response']
      for name, each in models.items()
  }
  layer, seed = study.layer, study.config.seed
  post, base = (read[name][:, layer, :size] for name in models)
  random = [read[name][:, layer, size:] for name in models]
  neutral = category == NEUTRAL
  return {
      'layer': layer,
      'emotions': study.emotions,
      'base': lm.uri,
      'base_weights': lm.sha256,
      'post': study.lm.uri,
      'categories': {
          c: int((category == c).sum()) for c in np.unique(category)
      },
      'table': training_shifts.shift_table(post, base, study.emotions, seed),
      'by_layer': training_shifts.by_layer(
          read['post'], read['base'], size, neutral
      ),
      'numbers': [
          *training_shifts.agreements(post, base, random, neutral, seed),
          *training_shifts.with_valence(post, base, study.emotions, seed),
      ],
  }


def _only(chat) -> np.ndarray:
  return np.arange(len(chat.ids)) == chat.response
