"""Arrays of safetensors and npz files that any program may have written.

Nothing is ever unpickled, and bfloat16, which NumPy lacks, becomes float32.
"""

import io
import zipfile
import zlib

import numpy as np
import safetensors
import safetensors.numpy

from emojax.interop import directions

# The kinds of safetensors that are read, as NumPy has them.
_KINDS = {
    'F64': np.float64,
    'F32': np.float32,
    'F16': np.float16,
    'BF16': np.uint16,
    'I64': np.int64,
    'I32': np.int32,
}
# An archive may say that a few bytes unpack to more than any machine holds.
_MOST_BYTES = 16 << 30


def of_safetensors(data: bytes, place: str) -> dict[str, np.ndarray]:
  """Reads a safetensors file: arrays by name.

  Raises:
    InputError: damaged, or of kinds that are no float and no integer.
  """
  try:
    found = safetensors.deserialize(data)
  except safetensors.SafetensorError as error:
    directions.refuse(
        place, f'not a whole safetensors file ({error}); write it again.'
    )
  out = {}
  for name, tensor in found:
    kind = tensor['dtype']
    if kind not in _KINDS:
      directions.refuse(
          place,
          f'{name} is {kind}; write it as float32, float16 or bfloat16.',
      )
    x = np.frombuffer(tensor['data'], _KINDS[kind]).reshape(tensor['shape'])
    if kind == 'BF16':
      x = (x.astype(np.uint32) << 16).view(np.float32)
    out[name] = x
  return out


def to_safetensors(
    arrays: dict[str, np.ndarray], metadata: dict[str, str]
) -> bytes:
  """Returns the bytes of a safetensors file."""
  return safetensors.numpy.save(arrays, metadata)


def of_npz(data: bytes, place: str) -> dict[str, np.ndarray]:
  """Reads an npz file: arrays by name.

  Raises:
    InputError: damaged, too large, or with Python objects in it.
  """
  try:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
      size = sum(part.file_size for part in archive.infolist())
    if size > _MOST_BYTES:
      directions.refuse(
          place,
          f'{size} bytes when unpacked, more than {_MOST_BYTES}; give a smaller'
          ' one, of means or vectors alone.',
      )
    with np.load(io.BytesIO(data)) as arrays:
      return {name: np.array(arrays[name]) for name in arrays.files}
  except (
      ValueError,
      KeyError,
      EOFError,
      OSError,
      OverflowError,
      MemoryError,
      NotImplementedError,
      RuntimeError,
      SyntaxError,
      TypeError,
      zipfile.BadZipFile,
      zlib.error,
  ) as error:
    reason = str(error).partition('\n')[0]
    directions.refuse(
        place,
        f'not an npz of plain arrays ({reason}); write it with numpy.savez,'
        ' without Python objects.',
    )


def to_npz(arrays: dict[str, np.ndarray]) -> bytes:
  """Returns the bytes of an npz file."""
  file = io.BytesIO()
  np.savez(file, **arrays)
  return file.getvalue()
