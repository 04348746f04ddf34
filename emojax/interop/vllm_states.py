"""Hidden states that vLLM has written: a safetensors file a request.

It counts layers by what goes into them: id k is the input of block k, which is
resid_post[k - 1], the output of the block before; id 0 is the embedding.
"""

from collections.abc import Sequence

import numpy as np

from emojax import errors
from emojax.interop import directions
from emojax.interop import names
from emojax.interop import tensors

AXES = ('', 'TLD', 'LTD')


def resid_post(layer_ids: Sequence[int]) -> list[int]:
  """Returns the index of resid_post of each id; `names.EMBEDDING` for 0.

  Raises:
    InputError: none is given, one is given twice, or one cannot be.
  """
  ids = list(layer_ids)
  good = all(type(x) is int and 0 <= x <= directions.MOST_LAYERS for x in ids)
  if not ids or not good or len(set(ids)) < len(ids):
    raise errors.InputError(
        f'config.layer_ids={tuple(ids)}: give the distinct layer ids that vLLM'
        ' was told to write (eagle_aux_hidden_state_layer_ids), in that order.'
    )
  return [x + names.EMBEDDING for x in ids]


def decode(
    data: bytes, place: str, num_ids: int, width: int | None, axes: str = ''
) -> tuple[np.ndarray, np.ndarray]:
  """Reads one request.

  Args:
    data: of the file.
    place: begins an error's message.
    num_ids: L, how many layer ids were written.
    width: D, or None if any will do.
    axes: 'TLD' or 'LTD', the order in which the file has them; '' to tell by
      the number of tokens and of ids.

  Returns:
    `token_ids` [T] and `hidden_states` [T, L, D] float32.

  Raises:
    InputError: damaged, of another shape, or the order cannot be told.
  """
  arrays = tensors.of_safetensors(data, place)
  missing = sorted({'token_ids', 'hidden_states'} - arrays.keys())
  if missing:
    directions.refuse(
        place, f'no {missing[0]}; give the files of vLLM’s hidden states.'
    )
  tokens, states = arrays['token_ids'], arrays['hidden_states']
  if tokens.ndim != 1 or tokens.dtype.kind != 'i' or not tokens.size:
    directions.refuse(place, f'token_ids {tokens.shape}; must be T integers.')
  if states.ndim != 3 or states.dtype.kind != 'f':
    directions.refuse(
        place, f'hidden_states {states.shape}; must be floats [T, L, D].'
    )
  states = _ordered(states, place, len(tokens), num_ids, axes)
  if width is not None and states.shape[2] != width:
    directions.refuse(
        place,
        f'hidden states of {states.shape[2]} numbers, and vectors of {width};'
        ' give files and vectors of one model.',
    )
  states = states.astype(np.float32)
  if not np.isfinite(states).all():
    directions.refuse(place, 'a number is not finite; write it again.')
  return tokens, states


def _ordered(
    states: np.ndarray, place: str, size: int, num_ids: int, axes: str
) -> np.ndarray:
  """Returns [T, L, D]."""
  shapes = {'TLD': (size, num_ids), 'LTD': (num_ids, size)}
  fits = [x for x in ('TLD', 'LTD') if states.shape[:2] == shapes[x]]
  if axes:
    fits = [x for x in fits if x == axes]
  if not fits:
    directions.refuse(
        place,
        f'hidden_states {states.shape} for {size} tokens and {num_ids} layer'
        ' id(s); give config.layer_ids as vLLM had them.',
    )
  if len(fits) == 2 and size > 1:
    directions.refuse(
        place,
        f'as many tokens as layer ids ({size}), so that the order of axes'
        ' cannot be told; give --config.axes=TLD, as vLLM writes, or LTD.',
    )
  return states if fits[0] == 'TLD' else states.swapaxes(0, 1)
