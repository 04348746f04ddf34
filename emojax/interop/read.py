"""A file of directions, whichever tool has written it."""

import json

from emojax.interop import directions
from emojax.interop import gguf
from emojax.interop import hook
from emojax.interop import neuronpedia
from emojax.interop import npz
from emojax.interop import vllm_lens

SUFFIXES = ('.gguf', '.npz', '.safetensors', '.json')
# What holds code that runs when it is read.
_PICKLES = ('.pt', '.pth', '.pkl', '.pickle', '.bin', '.npy', '.ckpt')


def check_name(name: str) -> None:
  """Refuses a file that is not of a kind that is read.

  Raises:
    InputError: says what to do instead.
  """
  suffix = name[name.rfind('.') :].lower() if '.' in name else ''
  if suffix in _PICKLES:
    directions.refuse(
        name,
        f'{suffix} may be a pickle, which runs code when it is read; save it'
        ' as safetensors (layer_10, an array a layer) or with numpy.savez.',
    )
  if suffix not in SUFFIXES:
    directions.refuse(
        name, f'not one of {", ".join(SUFFIXES)}; give a file of directions.'
    )


def decode(name: str, data: bytes) -> tuple[str, list[directions.Direction]]:
  """Reads a file.

  Args:
    name: of it; begins the message of an error.
    data: what is in it.

  Returns:
    The format, and one direction or, of a file of means, several.

  Raises:
    InputError: of another kind, or damaged.
  """
  check_name(name)
  suffix = name[name.rfind('.') :].lower()
  if suffix == '.gguf':
    return 'gguf', [gguf.decode(data, name)]
  if suffix == '.npz':
    return 'npz', npz.decode(data, name)
  if suffix == '.safetensors':
    return 'safetensors', [hook.decode(data, name)]
  try:
    value = json.loads(data)
  except (ValueError, RecursionError) as error:
    directions.refuse(name, f'not JSON ({error}); write it again.')
  if isinstance(value, dict) and 'activations' in value:
    return 'vllm-lens', [vllm_lens.decode(value, name)]
  if isinstance(value, dict) and {'vector', 'values'} & value.keys():
    return 'neuronpedia', [neuronpedia.decode(value, name)]
  directions.refuse(
      name,
      'JSON of no vector that is known; give activations and layer_indices'
      ' (vllm-lens) or vector, layer_num and hook_type (Neuronpedia).',
  )
