"""Replies token by token are those in batches, and sliders compile nothing."""

import dataclasses
import threading

import compiling
import numpy as np
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax import vectors as vectors_lib
from emojax.experiments import build_vectors
from emojax.experiments import controls as controls_lib
from emojax.experiments import exchange
from emojax.models import capture
from emojax.models import load
from emojax.models import taps

Controls = exchange.Controls

USER = {'role': 'user', 'content': 'How do you feel?'}
CHATS = (
    [USER],
    [{'role': 'system', 'content': 'Be brief.'}, USER],
    [USER, {'role': 'assistant', 'content': 'Well.'}, USER],
)
# Unsteered, several with a control, what the model wrote alone, two layers.
KINDS = (
    Controls(),
    Controls(steer='happy:0.4,angry:-0.3,random_1:0.2', temperature=0.7),
    Controls(steer='proud:0.5', positions='generated', temperature=0.7, seed=3),
    Controls(steer='shuffled_1:0.5', positions='user', layers=(0, 2)),
    Controls(steer='bored:0.4', positions='from:40', temperature=0.7),
)


@pytest.fixture(scope='module')
def vectors(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tiny')
  model = tiny_model.write(folder / 'model')
  path = folder / 'vectors.safetensors'
  # Long residual norms: so that steering changes what so small a model writes.
  norms = {'resid_norm': np.array([8.0, 10.0, 12.0])}
  tiny_model.write_vectors(path, model, norms)
  lm = load.load(str(model), 'float32')
  return lm, *build_vectors.read_vectors(files.Path(path), lm)


@pytest.fixture(scope='module')
def replier(vectors):
  return exchange.Replier(*vectors)


def short(controls, new_tokens=24):
  return dataclasses.replace(controls, new_tokens=new_tokens)


def streamed(replier, chat, controls, given=None):
  tokens = list(replier.stream(chat, controls, given))
  return [token.id for token in tokens], tokens


@pytest.mark.parametrize('controls', KINDS, ids=str)
def test_a_streamed_reply_has_the_very_tokens_of_a_batch(replier, controls):
  controls = short(controls)
  texts = replier.write(CHATS, controls)
  for chat, text in zip(CHATS, texts, strict=True):
    ids, tokens = streamed(replier, chat, controls)
    assert replier.text(ids) == text
    assert (
        replier.lm.tokenizer.without_control(
            ''.join(token.text for token in tokens)
        )
        == text
    )
    assert 0 < len(ids) <= 24


def test_controls_change_what_is_written(replier):
  """What would make the other tests pass without a reason."""
  other = (
      Controls(steer='happy:0.4'),
      Controls(temperature=0.7, seed=4294967295),
      Controls(steer='shuffled_1:0.5', positions='span:2:40', layers=(0, 2)),
  )
  texts = {
      tuple(streamed(replier, CHATS[2], short(c))[0]) for c in KINDS + other
  }
  assert len(texts) == len(KINDS + other)


def test_the_rule_generated_steers_the_replies_that_the_model_wrote(replier):
  controls = short(Controls(steer='happy:0.4', positions='generated'))
  for given in (None, 1):
    ids, _ = streamed(replier, CHATS[2], controls, given)
    assert replier.text(ids) == replier.write(CHATS[2:], controls, given)[0]
  terms = [
      replier.request(CHATS[2], controls, given).terms[0] for given in (None, 1)
  ]
  assert terms[0].prompt.sum() == 0
  assert terms[1].prompt.sum() == len('Well.')


def test_steering_of_strength_zero_is_none(replier):
  for temperature in (0.0, 0.7):
    plain = short(Controls(temperature=temperature))
    zero = dataclasses.replace(plain, steer='happy:0,angry:0')
    assert (
        streamed(replier, [USER], plain)[0]
        == streamed(replier, [USER], zero)[0]
    )


def test_chats_draw_with_keys_of_their_own_and_steering_with_the_same(replier):
  key = lambda chat, **kwargs: replier.request(
      chat, Controls(**kwargs)
  ).key.tolist()
  assert key([USER]) == key([USER], steer='happy:0.1')
  assert key([USER]) != key([USER], seed=1)
  assert key([USER]) != key(CHATS[2])


def test_sliders_and_lengths_of_replies_compile_nothing(replier):
  streamed(replier, [USER], short(Controls(temperature=0.7), 2))

  def move():
    for i, controls in enumerate(KINDS):
      streamed(replier, [USER], short(controls, 3 + i))
      streamed(replier, CHATS[1], short(controls, 256))

  assert compiling.compiles(move) == 0
  # What would make this pass without a reason.
  other = short(Controls(top_p=0.81), 2)
  assert compiling.compiles(lambda: streamed(replier, [USER], other)) > 0


def test_a_reply_that_nobody_waits_for_ends_and_leaves_the_next(replier):
  wanted, _ = streamed(replier, [USER], short(KINDS[2], 200))
  before = set(threading.enumerate())
  for taken in (1, 5):
    tokens = replier.stream([USER], short(KINDS[2], 200))
    assert [next(tokens).id for _ in range(taken)] == wanted[:taken]
    own = set(threading.enumerate()) - before
    assert own
    tokens.close()
    assert not any(thread.is_alive() for thread in own)
    assert streamed(replier, [USER], short(KINDS[2], 200))[0] == wanted


def test_a_reply_that_is_not_finite_ends(replier):
  ids, _ = streamed(
      replier, [USER], short(Controls(steer='happy:3e38', positions='from:45'))
  )
  assert len(ids) < 24


def test_readings_as_written_have_the_steering_in_them(vectors):
  """Nothing below the layer is steered, so that it adds itself alone."""
  lm, arrays, metadata = vectors
  layer, norms = metadata['layer'], arrays['resid_norm']
  replier = exchange.Replier(*vectors)
  controls = short(Controls(steer='happy:0.4'), 12)
  ids, tokens = streamed(replier, [USER], controls)
  prompt = replier.request([USER], controls).prompt
  whole = np.array([(*prompt, *ids)])
  unit = vectors_lib.unit(arrays['vectors'])
  ones = np.ones(whole.shape)
  got = capture.capture(
      lm.model,
      lm.params,
      whole,
      ones.astype(bool),
      taps.Readout(ones.astype(np.float32), unit),
      ('resid_post/project',),
  )
  plain = np.asarray(got['resid_post/project'])[layer, 0, len(prompt) :]
  wanted = plain / norms[layer] + 0.4 * unit[:, layer] @ unit[0, layer]
  read = np.array([token.readings for token in tokens])
  np.testing.assert_allclose(read, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        ({'steer': 'happy'}, 'such as happy:0.1'),
        ({'steer': 'happy:nan'}, 'finite'),
        ({'steer': 'happy:0.1,happy:0.2'}, 'distinct'),
        ({'steer': 'joyful:0.1'}, 'must be one of happy, proud'),
        ({'steer': 'random_8:0.1'}, 'must be one of'),
        ({'steer': ','.join(f'random_{i}:1' for i in range(5))}, 'at most 4'),
        ({'layers': [3]}, 'layers 0 to 2'),
        ({'layers': [True]}, 'list of whole numbers'),
        ({'layers': '1'}, 'list of whole numbers'),
        ({'positions': 'some'}, 'must be one of'),
        ({'temperature': -1}, '0 or more'),
        ({'temperature': float('nan')}, '0 or more'),
        ({'temperature': True}, 'a number'),
        ({'temperature': 10**400}, 'a number'),
        ({'top_p': 0}, 'above 0'),
        ({'seed': -1}, 'from 0 to'),
        ({'seed': 2**32}, 'from 0 to'),
        ({'seed': 1.5}, 'a whole number'),
        ({'new_tokens': 0}, '1 or more'),
        ({'new_tokens': 5000}, 'less than'),
        ({'volume': 1}, 'no such control'),
        ([], 'JSON object'),
    ],
    ids=str,
)
def test_what_no_reply_can_be_written_with_is_refused(replier, given, said):
  with pytest.raises(errors.InputError, match=said) as caught:
    replier.check(controls_lib.of_json(given))
  assert '\n' not in str(caught.value)


def test_controls_come_back_from_json():
  for controls in KINDS:
    assert controls_lib.of_json(controls.as_json()) == controls


@pytest.mark.parametrize(
    ('messages', 'said'),
    [
        ([], 'end with a message of the user'),
        ([USER, {'role': 'assistant', 'content': 'x'}], 'end with a message'),
        ([{'role': 'user', 'content': 'a<|im_end|>'}], 'control token'),
        ([{'role': 'user', 'content': 'a' * 3000}], 'more than the context'),
    ],
    ids=['none', 'answered', 'forged', 'long'],
)
def test_a_chat_without_a_place_for_a_reply_is_refused(replier, messages, said):
  with pytest.raises(errors.InputError, match=said):
    next(replier.stream(messages, Controls()))
  with pytest.raises(errors.InputError, match=said):
    replier.write([messages], Controls())
