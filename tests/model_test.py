"""Laws of the transformer: taps, steering, cache, padding, memory."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_model

from emojax import steering
from emojax.data import batches
from emojax.models import capture
from emojax.models import layers
from emojax.models import taps
from emojax.models import transformer

CONFIG = tiny_model.CONFIG
ROWS = ([3, 1, 4, 1, 5, 9, 2, 6], [5, 3, 5], [8, 9, 7, 9, 3])
# Float32, sums of some ten terms in another order.
CLOSE = dict(rtol=2e-5, atol=2e-5)


@pytest.fixture(scope='module')
def tiny():
  """A random model whose attention is far from uniform."""
  return tiny_model.random_model()


@functools.partial(jax.jit, static_argnames='model')
def forward(model, params, tokens, valid, interventions=None):
  (logits, _), state = model.apply(
      params,
      tokens,
      valid=valid,
      interventions=interventions,
      capture_intermediates=taps.only('resid_post'),
      mutable=['intermediates'],
  )
  return logits, taps.captured(state, 'resid_post')


def run(tiny, rows, width, side='right', interventions=None):
  """Logits, all resid_post [L, B, T, D], and valid [B, T]."""
  tokens, valid = batches.padded(rows, width, side)
  return *forward(*tiny, tokens, valid, interventions), valid


def interventions(strength, layer, rows, width, index=None, seed=0):
  bank = steering.random_directions(seed, 3, CONFIG.num_layers, CONFIG.width)
  own = steering.at_layers(strength, [layer], CONFIG.num_layers)
  return steering.Interventions(
      directions=jnp.asarray(bank * 2),
      index=jnp.asarray(np.arange(rows) % 3 if index is None else index)[
          :, None
      ],
      strength=jnp.asarray(np.tile(own, (rows, 1, 1))),
      tokens=jnp.ones((rows, 1, width), bool),
  )


@pytest.mark.parametrize('side', ['left', 'right'])
def test_a_ragged_batch_equals_each_row_alone(tiny, side):
  logits, stream, valid = run(tiny, ROWS, 11, side)
  for i, row in enumerate(ROWS):
    alone, alone_stream, _ = run(tiny, [row], len(row))
    np.testing.assert_allclose(logits[i][valid[i]], alone[0], **CLOSE)
    np.testing.assert_allclose(
        stream[:, i][:, valid[i]], alone_stream[:, 0], **CLOSE
    )


@pytest.mark.parametrize('site', ['resid_post/mean', 'embed/mean'])
def test_pooled_means_do_not_know_the_padding_side(tiny, site):
  model, params = tiny
  out = []
  for side in ('left', 'right'):
    tokens, valid = batches.padded(ROWS, 11, side)
    starts = np.cumsum(valid, axis=1) > 2  # From the third token on.
    pool = (starts & valid).astype(np.float32)
    got = capture.capture(
        model, params, tokens, valid, taps.Readout(pool), (site,)
    )
    out.append(got[site])
  np.testing.assert_allclose(out[0], out[1], **CLOSE)
  assert np.abs(out[0]).min() > 0


def test_reductions_equal_the_same_on_the_whole_stream(tiny):
  model, params = tiny
  _, stream, valid = run(tiny, ROWS, 9)
  tokens, _ = batches.padded(ROWS, 9)
  directions = steering.random_directions(1, 5, CONFIG.num_layers, CONFIG.width)
  sites = ('resid_post/mean', 'resid_post/norm', 'resid_post/project')
  got = capture.capture(
      model,
      params,
      tokens,
      valid,
      taps.Readout(valid.astype(np.float32), jnp.asarray(directions)),
      sites,
  )
  stream = np.asarray(stream)
  for i, row in enumerate(ROWS):
    mean = stream[:, i, : len(row)].mean(axis=1)
    np.testing.assert_allclose(got['resid_post/mean'][:, i], mean, **CLOSE)
  norm = np.linalg.norm(stream, axis=-1)
  np.testing.assert_allclose(got['resid_post/norm'], norm, rtol=1e-5)
  projection = np.einsum('LBTD,ELD->LBTE', stream, directions)
  np.testing.assert_allclose(got['resid_post/project'], projection, **CLOSE)


def test_each_site_is_where_its_name_says(tiny):
  model, params = tiny
  sites = ('embed', 'resid_pre', 'resid_mid', 'resid_post', 'final_norm')
  (hidden, _), state = model.apply(
      params,
      jnp.asarray([ROWS[0]]),
      method='stream',
      capture_intermediates=taps.only(*sites),
      mutable=['intermediates'],
  )
  got = {site: np.asarray(taps.captured(state, site)) for site in sites}
  embedding = np.asarray(params['params']['embedding'])
  np.testing.assert_array_equal(got['embed'][0], embedding[ROWS[0]])
  np.testing.assert_array_equal(got['resid_pre'][0], got['embed'])
  np.testing.assert_array_equal(got['resid_pre'][1:], got['resid_post'][:-1])
  np.testing.assert_array_equal(got['final_norm'], hidden)
  normed = model.apply(
      params, got['resid_post'][-1], method=lambda m, x: m.norm(x)
  )
  np.testing.assert_allclose(got['final_norm'], normed, rtol=1e-6)
  # resid_mid is between attention and mlp of the same block: block 0 by hand.
  block = jax.tree.map(lambda x: x[0], params['params']['layers'])
  out = layers.Mlp(CONFIG).apply(
      {'params': block['mlp']},
      layers.RMSNorm(CONFIG).apply(
          {'params': block['mlp_norm']}, got['resid_mid'][0]
      ),
  )
  np.testing.assert_allclose(
      got['resid_mid'][0] + out, got['resid_post'][0], **CLOSE
  )


def test_strength_zero_is_bit_identical_to_no_steering(tiny):
  logits, stream, _ = run(tiny, ROWS, 9)
  for layer in range(CONFIG.num_layers):
    steered = interventions(0.0, layer, 3, 9)
    same, same_stream, _ = run(tiny, ROWS, 9, interventions=steered)
    np.testing.assert_array_equal(logits, same)
    np.testing.assert_array_equal(stream, same_stream)


@pytest.mark.parametrize('layer', range(CONFIG.num_layers))
def test_steering_moves_its_layer_by_itself_and_none_before(tiny, layer):
  _, before, _ = run(tiny, ROWS, 9)
  steered = interventions(1.5, layer, 3, 9)
  tokens = np.zeros((3, 1, 9), bool)
  tokens[:, :, 2] = True
  steered = steered.for_tokens(jnp.asarray(tokens))
  _, after, _ = run(tiny, ROWS, 9, interventions=steered)
  moved = np.asarray(after - before)
  np.testing.assert_array_equal(moved[:layer], 0)
  expected = np.zeros_like(moved[layer])
  bank = np.asarray(steered.directions)
  expected[:, 2] = 1.5 * bank[np.arange(3), layer]
  np.testing.assert_allclose(moved[layer], expected, atol=1e-5)


def test_rows_are_steered_each_by_its_own_direction_layer_and_strength(tiny):
  grid = [(0, 0, 0.5), (1, 2, -1.0), (2, 3, 2.0), (0, 1, 0.0)]
  rows = [ROWS[0]] * len(grid)
  both = interventions(0.0, 0, 4, 8, index=[k for k, _, _ in grid])
  strength = np.zeros((4, CONFIG.num_layers), np.float32)
  for i, (_, layer, s) in enumerate(grid):
    strength[i, layer] = s
  logits, _, _ = run(
      tiny,
      rows,
      8,
      interventions=both.replace(strength=jnp.asarray(strength[:, None])),
  )
  for i, (k, layer, s) in enumerate(grid):
    one = interventions(s, layer, 1, 8, index=[k])
    alone, _, _ = run(tiny, [ROWS[0]], 8, interventions=one)
    np.testing.assert_allclose(logits[i], alone[0], **CLOSE)


def test_products_written_in_float32_are_rounded_to_the_same_numbers(tiny):
  narrow = dataclasses.replace(CONFIG, dtype=jnp.bfloat16)
  wide = dataclasses.replace(narrow, wide_sums=True)
  narrow, wide = map(transformer.Transformer, (narrow, wide))
  stored = jax.eval_shape(
      narrow.init, jax.random.key(0), jnp.zeros((1, 2), jnp.int32)
  )
  params = jax.tree.map(
      lambda x, like: x.astype(like.dtype), tiny[1], nn.unbox(stored)
  )
  x, y = (run((model, params), ROWS, 8)[1] for model in (narrow, wide))
  assert y.dtype == jnp.float32
  # Where a sum lies between two bfloat16 numbers another order may round it to
  # the other one: 2^-8 of what a block writes, now and then.
  np.testing.assert_allclose(x, y, rtol=2**-7, atol=2**-7)
  assert (jnp.abs(x - y) < 1e-6).mean() > 0.5


def test_another_emotion_layer_or_strength_never_recompiles(tiny):
  model, params = tiny
  traces = 0

  @jax.jit
  def count(interventions_):
    nonlocal traces
    traces += 1
    return model.apply(
        params, jnp.asarray(ROWS[:1]), interventions=interventions_
    )[0]

  for layer in range(CONFIG.num_layers):
    for strength in (-1.0, 0.0, 0.3):
      for index in range(3):
        count(interventions(strength, layer, 1, 8, index=[index]))
  assert traces == 1


def compiled_bytes(num_layers, length, site):
  """Temporaries and outputs of a capture, from the compiled program."""
  config = dataclasses.replace(CONFIG, num_layers=num_layers, width=64)
  model = transformer.Transformer(config)
  params = jax.eval_shape(
      model.init, jax.random.key(0), jnp.zeros((1, 2), jnp.int32)
  )
  shape = lambda dtype: jax.ShapeDtypeStruct((4, length), dtype)
  lowered = capture.capture.lower(
      model,
      params,
      shape(jnp.int32),
      shape(bool),
      taps.Readout(shape(jnp.float32)),
      (site,),
  )
  analysis = lowered.compile().memory_analysis()
  return analysis.temp_size_in_bytes + analysis.output_size_in_bytes


def test_peak_memory_of_pooled_capture_does_not_grow_with_layers_times_tokens():
  stream = lambda layers_: 4 * 128 * 64 * layers_ * 4  # [L, B, T, D] in bytes.
  few = compiled_bytes(4, 128, 'resid_post/mean')
  many = compiled_bytes(32, 128, 'resid_post/mean')
  # 28 more layers: their means [28, B, D] and parameters' bookkeeping only.
  assert many - few < stream(28) / 20
  whole = compiled_bytes(32, 128, 'resid_post')
  assert whole - many > stream(32) / 2  # The measure does see the stream.


def test_compiled_size_does_not_grow_with_depth(tiny):
  del tiny

  def operations(num_layers):
    config = dataclasses.replace(CONFIG, num_layers=num_layers)
    model = transformer.Transformer(config)
    tokens = jnp.zeros((1, 4), jnp.int32)
    params = jax.eval_shape(model.init, jax.random.key(0), tokens)
    stream = functools.partial(model.apply, method='stream')
    return jax.jit(stream).lower(params, tokens).as_text().count('\n')

  assert operations(32) == operations(4)
