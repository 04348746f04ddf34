"""Vectors of other tools: numbers come back, and bad files are one line."""

import ast
import base64
import io
import json
import pickle
import struct
import sys
import types
import zipfile

import gguf as gguf_lib
import numpy as np
import pytest
import safetensors.numpy

from emojax import errors
from emojax.interop import directions
from emojax.interop import gguf
from emojax.interop import hook
from emojax.interop import names
from emojax.interop import neuronpedia
from emojax.interop import npz
from emojax.interop import read
from emojax.interop import tensors
from emojax.interop import vllm_lens
from emojax.interop import vllm_states

D = 8
LAYERS = (1, 4, 11)


def direction(layers=LAYERS, name='at ease'):
  rng = np.random.default_rng(0)
  vectors = rng.standard_normal((len(layers), D)).astype(np.float32)
  return directions.Direction(name, tuple(layers), vectors)


def same(found, wanted, name=''):
  assert found.name == name
  assert found.layers == wanted.layers
  assert found.vectors.dtype == np.float32
  np.testing.assert_array_equal(found.vectors, wanted.vectors)


def refusal(call, *arguments):
  """The message, of which there is one line, and which says what to do."""
  with pytest.raises(errors.InputError) as error:
    call(*arguments)
  text = str(error.value)
  assert '\n' not in text
  assert '; ' in text or 'must be' in text or ':' in text
  return text


ONE = direction([4])
WRITTEN = {
    'x.gguf': gguf.encode(direction(), 'a model'),
    'x.npz': npz.encode(direction()),
    'x.safetensors': hook.encode(direction()),
    'x.json': vllm_lens.encode(direction(), 0.1, False).encode(),
    'y.json': neuronpedia.encode(ONE, 'a model', 0.1).encode(),
}


@pytest.mark.parametrize('file', WRITTEN)
def test_what_is_written_is_read(file):
  _, (found,) = read.decode(file, WRITTEN[file])
  named = file in ('x.gguf', 'y.json')
  same(found, ONE if file == 'y.json' else direction(), named * 'at ease')


@pytest.mark.parametrize('file', WRITTEN)
def test_the_same_direction_gives_the_same_bytes(file):
  again = {
      'x.gguf': lambda: gguf.encode(direction(), 'a model'),
      'x.npz': lambda: npz.encode(direction()),
      'x.safetensors': lambda: hook.encode(direction()),
      'x.json': lambda: vllm_lens.encode(direction(), 0.1, False).encode(),
      'y.json': lambda: neuronpedia.encode(ONE, 'a model', 0.1).encode(),
  }
  assert again[file]() == WRITTEN[file]


def test_a_control_vector_has_what_llama_cpp_reads(tmp_path):
  path = tmp_path / 'x.gguf'
  path.write_bytes(WRITTEN['x.gguf'])
  reader = gguf_lib.GGUFReader(path)
  said = {name: field.contents() for name, field in reader.fields.items()}
  assert said['general.architecture'] == 'controlvector'
  assert said['controlvector.model_hint'] == 'a model'
  assert said['controlvector.layer_count'] == 3
  assert [t.name for t in reader.tensors] == [f'direction.{i}' for i in LAYERS]
  for tensor, vector in zip(reader.tensors, direction().vectors, strict=True):
    assert tensor.tensor_type == gguf_lib.GGMLQuantizationType.F32
    np.testing.assert_array_equal(tensor.data, vector)


def test_json_has_the_fields_of_the_tools():
  value = json.loads(WRITTEN['x.json'])
  assert set(value) == {
      'activations',
      'layer_indices',
      'scale',
      'norm_match',
      'position_indices',
  }
  assert value['layer_indices'] == list(LAYERS)
  x = value['activations']
  data = np.frombuffer(base64.b64decode(x['data']), x['dtype'])
  np.testing.assert_array_equal(data.reshape(x['shape']), direction().vectors)
  value = json.loads(WRITTEN['y.json'])
  assert (value['layer_num'], value['hook_type']) == (4, 'hook_resid_post')
  assert value['default_steer_strength'] == 0.1
  np.testing.assert_array_equal(np.float32(value['vector']), ONE.vectors[0])


def lens(**fields):
  value = json.loads(WRITTEN['x.json'])
  return json.dumps(value | fields).encode()


