"""Model families: what is particular to each one's `config.json`.

A family is a row here and a table in `tables`, no code of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

_WINDOWS = frozenset({'sliding_window', 'layer_types'})
_NO_BIAS = {'attention_bias': (False, None)}
_SILU = {'hidden_act': ('silu',)}
_GELU = {'hidden_activation': ('gelu_pytorch_tanh', None)}


class Family(NamedTuple):
  """What is particular to a family's `config.json`.

  Attributes:
    read: attributes read beyond the common ones.
    fixed: attributes supported at these values only.
    defaults: what transformers assumes for attributes left out.
    layers: (attributes, L) -> which layers are local.
    quirks: attributes -> fields of the config.
  """

  read: frozenset[str] = frozenset()
  fixed: Mapping[str, tuple[Any, ...]] = {}
  defaults: Mapping[str, Any] = {}
  layers: Callable[[Mapping[str, Any], int], tuple[bool, ...]] = (
      lambda raw, size: ()
  )
  quirks: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda raw: {}


def _all_local(raw: Mapping[str, Any], size: int) -> tuple[bool, ...]:
  return (raw['sliding_window'] is not None,) * size


def _late_local(raw: Mapping[str, Any], size: int) -> tuple[bool, ...]:
  if not raw['use_sliding_window'] or raw['sliding_window'] is None:
    return (False,) * size
  return tuple(i >= raw['max_window_layers'] for i in range(size))


def _periodic(raw: Mapping[str, Any], size: int) -> tuple[bool, ...]:
  period = raw.get('sliding_window_pattern', raw['_sliding_window_pattern'])
  return tuple((i + 1) % period > 0 for i in range(size))


def _gemma(raw: Mapping[str, Any]) -> dict[str, Any]:
  return {
      'query_scale': raw['query_pre_attn_scalar'] ** -0.5,
      'attention_softcap': raw['attn_logit_softcapping'],
      'final_softcap': raw['final_logit_softcapping'],
      'post_norms': True,
      'norm_offset': 1.0,
      'embedding_scale': raw['hidden_size'] ** 0.5,
      'activation': 'gelu_tanh',
  }


_QWEN = Family(
    read=_WINDOWS | {'use_sliding_window', 'max_window_layers'},
    fixed=_SILU | {'use_mrope': (False, None)},
    defaults={
        'sliding_window': 4096,
        'use_sliding_window': False,
        'max_window_layers': 28,
        'max_position_embeddings': 32768,
        'num_key_value_heads': 32,
        'rms_norm_eps': 1e-6,
    },
    layers=_late_local,
    quirks=lambda raw: {'attention_bias': True},
)
_GEMMA = Family(
    read=_WINDOWS
    | {
        'query_pre_attn_scalar',
        'attn_logit_softcapping',
        'final_logit_softcapping',
        '_sliding_window_pattern',
    },
    fixed=_NO_BIAS
    | _GELU
    | {
        'hidden_act': ('gelu_pytorch_tanh',),
        'use_bidirectional_attention': (None, False),
    },
    defaults={
        'vocab_size': 256000,
        'hidden_size': 2304,
        'intermediate_size': 9216,
        'num_hidden_layers': 26,
        'num_attention_heads': 8,
        'num_key_value_heads': 4,
        'head_dim': 256,
        'max_position_embeddings': 8192,
        'rms_norm_eps': 1e-6,
        'tie_word_embeddings': True,
        'query_pre_attn_scalar': 256,
        'sliding_window': 4096,
        'attn_logit_softcapping': 50.0,
        'final_logit_softcapping': 30.0,
        '_sliding_window_pattern': 2,
    },
    layers=_periodic,
    quirks=_gemma,
)
FAMILIES = {
    'llama': Family(
        fixed=_NO_BIAS
        | _SILU
        | {'mlp_bias': (False, None), 'rope_interleaved': (False, None)},
        defaults={'max_position_embeddings': 2048, 'rms_norm_eps': 1e-6},
    ),
    'mistral': Family(
        read=frozenset({'sliding_window'}),
        fixed=_SILU,
        defaults={
            'sliding_window': 4096,
            'num_key_value_heads': 8,
            'max_position_embeddings': 131072,
            'rms_norm_eps': 1e-6,
        },
        layers=_all_local,
    ),
    'qwen2': _QWEN,
    'qwen3': _QWEN._replace(
        fixed=_SILU | _NO_BIAS,
        defaults=_QWEN.defaults | {'head_dim': 128},
        quirks=lambda raw: {'qk_norm': True},
    ),
    'gemma2': _GEMMA,
    'gemma3_text': _GEMMA._replace(
        read=_GEMMA.read | {'rope_local_base_freq', 'sliding_window_pattern'},
        defaults=_GEMMA.defaults
        | {
            'vocab_size': 262208,
            'max_position_embeddings': 131072,
            'rope_theta': 1e6,
            'rope_local_base_freq': 1e4,
            'attn_logit_softcapping': None,
            'final_logit_softcapping': None,
            '_sliding_window_pattern': 6,
        },
        quirks=lambda raw: _gemma(raw) | {'qk_norm': True},
    ),
}
