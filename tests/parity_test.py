"""The port computes what Hugging Face transformers computes.

The goldens are recorded by tests/goldens/record.py; `launch/test.sh --parity`
records them afresh, at every position, and runs this file on those.
"""

import functools

import conftest
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from emojax.models import checkpoint
from emojax.models import generate
from emojax.models import taps
from emojax.models import transformer

# Float32 against float32: sums of 576 to 1536 terms in another order.
RELATIVE = 1e-4
TINY = ('tiny_llama', 'tiny_llama_tied')


def relative_error(ours, theirs):
  """[..., D] -> the largest relative error of a vector."""
  norms = np.linalg.norm(theirs, axis=-1)
  return np.max(np.linalg.norm(ours - theirs, axis=-1) / norms)


@functools.partial(jax.jit, static_argnames='model')
def blocks_and_logits(model, params, tokens):
  (logits, _), state = model.apply(
      params,
      tokens,
      capture_intermediates=taps.only('resid_post'),
      mutable=['intermediates'],
  )
  return taps.captured(state, 'resid_post')[:, 0], logits[0]


GOLDEN = safetensors.numpy.load_file(conftest.GOLDENS / 'smollm2.safetensors')
CAPTURED = [key for key in GOLDEN if key.startswith('positions_')]


@pytest.fixture(scope='session')
def golden():
  return GOLDEN


@pytest.fixture(scope='session', params=TINY)
def tiny(request):
  opened = checkpoint.open_checkpoint(conftest.GOLDENS / request.param)
  params = checkpoint.load_params(opened, jnp.float32)
  golden = safetensors.numpy.load_file(
      conftest.GOLDENS / f'{request.param}.safetensors'
  )
  return transformer.Transformer(opened.config), params, golden


def test_tiny_llama_equals_transformers_at_every_layer_and_position(tiny):
  model, params, golden = tiny
  resid_post, logits = blocks_and_logits(model, params, golden['tokens'][None])
  for layer in range(model.config.num_layers):
    error = relative_error(resid_post[layer], golden['resid_post'][layer])
    assert error < RELATIVE, f'layer {layer}'
  assert relative_error(logits, golden['logits']) < RELATIVE


def test_last_resid_post_is_before_the_final_norm(tiny):
  model, params, golden = tiny
  resid_post, logits = blocks_and_logits(model, params, golden['tokens'][None])
  normed = model.apply(
      params, resid_post[-1], method=lambda m, x: m.unembed(m.norm(x))
  )
  raw = model.apply(params, resid_post[-1], method='unembed')
  assert relative_error(normed, logits) < 1e-5
  assert relative_error(raw, logits) > 0.1


@pytest.mark.parametrize('prompt', range(len(CAPTURED)))
def test_smollm2_equals_transformers_at_every_layer(model, golden, prompt):
  resid_post, logits = blocks_and_logits(
      *model, golden[f'tokens_{prompt}'][None]
  )
  kept = golden[f'positions_{prompt}']
  for layer, theirs in enumerate(golden[f'resid_post_{prompt}']):
    error = relative_error(resid_post[layer, kept], theirs)
    assert error < RELATIVE, f'layer {layer}'
  assert relative_error(logits[-1:], golden[f'logits_{prompt}']) < RELATIVE


def test_smollm2_writes_the_same_greedy_text(model, golden):
  prompts = [golden[f'tokens_{i}'] for i in range(5)]
  theirs = np.stack([golden[f'greedy_{i}'] for i in range(5)])
  width = max(map(len, prompts))
  tokens = np.zeros((5, width), np.int32)
  valid = np.zeros((5, width), bool)
  for i, prompt in enumerate(prompts):
    tokens[i, : len(prompt)], valid[i, : len(prompt)] = prompt, True
  steps = theirs.shape[1]
  transformer_, params = model
  cache = generate.empty_cache(transformer_.config, 5, width + steps)
  logits, cache = generate.prefill(
      transformer_, params, tokens, valid, cache, None
  )
  out, _ = generate.decode(
      transformer_,
      params,
      cache,
      logits,
      jax.random.split(jax.random.key(0), 5),
      None,
      steps=steps,
      temperature=0.0,
      stop=(),
  )
  np.testing.assert_array_equal(out.tokens, theirs)
