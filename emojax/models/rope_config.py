"""What a `config.json` says of rotary positions, in its three dialects."""

from collections.abc import Mapping
from typing import Any

from emojax import errors
from emojax.models import config as config_lib

# What each kind of scaling has to state.
_KINDS = {
    'default': (),
    'linear': ('factor',),
    'llama3': (
        'factor',
        'low_freq_factor',
        'high_freq_factor',
        'original_max_position_embeddings',
    ),
}


def read(raw: Mapping[str, Any]) -> dict[str, Any]:
  """Reads `rope_parameters`, or `rope_theta` with `rope_scaling`.

  transformers 5 writes `rope_parameters`: one dict, or one for each kind of
  layer where local layers have a base of their own.

  Args:
    raw: the attributes, with the family's defaults.

  Returns:
    The fields rope_base, rope_scaling and rope_base_local of the config.

  Raises:
    InputError: a kind of scaling, or an attribute of it, that is not supported.
  """
  base, local = raw.get('rope_theta', 1e4), raw.get('rope_local_base_freq')
  stated = raw.get('rope_parameters')
  if isinstance(stated, dict) and 'full_attention' in stated:
    near = _fields(stated.get('sliding_attention', {}), local)
    if near['rope_scaling'] is not None or len(stated) > 2:
      raise errors.InputError(
          'config.json: rope_parameters scale local layers, or name other'
          ' kinds of layers, which is not supported.'
      )
    return _fields(stated['full_attention'], base) | {
        'rope_base_local': near['rope_base']
    }
  if not stated:
    # Also where transformers 4 wrote a rope_scaling of null.
    stated = dict(raw.get('rope_scaling') or {})
  return _fields(stated, base) | {'rope_base_local': local}


def _fields(stated: Mapping[str, Any], base: Any) -> dict[str, Any]:
  stated = dict(stated)
  old = stated.pop('type', 'default')
  kind = stated.pop('rope_type', old)
  base = stated.pop('rope_theta', base)
  if kind not in _KINDS:
    raise errors.InputError(
        f'config.json: rope_type={kind!r} is not supported; these are:'
        f' {", ".join(_KINDS)}.'
    )
  wanted = _KINDS[kind]
  unknown = sorted(set(stated) - set(wanted))
  if unknown:
    raise errors.InputError(
        f'config.json: RoPE of type {kind!r} has {", ".join(unknown)}, which'
        ' could change the computation and is not supported.'
    )
  values = [stated[name] for name in wanted]
  for name, value in zip(wanted, values, strict=True):
    if type(value) not in (int, float) or not 0 < value < float('inf'):
      raise errors.InputError(
          f'config.json: RoPE states {name}={value!r}; it must be above 0.'
      )
  if kind == 'llama3' and not values[1] < values[2]:
    raise errors.InputError(
        'config.json: low_freq_factor must be below high_freq_factor.'
    )
  scaling = config_lib.RopeScaling(*values) if wanted else None
  return {'rope_base': base, 'rope_scaling': scaling}
