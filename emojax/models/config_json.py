"""A `config.json` of Hugging Face becomes a config, or is refused.

Strict: an attribute that is neither read nor known to be harmless could change
the computation.
"""

from collections.abc import Iterator, Mapping
import contextlib
import math
from typing import Any

from emojax import errors
from emojax.models import config as config_lib
from emojax.models import families
from emojax.models import rope_config

_SIZES = {
    'num_hidden_layers': 'num_layers',
    'hidden_size': 'width',
    'intermediate_size': 'mlp_width',
    'vocab_size': 'vocab_size',
    'max_position_embeddings': 'context',
}
# Attributes that every family reads ...
_READ = frozenset(_SIZES) | {
    'head_dim', 'model_type', 'num_attention_heads', 'num_key_value_heads',
    'rms_norm_eps', 'rope_parameters', 'rope_scaling', 'rope_theta',
    'tie_word_embeddings',
}  # fmt: skip
# ... and that change nothing about a forward pass in evaluation.
_INERT = frozenset({
    'architectures', 'attention_dropout', 'attn_implementation',
    'bos_token_id', 'cache_implementation', 'dtype', 'eos_token_id',
    'initializer_range', 'is_llama_config', 'pad_token_id', 'pretraining_tp',
    'torch_dtype', 'transformers.js_config', 'transformers_version',
    'unk_token_id', 'unsloth_fixed', 'use_cache', '_attn_implementation',
    '_name_or_path',
})  # fmt: skip
_REALS = {
    'attention_softcap', 'embedding_scale', 'final_softcap', 'norm_epsilon',
    'query_scale', 'rope_base', 'rope_base_local',
}  # fmt: skip


def text_config(raw: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the part of a `config.json` that is about text.

  Gemma 3 from 4B on also sees; its language model is what we run.
  """
  if raw.get('model_type') != 'gemma3':
    return dict(raw)
  text = raw.get('text_config')
  if not isinstance(text, dict):
    raise errors.InputError('config.json of a gemma3 lacks text_config.')
  tied = {'tie_word_embeddings': raw.get('tie_word_embeddings', True)}
  return tied | text | {'model_type': 'gemma3_text'}


def read(raw: Mapping[str, Any]) -> config_lib.TransformerConfig:
  """Reads a `config.json`.

  Raises:
    InputError: another family, or an attribute that could change the
      computation and that this port does not know.
  """
  raw = text_config(raw)
  family = families.FAMILIES[check_family(raw.get('model_type'))]
  _check_attributes(raw, family)
  values = dict(family.defaults) | raw
  with readable('config.json'):
    sizes = {ours: values[theirs] for theirs, ours in _SIZES.items()}
    heads = values['num_attention_heads']
    kv_heads = values.get('num_key_value_heads') or heads
    _check_whole(heads=heads, kv_heads=kv_heads, width=sizes['width'])
    sizes['head_dim'] = values.get('head_dim') or sizes['width'] // heads
    _check_whole(**sizes)
    if heads % kv_heads or sizes['head_dim'] % 2:
      raise errors.InputError(
          f'{heads} attention heads of size {sizes["head_dim"]} cannot share'
          f" {kv_heads} key-value heads: the model's metadata are damaged."
      )
    local = _local_layers(values, family, sizes['num_layers'])
    window = values['sliding_window'] if any(local) else None
    if window is not None:
      _check_whole(window=window)
    quirks = family.quirks(values) | rope_config.read(values)
    quirks['norm_epsilon'] = values['rms_norm_eps']
    _check_reals(quirks)
    return config_lib.TransformerConfig(
        num_kv_heads=kv_heads,
        queries_per_kv=heads // kv_heads,
        tied_embeddings=bool(values.get('tie_word_embeddings', False)),
        window=window,
        local=local if window is not None else (),
        **sizes,
        **quirks,
    )


def check_family(name: Any) -> str:
  """Returns the name of a family, or refuses it."""
  if not isinstance(name, str) or name not in families.FAMILIES:
    raise errors.InputError(
        f'Model family {name!r} is not supported; these are:'
        f' {", ".join(sorted(families.FAMILIES))}, and the language model of a'
        ' gemma3.'
    )
  return name


@contextlib.contextmanager
def readable(what: str) -> Iterator[None]:
  """Turns what a stranger's metadata runs into to one line."""
  try:
    yield
  except KeyError as error:
    raise errors.InputError(f'{what} lacks {error.args[0]!r}.') from error
  except (AttributeError, TypeError, ValueError, ArithmeticError) as error:
    if isinstance(error, errors.InputError):
      raise
    raise errors.InputError(
        f'{what} has a value of the wrong kind ({error}).'
    ) from error


def _check_attributes(raw: Mapping[str, Any], family: families.Family) -> None:
  unknown = sorted(set(raw) - _READ - _INERT - family.read - set(family.fixed))
  if unknown:
    raise errors.InputError(
        f'config.json has attributes that could change the computation and'
        f' that are not supported: {", ".join(unknown)}.'
    )
  for name, values in family.fixed.items():
    if raw.get(name, values[0]) not in values:
      raise errors.InputError(
          f'config.json: {name}={raw[name]!r} is not supported (only'
          f' {values[0]!r}).'
      )


def _local_layers(
    values: Mapping[str, Any], family: families.Family, size: int
) -> tuple[bool, ...]:
  stated = values.get('layer_types')
  if stated is None:
    return family.layers(values, size)
  kinds = {'full_attention': False, 'sliding_attention': True}
  if len(stated) != size or not set(stated) <= set(kinds):
    raise errors.InputError(
        f'config.json: layer_types must name {size} layers, each of'
        f' {", ".join(kinds)}.'
    )
  return tuple(kinds[kind] for kind in stated)


def _check_whole(**values: Any) -> None:
  for name, value in values.items():
    if type(value) is not int or not 0 < value < 2**40:
      raise errors.InputError(
          f'The model states {name}={value!r}; it must be a whole number above'
          ' 0.'
      )


def _check_reals(values: Mapping[str, Any]) -> None:
  for name in _REALS & set(values):
    value = values[name]
    if value is None and name not in ('rope_base', 'norm_epsilon'):
      continue
    if type(value) not in (int, float) or not 0 < value < math.inf:
      raise errors.InputError(
          f'The model states {name}={value!r}; it must be a number above 0.'
      )
