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
from emojax.models import config_json
from emojax.models import weights

CONFIG = json.loads((conftest.GOLDENS / 'tiny_llama/config.json').read_text())


def stated(name):
  path = conftest.GOLDENS / f'tiny_{name}' / 'config.json'
  return json.loads(path.read_text())


LLAMA3 = stated('llama3')
GEMMA3 = stated('gemma3_text')


def without(raw, *names):
  return {name: value for name, value in raw.items() if name not in names}


def test_rope_is_read_from_either_of_transformers_forms():
  old = without(CONFIG, 'rope_parameters')
  theta = {'rope_parameters': {'rope_theta': 5000.0}}
  new = config_json.read(CONFIG | theta)
  assert config_json.read(old | {'rope_theta': 5000.0}) == new
  assert new.rope_base == 5000.0


def test_scaled_rope_is_read_from_either_form():
  scaling = without(LLAMA3['rope_parameters'], 'rope_theta')
  old = without(LLAMA3, 'rope_parameters') | {
      'rope_theta': LLAMA3['rope_parameters']['rope_theta'],
      'rope_scaling': scaling,
  }
  assert config_json.read(old) == config_json.read(LLAMA3)
  assert config_json.read(old).rope_scaling.context == 32


def test_two_rope_bases_are_read_from_either_form():
  old = without(GEMMA3, 'rope_parameters', 'layer_types') | {
      'rope_theta': 500.0,
      'rope_local_base_freq': 20.0,
      'rope_scaling': {'rope_type': 'linear', 'factor': 4.0},
      'sliding_window_pattern': 6,
  }
  assert config_json.read(old) == config_json.read(GEMMA3)


def test_what_a_sparse_config_leaves_out_is_what_transformers_assumes():
  """The config.json of a multimodal Gemma 3 states differences only."""
  sparse = {
      'model_type': 'gemma3',
      'vision_config': {'hidden_size': 1152},
      'text_config': {
          'hidden_size': 2560,
          'intermediate_size': 10240,
          'model_type': 'gemma3_text',
          'num_hidden_layers': 34,
          'rope_scaling': {'factor': 8.0, 'rope_type': 'linear'},
          'sliding_window': 1024,
      },
  }
  config = config_json.read(sparse)
  assert (config.num_kv_heads, config.queries_per_kv) == (4, 2)
  assert (config.head_dim, config.vocab_size) == (256, 262208)
  assert (config.rope_base, config.rope_base_local) == (1e6, 1e4)
  assert config.rope_scaling.factor == 8.0
  assert config.context == 131072 and config.window == 1024
  assert config.tied_embeddings and config.query_scale == 1 / 16
  assert [i for i, x in enumerate(config.local) if not x] == [5, 11, 17, 23, 29]


def test_windows_of_qwen_begin_at_a_layer_and_only_where_they_are_used():
  qwen = without(stated('qwen2'), 'layer_types')
  assert config_json.read(qwen).local == (False, True, True)
  unused = config_json.read(qwen | {'use_sliding_window': False})
  assert unused.window is None and not any(unused.local_layers)


