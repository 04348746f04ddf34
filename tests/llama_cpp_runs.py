"""Runs llama.cpp itself, steered with a control vector's file.

Nothing of emojax is used, so that a fault of ours cannot hide in what is
compared with it.
"""

import contextlib
import ctypes
import os
import pathlib

import gguf
import numpy as np

# Of the weights and of the cache: nothing is rounded to less than float32.
F32 = 0


def write_float32(source: pathlib.Path, path: pathlib.Path) -> None:
  """Writes a GGUF model again with all its tensors in float32."""
  reader = gguf.GGUFReader(source)
  architecture = reader.fields['general.architecture'].contents()
  writer = gguf.GGUFWriter(path, architecture)
  for key, field in reader.fields.items():
    kept = not key.startswith('GGUF.')
    if kept and key not in ('general.architecture', 'general.file_type'):
      kinds = field.types
      sub = kinds[1] if kinds[0] == gguf.GGUFValueType.ARRAY else None
      writer.add_key_value(key, field.contents(), kinds[0], sub_type=sub)
  writer.add_file_type(F32)
  for tensor in reader.tensors:
    values = gguf.dequantize(tensor.data, tensor.tensor_type)
    shape = tuple(int(size) for size in reversed(tensor.shape))
    writer.add_tensor(tensor.name, values.astype(np.float32).reshape(shape))
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()


def read_control_vector(path: pathlib.Path) -> dict[int, np.ndarray]:
  """Returns the directions by the number in their names."""
  return {
      int(tensor.name.removeprefix('direction.')): np.array(tensor.data)
      for tensor in gguf.GGUFReader(path).tensors
  }


class LlamaCpp:
  """A model in llama.cpp, on the CPU, in float32."""

  def __init__(self, path: pathlib.Path, context: int = 256):
    # Here, because it is not installed everywhere.
    import llama_cpp

    self._lib = llama_cpp
    with _quiet():
      self._llama = llama_cpp.Llama(
          str(path),
          n_ctx=context,
          n_batch=context,
          n_threads=1,  # Two wait for each other where cores are shared.
          n_threads_batch=1,
          logits_all=True,
          type_k=F32,
          type_v=F32,
          verbose=False,
      )
    metadata = self._llama.metadata
    self.width = int(metadata['llama.embedding_length'])
    self.num_layers = int(metadata['llama.block_count'])

  def steer(self, directions: dict[int, np.ndarray], scale: float) -> None:
    """Does what its programs do with --control-vector-scaled FILE:scale.

    Their buffer begins at block 1: direction.N lies at (N - 1) * width.
    """
    buffer = np.zeros((self.num_layers - 1, self.width), np.float32)
    for number, direction in directions.items():
      buffer[number - 1] += np.float32(scale) * direction
    data = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    status = self._lib.llama_set_adapter_cvec(
        self._llama.ctx,
        data,
        buffer.size,
        self.width,
        1,
        self.num_layers,
    )
    assert status == 0

  def logits(self, ids: list[int]) -> np.ndarray:
    """Returns what comes after every one of the ids, [T, V]."""
    self._llama.reset()
    self._llama.eval(ids)
    return np.array(self._llama.scores[: len(ids)])

  def write(self, ids: list[int], steps: int) -> tuple[list[int], np.ndarray]:
    """Writes greedily; returns the tokens and the logits of each, [T, V]."""
    tokens, rows = [], []
    self._llama.reset()
    new = list(ids)
    for _ in range(steps):
      self._llama.eval(new)
      rows.append(np.array(self._llama.scores[self._llama.n_tokens - 1]))
      new = [int(rows[-1].argmax())]
      tokens += new
    return tokens, np.stack(rows)


@contextlib.contextmanager
def _quiet():
  """Keeps what is written in C from stderr."""
  saved = os.dup(2)
  with open(os.devnull, 'w') as nowhere:
    os.dup2(nowhere.fileno(), 2)
    try:
      yield
    finally:
      os.dup2(saved, 2)
      os.close(saved)
