"""GGUF files of every architecture give the model that the folder gives.

The names are those of the gguf package, which llama.cpp's converter uses; q and
k of llama are interleaved and Gemma's norms have 1 added, as that converter
does it.
"""

import conftest
import gguf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from emojax import errors
from emojax.models import checkpoint
from emojax.models import config_json
from emojax.models import gguf_metadata
from emojax.models import rope
from emojax.models import weights

# Our tiny folders -> the architecture, and what to say beside the sizes.
CASES = {
    'llama': ('llama', {}),
    'mistral': ('llama', {}),
    'qwen2': ('qwen2', {}),
    'qwen3': ('qwen3', {}),
    'gemma2': (
        'gemma2',
        {
            'attention.sliding_window': 6,
            'attn_logit_softcapping': 2.0,
            'final_logit_softcapping': 3.0,
        },
    ),
    'gemma3_text': (
        'gemma3',
        {
            'attention.sliding_window': 6,
            'rope.scaling.type': 'linear',
            'rope.scaling.factor': 4.0,
            'rope.freq_base_swa': 20.0,
        },
    ),
}
ARCHITECTURES = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}


def interleaved(x, heads):
  """Halves of each head's rows -> neighbouring pairs, as llama.cpp rotates."""
  pairs = x.reshape(heads, 2, -1, x.shape[1]).swapaxes(1, 2)
  return np.ascontiguousarray(pairs.reshape(x.shape))


def write(path, name, extra=()):
  """Writes the tiny model `name` as a GGUF file in float32."""
  folder = conftest.GOLDENS / f'tiny_{name}'
  arch, metadata = CASES[name]
  config = checkpoint.open_checkpoint(folder).config
  writer = gguf.GGUFWriter(path, arch)
  writer.add_block_count(config.num_layers)
  writer.add_embedding_length(config.width)
  writer.add_feed_forward_length(config.mlp_width)
  heads = config.num_kv_heads * config.queries_per_kv
  writer.add_head_count(heads)
  writer.add_head_count_kv(config.num_kv_heads)
  writer.add_key_length(config.head_dim)
  writer.add_value_length(config.head_dim)
  writer.add_rope_dimension_count(config.head_dim)
  writer.add_context_length(config.context)
  writer.add_layer_norm_rms_eps(config.norm_epsilon)
  writer.add_rope_freq_base(config.rope_base)
  writer.add_token_list([str(i) for i in range(config.vocab_size)])
  for key, value in (metadata | dict(extra)).items():
    add = writer.add_uint32 if isinstance(value, int) else writer.add_float32
    add = writer.add_string if isinstance(value, str) else add
    add(f'{arch}.{key}', value)
  names = gguf.get_tensor_name_map(ARCHITECTURES[arch], config.num_layers)
  tensors = safetensors.numpy.load_file(folder / 'model.safetensors')
  for theirs, x in tensors.items():
    if arch == 'llama' and 'q_proj' in theirs:
      x = interleaved(x, heads)
    if arch == 'llama' and 'k_proj' in theirs:
      x = interleaved(x, config.num_kv_heads)
    if arch.startswith('gemma') and 'norm' in theirs:
      x = x + 1
    ours = names.get_name(theirs, try_suffixes=('.weight', '.bias'))
    writer.add_tensor(ours, np.ascontiguousarray(x))
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()
  return path


@pytest.mark.parametrize('name', CASES)
def test_weights_equal_those_of_the_folder(name, tmp_path):
  ours = checkpoint.open_checkpoint(write(tmp_path / 'model.gguf', name))
  folder = checkpoint.open_checkpoint(conftest.GOLDENS / f'tiny_{name}')
  a, b = (weights.load_params(x, jnp.float32) for x in (ours, folder))
  assert jax.tree.structure(a) == jax.tree.structure(b)
  # Gemma's norms have lost half a unit in the last place of 1 + x, below 4.
  exact = 1.2e-7 if name.startswith('gemma') else 0
  for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
    np.testing.assert_allclose(x, y, rtol=0, atol=exact)


