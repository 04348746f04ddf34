"""Synthetic readings at every layer, of any size."""

from typing import Any

import numpy as np

from emojax import readings

Rows = list[dict[str, Any]]


def made(
    lengths: tuple[int, ...],
    emotions: int = 4,
    layers: int = 3,
    layer: int = 1,
    **fields: Any,
) -> tuple[Rows, dict[str, np.ndarray]]:
  """Returns rows of readings.jsonl and the arrays of cosines.safetensors.

  Args:
    lengths: tokens of each chat.
    emotions: E.
    layers: L.
    layer: that of the rows.
    **fields: of every row, in place of those that are made up.
  """
  rng = np.random.default_rng(0)
  names = [f'emotion {e}' for e in range(emotions)]
  # As in SmolLM2: an offset of each vector, and noise about it.
  offset = rng.normal(0, 0.05, (layers, emotions))
  shape = (sum(lengths), layers, emotions)
  cosines = (offset + rng.normal(0, 0.05, shape)).astype(np.float32)
  arrays = {'cosines': cosines, 'layers': np.arange(layers, dtype=np.int32)}
  for name in ('cosine', 'response'):
    arrays[f'neutral_{name}_mean'] = rng.normal(0, 0.05, (emotions, layers))
    arrays[f'neutral_{name}_std'] = rng.uniform(0.02, 0.06, (emotions, layers))
  rows, first = [], 0
  for i, length in enumerate(lengths):
    own = cosines[first : first + length, layer].astype(float)
    first += length
    tokens = [f' word{t}' for t in range(length)]
    response = length // 2
    score = standardised(arrays, own, layer, response)
    rows.append(
        {
            'id': f'chat-{i}',
            'title': f'Chat {i}',
            'layer': layer,
            'tokens': tokens,
            'roles': ['user'] * response
            + ['template']
            + ['assistant'] * (length - response - 1),
            'response_index': response,
            'emotions': names,
            'cosine': own.round(5).tolist(),
            'score': score.round(5).tolist(),
        }
        | fields
    )
  return rows, arrays


def standardised(
    arrays: dict[str, np.ndarray], cosine: np.ndarray, layer: int, response: int
) -> np.ndarray:
  """Standardised values [T, E] of a chat at one layer."""

  def over(x: np.ndarray, name: str) -> np.ndarray:
    base = [arrays[f'neutral_{name}_{part}'] for part in ('mean', 'std')]
    return readings.standardised(x, *(part[:, layer] for part in base))

  out = over(cosine, 'cosine')
  out[response] = over(cosine[response], 'response')
  return out
