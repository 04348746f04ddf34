"""Vectors of Neuronpedia: JSON with the fields that its API takes.

It adds strength times `strength_multiplier` times the vector where the hook is;
with a multiplier of 1, strength means what it means here.
"""

from collections.abc import Mapping
import json
from typing import Any

import numpy as np

from emojax.interop import directions
from emojax.interop import names

_HOOK = 'hook_resid_post'


def encode(direction: directions.Direction, model: str, strength: float) -> str:
  """Returns a vector of one layer, the only one that `direction` has."""
  (layer,), (vector,) = direction.layers, direction.vectors
  value = {
      'label': direction.name,
      'modelId': model,
      'layer_num': layer,
      'hook_type': _HOOK,
      'hook_name': f'blocks.{layer}.{_HOOK}',
      'vector': [float(x) for x in vector],
      'default_steer_strength': strength,
  }
  return json.dumps(value, ensure_ascii=False, indent=1) + '\n'


def decode(value: Mapping[str, Any], place: str) -> directions.Direction:
  """Reads a vector, from the API's fields or from those of its client.

  Raises:
    InputError: of another place than the output of a block, or the fields do
      not fit.
  """
  layer = names.parse(_hook_name(value, place))
  if layer == names.EMBEDDING:
    directions.refuse(
        place, 'a vector of the embedding; give one of the output of a block.'
    )
  vector = value.get('vector', value.get('values'))
  good = isinstance(vector, list) and all(
      type(x) in (int, float) for x in vector
  )
  if not good:
    directions.refuse(place, 'vector must be a list of numbers.')
  label = value.get('label')
  try:
    x = np.array(vector, np.float64)
  except OverflowError:
    directions.refuse(place, 'a number is not finite; make the file again.')
  return directions.of_layers(
      label if isinstance(label, str) else '', {layer: x}, place
  )


def _hook_name(value: Mapping[str, Any], place: str) -> str:
  """Where the vector belongs, in TransformerLens's words."""
  name = value.get('hook_name')
  layer, hook = value.get('layer_num'), value.get('hook_type')
  if type(layer) is int and isinstance(hook, str):
    stated = f'blocks.{layer}.{hook.replace("-", "_")}'
    stated = stated.replace('.resid_', '.hook_resid_')
    if isinstance(name, str) and name != stated:
      directions.refuse(
          place, f'hook_name {name!r} and {stated!r} do not agree; correct one.'
      )
    return stated
  if isinstance(name, str):
    return name
  directions.refuse(
      place,
      'no layer; give layer_num and hook_type, or hook_name as'
      ' blocks.N.hook_resid_post.',
  )
