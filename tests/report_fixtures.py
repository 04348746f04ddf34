"""Synthetic artefacts of a run, as the report reads them."""

import copy
import functools
import pathlib
from typing import Any

import numpy as np
import sweep_fixtures

from emojax import files
from emojax.experiments import summarise_sweep

EMOTIONS = tuple(
    'happy excited proud loving grateful hopeful amused calm content relieved'
    ' surprised inspired afraid anxious desperate angry frustrated disgusted'
    ' sad lonely guilty ashamed envious bored'.split()
)
LAYERS = 30
LAYER = 15
STRENGTHS = (0.02, 0.05, 0.1, 0.2)
MISSING = ('surprised', 'lonely', 'content')
SIZE = len(EMOTIONS)


def artefacts() -> dict[str, Any]:
  """Returns file name -> contents: an object, or a list of rows (.jsonl)."""
  rng = np.random.default_rng(0)
  return {
      'summary.json': _summary(),
      'config.json': _config(),
      'heldout.json': _heldout(rng),
      'geometry.json': _geometry(rng),
      'readings.jsonl': [_reading(rng, i) for i in range(4)],
      'dose.json': copy.deepcopy(_dose()),
      'sweep.jsonl': copy.deepcopy(_rows()),
  }


def write(folder: pathlib.Path, contents: dict[str, Any]) -> None:
  for name, value in contents.items():
    writer = files.write_jsonl if name.endswith('.jsonl') else files.write_json
    writer(folder / name, value)


def _estimate(value: float, half: float = 0.05, n: int = 288) -> dict[str, Any]:
  return {'value': value, 'low': value - half, 'high': value + half, 'n': n}


def _share(value: float, half: float = 0.05) -> dict[str, Any]:
  point = _estimate(value, half)
  return {**point, 'low': max(0.0, point['low']), 'high': min(1, point['high'])}


def _summary() -> dict[str, Any]:
  shuffled = {'label': 'shuffled labels', **_estimate(0.042, 0.02)}
  numbers = [
      {
          'id': 'heldout_top1',
          'label': 'Held-out accuracy, top-1',
          **_estimate(0.8, 0.06),
          'unit': 'fraction of stories',
          'interval': '95 % bootstrap over 12 topics',
          'controls': [shuffled],
          'side': 1,
          'beyond': True,
          'note': '',
      },
      {
          'id': 'bfloat16_cosine',
          'label': 'Least cosine to float32 vectors',
          'value': 0.9994,
          'low': None,
          'high': None,
          'n': 24,
          'unit': 'cosine',
          'interval': '',
          'controls': [],
          'side': 0,
          'beyond': None,
          'note': 'Lowest over all layers.',
      },
  ]
  return {
      'model': {
          'uri': 'pypi:tiny==1.0',
          'name': 'Tiny-135M-Instruct',
          'layers': LAYERS,
          'width': 576,
          'dtype': 'float32',
          'weights_sha256': 'ab' * 32,
      },
      'layer': LAYER,
      'numbers': numbers,
      'counts': {
          'stories': 288,
          'stories_too_short': 0,
          'neutral_dialogues': 96,
      },
  }


def _config() -> dict[str, Any]:
  return {
      'config': {'start': 30, 'layer': LAYER, 'sweep': {'strengths': [0.1]}},
      'made_from': {
          'model': 'pypi:tiny==1.0',
          'weights': 'ab' * 32,
          'template': 'cd' * 32,
          'corpus': 'ef' * 32,
      },
      'versions': {'emojax': '0.1.0', 'jax': '0.10.2'},
  }


def _heldout(rng: np.random.Generator) -> dict[str, Any]:
  layers = []
  for layer in range(LAYERS):
    top1 = 0.3 + 0.5 * np.exp(-(((layer - LAYER) / 9) ** 2))
    noise = rng.normal(0, 0.01, 4)
    layers.append(
        {
            'layer': layer,
            'top1': _share(top1 + noise[0]),
            'top5': _share(min(0.97, top1 + 0.2) + noise[1], 0.03),
            'shuffled_top1': _share(0.042 + noise[2], 0.02),
            'shuffled_top5': _share(0.21 + noise[3], 0.04),
        }
    )
  return {
      'chance': {'top1': 1 / SIZE, 'top5': 5 / SIZE},
      'layers': layers,
      'embed': {'top1': _share(0.35), 'top5': _share(0.62)},
      'chosen_layer': LAYER,
      'nested': {'top1': _share(0.78), 'top5': _share(0.96)},
  }


