"""Every family computes what transformers computes, and needs each quirk.

The models are tiny and random (tests/goldens/record_families.py), recorded at
lengths beyond their windows; `launch/test.sh --parity` records them afresh.
"""

import dataclasses
import functools

import conftest
import jax
import jax.numpy as jnp
import numpy as np
import parity_test
import pytest

from emojax.data import batches
from emojax.models import checkpoint
from emojax.models import config as config_lib
from emojax.models import transformer
from emojax.models import weights

FAMILIES = (
    'llama', 'llama3', 'mistral', 'qwen2', 'qwen3', 'gemma2', 'gemma3_text',
    'gemma3_multimodal',
)  # fmt: skip
# Each quirk of a family, and the value that leaves it out.
QUIRKS = {
    'llama3': {'rope_scaling': None, 'rope_base': 1e4},
    'mistral': {'window': None, 'tied_embeddings': True},
    'qwen2': {
        'attention_bias': False,
        'window': None,
        'local': (True, True, True),
    },
    'qwen3': {'qk_norm': False},
    'gemma2': {
        'attention_softcap': None,
        'final_softcap': None,
        'post_norms': False,
        'norm_offset': 0.0,
        'embedding_scale': 1.0,
        'activation': 'silu',
        'query_scale': None,
        'window': None,
        'local': (False, True, False),
    },
    'gemma3_text': {
        'qk_norm': False,
        'post_norms': False,
        'norm_offset': 0.0,
        'embedding_scale': 1.0,
        'activation': 'silu',
        'query_scale': None,
        'window': None,
        'local': (True,) * 6,
        'rope_base_local': None,
        'rope_scaling': None,
    },
}
CASES = [(name, field) for name, quirks in QUIRKS.items() for field in quirks]


@functools.cache
def load(name):
  opened = checkpoint.open_checkpoint(conftest.GOLDENS / f'tiny_{name}')
  params = weights.load_params(opened, jnp.float32)
  return opened.config, params, parity_test.read_golden(f'tiny_{name}')


def errors_of(config, params, golden):
  """The largest relative error of each layer, and of the logits."""
  model = transformer.Transformer(config)
  ours, logits = parity_test.blocks_and_logits(
      model, params, golden['tokens'][None]
  )
  layers = [
      parity_test.relative_error(a, b)
      for a, b in zip(ours, golden['resid_post'], strict=True)
  ]
  return layers, parity_test.relative_error(logits, golden['logits'])


@pytest.mark.parametrize('name', FAMILIES)
def test_every_layer_and_logit_equals_transformers(name):
  config, params, golden = load(name)
  layers, logits = errors_of(config, params, golden)
  assert len(layers) == config.num_layers
  assert max(layers) < parity_test.RELATIVE, layers
  assert logits < parity_test.RELATIVE
  if config.window is not None:
    assert len(golden['tokens']) > 2 * config.window


@pytest.mark.parametrize('name, field', CASES)
def test_no_quirk_can_be_left_out(name, field):
  config, params, golden = load(name)
  without = dataclasses.replace(config, **{field: QUIRKS[name][field]})
  assert without != config
  layers, logits = errors_of(without, params, golden)
  # Ten times what the law of parity allows.
  assert max(*layers, logits) > 10 * parity_test.RELATIVE


def test_every_field_that_differs_between_families_is_a_known_quirk():
  plain = load('llama')[0]
  sizes = {
      'num_layers', 'width', 'mlp_width', 'vocab_size', 'num_kv_heads',
      'queries_per_kv', 'head_dim', 'context', 'norm_epsilon', 'dtype',
  }  # fmt: skip
  for name in FAMILIES:
    config = load(name)[0]
    for field in dataclasses.fields(config_lib.TransformerConfig):
      value = getattr(config, field.name)
      if field.name not in sizes and value != getattr(plain, field.name):
        assert any(field.name in quirks for quirks in QUIRKS.values()), field


@pytest.mark.parametrize('side', ['left', 'right'])
@pytest.mark.parametrize('name', FAMILIES)
def test_padding_beside_a_row_changes_nothing(name, side):
  config, params, golden = load(name)
  tokens = golden['tokens'].tolist()
  model = transformer.Transformer(config)
  padded, valid = batches.padded([tokens, tokens[:9]], 31, side)
  logits, _ = jax.jit(model.apply)(params, padded, valid=valid)
  for row, size in enumerate((len(tokens), 9)):
    ours = np.asarray(logits[row])[valid[row]]
    theirs = golden['logits'][:size]
    assert parity_test.relative_error(ours, theirs) < parity_test.RELATIVE


@pytest.mark.parametrize('name', FAMILIES)
def test_cached_decoding_writes_what_transformers_writes_without_a_cache(name):
  config, params, golden = load(name)
  ours = parity_test.greedy(
      transformer.Transformer(config),
      params,
      [golden['tokens']],
      len(golden['greedy']),
  )
  np.testing.assert_array_equal(ours[0], golden['greedy'])
