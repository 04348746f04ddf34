"""What is exported is what was read, bit by bit."""

import json

import conftest
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from emojax.models import checkpoint
from emojax.models import export
from emojax.models import sources
from emojax.models import weights

FAMILIES = (
    'llama', 'llama3', 'mistral', 'qwen2', 'qwen3', 'gemma2', 'gemma3_text',
)  # fmt: skip


def stored(name, dtype, folder):
  """A tiny model's tensors, stored in `dtype`."""
  source = conftest.GOLDENS / f'tiny_{name}'
  tensors = safetensors.numpy.load_file(source / 'model.safetensors')
  tensors = {k: v.astype(dtype) for k, v in tensors.items()}
  folder.mkdir()
  safetensors.numpy.save_file(tensors, folder / 'model.safetensors')
  (folder / 'config.json').write_bytes((source / 'config.json').read_bytes())
  return tensors


def read(folder):
  out = {}
  for path in folder.glob('*.safetensors'):
    out |= safetensors.numpy.load_file(path)
  return out


@pytest.mark.parametrize('dtype', [np.float32, ml_dtypes.bfloat16, np.float16])
@pytest.mark.parametrize('name', FAMILIES)
def test_a_round_trip_keeps_every_bit(name, dtype, tmp_path):
  theirs = stored(name, dtype, tmp_path / 'in')
  opened = checkpoint.open_checkpoint(tmp_path / 'in')
  # bfloat16 holds no float16; everything else that is stored float32 holds.
  half = dtype == ml_dtypes.bfloat16
  params = weights.load_params(opened, jnp.bfloat16 if half else jnp.float32)
  export.save_weights(
      tmp_path / 'out', params, opened.config, opened.config_json, dtype
  )
  ours = read(tmp_path / 'out')
  assert ours.keys() == theirs.keys()
  for key, x in theirs.items():
    assert ours[key].dtype == x.dtype
    assert ours[key].tobytes() == x.tobytes(), key
  again = checkpoint.open_checkpoint(tmp_path / 'out')
  assert again.config == opened.config


def test_large_models_are_written_in_shards_with_an_index(tmp_path):
  theirs = stored('qwen3', np.float32, tmp_path / 'in')
  opened = checkpoint.open_checkpoint(tmp_path / 'in')
  params = weights.load_params(opened, jnp.float32)
  out = tmp_path / 'out'
  export.save_weights(
      out, params, opened.config, opened.config_json, np.float32, 10_000
  )
  index = json.loads((out / 'model.safetensors.index.json').read_text())
  assert index['weight_map'].keys() == theirs.keys()
  assert index['metadata']['total_size'] == sum(
      x.nbytes for x in theirs.values()
  )
  files = sorted(path.name for path in out.glob('*.safetensors'))
  assert sorted(set(index['weight_map'].values())) == files
  assert len(files) > 2 and files[0].endswith(
      f'-of-{len(files):05}.safetensors'
  )
  sources.locate(str(out))
  for key, x in read(out).items():
    np.testing.assert_array_equal(x, theirs[key])


def test_a_gguf_is_exported_as_the_folder_it_was_made_from(smollm2, tmp_path):
  params = weights.load_params(smollm2, jnp.float32)
  export.save_weights(
      tmp_path, params, smollm2.config, smollm2.config_json, np.float32
  )
  opened = checkpoint.open_checkpoint(tmp_path)
  assert opened.config == smollm2.config
  again = weights.load_params(opened, jnp.float32)
  for a, b in zip(*map(jax.tree.leaves, (params, again)), strict=True):
    np.testing.assert_array_equal(a, b)
