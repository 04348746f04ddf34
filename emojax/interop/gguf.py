"""Control vectors of llama.cpp and repeng: directions in a GGUF file.

llama.cpp adds `direction.N` times the scale to the output of block N, at every
position, the prompt's too. Its buffer begins at block 1, so that block 0 cannot
be steered with such a file. repeng writes and reads the same tensors.
"""

import logging
import os
import tempfile

import gguf
import numpy as np

from emojax.interop import directions
from emojax.models import gguf_file

ARCHITECTURE = 'controlvector'
_TENSOR = 'direction.'

# It tells of every file that it writes.
logging.getLogger('gguf.gguf_writer').setLevel(logging.WARNING)


def encode(direction: directions.Direction, model: str) -> bytes:
  """Returns a GGUF file of one direction.

  Args:
    direction: at layers from 1 on.
    model: what it was made for, said in `controlvector.model_hint`.
  """
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'direction.gguf')
    writer = gguf.GGUFWriter(path, ARCHITECTURE)
    writer.add_name(direction.name)
    writer.add_string(f'{ARCHITECTURE}.model_hint', model)
    writer.add_uint32(f'{ARCHITECTURE}.layer_count', len(direction.layers))
    for layer, vector in zip(direction.layers, direction.vectors, strict=True):
      writer.add_tensor(f'{_TENSOR}{layer}', vector.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with open(path, 'rb') as file:
      return file.read()


def decode(data: bytes, place: str) -> directions.Direction:
  """Reads a control vector.

  Raises:
    InputError: damaged, no control vector, or its tensors are not float32.
  """
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'direction.gguf')
    with open(path, 'wb') as file:
      file.write(data)
    name, by_layer = _read(path, place)
  return directions.of_layers(name, by_layer, place)


def _read(path: str, place: str) -> tuple[str, dict[int, np.ndarray]]:
  try:
    reader = gguf_file.Reader(path)
    said = {
        key: field.contents()
        for key, field in reader.fields.items()
        if key in ('general.architecture', 'general.name')
    }
    # Copies, for the file goes away.
    found = [
        (tensor.name, tensor.tensor_type, np.array(tensor.data))
        for tensor in reader.tensors
    ]
  except gguf_file.DAMAGED as error:
    reason = gguf_file.reason(error)
    directions.refuse(place, f'not a whole GGUF file ({reason}); get it again.')
  if said.get('general.architecture') != ARCHITECTURE:
    directions.refuse(
        place,
        f'a GGUF file of {said.get("general.architecture")!r}, not of a'
        ' controlvector; give a control vector (a model is --config.model).',
    )
  by_layer = {}
  for name, kind, vector in found:
    number = name.removeprefix(_TENSOR)
    if number == name or not number.isascii() or not number.isdigit():
      directions.refuse(
          place, f'tensor {name!r}: a control vector has direction.N alone.'
      )
    if kind != gguf.GGMLQuantizationType.F32:
      directions.refuse(
          place, f'{name} is {kind.name}; llama.cpp takes float32 alone.'
      )
    by_layer[int(number[:9])] = vector
  name = said.get('general.name')
  return name if isinstance(name, str) else '', by_layer
