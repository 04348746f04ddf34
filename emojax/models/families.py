"""Model families: a config row and a checkpoint table each, no code.

A table row is (Hugging Face name, its axes, GGUF name, its axes, our path).
`{i}` is the layer. Axes are einops patterns, theirs -> ours, in the alphabet of
`transformer`; rows with `{i}` are stacked along a leading L.
"""

from collections.abc import Iterator, Mapping
import contextlib
import math
from typing import Any, NamedTuple

from emojax import errors
from emojax.models import config as config_lib


class Row(NamedTuple):
  """One tensor, or one per layer."""

  hf: str
  hf_axes: str
  gguf: str
  gguf_axes: str
  path: str


def _same(hf: str, gguf: str, axes: str, path: str) -> Row:
  return Row(hf, axes, gguf, axes, path)


_ATTN = 'model.layers.{i}.self_attn.'
_MLP = 'model.layers.{i}.mlp.'

LLAMA = (
    _same(
        'model.embed_tokens.weight',
        'token_embd.weight',
        'V D -> V D',
        'embedding',
    ),
    # llama.cpp rotates neighbouring pairs, so GGUF interleaves the two halves
    # of each head's rows of q and k.
    Row(
        _ATTN + 'q_proj.weight',
        '(K G H) D -> D K G H',
        'blk.{i}.attn_q.weight',
        '(K G half two) D -> D K G (two half)',
        'layers/attn/q/w',
    ),
    Row(
        _ATTN + 'k_proj.weight',
        '(K H) D -> D K H',
        'blk.{i}.attn_k.weight',
        '(K half two) D -> D K (two half)',
        'layers/attn/k/w',
    ),
    _same(
        _ATTN + 'v_proj.weight',
        'blk.{i}.attn_v.weight',
        '(K H) D -> D K H',
        'layers/attn/v/w',
    ),
    _same(
        _ATTN + 'o_proj.weight',
        'blk.{i}.attn_output.weight',
        'D (K G H) -> K G H D',
        'layers/attn/o/w',
    ),
    _same(
        _MLP + 'gate_proj.weight',
        'blk.{i}.ffn_gate.weight',
        'F D -> D F',
        'layers/mlp/gate/w',
    ),
    _same(
        _MLP + 'up_proj.weight',
        'blk.{i}.ffn_up.weight',
        'F D -> D F',
        'layers/mlp/up/w',
    ),
    _same(
        _MLP + 'down_proj.weight',
        'blk.{i}.ffn_down.weight',
        'D F -> F D',
        'layers/mlp/down/w',
    ),
    _same(
        'model.layers.{i}.input_layernorm.weight',
        'blk.{i}.attn_norm.weight',
        'D -> D',
        'layers/attn_norm/scale',
    ),
    _same(
        'model.layers.{i}.post_attention_layernorm.weight',
        'blk.{i}.ffn_norm.weight',
        'D -> D',
        'layers/mlp_norm/scale',
    ),
    _same('model.norm.weight', 'output_norm.weight', 'D -> D', 'norm/scale'),
    _same('lm_head.weight', 'output.weight', 'V D -> V D', 'unembedding'),
)

# Tables by the `model_type` of Hugging Face, which is also GGUF's architecture.
TABLES = {'llama': LLAMA}

# Attributes of config.json that we read ...
_READ = frozenset({
    'model_type', 'num_hidden_layers', 'hidden_size', 'intermediate_size',
    'vocab_size', 'num_attention_heads', 'num_key_value_heads', 'head_dim',
    'max_position_embeddings', 'rope_theta', 'rope_parameters', 'rms_norm_eps',
    'tie_word_embeddings',
})  # fmt: skip
# ... that change nothing about a forward pass in evaluation ...
_INERT = frozenset({
    'architectures', 'attention_dropout', 'bos_token_id', 'dtype',
    'eos_token_id', 'initializer_range', 'is_llama_config', 'pad_token_id',
    'torch_dtype', 'transformers.js_config',
    'transformers_version', 'unk_token_id', 'use_cache', '_name_or_path',
})  # fmt: skip
# ... and that we support at one value only.
_FIXED = {
    'attention_bias': (False, None),
    'hidden_act': ('silu',),
    'mlp_bias': (False, None),
    'pretraining_tp': (1,),
    'rope_interleaved': (False, None),
    'rope_scaling': (None,),
}


