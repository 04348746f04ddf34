"""What other tools call a place in the residual stream.

One integer inside: resid_post[i] is the output of block i, from 0, before the
final norm. The embedding, which the first block takes in, is `EMBEDDING`.
"""

import re

from emojax import errors

EMBEDDING = -1

_I = r'(0|[1-9][0-9]{0,3})'
# A pattern, and what is added to its number to get the index of resid_post.
_NAMES = (
    (rf'blocks\.{_I}\.hook_resid_post', 0),  # TransformerLens
    (rf'blocks\.{_I}\.hook_resid_pre', -1),
    (rf'(?:model\.)*layers\[{_I}\]\.output(?:\[0\])?', 0),  # nnsight
    (rf'layers_output\[{_I}\]', 0),  # nnterp
    (rf'layers_input\[{_I}\]', -1),
    (rf'hidden_states\[{_I}\]', -1),  # Hugging Face
    (rf'direction\.{_I}', 0),  # llama.cpp
    (rf'aux_hidden_states\[{_I}\]', -1),  # vLLM, by its layer ids
    (rf'layer_{_I}', 0),  # Keys of safetensors.
    (rf'resid_post\[{_I}\]', 0),
)
_EMBEDDINGS = ('hook_embed', 'embed')
# Inside of a block, or after the final norm: no resid_post is there.
_ELSEWHERE = re.compile(r'resid_mid|attn|mlp|ln_final|hook_normalized|norm\b')


def parse(name: str, num_layers: int | None = None) -> int:
  """Returns the index of resid_post that a name means, or `EMBEDDING`.

  Args:
    name: as TransformerLens, nnsight, nnterp, Hugging Face, llama.cpp, vLLM or
      emojax says it.
    num_layers: of the model, if it is known.

  Raises:
    InputError: another place, none that is known, or a layer that the model
      does not have.
  """
  if name in _EMBEDDINGS:
    return EMBEDDING
  for pattern, offset in _NAMES:
    found = re.fullmatch(pattern, name)
    if found:
      layer = int(found[1]) + offset
      _check(name, layer, num_layers)
      return layer
  if _ELSEWHERE.search(name):
    raise errors.InputError(
        f'{name!r}: not the output of a block, which is the only place that is'
        ' read and steered here; give blocks.N.hook_resid_post.'
    )
  raise errors.InputError(
      f'{name!r}: no name of a layer that is known; give one as'
      ' blocks.N.hook_resid_post, hidden_states[N+1] or direction.N.'
  )


def _check(name: str, layer: int, num_layers: int | None) -> None:
  if num_layers is None:
    return
  if name.startswith('hidden_states') and layer == num_layers - 1:
    raise errors.InputError(
        f'{name!r}: after the final norm in Hugging Face, so that no direction'
        f' of a block fits there; give hidden_states[{layer}] or lower, or hook'
        f' the output of block {layer}.'
    )
  if layer >= num_layers:
    raise errors.InputError(
        f'{name!r}: this model has blocks 0 to {num_layers - 1}; give one of'
        ' them.'
    )


def spellings(layer: int, num_layers: int) -> dict[str, str]:
  """Returns what each tool calls resid_post[layer]; none where it cannot.

  Args:
    layer: from 0 to num_layers - 1.
    num_layers: L.
  """
  last = layer == num_layers - 1
  out = {
      'TransformerLens': f'blocks.{layer}.hook_resid_post',
      'nnsight': f'model.model.layers[{layer}].output',
      'nnterp': f'layers_output[{layer}]',
      'vLLM': f'aux_hidden_states[{layer + 1}]',
  }
  if not last:  # There it is normed.
    out['Hugging Face'] = f'hidden_states[{layer + 1}]'
  if layer:  # Its buffer begins at block 1.
    out['llama.cpp'] = f'direction.{layer}'
  return out
