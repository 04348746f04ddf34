"""Readings of texts: what they are means of, and what they depend on."""

import jax.numpy as jnp
import numpy as np
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax.data import stories as stories_lib
from emojax.experiments import exchange
from emojax.experiments import read
from emojax.models import load
from emojax.models import taps

CHATS = (
    {'id': 'keys', 'text': 'I lost my keys.'},
    {'messages': [{'role': 'user', 'content': 'All the lamps went out.'}]},
)
STEER = 'happy:0.5,angry:-0.25'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tiny')
  model = tiny_model.write(folder / 'model')
  tiny_model.write_vectors(folder / 'vectors.safetensors', model)
  tiny_model.write_rows(folder / 'texts.jsonl', tiny_model.TEXTS)
  tiny_model.write_rows(folder / 'chats.jsonl', CHATS)
  return folder


@pytest.fixture
def readings(folder, tmp_path):
  def run(name, reply=None, **fields):
    given = {
        'vectors': str(folder / 'vectors.safetensors'),
        'texts': str(folder / ('chats' if reply else 'texts')) + '.jsonl',
    }
    config = tiny_model.config('read', **given | fields)
    config.reply.update({'new_tokens': 6} | (reply or {}))
    read.run(config, tmp_path / name)
    rows = files.read_jsonl(tmp_path / name / 'readings.jsonl')
    return [row for _, row in rows]

  return run


def _cosines(folder):
  arrays, _ = files.read_arrays(folder / 'cosines.safetensors')
  return arrays


def test_a_mean_is_over_the_tokens_of_messages_alone(readings):
  for row in readings('out'):
    own = np.array(row['roles']) != 'template'
    mean = np.array(row['cosine'])[own].mean(axis=0)
    # All are rounded to five decimals.
    np.testing.assert_allclose(list(row['mean'].values()), mean, atol=1.1e-5)


def test_the_response_is_at_the_last_template_token(readings):
  for row in readings('out'):
    at = row['response_index']
    assert list(row['response'].values()) == row['cosine'][at]
    assert row['roles'][at] == 'template'
    assert row['tokens'][at] == '\n'
    if row['messages'][-1]['role'] == 'assistant':
      assert row['roles'][at + 1] == 'assistant'
    else:
      assert at == len(row['tokens']) - 1


def test_a_reading_depends_on_no_other_text(readings):
  one, many = readings('one', batch=1), readings('many', batch=8)
  for a, b in zip(one, many, strict=True):
    assert a['tokens'] == b['tokens']
    # Both are rounded to five decimals.
    np.testing.assert_allclose(a['cosine'], b['cosine'], atol=1.1e-5)


def test_a_bare_text_is_a_message_of_the_user(readings):
  bare, message = readings('out')[:2]
  for name in ('tokens', 'roles', 'cosine', 'mean', 'response', 'score'):
    assert bare[name] == message[name]


def test_another_layer_gives_other_readings(readings):
  ends = (0, tiny_model.LAYERS - 1)
  first, last = (readings(f'layer_{i}', layer=i)[0] for i in ends)
  assert (first['layer'], last['layer']) == ends
  assert first['tokens'] == last['tokens']
  assert not np.allclose(first['cosine'], last['cosine'], atol=1e-3)


def test_the_cosines_of_a_layer_are_those_of_the_output_of_its_block(
    readings, folder, tmp_path
):
  rows = readings('out')
  arrays = _cosines(tmp_path / 'out')
  vectors, _ = files.read_arrays(folder / 'vectors.safetensors')
  unit = vectors['vectors']
  unit = unit / np.linalg.norm(unit, axis=-1, keepdims=True)  # [E, L, D]
  lm = load.load(str(folder / 'model'), 'float32')
  assert arrays['layers'].tolist() == list(range(tiny_model.LAYERS))
  for i, row in enumerate(rows):
    # One text alone, whole and without padding.
    ids = lm.tokenizer.encode(''.join(row['tokens']), bos=False).ids
    _, state = lm.model.apply(
        lm.params,
        jnp.array([ids]),
        method='stream',
        capture_intermediates=taps.only('resid_post'),
        mutable=['intermediates'],
    )
    stream = np.asarray(taps.captured(state, 'resid_post')[:, 0])  # [L, T, D]
    length = np.linalg.norm(stream, axis=-1)[..., None]
    expected = np.einsum('LTD,ELD->LTE', stream / length, unit)
    own = arrays['cosines'][arrays['starts'][i] : arrays['starts'][i + 1]]
    for layer in range(tiny_model.LAYERS):
      # Float32 sums in another order.
      np.testing.assert_allclose(own[:, layer], expected[layer], atol=2e-5)


def test_the_readings_are_the_cosines_of_their_layer(readings, tmp_path):
  for layer in range(tiny_model.LAYERS):
    name = f'layer_{layer}'
    rows = readings(name, layer=layer)
    cosines = _cosines(tmp_path / name)['cosines'][:, layer]
    whole = np.concatenate([row['cosine'] for row in rows])
    np.testing.assert_allclose(whole, cosines, rtol=0, atol=0.51e-5)


def test_the_cosines_of_a_text_depend_on_no_other_text(readings, tmp_path):
  readings('one', batch=1)
  readings('many', batch=8)
  one, many = (_cosines(tmp_path / name) for name in ('one', 'many'))
  np.testing.assert_array_equal(one['starts'], many['starts'])
  np.testing.assert_allclose(one['cosines'], many['cosines'], atol=1e-5)


