"""A checkpoint of several shards goes onto the mesh without a second copy."""

import json
import pathlib
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

OPTIMISED = True  # See conftest.
SIZES = {
    'model_type': 'llama',
    # So many that the 30 MB that a compiler takes are little beside them.
    'vocab_size': 131_072,
    'hidden_size': 512,
    'intermediate_size': 2048,
    'num_hidden_layers': 6,
    'num_attention_heads': 8,
    'num_key_value_heads': 8,
    'max_position_embeddings': 64,
    'rms_norm_eps': 1e-6,
    'tie_word_embeddings': False,
}
LARGEST = SIZES['vocab_size'] * SIZES['hidden_size']  # Of the embedding.

# Loads in a process of its own, for its peak is of the whole process. Of the
# memory only what is not a file's counts: the system drops the pages of files
# when it wants.
LOAD = """
import json, pathlib, sys, threading, time
import jax
jax.config.update('jax_num_cpu_devices', 8)
import jax.numpy as jnp
import numpy as np
from emojax.models import checkpoint, sharding, weights

def anonymous():
  lines = pathlib.Path('/proc/self/status').read_text().splitlines()
  line = next(x for x in lines if x.startswith('RssAnon'))
  return 1024 * int(line.split()[1])

folder, dtype, model = sys.argv[1], jnp.dtype(sys.argv[2]), int(sys.argv[3])
opened = checkpoint.open_checkpoint(pathlib.Path(folder))
mesh = sharding.make_mesh(data=8 // model, model=model) if model else None
jnp.zeros(8).block_until_ready()
before, peak, done = anonymous(), [0], threading.Event()

def watch():
  while not done.is_set():
    peak[0] = max(peak[0], anonymous())
    time.sleep(0.001)

watcher = threading.Thread(target=watch)
watcher.start()
params = jax.block_until_ready(weights.load_params(opened, dtype, mesh))
done.set()
watcher.join()
leaves = jax.tree.leaves(params)
shards = sum(s.data.nbytes for x in leaves for s in x.addressable_shards)
embedding = np.asarray(params['params']['embedding'], np.float32)
down = np.asarray(params['params']['layers']['mlp']['down']['w'], np.float32)
print(json.dumps({
    'extra': peak[0] - before - shards,
    'shards': shards,
    'embedding': float(embedding[12345].sum()),
    'down': [float(x[7].sum()) for x in down],
    'places': len({str(s.index) for s in
                   params['params']['embedding'].addressable_shards}),
}))
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A Llama of 320 MB in bfloat16, in four shards with an index."""
  out = tmp_path_factory.mktemp('sharded')
  rng = np.random.default_rng(0)
  d, f = SIZES['hidden_size'], SIZES['intermediate_size']
  shapes = {
      'model.embed_tokens.weight': (SIZES['vocab_size'], d),
      'lm_head.weight': (SIZES['vocab_size'], d),
      'model.norm.weight': (d,),
  }
  for i in range(SIZES['num_hidden_layers']):
    block = f'model.layers.{i}.'
    for name in 'qkvo':
      shapes[f'{block}self_attn.{name}_proj.weight'] = (d, d)
    shapes[f'{block}mlp.gate_proj.weight'] = (f, d)
    shapes[f'{block}mlp.up_proj.weight'] = (f, d)
    shapes[f'{block}mlp.down_proj.weight'] = (d, f)
    for name in ('input', 'post_attention'):
      shapes[f'{block}{name}_layernorm.weight'] = (d,)
  names, index, sums = sorted(shapes), {}, {}
  for shard in range(4):
    file = f'model-{shard + 1:05}-of-00004.safetensors'
    part = {}
    for name in names[shard::4]:
      x = rng.standard_normal(shapes[name], np.float32)
      part[name] = x.astype(ml_dtypes.bfloat16)
      index[name] = file
      if name == 'model.embed_tokens.weight':
        sums['embedding'] = float(part[name][12345].astype(np.float32).sum())
      if 'down_proj' in name:  # Row 7 of F is column 7 of D F.
        column = part[name][:, 7].astype(np.float32)
        sums[int(name.split('.')[2])] = float(column.sum())
    safetensors.numpy.save_file(part, out / file)
  (out / 'config.json').write_text(json.dumps(SIZES))
  (out / 'model.safetensors.index.json').write_text(
      json.dumps({'metadata': {}, 'weight_map': index})
  )
  return out, sums


@pytest.mark.skipif(
    not pathlib.Path('/proc/self/status').exists(), reason='reads Linux /proc'
)
@pytest.mark.parametrize('dtype, size', [('bfloat16', 2), ('float32', 4)])
@pytest.mark.parametrize('model', [0, 8, 2])
def test_host_memory_stays_below_the_shards_and_one_and_a_half_tensors(
    folder, dtype, size, model
):
  path, sums = folder
  done = subprocess.run(
      [sys.executable, '-c', LOAD, str(path), dtype, str(model)],
      capture_output=True,
      text=True,
      check=False,
  )
  assert done.returncode == 0, done.stderr
  got = json.loads(done.stdout.splitlines()[-1])
  assert got['extra'] < 1.5 * LARGEST * size
  assert got['places'] == max(model, 1)
  np.testing.assert_allclose(got['embedding'], sums['embedding'], rtol=1e-5)
  np.testing.assert_allclose(
      got['down'], [sums[i] for i in range(6)], rtol=1e-4
  )
