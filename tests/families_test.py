"""Checkpoints of strangers: read strictly, refused in one line."""

import json
import shutil

import conftest
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from emojax import errors
from emojax.models import checkpoint
from emojax.models import families

CONFIG = json.loads((conftest.GOLDENS / 'tiny_llama/config.json').read_text())


def test_rope_is_read_from_either_of_transformers_forms():
  new = families.from_hugging_face(CONFIG)
  old = {k: v for k, v in CONFIG.items() if k != 'rope_parameters'}
  assert families.from_hugging_face(old | {'rope_theta': 5000.0}) == new
  assert new.rope_base == 5000.0


@pytest.mark.parametrize(
    'change, reason',
    [
        ({'sliding_window': 512}, 'sliding_window'),
        ({'model_type': 'mamba'}, "'mamba' is not supported; these are: llama"),
        ({'model_type': ['llama']}, 'not supported'),
        ({'hidden_act': 'gelu'}, 'hidden_act'),
        ({'attention_bias': True}, 'attention_bias'),
        ({'rope_interleaved': True}, 'rope_interleaved'),
        ({'rope_scaling': {'type': 'linear'}}, 'rope_scaling'),
        ({'rope_parameters': {'rope_type': 'llama3'}}, 'llama3'),
        ({'rope_parameters': [1]}, 'wrong kind'),
        ({'rope_parameters': {'rope_theta': '1e4'}}, 'rope_base'),
        ({'num_hidden_layers': '3'}, "num_layers='3'"),
        ({'hidden_size': None}, 'width=None'),
        ({'intermediate_size': -1}, 'mlp_width=-1'),
        ({'vocab_size': 96.5}, 'vocab_size=96.5'),
        ({'num_attention_heads': 0}, 'heads'),
        ({'num_key_value_heads': 4}, 'cannot share'),
        ({'rms_norm_eps': float('nan')}, 'norm_epsilon'),
    ],
)
def test_a_config_that_is_not_understood_is_refused(change, reason):
  with pytest.raises(errors.InputError, match=reason):
    families.from_hugging_face(CONFIG | change)


def test_a_lacking_attribute_is_named():
  lacking = {k: v for k, v in CONFIG.items() if k != 'hidden_size'}
  with pytest.raises(errors.InputError, match="lacks 'hidden_size'"):
    families.from_hugging_face(lacking)


@pytest.fixture
def folder(tmp_path):
  out = tmp_path / 'model'
  shutil.copytree(conftest.GOLDENS / 'tiny_llama', out)
  return out


def rewrite(folder, change):
  tensors = safetensors.numpy.load_file(folder / 'model.safetensors')
  tensors = {k: np.ascontiguousarray(v) for k, v in change(tensors).items()}
  safetensors.numpy.save_file(tensors, folder / 'model.safetensors')
  return checkpoint.load_params(checkpoint.open_checkpoint(folder), jnp.float32)


NAME = 'model.layers.1.mlp.up_proj.weight'


@pytest.mark.parametrize(
    'change, reason',
    [
        (
            lambda t: {k: v for k, v in t.items() if k != NAME},
            f'no tensor {NAME!r}',
        ),
        (lambda t: t | {'model.extra.weight': t[NAME]}, 'model.extra.weight'),
        (lambda t: t | {NAME: t[NAME][:-1]}, 'does not fit'),
        (lambda t: t | {NAME: t[NAME].astype(np.int8)}, 'int8'),
    ],
)
def test_the_table_is_strict_both_ways(folder, change, reason):
  with pytest.raises(errors.InputError, match=reason):
    rewrite(folder, change)


def test_a_sharded_checkpoint_equals_the_whole_one(folder):
  opened = checkpoint.open_checkpoint(folder)
  whole = checkpoint.load_params(opened, jnp.float32)
  tensors = safetensors.numpy.load_file(folder / 'model.safetensors')
  names = sorted(tensors)
  (folder / 'model.safetensors').unlink()
  for i in range(2):
    part = {name: tensors[name] for name in names[i::2]}
    safetensors.numpy.save_file(part, folder / f'model-{i}.safetensors')
  again = checkpoint.open_checkpoint(folder)
  parts = checkpoint.load_params(again, jnp.float32)
  assert again.sha256 != opened.sha256
  for a, b in zip(*map(jax.tree.leaves, (whole, parts)), strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_stored_half_precision_is_read_as_it_is(folder, dtype):
  half = jnp.dtype(dtype)
  params = rewrite(folder, lambda t: {k: v.astype(half) for k, v in t.items()})
  tensors = safetensors.numpy.load_file(
      conftest.GOLDENS / 'tiny_llama/model.safetensors'
  )
  expected = tensors['model.embed_tokens.weight'].astype(half)
  np.testing.assert_array_equal(
      params['params']['embedding'], expected.astype(np.float32)
  )