def from_hugging_face(
    raw: Mapping[str, Any],
) -> config_lib.TransformerConfig:
  """Reads a `config.json`.

  Raises:
    InputError: another family, or an attribute that could change the
      computation and that this port does not know.
  """
  _check_family(raw.get('model_type'))
  unknown = sorted(set(raw) - _READ - _INERT - set(_FIXED))
  if unknown:
    raise errors.InputError(
        f'config.json has attributes that could change the computation and'
        f' that are not supported: {", ".join(unknown)}.'
    )
  for name, values in _FIXED.items():
    if raw.get(name, values[0]) not in values:
      raise errors.InputError(
          f'config.json: {name}={raw[name]!r} is not supported (only'
          f' {values[0]!r}).'
      )
  with _readable('config.json'):
    rope = raw.get('rope_parameters') or {
        'rope_theta': raw.get('rope_theta', 1e4)
    }
    if rope.get('rope_type', 'default') != 'default':
      raise errors.InputError(
          f'config.json: rope_type={rope["rope_type"]!r} is not supported (only'
          " 'default')."
      )
    heads = raw['num_attention_heads']
    return _llama(
        num_layers=raw['num_hidden_layers'],
        width=raw['hidden_size'],
        mlp_width=raw['intermediate_size'],
        vocab_size=raw['vocab_size'],
        heads=heads,
        kv_heads=raw.get('num_key_value_heads') or heads,
        head_dim=raw.get('head_dim') or raw['hidden_size'] // heads,
        context=raw['max_position_embeddings'],
        rope_base=rope['rope_theta'],
        norm_epsilon=raw['rms_norm_eps'],
        tied_embeddings=raw.get('tie_word_embeddings', False),
    )


def from_gguf(
    raw: Mapping[str, Any], tensors: frozenset[str]
) -> config_lib.TransformerConfig:
  """Reads the metadata of a GGUF file, and whether it has an `output` tensor.

  Raises:
    InputError: another family, or RoPE scaling, which is not supported.
  """
  family = raw.get('general.architecture')
  _check_family(family)
  scaling = [key for key in raw if key.startswith(f'{family}.rope.scaling')]
  if scaling or 'rope_freqs.weight' in tensors:
    raise errors.InputError('This GGUF file scales RoPE, which is unsupported.')
  get = lambda key: raw[f'{family}.{key}']
  with _readable('The GGUF file'):
    heads = get('attention.head_count')
    width = get('embedding_length')
    return _llama(
        num_layers=get('block_count'),
        width=width,
        mlp_width=get('feed_forward_length'),
        vocab_size=len(raw['tokenizer.ggml.tokens']),
        heads=heads,
        kv_heads=raw.get(f'{family}.attention.head_count_kv', heads),
        head_dim=raw.get(f'{family}.attention.key_length', width // heads),
        context=get('context_length'),
        rope_base=raw.get(f'{family}.rope.freq_base', 1e4),
        norm_epsilon=get('attention.layer_norm_rms_epsilon'),
        tied_embeddings='output.weight' not in tensors,
    )


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
  """Turns what a stranger's metadata runs into to one line."""
  try:
    yield
  except KeyError as error:
    raise errors.InputError(f'{what} lacks {error.args[0]!r}.') from error
  except (AttributeError, TypeError, ZeroDivisionError) as error:
    raise errors.InputError(
        f'{what} has a value of the wrong kind ({error}).'
    ) from error


def _llama(
    heads: int, kv_heads: int, tied_embeddings: bool, **sizes: Any
) -> config_lib.TransformerConfig:
  for name, value in {'heads': heads, 'kv_heads': kv_heads, **sizes}.items():
    real = name in ('rope_base', 'norm_epsilon')
    kinds = (int, float) if real else (int,)
    if type(value) not in kinds or not 0 < value < math.inf:
      raise errors.InputError(
          f'The model states {name}={value!r}; it must be a'
          f' {"number" if real else "whole number"} above 0.'
      )
  if heads % kv_heads or sizes['head_dim'] % 2:
    raise errors.InputError(
        f'{heads} attention heads of size {sizes["head_dim"]} cannot share'
        f" {kv_heads} key-value heads: the model's metadata are damaged."
    )
  return config_lib.TransformerConfig(
      num_kv_heads=kv_heads,
      queries_per_kv=heads // kv_heads,
      tied_embeddings=bool(tied_embeddings),
      **sizes,
  )


def _check_family(family: Any) -> None:
  if not isinstance(family, str) or family not in TABLES:
    raise errors.InputError(
        f'Model family {family!r} is not supported; these are:'
        f' {", ".join(sorted(TABLES))}.'
    )
