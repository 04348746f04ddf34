"""The tensors of each family: their name and axes, our path and axes.

`{i}` is the layer. Axes are einops patterns, theirs -> ours, in the alphabet of
`transformer`; rows with `{i}` are stacked along a leading L. Read from right to
left a table exports.
"""

from typing import NamedTuple


class Row(NamedTuple):
  """One tensor, or one per layer.

  Attributes:
    hf, gguf: its name in a Hugging Face checkpoint and in a GGUF file.
    axes: its axes in both, -> ours.
    path: in our params.
    gguf_axes: where GGUF has other ones.
    gguf_offset: what GGUF has added to the values.
  """

  hf: str
  gguf: str
  axes: str
  path: str
  gguf_axes: str | None = None
  gguf_offset: float = 0.0


_BLOCK = 'model.layers.{i}.'
_ATTN, _MLP = _BLOCK + 'self_attn.', _BLOCK + 'mlp.'


def _attn(part: str, axes: str, gguf: str, gguf_axes: str | None = None) -> Row:
  return Row(
      f'{_ATTN}{part}_proj.weight',
      f'blk.{{i}}.{gguf}.weight',
      axes,
      f'layers/attn/{part}/w',
      gguf_axes,
  )


def _mlp(part: str, axes: str) -> Row:
  return Row(
      f'{_MLP}{part}_proj.weight',
      f'blk.{{i}}.ffn_{part}.weight',
      axes,
      f'layers/mlp/{part}/w',
  )


def _bias(part: str, axes: str) -> Row:
  return Row(
      f'{_ATTN}{part}_proj.bias',
      f'blk.{{i}}.attn_{part}.bias',
      axes,
      f'layers/attn/{part}/b',
  )


def _norm(hf: str, gguf: str, ours: str, axis: str = 'D') -> Row:
  axes, path = f'{axis} -> {axis}', f'{ours}/scale'
  return Row(f'{hf}.weight', f'{gguf}.weight', axes, path)


def _block_norm(hf: str, gguf: str, ours: str) -> Row:
  return _norm(_BLOCK + hf, 'blk.{i}.' + gguf, 'layers/' + ours)


_COMMON = (
    Row(
        'model.embed_tokens.weight',
        'token_embd.weight',
        'V D -> V D',
        'embedding',
    ),
    _attn('v', '(K H) D -> D K H', 'attn_v'),
    _attn('o', 'D (K G H) -> K G H D', 'attn_output'),
    _mlp('gate', 'F D -> D F'),
    _mlp('up', 'F D -> D F'),
    _mlp('down', 'D F -> F D'),
    _block_norm('input_layernorm', 'attn_norm', 'attn_norm'),
    _norm('model.norm', 'output_norm', 'norm'),
    Row('lm_head.weight', 'output.weight', 'V D -> V D', 'unembedding'),
)
_QK = (
    _attn('q', '(K G H) D -> D K G H', 'attn_q'),
    _attn('k', '(K H) D -> D K H', 'attn_k'),
)
# llama.cpp rotates neighbouring pairs for the llama architecture, so GGUF
# interleaves the two halves of each head's rows of q and k.
_INTERLEAVED_QK = (
    _QK[0]._replace(gguf_axes='(K G half two) D -> D K G (two half)'),
    _QK[1]._replace(gguf_axes='(K half two) D -> D K (two half)'),
)
_QKV_BIASES = (
    _bias('q', '(K G H) -> K G H'),
    _bias('k', '(K H) -> K H'),
    _bias('v', '(K H) -> K H'),
)
_QK_NORMS = tuple(
    _norm(
        f'{_ATTN}{part}_norm',
        f'blk.{{i}}.attn_{part}_norm',
        f'layers/attn/{part}_norm',
        'H',
    )
    for part in 'qk'
)
_MLP_NORM = (_block_norm('post_attention_layernorm', 'ffn_norm', 'mlp_norm'),)
_FOUR_NORMS = (
    _block_norm(
        'post_attention_layernorm', 'post_attention_norm', 'attn_post_norm'
    ),
    _block_norm('pre_feedforward_layernorm', 'ffn_norm', 'mlp_norm'),
    _block_norm('post_feedforward_layernorm', 'post_ffw_norm', 'mlp_post_norm'),
)


def _plus_one(rows: tuple[Row, ...]) -> tuple[Row, ...]:
  """GGUF has added 1 to all of Gemma's norms."""
  return tuple(
      row._replace(gguf_offset=1.0) if row.path.endswith('/scale') else row
      for row in rows
  )


_LLAMA = _COMMON + _INTERLEAVED_QK + _MLP_NORM
# By the `model_type` of Hugging Face.
TABLES = {
    'llama': _LLAMA,
    'mistral': _LLAMA,
    'qwen2': _COMMON + _QK + _MLP_NORM + _QKV_BIASES,
    'qwen3': _COMMON + _QK + _MLP_NORM + _QK_NORMS,
    'gemma2': _plus_one(_COMMON + _QK + _FOUR_NORMS),
    'gemma3_text': _plus_one(_COMMON + _QK + _FOUR_NORMS + _QK_NORMS),
}


def groups(pattern: str) -> list[list[str]]:
  """Splits the axes of a tensor: '(K G H) D' -> [['K', 'G', 'H'], ['D']]."""
  out, inside = [], False
  for word in pattern.replace('(', '( ').replace(')', ' )').split():
    if word in '()':
      inside = word == '('
      if inside:
        out.append([])
    elif inside:
      out[-1].append(word)
    else:
      out.append([word])
  return out


def letters(pattern: str) -> list[str]:
  """Lists all axes: '(K G H) D' -> ['K', 'G', 'H', 'D']."""
  return [letter for group in groups(pattern) for letter in group]
