"""Steering vectors of vllm-lens: JSON with the fields of its SteeringVector.

It adds `scale` times the activation to the output of a decoder layer. With
`norm_match` the activation is first made as long as the residual stream is at
each token, so that `scale` is a fraction of that token's own norm and not of
the mean norm.
"""

import base64
import binascii
from collections.abc import Mapping
import json
import math
from typing import Any

import numpy as np

from emojax.interop import directions

_KINDS = {
    'float32': np.float32,
    'float16': np.float16,
    'float64': np.float64,
    'int16': np.int16,
}


def encode(
    direction: directions.Direction, scale: float, norm_match: bool
) -> str:
  """Returns what `SteeringVector.model_validate_json` reads."""
  x = np.ascontiguousarray(direction.vectors, '<f4')
  value = {
      'activations': {
          'data': base64.b64encode(x.tobytes()).decode('ascii'),
          'dtype': 'float32',
          'original_dtype': 'torch.float32',
          'shape': list(x.shape),
      },
      'layer_indices': list(direction.layers),
      'scale': scale,
      'norm_match': norm_match,
      'position_indices': None,
  }
  return json.dumps(value, indent=1) + '\n'


def decode(value: Mapping[str, Any], place: str) -> directions.Direction:
  """Reads a steering vector; its scale is a matter of use and is left out.

  Raises:
    InputError: it is for single positions, or its fields do not fit.
  """
  layers = value.get('layer_indices')
  good = isinstance(layers, list) and all(type(x) is int for x in layers)
  if not good or len(set(layers)) < len(layers):
    directions.refuse(place, 'layer_indices must be distinct integers.')
  x = value.get('activations')
  x = _tensor(x, place) if isinstance(x, dict) else _array(x, place)
  if x.ndim == 3 and x.shape[1] == 1:
    x = x[:, 0]
  if x.ndim != 2 or len(x) != len(layers):
    directions.refuse(
        place,
        f'activations {x.shape} for {len(layers)} layer(s): must be one list of'
        ' numbers a layer; vectors of single positions are no emotion.',
    )
  return directions.of_layers('', dict(zip(layers, x, strict=True)), place)


def _array(x: Any, place: str) -> np.ndarray:
  try:
    return np.array(x, np.float64)
  except (ValueError, TypeError, OverflowError):
    directions.refuse(place, 'activations must be numbers, a list a layer.')


def _tensor(x: Mapping[str, Any], place: str) -> np.ndarray:
  """Reads the form in which vllm-lens sends tensors."""
  shape, kind = x.get('shape'), x.get('dtype')
  good = isinstance(shape, list) and len(shape) in (2, 3)
  if not good or not all(type(n) is int and 0 < n < 1 << 24 for n in shape):
    directions.refuse(place, f'activations of shape {shape}; must be [N, D].')
  if kind not in _KINDS or not isinstance(x.get('data'), str):
    directions.refuse(
        place, f'activations of dtype {kind!r}; write them as float32.'
    )
  size = math.prod(shape) * np.dtype(_KINDS[kind]).itemsize
  try:
    data = base64.b64decode(x['data'], validate=True)
  except (binascii.Error, ValueError) as error:
    directions.refuse(place, f'activations are not base64 ({error}).')
  if x.get('compression') == 'zstd':
    data = _unpacked(data, size, place)
  if len(data) != size:
    directions.refuse(
        place, f'activations of {len(data)} bytes, {size} by their shape.'
    )
  out = np.frombuffer(data, _KINDS[kind]).reshape(shape)
  if x.get('original_dtype') == 'torch.bfloat16':
    bits = out.view(np.uint16).astype(np.uint32) << 16
    return bits.view(np.float32)
  return out


def _unpacked(data: bytes, size: int, place: str) -> bytes:
  try:
    import zstandard
  except ImportError:
    directions.refuse(
        place,
        'its tensor is packed with zstd; pip install zstandard, then again.',
    )
  try:
    reader = zstandard.ZstdDecompressor().stream_reader(data)
    return reader.read(size + 1)  # One more shows what is too long.
  except zstandard.ZstdError as error:
    directions.refuse(place, f'its tensor cannot be unpacked ({error}).')
