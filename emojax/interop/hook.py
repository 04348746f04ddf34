"""Directions for Hugging Face models: safetensors, and the hook that adds them.

The hook is a file of its own that needs torch and safetensors alone.
"""

from emojax.interop import directions
from emojax.interop import npz
from emojax.interop import tensors

NAME = 'steer.py'
CODE = '''"""Steers a Hugging Face model with the directions of this folder.

  stop = steer(model, 'happy', 0.1)  # In mean residual norms of the layer.
  model.generate(...)
  stop()
"""

import pathlib

import safetensors.torch

FOLDER = pathlib.Path(__file__).parent


def steer(model, name, strength, folder=FOLDER):
  """Adds a direction to the output of blocks, at every position."""
  path = pathlib.Path(folder) / f'{name}.safetensors'
  inner = getattr(model.model, 'language_model', model.model)

  def hook(direction):
    def add(module, arguments, output):
      x = output[0] if isinstance(output, tuple) else output
      x = x + strength * direction.to(x.device, x.dtype)
      return (x, *output[1:]) if isinstance(output, tuple) else x

    return add

  handles = [
      inner.layers[int(key[6:])].register_forward_hook(hook(direction))
      for key, direction in safetensors.torch.load_file(path).items()
  ]
  return lambda: [handle.remove() for handle in handles]
'''


def encode(direction: directions.Direction) -> bytes:
  """Returns safetensors with an array a layer, `layer_10`."""
  return tensors.to_safetensors(
      {
          f'layer_{layer}': vector
          for layer, vector in zip(
              direction.layers, direction.vectors, strict=True
          )
      },
      {'name': direction.name},
  )


def decode(data: bytes, place: str) -> directions.Direction:
  """Reads safetensors with an array a layer, as hooks and saklas keep them.

  Raises:
    InputError: damaged, or an array is called otherwise.
  """
  arrays = tensors.of_safetensors(data, place)
  return npz.of_arrays(arrays, place, r'layer_([0-9]{1,9})')
