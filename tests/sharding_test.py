"""Laws of placement: cut or whole, a model computes the same."""

import importlib.util
import json
import subprocess
import sys

import flax.linen as nn
import jax
from jax.experimental import mesh_utils
import jax.numpy as jnp
import numpy as np
import pytest

from emojax import errors
from emojax.models import config as config_lib
from emojax.models import sharding
from emojax.models import taps
from emojax.models import transformer
from emojax.planning import chips

EVEN = dict(num_kv_heads=8, queries_per_kv=2, mlp_width=48, vocab_size=64)
# 3 heads, 36 and 50 are divided by some of the sizes below and not by others.
ODD = dict(num_kv_heads=3, queries_per_kv=2, mlp_width=36, vocab_size=50)
SIZES = {'even': EVEN, 'odd': ODD}
MESHES = [(8, 1, 1), (4, 2, 1), (2, 4, 1), (1, 8, 1), (2, 2, 2)]


def model_of(sizes, dtype=jnp.float32):
  return transformer.Transformer(
      config_lib.TransformerConfig(
          num_layers=2,
          width=24,
          head_dim=8,
          context=64,
          rope_base=1e4,
          norm_epsilon=1e-6,
          tied_embeddings=False,
          dtype=dtype,
          **SIZES[sizes],
      )
  )


def forward(model, params, tokens):
  (logits, _), state = model.apply(
      params,
      tokens,
      capture_intermediates=taps.only('resid_post'),
      mutable=['intermediates'],
  )
  return logits, taps.captured(state, 'resid_post')


def differences():
  """Runs each model on each mesh of 8 devices; prints how far it is off."""
  jax.config.update('jax_num_cpu_devices', 8)
  found = []
  for sizes in SIZES:
    model = model_of(sizes)
    abstract = sharding.abstract_params(model, None)
    random = np.random.default_rng(0)
    params = jax.tree.map(
        lambda x, random=random: 0.4
        * random.normal(size=x.shape).astype(x.dtype),
        abstract,
    )
    tokens = random.integers(50, size=(8, 9)).astype(np.int32)
    run = jax.jit(forward, static_argnums=0)
    alone = run(model, params, tokens)
    for mesh_sizes in MESHES:
      mesh = sharding.make_mesh(*mesh_sizes)
      where = jax.tree.map(
          lambda x: x.sharding, sharding.abstract_params(model, mesh)
      )
      cut = jax.device_put(params, where)
      rows = jax.device_put(
          tokens, sharding.place(mesh, ('B', 'T'), tokens.shape)
      )
      got = run(model, cut, rows)
      error = max(
          float(np.linalg.norm(np.subtract(a, b)) / np.linalg.norm(a))
          for a, b in zip(alone, got, strict=True)
      )
      shards = [x.addressable_shards for x in jax.tree.leaves(cut)]
      bytes_ = [sum(s[i].data.nbytes for s in shards) for i in range(8)]
      found.append((sizes, mesh_sizes, error, bytes_))
  print(json.dumps(found))


@pytest.fixture(scope='module')
def measured():
  """{(sizes, mesh): (relative error, bytes of parameters on each device)}."""
  done = subprocess.run(
      [sys.executable, __file__], capture_output=True, text=True, timeout=300
  )
  assert done.returncode == 0, done.stderr
  rows = json.loads(done.stdout.splitlines()[-1])
  return {(sizes, tuple(mesh)): rest for sizes, mesh, *rest in rows}


@pytest.mark.parametrize('sizes', SIZES)
@pytest.mark.parametrize('mesh', MESHES)
def test_the_forward_pass_on_a_mesh_equals_that_on_one_device(
    measured, mesh, sizes
):
  error, _ = measured[sizes, mesh]
  assert error < 1e-5