@pytest.mark.parametrize(
    'change, reason',
    [
        ({'sliding_window': 512}, 'sliding_window'),
        ({'model_type': 'gemma3'}, 'lacks text_config'),
        ({'quantization_config': {'bits': 4}}, 'quantization_config'),
        (
            {'model_type': 'mamba'},
            "'mamba' is not supported; these are: gemma2, gemma3_text, llama,"
            ' mistral, qwen2, qwen3',
        ),
        ({'model_type': ['llama']}, 'not supported'),
        ({'hidden_act': 'gelu'}, 'hidden_act'),
        ({'attention_bias': True}, 'attention_bias'),
        ({'rope_interleaved': True}, 'rope_interleaved'),
        (
            {'rope_parameters': None, 'rope_scaling': {'type': 'linear'}},
            'factor',
        ),
        ({'rope_parameters': {'rope_type': 'yarn'}}, "'yarn' is not supported"),
        ({'rope_parameters': {'rope_type': 'llama3'}}, "lacks 'factor'"),
        (
            {'rope_parameters': {'rope_type': 'linear', 'factor': 0}},
            'factor=0; it must be above 0',
        ),
        ({'rope_parameters': {'partial_rotary_factor': 0.5}}, 'partial_rotary'),
        ({'rope_parameters': [1]}, 'wrong kind'),
        ({'rope_parameters': {'rope_theta': '1e4'}}, 'rope_base'),
        ({'num_hidden_layers': '3'}, "num_layers='3'"),
        ({'hidden_size': None}, 'width=None'),
        ({'intermediate_size': -1}, 'mlp_width=-1'),
        ({'vocab_size': 96.5}, 'vocab_size=96.5'),
        ({'num_attention_heads': 0}, 'heads'),
        ({'num_key_value_heads': 3}, 'cannot share'),
        ({'rms_norm_eps': float('nan')}, 'norm_epsilon'),
    ],
)
def test_a_config_that_is_not_understood_is_refused(change, reason):
  with pytest.raises(errors.InputError, match=reason):
    config_json.read(CONFIG | change)


@pytest.mark.parametrize(
    'name, change, reason',
    [
        ('qwen3', {'layer_types': ['full_attention']}, 'must name 3 layers'),
        ('qwen3', {'layer_types': ['chunked_attention'] * 3}, 'must name 3'),
        ('qwen3', {'attention_bias': True}, 'attention_bias'),
        ('gemma2', {'query_pre_attn_scalar': -4}, 'query_scale'),
        ('gemma2', {'attn_logit_softcapping': 'no'}, "softcap='no'"),
        ('gemma2', {'use_bidirectional_attention': True}, 'bidirectional'),
        ('gemma2', {'hidden_activation': 'gelu'}, 'hidden_activation'),
        ('mistral', {'sliding_window': 0}, 'window=0'),
        ('mistral', {'layer_types': []}, 'layer_types'),
    ],
)
def test_a_quirk_that_is_not_understood_is_refused(name, change, reason):
  with pytest.raises(errors.InputError, match=reason):
    config_json.read(stated(name) | change)


def test_a_lacking_attribute_is_named():
  lacking = {k: v for k, v in CONFIG.items() if k != 'hidden_size'}
  with pytest.raises(errors.InputError, match="lacks 'hidden_size'"):
    config_json.read(lacking)


@pytest.fixture
def folder(tmp_path):
  out = tmp_path / 'model'
  shutil.copytree(conftest.GOLDENS / 'tiny_llama', out)
  return out


def rewrite(folder, change):
  tensors = safetensors.numpy.load_file(folder / 'model.safetensors')
  tensors = {k: np.ascontiguousarray(v) for k, v in change(tensors).items()}
  safetensors.numpy.save_file(tensors, folder / 'model.safetensors')
  return weights.load_params(checkpoint.open_checkpoint(folder), jnp.float32)


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
        (lambda t: t | {NAME: t[NAME].astype(np.int8)}, 'I8: quantised'),
    ],
)
def test_the_table_is_strict_both_ways(folder, change, reason):
  with pytest.raises(errors.InputError, match=reason):
    rewrite(folder, change)


def test_a_sharded_checkpoint_equals_the_whole_one(folder):
  opened = checkpoint.open_checkpoint(folder)
  whole = weights.load_params(opened, jnp.float32)
  tensors = safetensors.numpy.load_file(folder / 'model.safetensors')
  names = sorted(tensors)
  (folder / 'model.safetensors').unlink()
  for i in range(2):
    part = {name: tensors[name] for name in names[i::2]}
    safetensors.numpy.save_file(part, folder / f'model-{i}.safetensors')
  again = checkpoint.open_checkpoint(folder)
  parts = weights.load_params(again, jnp.float32)
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