@pytest.mark.parametrize('kind', ['list', 'zstd', 'bfloat16', 'one position'])
def test_other_forms_of_vllm_lens_are_read(kind):
  x = direction().vectors
  packed = {'dtype': 'float32', 'shape': list(x.shape), 'data': x.tobytes()}
  if kind == 'zstd':
    zstandard = pytest.importorskip('zstandard')
    packed['data'] = zstandard.compress(packed['data'])
    packed['compression'] = 'zstd'
  elif kind == 'bfloat16':
    bits = (x.view(np.uint32) >> 16).astype(np.uint16)
    packed['data'] = bits.view(np.int16).tobytes()
    packed |= {'dtype': 'int16', 'original_dtype': 'torch.bfloat16'}
    x = (bits.astype(np.uint32) << 16).view(np.float32)
  elif kind == 'one position':
    packed['shape'] = [3, 1, D]
  packed['data'] = base64.b64encode(packed['data']).decode()
  given = x.tolist() if kind == 'list' else packed
  _, (found,) = read.decode('x.json', lens(activations=given))
  np.testing.assert_array_equal(found.vectors, x)


def test_a_vector_into_a_block_belongs_to_the_block_before():
  value = json.loads(WRITTEN['y.json'])
  del value['hook_name']
  value |= {'layer_num': 5, 'hook_type': 'hook_resid_pre'}
  _, (found,) = read.decode('y.json', json.dumps(value).encode())
  assert found.layers == (4,)


def test_means_are_centred_over_emotions():
  rng = np.random.default_rng(0)
  means = rng.standard_normal((3, 2, D)).astype(np.float32)
  arrays = {
      'means': means,
      'layers': np.array([10, 4]),
      'emotions': np.array(['sad', 'calm', 'happy']),
  }
  form, found = read.decode('means.npz', tensors.to_npz(arrays))
  assert form == 'npz'
  assert [x.name for x in found] == ['sad', 'calm', 'happy']
  assert all(x.layers == (4, 10) for x in found)
  centred = (means - means.mean(axis=0))[:, ::-1]
  vectors = np.stack([x.vectors for x in found])
  np.testing.assert_allclose(vectors, centred, atol=1e-6)


def test_bfloat16_and_float16_become_float32():
  x = direction().vectors[0]
  bits = (x.view(np.uint32) >> 16).astype(np.uint16)
  header = {
      'layer_3': {
          'dtype': 'BF16',
          'shape': [D],
          'data_offsets': [0, 2 * D],
      }
  }
  text = json.dumps(header).encode()
  data = struct.pack('<Q', len(text)) + text + bits.tobytes()
  _, (found,) = read.decode('x.safetensors', data)
  np.testing.assert_allclose(found.vectors[0], x, rtol=1 / 128)
  data = safetensors.numpy.save({'layer_3': x.astype(np.float16)})
  _, (found,) = read.decode('x.safetensors', data)
  np.testing.assert_allclose(found.vectors[0], x, rtol=1e-3)


def test_norms_are_by_layer():
  text = npz.encode_norms([1, 3], np.array([7.0, 8.0, 9.0, 10.5]))
  assert json.loads(text) == {'1': 8.0, '3': 10.5}


# Files that lie, are cut off, or would run code.


@pytest.mark.parametrize('file', ['x.pt', 'x.pkl', 'x.bin', 'x.npy', 'X.PTH'])
def test_pickles_are_never_read(file):
  data = pickle.dumps({1: np.ones(D)})
  assert 'runs code' in refusal(read.decode, file, data)


def test_a_pickle_in_disguise_is_refused():
  class Evil:

    def __reduce__(self):
      return (sys.exit, (1,))

  file = io.BytesIO()
  np.savez(file, **{'3': np.array([Evil()], object)})
  assert 'Python objects' in refusal(read.decode, 'x.npz', file.getvalue())
  data = pickle.dumps(Evil())
  for name in ('x.npz', 'x.safetensors', 'x.gguf', 'x.json'):
    refusal(read.decode, name, data)


