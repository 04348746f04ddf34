"""Weights from GGUF or safetensors onto the device, tensor by tensor."""

from collections.abc import Callable, Mapping
import dataclasses
import hashlib
import pathlib
from typing import Any

import einops
import flax.traverse_util
import gguf
import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import tqdm

from emojax import errors
from emojax import files
from emojax.models import config as config_lib
from emojax.models import families

Path = pathlib.Path
_FLOATS = ('float16', 'bfloat16', 'float32', 'float64')
# Tensors are read one at a time, when they are asked for.
Tensors = Mapping[str, Callable[[], np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """An opened checkpoint: everything but the weights themselves.

  Attributes:
    metadata: the GGUF's key-value pairs; empty for a folder.
    form: 'gguf' or 'hf', the column of the table that the names are in.
  """

  path: Path
  form: str
  family: str
  config: config_lib.TransformerConfig
  metadata: Mapping[str, Any]
  tensors: Tensors
  sha256: str


def open_checkpoint(path: Path) -> Checkpoint:
  """Opens a `.gguf` file or a Hugging Face folder.

  Raises:
    InputError: it is missing, damaged, or of a family that is not supported.
  """
  return _open_gguf(path) if path.is_file() else _open_folder(path)


def load_params(checkpoint: Checkpoint, dtype: Any) -> dict[str, Any]:
  """Reads all weights in `dtype`, norms in float32.

  The table is strict both ways: every tensor of the model is in the file, and
  every tensor of the file is used.

  Returns:
    The params of `transformer.Transformer(checkpoint.config)`.
  """
  c = checkpoint.config
  rows = [
      row
      for row in families.TABLES[checkpoint.family]
      if not (row.path == 'unembedding' and c.tied_embeddings)
  ]
  flat = {}
  unread = set(checkpoint.tensors)
  if c.tied_embeddings:  # Some files repeat the embedding under this name.
    unread.discard('lm_head.weight')
  for row in tqdm.tqdm(rows, 'Weights  ', leave=False, unit='tensor'):
    name, axes = (
        (row.gguf, row.gguf_axes)
        if checkpoint.form == 'gguf'
        else (row.hf, row.hf_axes)
    )
    layers = range(c.num_layers) if '{i}' in name else [None]
    names = [name.format(i=i) for i in layers]
    target = jnp.float32 if row.path.endswith('scale') else dtype
    parts = [_read(checkpoint, name, axes, target) for name in names]
    stacked = np.stack(parts) if layers != [None] else parts[0]
    flat[tuple(row.path.split('/'))] = jax.device_put(stacked)
    unread -= set(names)
  if unread:
    raise errors.InputError(
        f'{checkpoint.path}: tensors that a {checkpoint.family} model does not'
        f' have: {", ".join(sorted(unread)[:5])}.'
    )
  return {'params': flax.traverse_util.unflatten_dict(flat)}


def _read(
    checkpoint: Checkpoint, name: str, axes: str, dtype: Any
) -> np.ndarray:
  """Returns one tensor in our axes."""
  c = checkpoint.config
  sizes = c.sizes('LDFVKGH') | {'half': c.head_dim // 2, 'two': 2}
  theirs, ours = axes.split(' -> ')
  letters = theirs.replace('(', ' ').replace(')', ' ').split()
  used = {letter: sizes[letter] for letter in letters}
  try:
    tensor = checkpoint.tensors[name]()
    if tensor.dtype.name not in _FLOATS:
      raise errors.InputError(
          f'{checkpoint.path}: {name} is {tensor.dtype.name}: quantised'
          ' safetensors are not supported; give the unquantised model.'
      )
    return einops.rearrange(tensor, axes, **used).astype(dtype)
  except KeyError as error:
    raise errors.InputError(
        f'{checkpoint.path}: no tensor {name!r}: the checkpoint is not whole;'
        ' fetch it again.'
    ) from error
  except einops.EinopsError as error:
    raise errors.InputError(
        f'{checkpoint.path}: {name} has shape {tensor.shape}, which does not'
        f' fit {theirs!r} with {used}.'
    ) from error


def _open_gguf(path: Path) -> Checkpoint:
  try:
    reader = gguf.GGUFReader(path)
    metadata = {key: field.contents() for key, field in reader.fields.items()}
  # The reader walks a memory map by offsets that the file itself names, so a
  # damaged file shows as whatever it runs into first.
  except (ValueError, IndexError, KeyError, OSError, OverflowError) as error:
    raise errors.InputError(
        f'{path}: not a whole GGUF file ({error}); fetch it again.'
    ) from error
  tensors = {
      t.name: lambda t=t: gguf.dequantize(t.data, t.tensor_type)
      for t in reader.tensors
  }
  config = families.from_gguf(metadata, frozenset(tensors))
  return Checkpoint(
      path=path,
      form='gguf',
      family=metadata['general.architecture'],
      config=config,
      metadata=metadata,
      tensors=tensors,
      sha256=files.sha256(path),
  )


def _open_folder(path: Path) -> Checkpoint:
  if not (path / 'config.json').is_file():
    raise errors.InputError(
        f'{path}: no config.json; a model is a Hugging Face folder or a .gguf.'
    )
  raw = files.read_json(path / 'config.json')
  if not isinstance(raw, dict):
    raise errors.InputError(f'{path}/config.json: not a JSON object.')
  config = families.from_hugging_face(raw)
  shards = sorted(path.glob('*.safetensors'))
  if not shards:
    raise errors.InputError(f'{path}: no .safetensors file.')
  tensors = {}
  for shard in shards:
    tensors |= _open_shard(shard)
  digests = ''.join(files.sha256(shard) for shard in shards)
  return Checkpoint(
      path=path,
      form='hf',
      family=raw['model_type'],
      config=config,
      metadata={},
      tensors=tensors,
      sha256=hashlib.sha256(digests.encode()).hexdigest(),
  )


def _open_shard(path: Path) -> dict[str, Callable[[], np.ndarray]]:
  try:
    # The 'flax' reader knows bfloat16, which NumPy's does not.
    file = safetensors.safe_open(path, framework='flax')
    names = list(file.keys())
  except (safetensors.SafetensorError, OSError) as error:
    raise errors.InputError(
        f'{path}: not a whole safetensors file ({error}); fetch it again.'
    ) from error
  return {name: lambda n=name: np.asarray(file.get_tensor(n)) for name in names}