def _geometry(rng: np.random.Generator) -> dict[str, Any]:
  valence = np.where(np.arange(SIZE) < 12, 1.0, -1.0)
  vectors = rng.normal(size=(SIZE, 8)) + np.outer(valence, [2] + [0] * 7)
  vectors -= vectors.mean(0)
  unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
  words = {
      name: float(2 * valence[i] + rng.normal(0, 0.5))
      for i, name in enumerate(EMOTIONS)
      if name not in MISSING
  }
  control = {'label': 'shuffled words', **_estimate(0.0, 0.4, 21)}
  return {
      'layer': LAYER,
      'emotions': list(EMOTIONS),
      'cosine': (unit @ unit.T).tolist(),
      'order': np.argsort(vectors[:, 0]).tolist(),
      'pca': {
          'scores': vectors[:, :3].tolist(),
          'explained': [0.41, 0.17, 0.1],
      },
      'valence': {
          'source': 'VADER 3.3',
          'words': words,
          'missing': list(MISSING),
      },
      'correlations': [
          {
              'component': i + 1,
              'r': r,
              'low': r - 0.2,
              'high': r + 0.15,
              'n': 21,
              'p': p,
              'controls': [control],
          }
          for i, (r, p) in enumerate(((0.81, 8.2e-6), (-0.1, 0.66)))
      ],
      'clusters': [i // 4 for i in range(SIZE)],
      'k': 6,
  }


def _reading(rng: np.random.Generator, index: int) -> dict[str, Any]:
  question = (
      ' I have been waiting for this letter all week and now that it is here'
      ' I cannot bring myself to open it .'
  )
  answer = (
      ' That sounds hard . Waiting can make a small thing heavy . You could'
      ' open it with a friend beside you , or set it down until tomorrow .'
  )

  def words(text: str) -> list[str]:
    return [' ' + word for word in text.split()]

  def by_emotion(values: np.ndarray) -> dict[str, float]:
    return dict(zip(EMOTIONS, values.tolist(), strict=True))

  spans = [
      ('template', ['<|im_start|>', 'system', '\n']),
      ('system', words('You are a helpful assistant .')),
      ('template', ['<|im_end|>', '\n', '<|im_start|>', 'user', '\n']),
      ('user', words(question) + ['\n', '  ', 'What', ' now', '?']),
      ('template', ['<|im_end|>', '\n', '<|im_start|>', 'assistant', '\n']),
      ('assistant', words(answer) + ['\n\n'] + words(answer)),
      ('template', ['<|im_end|>', '\n']),
  ]
  tokens = [piece for _, pieces in spans for piece in pieces]
  roles = [role for role, pieces in spans for _ in pieces]
  response = roles.index('assistant') - 1
  score = rng.normal(0, 1, (len(tokens), SIZE))
  score[response, 20 - index] += 3
  cosine = 0.05 * score + 0.02
  return {
      'id': f'chat-{index}',
      'title': f'An unopened letter, {index + 1}',
      'messages': [
          {'role': 'user', 'content': question},
          {'role': 'assistant', 'content': answer},
      ],
      'tokens': tokens,
      'roles': roles,
      'layer': LAYER,
      'emotions': list(EMOTIONS),
      'cosine': cosine.tolist(),
      'score': score.tolist(),
      'response_index': response,
      'mean': by_emotion(cosine.mean(0)),
      'response': by_emotion(cosine[response]),
      'response_score': by_emotion(score[response]),
  }


@functools.cache
def _rows() -> list[dict[str, Any]]:
  return sweep_fixtures.rows(
      emotions=EMOTIONS,
      layers=((LAYER,),),
      strengths=STRENGTHS,
      seeds=(0,),
      controls=5,
  )


@functools.cache
def _dose() -> dict[str, Any]:
  dose = summarise_sweep.summarise(EMOTIONS, _rows(), seed=0)
  return summarise_sweep.only_layer(dose) | {
      'multi_token_words': ['disgusted', 'envious']
  }