@pytest.mark.parametrize('file', WRITTEN)
def test_every_cut_and_every_flipped_byte_is_read_or_one_line(file):
  data = WRITTEN[file]
  step = max(1, len(data) // 150)
  for at in range(0, len(data), step):
    for bad in (
        data[:at],
        data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :],
    ):
      try:
        read.decode(file, bad)
      except errors.InputError as error:
        assert '\n' not in str(error)


def test_lengths_that_the_file_states_are_not_believed():
  kv = b'general.architecture'
  start = b'GGUF' + struct.pack('<IQQ', 3, 0, 1)
  key = struct.pack('<Q', len(kv)) + kv
  for kind in (4, 6, 10):  # Of arrays that are longer than any file.
    array = struct.pack('<IIQ', 9, kind, 1 << 60)
    refusal(read.decode, 'x.gguf', start + key + array + b'\0' * 64)
  nested = struct.pack('<I', 9) + struct.pack('<IQ', 9, 1) * 5000
  refusal(read.decode, 'x.gguf', start + key + nested)
  refusal(read.decode, 'x.gguf', b'GGUF' + struct.pack('<IQQ', 3, 1 << 62, 0))


def test_an_archive_that_unpacks_to_too_much_is_refused(monkeypatch):
  monkeypatch.setattr(tensors, '_MOST_BYTES', 100)
  file = io.BytesIO()
  with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('3.npy', b'\0' * 1000)
  assert 'when unpacked' in refusal(read.decode, 'x.npz', file.getvalue())


@pytest.mark.parametrize(
    ('layer', 'vector'),
    [
        (3, np.zeros(D)),
        (3, np.full(D, np.nan)),
        (3, np.full(D, 1e300)),
        (3, np.ones((2, D))),
        (3, np.zeros(0)),
        (3, np.array(['a'])),
        (-1, np.ones(D)),
        (1 << 20, np.ones(D)),
    ],
)
def test_what_is_no_direction_is_refused(layer, vector):
  with pytest.raises(errors.InputError, match='x: '):
    directions.of_layers('', {layer: vector}, 'x')


@pytest.mark.parametrize(
    ('file', 'data', 'says'),
    [
        ('x.txt', b'', 'not one of'),
        ('x', b'', 'not one of'),
        ('x.json', b'{', 'not JSON'),
        ('x.json', b'[' * 100_000, 'not JSON'),
        ('x.json', b'[1]', 'no vector that is known'),
        ('x.json', lens(layer_indices=[1, 1, 2]), 'distinct'),
        ('x.json', lens(layer_indices=[1, True, 2]), 'distinct'),
        ('x.json', lens(layer_indices=[1, 2]), 'one list of numbers a layer'),
        ('x.json', lens(activations=[['a']]), 'must be numbers'),
        ('x.json', lens(activations=[[1.0], [2.0, 3.0]]), 'must be numbers'),
        ('x.json', lens(activations={}), 'shape'),
        ('y.json', b'{"vector": [1, 2]}', 'no layer'),
        ('y.json', b'{"vector": "12", "hook_name": "blocks.3.hook_resid_post"}',
         'list of numbers'),
        ('y.json', b'{"vector": [1], "hook_name": "hook_embed"}', 'embedding'),
        ('y.json', b'{"vector": [1], "hook_name": "blocks.3.hook_resid_mid"}',
         'not the output of a block'),
        ('y.json', b'{"vector": [1], "hook_name": "blocks.3.hook_resid_post",'
         b' "layer_num": 4, "hook_type": "hook_resid_post"}', 'do not agree'),
        ('x.npz', tensors.to_npz({'a': np.ones(D)}), "array 'a'"),
        ('x.npz', tensors.to_npz({'3': np.ones(D), 'layer_3': np.ones(D)}),
         'twice'),
        ('x.npz', tensors.to_npz({'3': np.ones(D), '4': np.ones(3)}), 'width'),
        ('x.npz', tensors.to_npz({'means': np.ones((2, 1, D))}), 'no emotions'),
        ('x.npz', tensors.to_npz({}), 'no direction'),
    ],
)  # fmt: skip
def test_bad_files_are_refused_with_what_to_do(file, data, says):
  assert says in refusal(read.decode, file, data)