def test_a_text_is_read_in_its_template_once_and_whole(readings, tmp_path):
  rows = readings('out')
  sizes = np.diff(_cosines(tmp_path / 'out')['starts'])
  assert sizes.tolist() == [len(row['tokens']) for row in rows]
  for row in rows:
    said = ''.join(
        f'<|im_start|>{m["role"]}\n{m["content"]}<|im_end|>\n'
        for m in row['messages']
    )
    if row['messages'][-1]['role'] != 'assistant':
      said += '<|im_start|>assistant\n'
    assert ''.join(row['tokens']) == said


def test_one_layer_can_do(readings, tmp_path):
  whole, alone = (
      readings(name, all_layers=every, layer=2)
      for name, every in (('whole', True), ('alone', False))
  )
  arrays = _cosines(tmp_path / 'alone')
  assert arrays['layers'].tolist() == [2] and arrays['cosines'].shape[1] == 1
  assert whole == alone
  assert 'type="range"' not in (tmp_path / 'alone/reader.html').read_text()


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(readings, tmp_path):
  readings('out', {'steer': STEER})
  folder = tmp_path / 'out'
  names = ('replies.jsonl', 'cosines.safetensors', 'readings.jsonl')
  names += ('reader.html', 'config.json')
  assert {path.name for path in folder.iterdir()} == set(names)
  whole = {name: (folder / name).read_bytes() for name in names}
  for gone in range(4):
    for name in names[gone:4]:
      (folder / name).unlink()
    (folder / f'.{names[gone]}.abcd_123').write_bytes(b'half')
    readings('out', {'steer': STEER})
    now = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert now == whole, names[gone]


def test_both_replies_are_read_without_steering(readings, folder, tmp_path):
  rows = readings('out', {'steer': STEER})
  assert [row['id'] for row in rows] == [
      'keys unsteered',
      'keys steered',
      'line 2 unsteered',
      'line 2 steered',
  ]
  assert [row['pair'] for row in rows] == ['keys'] * 2 + ['line 2'] * 2
  assert rows[0]['steering'] is None
  assert rows[1]['steering'] == {
      'steer': STEER,
      'layers': [1],
      'positions': 'all',
      'temperature': 0.0,
      'top_p': 1.0,
      'seed': 0,
      'new_tokens': 6,
      'unit': 'fraction of the mean residual norm',
  }
  # The same texts, as chats that had their replies from the first.
  lm = load.load(str(folder / 'model'), 'float32')
  texts = [
      stories_lib.Text(i, None, None, None, tuple(row['messages']))
      for i, row in enumerate(rows)
  ]
  vectors = files.read_arrays(folder / 'vectors.safetensors')
  sources = read.sources_of(lm, texts, 'texts')
  read.write(tmp_path / 'plain', lm, vectors, 1, sources, 8)
  plain = files.read_jsonl(tmp_path / 'plain' / 'readings.jsonl')
  for (_, one), row in zip(plain, rows, strict=True):
    assert 'pair' not in one and 'steering' not in one
    for name in ('tokens', 'roles', 'response_index'):
      assert one[name] == row[name]
    np.testing.assert_allclose(one['cosine'], row['cosine'], atol=1.1e-5)


def test_replies_are_those_of_an_exchange(readings, folder):
  rows = readings('out', {'steer': STEER})
  lm = load.load(str(folder / 'model'), 'float32')
  vectors = files.read_arrays(folder / 'vectors.safetensors')
  replier = exchange.Replier(lm, *vectors)
  chats = [row['messages'][:-1] for row in rows[::2]]
  for start, steer in ((0, ''), (1, STEER)):
    controls = exchange.Controls(steer=steer, new_tokens=6)
    said = [row['messages'][-1]['content'] for row in rows[start::2]]
    assert replier.write(chats, controls) == said


def test_strength_0_gives_the_same_reply_twice(readings):
  rows = readings('out', {'steer': 'happy:0', 'temperature': 1.0})
  for one, two in zip(rows[::2], rows[1::2], strict=True):
    assert one['messages'] == two['messages']
    assert one['cosine'] == two['cosine']


@pytest.mark.parametrize(
    'reply, message',
    [
        ({'steer': 'joy:0.1'}, 'steer=joy: must be one of happy, proud'),
        ({'steer': 'happy'}, 'give distinct directions'),
        ({'steer': 'happy:0.1', 'layers': (7,)}, '7'),
        ({'steer': 'happy:0.1', 'new_tokens': 0}, 'new_tokens=0'),
    ],
)
def test_a_reply_that_cannot_be_written_is_refused(
    readings, tmp_path, reply, message
):
  with pytest.raises(errors.InputError, match=message) as caught:
    readings('out', reply)
  assert '\n' not in str(caught.value)
  assert not (tmp_path / 'out').exists()


def test_a_chat_that_has_its_reply_gets_no_other(readings, tmp_path):
  texts = tmp_path / 'said.jsonl'
  tiny_model.write_rows(texts, tiny_model.TEXTS)
  with pytest.raises(errors.InputError, match=r'said.jsonl:4: .*must end with'):
    readings('out', {'steer': STEER}, texts=str(texts))
  assert not (tmp_path / 'out').exists()


def test_an_empty_reply_has_no_mean(folder, tmp_path):
  lm = load.load(str(folder / 'model'), 'float32')
  said = (
      {'role': 'user', 'content': 'Say nothing.'},
      {'role': 'assistant', 'content': ''},
  )
  texts = [stories_lib.Text(1, None, None, None, said)]
  vectors = files.read_arrays(folder / 'vectors.safetensors')
  sources = read.sources_of(lm, texts, 'texts')
  read.write(tmp_path, lm, vectors, 1, sources, 8)
  ((_, row),) = files.read_jsonl(tmp_path / 'readings.jsonl')
  mean, nothing = row['message_means']
  assert set(nothing.values()) == {None} and mean == row['mean']
