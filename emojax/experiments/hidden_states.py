"""A folder of hidden states that vLLM has written, file by file."""

from collections.abc import Iterator

import ml_collections
import numpy as np

from emojax import errors
from emojax import files
from emojax.interop import vllm_states

_SUFFIX = '.safetensors'


def check(config: ml_collections.ConfigDict) -> list[int]:
  """Returns the index of resid_post of each layer id, or refuses the config."""
  if config.axes not in vllm_states.AXES:
    raise errors.InputError(
        f'config.axes={config.axes!r}: must be TLD or LTD, or empty.'
    )
  return vllm_states.resid_post(config.layer_ids)


def names(config: ml_collections.ConfigDict) -> list[str]:
  """Returns the files of the folder, sorted; there is one or more."""
  folder = files.locate(config.hidden_states)
  found = [x for x in files.sizes(folder) if x.endswith(_SUFFIX)]
  if not found:
    raise errors.InputError(
        f'{folder}: no folder with *{_SUFFIX}; give the shared_storage_path'
        ' that vLLM wrote to.'
    )
  return found


def over(
    config: ml_collections.ConfigDict,
    chosen: list[str],
    width: int | None,
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
  """Yields name, token ids [T] and states [T, L, D] of files of the folder."""
  folder = files.locate(config.hidden_states)
  for name in chosen:
    path = folder / name
    tokens, states = vllm_states.decode(
        files.read_bytes(path),
        str(path),
        len(config.layer_ids),
        width,
        config.axes,
    )
    yield name, tokens, states