@pytest.mark.parametrize('mesh', MESHES)
def test_a_device_holds_its_share_of_every_matrix_that_divides(measured, mesh):
  _, bytes_ = measured['even', mesh]
  shapes = jax.tree.leaves(sharding.abstract_params(model_of('even'), None))
  total = 4 * sum(x.size for x in shapes)
  norms = 4 * sum(x.size for x in shapes if len(x.shape) < 3 and x.size < 100)
  _, model, fsdp = mesh
  share = (total - norms) // (model * fsdp) + norms // fsdp
  assert bytes_ == [share] * 8


def specs(sizes, **mesh):
  mesh = jax.sharding.AbstractMesh(tuple(mesh.values()), tuple(mesh))
  boxed = jax.eval_shape(
      model_of(sizes).init, jax.random.key(0), jnp.zeros((1, 1), jnp.int32)
  )
  return jax.tree.map(
      lambda axes, x: tuple(sharding.place(mesh, axes, x.shape).spec),
      nn.get_partition_spec(boxed),
      nn.unbox(boxed),
  )['params']


def test_heads_mlp_and_vocabulary_are_cut_along_model():
  got = specs('even', data=2, model=4)
  assert got['embedding'] == got['unembedding'] == ('model', None)
  attn, mlp = got['layers']['attn'], got['layers']['mlp']
  assert attn['q']['w'] == (None, None, 'model', None, None)
  assert attn['k']['w'] == attn['v']['w'] == (None, None, 'model', None)
  assert attn['o']['w'] == (None, 'model', None, None, None)
  assert mlp['gate']['w'] == mlp['up']['w'] == (None, None, 'model')
  assert mlp['down']['w'] == (None, 'model', None)
  assert got['norm']['scale'] == (None,)


def test_the_residual_axis_of_weights_is_cut_along_fsdp():
  got = specs('even', data=1, fsdp=4, model=2)
  assert got['embedding'] == ('model', 'fsdp')
  assert got['layers']['attn']['q']['w'] == (None, 'fsdp', 'model', None, None)
  assert got['layers']['mlp']['down']['w'] == (None, 'model', 'fsdp')


def test_an_axis_that_the_devices_do_not_divide_lies_whole():
  got = specs('odd', data=2, model=4)
  assert got['layers']['attn']['q']['w'] == (None,) * 5  # 3 heads.
  assert got['embedding'] == (None, None)  # 50 words.
  assert got['layers']['mlp']['gate']['w'] == (None, None, 'model')  # 36.


def test_rows_are_split_over_data_and_fsdp():
  mesh = jax.sharding.AbstractMesh((2, 2, 2), ('data', 'fsdp', 'model'))
  spec = sharding.place(mesh, ('B', 'T'), (8, 5)).spec
  assert tuple(spec) == (('data', 'fsdp'), None)
  assert tuple(sharding.place(mesh, ('B', 'T'), (6, 5)).spec) == (None, None)


def test_abstract_parameters_are_those_of_init_without_numbers():
  model = model_of('odd', jnp.bfloat16)  # Norms stay in float32.
  whole = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 1), jnp.int32))
  for mesh in (None, sharding.make_mesh(1, 1)):
    got = sharding.abstract_params(model, mesh)
    assert jax.tree.structure(got) == jax.tree.structure(nn.unbox(whole))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(nn.unbox(whole))):
      assert isinstance(a, jax.ShapeDtypeStruct)
      assert (a.shape, a.dtype) == (b.shape, b.dtype)
      assert a.sharding.device_set == {jax.devices()[0]}


def test_one_size_can_be_what_the_others_leave():
  one = {'data': 1, 'fsdp': 1, 'model': 1}
  assert sharding.make_mesh(-1, 1).shape == one
  assert sharding.make_mesh(1, -1).shape == one
  assert sharding.make_mesh(1, 1, fsdp=-1).shape == one


