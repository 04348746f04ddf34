"""Weights written as Hugging Face has them: safetensors, config and index."""

from collections.abc import Mapping
import os
import pathlib
import shutil
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from emojax import files
from emojax.data import tokens
from emojax.models import config as config_lib
from emojax.models import load
from emojax.models import weights

Path = pathlib.Path
# transformers' own limit is close to this.
_SHARD_BYTES = 4 << 30
# What other programs go by; a GGUF file does not say it.
_CLASSES = {
    'llama': 'LlamaForCausalLM',
    'mistral': 'MistralForCausalLM',
    'qwen2': 'Qwen2ForCausalLM',
    'qwen3': 'Qwen3ForCausalLM',
    'gemma2': 'Gemma2ForCausalLM',
    'gemma3_text': 'Gemma3ForCausalLM',
}


def save(folder: Path, lm: load.LanguageModel) -> None:
  """Writes weights, config and tokenizer, all of them or nothing.

  Args:
    folder: not there yet, or empty.
    lm: a model whose weights are no int8.
  """
  partial = folder.with_name(f'.{folder.name}.partial')
  if partial.exists():  # Of a run that was killed.
    shutil.rmtree(partial)
  dtype = load.DTYPES[lm.dtype][0]
  save_weights(partial, lm.params, lm.config, lm.config_json, dtype)
  tokens.save(lm.tokenizer, partial)
  os.replace(partial, folder)


def save_weights(
    folder: Path,
    params: Mapping[str, Any],
    config: config_lib.TransformerConfig,
    config_json: Mapping[str, Any],
    dtype: Any,
    shard_bytes: int = _SHARD_BYTES,
) -> None:
  """Writes `model*.safetensors`, their index and `config.json`.

  Args:
    folder: where to.
    params: of `transformer.Transformer(config)`.
    config: of the model.
    config_json: what the checkpoint's `config.json` says or would say.
    dtype: of all tensors.
    shard_bytes: a file is closed when it is larger.
  """
  folder.mkdir(parents=True, exist_ok=True)
  family = config_json['model_type']
  shards: list[dict[str, int]] = []
  part: dict[str, np.ndarray] = {}

  def flush():
    # transformers asks what framework wrote a file.
    data = safetensors.numpy.save(part, metadata={'format': 'pt'})
    files.write_bytes(folder / _shard_name(len(shards), 0), data)
    shards.append({name: x.nbytes for name, x in part.items()})
    part.clear()

  for name, x in weights.to_hugging_face(params, family, config, dtype):
    part[name] = x
    if sum(x.nbytes for x in part.values()) > shard_bytes:
      flush()
  if part:
    flush()
  _name_shards(folder, shards)
  said = {k: v for k, v in config_json.items() if k != 'torch_dtype'}
  said |= {'architectures': [_CLASSES[family]], 'dtype': jnp.dtype(dtype).name}
  files.write_json(folder / 'config.json', said)


def _shard_name(i: int, count: int) -> str:
  return f'model-{i + 1:05}-of-{count:05}.safetensors'


def _name_shards(folder: Path, shards: list[dict[str, int]]) -> None:
  """Gives shards the names that say how many there are, and an index."""
  if len(shards) == 1:
    (folder / _shard_name(0, 0)).replace(folder / 'model.safetensors')
    return
  index = {}
  for i, tensors in enumerate(shards):
    name = _shard_name(i, len(shards))
    (folder / _shard_name(i, 0)).replace(folder / name)
    index |= {tensor: name for tensor in tensors}
  total = sum(size for tensors in shards for size in tensors.values())
  files.write_json(
      folder / 'model.safetensors.index.json',
      {'metadata': {'total_size': total}, 'weight_map': index},
  )