@pytest.mark.parametrize('name', [x for x in CASES if x != 'mistral'])
def test_the_config_equals_that_of_the_folder(name, tmp_path):
  """But for what a GGUF file cannot say, which is what llama.cpp assumes."""
  ours = checkpoint.open_checkpoint(write(tmp_path / 'model.gguf', name)).config
  folder = checkpoint.open_checkpoint(conftest.GOLDENS / f'tiny_{name}').config
  differs = {
      field
      for field in vars(folder)
      if not _close(getattr(ours, field), getattr(folder, field))
  }
  allowed = {
      'qwen2': {'window', 'local'},  # llama.cpp gives it no windows.
      'gemma2': {'query_scale'},  # 20 in the test, of which GGUF knows nothing.
      'gemma3_text': {'query_scale'},
  }
  assert differs == allowed.get(name, set())


def _close(a, b):  # GGUF's numbers are float32.
  real = isinstance(a, float) and isinstance(b, float)
  return np.isclose(a, b, rtol=1e-6, atol=0) if real else a == b


def gemma(layers, width, heads, family='gemma3'):
  return {
      'general.architecture': family,
      'tokenizer.ggml.tokens': ['a'],
      f'{family}.block_count': layers,
      f'{family}.embedding_length': width,
      f'{family}.feed_forward_length': 8,
      f'{family}.attention.head_count': heads,
      f'{family}.attention.head_count_kv': heads,
      f'{family}.attention.key_length': 128,
      f'{family}.attention.layer_norm_rms_epsilon': 1e-6,
      f'{family}.context_length': 8192,
  }


@pytest.mark.parametrize(
    'family, layers, width, heads, scalar',
    [
        ('gemma2', 42, 3584, 16, 128),
        ('gemma2', 46, 4608, 32, 144),
        ('gemma3', 48, 3840, 16, 128),
        ('gemma3', 62, 5376, 32, 168),
    ],
)
def test_27b_scales_queries_otherwise(family, layers, width, heads, scalar):
  raw = gguf_metadata.to_config_json(
      gemma(layers, width, heads, family), True, None
  )
  assert config_json.read(raw).query_scale == scalar**-0.5


def llama(**metadata):
  base = {
      key.replace('gemma3', 'llama'): value
      for key, value in gemma(2, 512, 4).items()
  }
  base['llama.attention.key_length'] = 64
  base['llama.rope.freq_base'] = 500000.0
  return base | {'general.architecture': 'llama'} | metadata


@pytest.mark.parametrize('factor', [8.0, 32.0])
def test_the_divisors_of_llama_3_give_back_their_formula(factor):
  stated = {
      'rope_type': 'llama3',
      'rope_theta': 500000.0,
      'factor': factor,
      'low_freq_factor': 1.0,
      'high_freq_factor': 4.0,
      'original_max_position_embeddings': 8192,
  }
  raw = gguf_metadata.to_config_json(llama(), False, None)
  wanted = config_json.read(raw | {'rope_parameters': stated})
  plain = rope.frequencies(config_json.read(raw))[0]
  divisors = plain / rope.frequencies(wanted)[0]
  again = config_json.read(
      gguf_metadata.to_config_json(llama(), False, divisors)
  )
  assert again.rope_scaling == wanted.rope_scaling
  np.testing.assert_allclose(
      rope.frequencies(again), rope.frequencies(wanted), rtol=1e-6
  )


@pytest.mark.parametrize(
    'change, divisors, reason',
    [
        ({}, np.linspace(1, 8, 32), 'otherwise than Llama 3'),
        ({'llama.rope.scaling.type': 'yarn'}, None, "by 'yarn'"),
        ({'llama.expert_count': 8}, None, 'llama.expert_count'),
        ({'llama.attention.value_length': 32}, None, 'value_length=32'),
        ({'llama.rope.dimension_count': 32}, None, 'dimension_count=32'),
        ({'general.architecture': 'mamba'}, None, "'mamba' is not supported"),
        (
            {'general.architecture': 'mistral'},
            None,
            "no architecture 'mistral'",
        ),
        ({'llama.attention.head_count': 'x'}, None, 'wrong kind'),
        ({'llama.attention.head_count': 0}, None, 'by zero'),
    ],
)
def test_what_is_not_understood_is_refused(change, divisors, reason):
  with pytest.raises(errors.InputError, match=reason):
    config_json.read(
        gguf_metadata.to_config_json(llama(**change), False, divisors)
    )