def test_a_model_is_no_control_vector(tmp_path):
  writer = gguf_lib.GGUFWriter(tmp_path / 'x.gguf', 'llama')
  writer.add_tensor('token_embd.weight', np.ones((2, D), np.float32))
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()
  data = (tmp_path / 'x.gguf').read_bytes()
  assert 'control vector' in refusal(read.decode, 'x.gguf', data)


# Names of layers.


@pytest.mark.parametrize('layer', [0, 1, 5, 10])
def test_every_name_of_a_layer_means_that_layer(layer):
  found = names.spellings(layer, 11)
  assert ('llama.cpp' in found) == (layer > 0)
  assert ('Hugging Face' in found) == (layer < 10)
  for name in found.values():
    assert names.parse(name, 11) == layer, name


@pytest.mark.parametrize(
    ('name', 'layer'),
    [
        ('blocks.5.hook_resid_pre', 4),
        ('blocks.0.hook_resid_pre', names.EMBEDDING),
        ('hook_embed', names.EMBEDDING),
        ('hidden_states[0]', names.EMBEDDING),
        ('aux_hidden_states[0]', names.EMBEDDING),
        ('model.layers[3].output[0]', 3),
        ('layers_input[3]', 2),
        ('resid_post[3]', 3),
        ('layer_3', 3),
    ],
)
def test_what_goes_into_a_block_is_the_output_of_the_one_before(name, layer):
  assert names.parse(name) == layer


@pytest.mark.parametrize(
    ('name', 'says'),
    [
        ('blocks.3.hook_resid_mid', 'not the output of a block'),
        ('blocks.3.hook_mlp_out', 'not the output of a block'),
        ('blocks.3.attn.hook_z', 'not the output of a block'),
        ('ln_final.hook_normalized', 'not the output of a block'),
        ('hidden_states[11]', 'final norm'),
        ('blocks.11.hook_resid_post', 'blocks 0 to 10'),
        ('blocks.03.hook_resid_post', 'no name'),
        ('blocks.-1.hook_resid_post', 'no name'),
        ('blocks.3.hook_resid_post\n', 'no name'),
        ('', 'no name'),
    ],
)
def test_other_places_are_refused(name, says):
  assert says in refusal(names.parse, name, 11)


# Hidden states of vLLM.


def states(tokens=5, ids=2, kind=np.float32, order='TLD'):
  x = np.random.default_rng(0).standard_normal((tokens, ids, D)).astype(kind)
  stored = x if order == 'TLD' else np.ascontiguousarray(x.swapaxes(0, 1))
  arrays = {'token_ids': np.arange(tokens), 'hidden_states': stored}
  return x, safetensors.numpy.save(arrays)


def test_id_k_is_the_output_of_the_block_before():
  assert vllm_states.resid_post([1, 15, 0]) == [0, 14, names.EMBEDDING]


@pytest.mark.parametrize('bad', [(), (1, 1), (-1,), ('a',), (True,)])
def test_other_layer_ids_are_refused(bad):
  refusal(vllm_states.resid_post, bad)


@pytest.mark.parametrize('order', ['TLD', 'LTD'])
def test_both_orders_of_axes_are_read_where_they_can_be_told(order):
  x, data = states(order=order)
  tokens, found = vllm_states.decode(data, 'x', 2, D)
  np.testing.assert_array_equal(tokens, np.arange(5))
  np.testing.assert_array_equal(found, x)


def test_as_many_tokens_as_ids_need_the_order_to_be_said():
  x, data = states(tokens=2)
  assert '--config.axes' in refusal(vllm_states.decode, data, 'x', 2, D)
  _, found = vllm_states.decode(data, 'x', 2, D, 'TLD')
  np.testing.assert_array_equal(found, x)
  _, found = vllm_states.decode(data, 'x', 2, D, 'LTD')
  np.testing.assert_array_equal(found, x.swapaxes(0, 1))


def test_hidden_states_of_another_shape_are_refused():
  _, data = states()
  assert 'config.layer_ids' in refusal(vllm_states.decode, data, 'x', 3, D)
  assert 'one model' in refusal(vllm_states.decode, data, 'x', 2, D + 1)
  bad = safetensors.numpy.save({'hidden_states': np.ones((5, 2, D))})
  assert 'no token_ids' in refusal(vllm_states.decode, bad, 'x', 2, D)
  x, _ = states()
  x[0, 0, 0] = np.inf
  arrays = {'token_ids': np.arange(5), 'hidden_states': x}
  bad = safetensors.numpy.save(arrays)
  assert 'not finite' in refusal(vllm_states.decode, bad, 'x', 2, D)


