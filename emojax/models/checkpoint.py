"""A checkpoint, opened: its config, and tensors to be read when wanted."""

from collections.abc import Callable, Mapping
import dataclasses
import hashlib
import pathlib
from typing import Any, NamedTuple

from absl import logging
import gguf
import numpy as np
import safetensors

from emojax import errors
from emojax import files
from emojax.models import config as config_lib
from emojax.models import config_json
from emojax.models import gguf_file
from emojax.models import gguf_metadata

Path = pathlib.Path
# Where checkpoints that also see have their language model, and the rest.
_LANGUAGE = (
    ('language_model.model.', 'model.'),
    ('language_model.lm_head.', 'lm_head.'),
    ('model.language_model.', 'model.'),
)
_VISION = ('vision_tower.', 'multi_modal_projector.')


class Tensor(NamedTuple):
  """A stored tensor.

  Attributes:
    shape: in the axes of the file.
    dtype: of the stored values.
    read: slices, one an axis -> that part of it.
  """

  shape: tuple[int, ...]
  dtype: str
  read: Callable[[tuple[slice, ...]], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """An opened checkpoint: everything but the weights themselves.

  Attributes:
    metadata: the GGUF's key-value pairs; empty for a folder.
    form: 'gguf' or 'hf', the column of the table that the names are in.
    config_json: what Hugging Face's `config.json` says or would say.
    tensors: by the name that `form` gives them.
  """

  path: Path
  form: str
  config_json: Mapping[str, Any]
  config: config_lib.TransformerConfig
  metadata: Mapping[str, Any]
  tensors: Mapping[str, Tensor]
  sha256: str

  @property
  def family(self) -> str:
    return self.config_json['model_type']


def open_checkpoint(path: Path) -> Checkpoint:
  """Opens a `.gguf` file or a Hugging Face folder.

  Raises:
    InputError: it is missing, damaged, or of a family that is not supported.
  """
  return _open_gguf(path) if path.is_file() else _open_folder(path)


def _open_gguf(path: Path) -> Checkpoint:
  try:
    reader = gguf_file.Reader(path)
    metadata = {key: field.contents() for key, field in reader.fields.items()}
  except gguf_file.DAMAGED as error:
    raise errors.InputError(
        f'{path}: not a whole GGUF file ({gguf_file.reason(error)}); fetch it'
        ' again.'
    ) from error
  tensors = {t.name: _gguf_tensor(t) for t in reader.tensors}
  divisors = tensors.pop('rope_freqs.weight', None)
  raw = gguf_metadata.to_config_json(
      metadata,
      tied='output.weight' not in tensors,
      rope_divisors=None if divisors is None else divisors.read((slice(None),)),
  )
  return Checkpoint(
      path=path,
      form='gguf',
      config_json=raw,
      config=config_json.read(raw),
      metadata=metadata,
      tensors=tensors,
      sha256=files.sha256(path),
  )


def _gguf_tensor(tensor: gguf.ReaderTensor) -> Tensor:
  def read(index):  # Dequantising is of whole rows: cut afterwards.
    return gguf.dequantize(tensor.data, tensor.tensor_type)[index]

  shape = tuple(int(size) for size in reversed(tensor.shape))
  return Tensor(shape, 'F32', read)


def _open_folder(path: Path) -> Checkpoint:
  if not (path / 'config.json').is_file():
    raise errors.InputError(
        f'{path}: no config.json; a model is a Hugging Face folder or a .gguf.'
    )
  raw = files.read_json(path / 'config.json')
  if not isinstance(raw, dict):
    raise errors.InputError(f'{path}/config.json: not a JSON object.')
  text = config_json.text_config(raw)
  config = config_json.read(text)
  shards = sorted(path.glob('*.safetensors'))
  if not shards:
    raise errors.InputError(f'{path}: no .safetensors file.')
  tensors = {}
  for shard in shards:
    tensors |= _open_shard(shard)
  if raw is not text and raw.get('model_type') == 'gemma3':
    tensors = _language_model(path, tensors)
  digests = ''.join(files.sha256(shard) for shard in shards)
  return Checkpoint(
      path=path,
      form='hf',
      config_json=text,
      config=config,
      metadata={},
      tensors=tensors,
      sha256=hashlib.sha256(digests.encode()).hexdigest(),
  )


def _language_model(
    path: Path, tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
  """Leaves what sees out of a checkpoint that reads and sees."""
  out, left = {}, 0
  for name, tensor in tensors.items():
    if name.removeprefix('model.').startswith(_VISION):
      left += 1
      continue
    for theirs, ours in _LANGUAGE:
      if name.startswith(theirs):
        name = ours + name.removeprefix(theirs)
        break
    out[name] = tensor
  logging.info(
      '%s also sees: taking its language model, leaving %d tensors of vision.',
      path,
      left,
  )
  return out


def _open_shard(path: Path) -> dict[str, Tensor]:
  try:
    file = safetensors.safe_open(path, framework='numpy')
    parts = {name: file.get_slice(name) for name in file.keys()}
  except (safetensors.SafetensorError, OSError) as error:
    raise errors.InputError(
        f'{path}: not a whole safetensors file ({error}); fetch it again.'
    ) from error
  return {
      name: Tensor(tuple(part.get_shape()), part.get_dtype(), part.__getitem__)
      for name, part in parts.items()
  }