@pytest.mark.parametrize(
    'sizes, line',
    [
        ((2, 1), 'data=2 x fsdp=1 x model=1 does not fit 1 devices'),
        ((-1, 3), 'data=-1 x fsdp=1 x model=3 does not fit 1 devices'),
        ((0, 1), 'the sizes are above 0'),
        ((-2, 1), 'the sizes are above 0'),
        ((-1, -1), 'one of them can be -1'),
    ],
)
def test_a_mesh_that_the_devices_cannot_make_is_refused(sizes, line):
  with pytest.raises(errors.InputError, match=line):
    sharding.make_mesh(*sizes)


def topology(name):
  """The devices of a TPU topology, which know their host; none is needed."""
  if importlib.util.find_spec('libtpu') is None:
    pytest.skip('needs libtpu, of jax[tpu]')
  return chips.devices(name)


@pytest.mark.parametrize(
    'sizes, groups',
    [((256, 1, 1), 64), ((64, 1, 4), 32), ((32, 1, 8), 16), ((1, 1, 256), 1)],
)
def test_hosts_that_share_a_copy_of_the_model_need_the_same_rows(sizes, groups):
  """On 64 hosts of 4 chips: a share per process would be wrong on all but the
  first mesh."""
  grid = mesh_utils.create_device_mesh(
      sizes, topology('v5e:16x16'), allow_split_physical_axes=True
  )
  mesh = jax.sharding.Mesh(grid, ('data', 'fsdp', 'model'))
  hosts = {device.process_index for device in grid.flat}
  assert len(hosts) == 64
  rows = {
      host: tuple(sharding.rows_of_process(mesh, 256, host)) for host in hosts
  }
  assert len(set(rows.values())) == groups
  assert set().union(*rows.values()) == set(range(256))
  # A host has the rows of its own devices, and no others.
  where = sharding.place(mesh, ('B',), (256,)).devices_indices_map((256,))
  own = {host: set() for host in hosts}
  for device, (part,) in where.items():
    own[device.process_index] |= set(range(256)[part])
  assert own == {host: set(got) for host, got in rows.items()}


def test_rows_are_rounded_up_to_what_the_mesh_splits():
  mesh = jax.sharding.AbstractMesh((2, 2, 2), ('data', 'fsdp', 'model'))
  assert [sharding.round_up_rows(mesh, n) for n in (1, 4, 5)] == [4, 4, 8]


def test_sums_are_cut_over_all_devices_that_divide_them():
  mesh = jax.sharding.AbstractMesh((4, 2, 3), ('data', 'fsdp', 'model'))
  spec = lambda *shape: tuple(sharding.place_widely(mesh, 1, shape).spec)
  assert spec(5, 24) == (None, ('data', 'fsdp', 'model'))
  assert spec(5, 8) == (None, ('data', 'fsdp'))
  assert spec(5, 12) == (None, ('data', 'model'))
  assert spec(5, 7) == (None, None)


def test_what_is_put_is_whole_from_all_rows_or_from_some():
  mesh = sharding.one_device()
  x = np.arange(12).reshape(4, 3)
  np.testing.assert_array_equal(sharding.put(mesh, ('B', 'T'), x), x)
  np.testing.assert_array_equal(
      sharding.put(mesh, ('B', 'T'), x, np.arange(4), 4), x
  )
  np.testing.assert_array_equal(sharding.replicate(mesh, x), x)


def test_shapes_are_rounded_up_to_what_the_mesh_splits():
  mesh = jax.sharding.AbstractMesh((2, 2, 3), ('data', 'fsdp', 'model'))
  assert sharding.divisible(mesh, ('P', 'N', ''), (4, 9, 5)) == (6, 12, 5)
  assert sharding.divisible(mesh, ('P', 'N', ''), (6, 12, 5)) == (6, 12, 5)


def test_what_does_not_divide_begins_again(monkeypatch):
  x = np.arange(6).reshape(2, 3)
  monkeypatch.setattr(sharding, 'divisible', lambda *_: (3, 4))
  got = sharding.put_repeating(sharding.one_device(), ('P', 'N'), x)
  assert got.tolist() == [[0, 1, 2, 0], [3, 4, 5, 3], [0, 1, 2, 0]]


if __name__ == '__main__':
  differences()
