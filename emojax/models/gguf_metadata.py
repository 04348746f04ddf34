"""The metadata of a GGUF file, said as a `config.json` of Hugging Face."""

from collections.abc import Mapping
import math
from typing import Any

import numpy as np

from emojax import errors
from emojax.models import config_json

# GGUF's architecture -> the `model_type` of Hugging Face.
_FAMILIES = {
    'llama': 'llama',
    'qwen2': 'qwen2',
    'qwen3': 'qwen3',
    'gemma2': 'gemma2',
    'gemma3': 'gemma3_text',
}
_NAMES = {
    'block_count': 'num_hidden_layers',
    'embedding_length': 'hidden_size',
    'feed_forward_length': 'intermediate_size',
    'attention.head_count': 'num_attention_heads',
    'attention.head_count_kv': 'num_key_value_heads',
    'attention.key_length': 'head_dim',
    'attention.layer_norm_rms_epsilon': 'rms_norm_eps',
    'attention.sliding_window': 'sliding_window',
    'attn_logit_softcapping': 'attn_logit_softcapping',
    'context_length': 'max_position_embeddings',
    'final_logit_softcapping': 'final_logit_softcapping',
    'rope.freq_base': 'rope_theta',
    'rope.freq_base_swa': 'rope_local_base_freq',
}
# What else a file may say, checked below or without effect.
_CHECKED = {
    'attention.value_length', 'rope.dimension_count', 'rope.scaling.factor',
    'rope.scaling.original_context_length', 'rope.scaling.type',
    'rope.scaling.finetuned', 'vocab_size',
}  # fmt: skip
# Of 27B: the only sizes whose query scale is not that of a head's size, and a
# GGUF file does not state it. llama.cpp goes by the number of layers too.
_WIDE_QUERIES = {'gemma2': 46, 'gemma3': 62}
# Llama 3.1 to 3.3; the file has the resulting divisors and not the formula.
_LLAMA3 = {
    'rope_type': 'llama3',
    'low_freq_factor': 1.0,
    'high_freq_factor': 4.0,
    'original_max_position_embeddings': 8192,
}


def to_config_json(
    metadata: Mapping[str, Any],
    tied: bool,
    rope_divisors: np.ndarray | None,
) -> dict[str, Any]:
  """Says GGUF's metadata in Hugging Face's words.

  Args:
    metadata: the file's key-value pairs.
    tied: whether the file has no unembedding of its own.
    rope_divisors: [H / 2], its tensor `rope_freqs.weight`, or None.

  Raises:
    InputError: another architecture, or a key that could change the
      computation and that this port does not know.
  """
  name = metadata.get('general.architecture')
  if not isinstance(name, str) or name not in _FAMILIES:
    config_json.check_family(name)
    raise errors.InputError(f'GGUF has no architecture {name!r}.')
  start = f'{name}.'
  raw = {
      key.removeprefix(start): value
      for key, value in metadata.items()
      if key.startswith(start)
  }
  unknown = sorted(set(raw) - set(_NAMES) - _CHECKED)
  if unknown:
    raise errors.InputError(
        'The GGUF file has metadata that could change the computation and that'
        f' are not supported: {", ".join(start + key for key in unknown)}.'
    )
  with config_json.readable('The GGUF file'):
    out = {hf: raw[key] for key, hf in _NAMES.items() if key in raw}
    out['model_type'] = _FAMILIES[name]
    out['vocab_size'] = len(metadata['tokenizer.ggml.tokens'])
    out['tie_word_embeddings'] = tied
    heads, width = out['num_attention_heads'], out['hidden_size']
    head_dim = out.setdefault('head_dim', width // heads)
    for key in ('attention.value_length', 'rope.dimension_count'):
      if raw.get(key, head_dim) != head_dim:
        raise errors.InputError(
            f'The GGUF file states {start}{key}={raw[key]!r} for heads of size'
            f' {head_dim}, which is not supported.'
        )
    if name in _WIDE_QUERIES:
      wide = out['num_hidden_layers'] == _WIDE_QUERIES[name]
      out['query_pre_attn_scalar'] = width // heads if wide else head_dim
    scaling = _scaling(raw, out.get('rope_theta', 1e4), rope_divisors)
  return out | ({'rope_scaling': scaling} if scaling else {})


def _scaling(
    raw: Mapping[str, Any], base: float, divisors: np.ndarray | None
) -> dict[str, Any] | None:
  kind = raw.get('rope.scaling.type', 'none')
  if divisors is not None:
    return _llama3(base, np.asarray(divisors, np.float64))
  if kind == 'linear':
    return {'rope_type': 'linear', 'factor': raw['rope.scaling.factor']}
  if kind != 'none':
    raise errors.InputError(
        f'The GGUF file scales RoPE by {kind!r}, which is' ' not supported.'
    )
  return None


def _llama3(base: float, divisors: np.ndarray) -> dict[str, Any]:
  """Finds the formula behind the divisors, and that it is this one."""
  factor = round(float(divisors.max()), 4)
  out = _LLAMA3 | {'factor': factor}
  half = len(divisors)
  turns = out['original_max_position_embeddings'] / (2 * math.pi)
  turns *= float(base) ** (-np.arange(half) / half)
  low, high = out['low_freq_factor'], out['high_freq_factor']
  blend = np.clip((turns - low) / (high - low), 0, 1)
  if not np.allclose(1 / divisors, (1 - blend) / factor + blend, rtol=1e-4):
    raise errors.InputError(
        'The GGUF file scales RoPE otherwise than Llama 3 does, which is not'
        ' supported.'
    )
  return out