# The hook for Hugging Face models.


class Block:
  """Has forward hooks as a torch module has them; adds 1."""

  def __init__(self, tuples):
    self.hooks, self.tuples = [], tuples

  def register_forward_hook(self, function):
    self.hooks.append(function)
    remove = lambda: self.hooks.remove(function)
    return types.SimpleNamespace(remove=remove)

  def __call__(self, x):
    x = x + 1
    output = (x, 'cache') if self.tuples else x
    for function in self.hooks:
      output = function(self, (), output)
    return output[0] if self.tuples else output


class Array(np.ndarray):
  """An array with what the hook asks of a tensor."""

  device = 'cpu'

  def to(self, device, dtype):
    del device
    return self.astype(dtype)


@pytest.mark.parametrize('tuples', [False, True])
def test_the_hook_adds_at_the_output_of_the_block(
    tmp_path, monkeypatch, tuples
):
  ast.parse(hook.CODE)
  assert len(hook.CODE.split('def steer')[1].splitlines()) < 20
  load = lambda path: {
      name: x.view(Array)
      for name, x in safetensors.numpy.load_file(path).items()
  }
  fake = types.ModuleType('safetensors.torch')
  fake.load_file = load
  monkeypatch.setitem(sys.modules, 'safetensors.torch', fake)
  monkeypatch.setattr(safetensors, 'torch', fake, raising=False)
  (tmp_path / 'calm.safetensors').write_bytes(hook.encode(direction((1, 2))))
  scope = {'__file__': str(tmp_path / hook.NAME)}
  exec(compile(hook.CODE, hook.NAME, 'exec'), scope)
  blocks = [Block(tuples) for _ in range(4)]
  model = types.SimpleNamespace(model=types.SimpleNamespace(layers=blocks))
  stop = scope['steer'](model, 'calm', 0.5)
  x = np.zeros((2, 3, D), np.float32).view(Array)
  outputs = []
  for block in blocks:
    x = block(x)
    outputs.append(np.array(x))
  first, second = 0.5 * direction((1, 2)).vectors
  both = first + second
  for steps, added in enumerate((0, first, both, both), start=1):
    np.testing.assert_allclose(
        outputs[steps - 1],
        np.broadcast_to(steps + added, (2, 3, D)),
        atol=1e-5,
    )
  stop()
  assert not any(block.hooks for block in blocks)


def test_the_hook_steers_a_hugging_face_model(tmp_path):
  torch = pytest.importorskip('torch', reason='torch is not installed.')
  transformers = pytest.importorskip('transformers')
  config = transformers.LlamaConfig(
      hidden_size=D,
      intermediate_size=12,
      num_hidden_layers=4,
      num_attention_heads=2,
      vocab_size=20,
  )
  torch.manual_seed(0)
  model = transformers.LlamaForCausalLM(config).eval()
  (tmp_path / 'calm.safetensors').write_bytes(hook.encode(direction((2,))))
  (tmp_path / hook.NAME).write_text(hook.CODE)
  scope = {'__file__': str(tmp_path / hook.NAME)}
  exec(compile(hook.CODE, hook.NAME, 'exec'), scope)

  def inputs():
    """What goes into each block.

    transformers takes its own hidden_states before a hook that came later.
    """
    got = []
    handles = [
        layer.register_forward_pre_hook(
            lambda _, x: got.append(x[0][0].numpy())
        )
        for layer in model.model.layers
    ]
    with torch.no_grad():
      model(torch.arange(5)[None])
    for handle in handles:
      handle.remove()
    return got

  before = inputs()
  stop = scope['steer'](model, 'calm', 0.5)
  during = inputs()
  stop()
  for i in (0, 1, 2):
    np.testing.assert_array_equal(during[i], before[i])
  added = 0.5 * direction((2,)).vectors[0]
  np.testing.assert_allclose(
      during[3] - before[3], np.tile(added, (5, 1)), atol=1e-5
  )
  np.testing.assert_array_equal(inputs()[3], before[3])
