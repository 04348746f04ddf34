"""Laws of a converted model: whole or refused, the same wherever it is put."""

import functools
import gc
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from absl import logging
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emojax import errors
from emojax import files
from emojax.models import converted
from emojax.models import sharding

OPTIMISED = True  # See conftest.
AXES = {
    'embedding': ('V', 'D'),
    'layers': {'w': ('L', 'D', 'K', 'H'), 'scale': ('L', 'D')},
}
SHAPES = {'V': 32, 'D': 16, 'L': 3, 'K': 4, 'H': 2}
FACTS = {'model': 'tiny', 'layers': [1, 2.5, None, 'ä']}
MEBIBYTE = 2**20


def values(scale=1.0):
  """A tree of NumPy arrays; each number is there once."""
  shape = lambda axes: tuple(SHAPES[axis] for axis in axes)
  fill = lambda axes: np.arange(np.prod(shape(axes)), dtype=np.float32)
  return jax.tree.map(
      lambda axes: scale * fill(axes).reshape(shape(axes)),
      {'params': AXES},
      is_leaf=lambda x: isinstance(x, tuple),
  )


def abstract(mesh, dtype=jnp.float32):
  if mesh is None:
    alone = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    where = lambda axes, x: alone
  else:
    where = lambda axes, x: sharding.place(mesh, axes, x.shape)
  return jax.tree.map(
      lambda x, axes: jax.ShapeDtypeStruct(
          x.shape, dtype, sharding=where(axes, x)
      ),
      values(),
      {'params': AXES},
  )


def place(mesh):
  return jax.device_put(
      values(), jax.tree.map(lambda x: x.sharding, abstract(mesh))
  )


def save(folder, params, facts):
  converted.save(folder, params, facts, write_tokenizer)


def write_tokenizer(folder):
  files.write_text(folder / 'tokenizer.json', '{}')


@pytest.fixture
def folder(tmp_path):
  """A finished store."""
  save(tmp_path / 'store', place(None), FACTS)
  return tmp_path / 'store'


def equal(tree, other):
  return all(jax.tree.leaves(jax.tree.map(np.array_equal, tree, other)))


def test_what_was_saved_is_restored(folder):
  assert converted.read_facts(folder) == FACTS
  assert equal(converted.restore(folder, abstract(None)), values())
  assert {x.name for x in folder.iterdir()} == {
      'model.json', 'params', 'tokenizer',
  }  # fmt: skip


def test_restoring_casts_to_the_type_that_is_asked_for(folder):
  got = converted.restore(folder, abstract(None, jnp.bfloat16))
  assert equal(got, jax.tree.map(lambda x: x.astype(jnp.bfloat16), values()))
  assert {x.dtype for x in jax.tree.leaves(got)} == {jnp.dtype('bfloat16')}


@pytest.fixture
def talkative():
  before = logging.get_verbosity()
  logging.set_verbosity(logging.INFO)
  yield
  logging.set_verbosity(before)


@pytest.mark.usefixtures('talkative')
def test_saving_and_restoring_say_nothing(tmp_path, capfd, recwarn):
  save(tmp_path / 'store', place(None), {})
  converted.restore(tmp_path / 'store', abstract(None))
  assert capfd.readouterr() == ('', '')
  assert not recwarn.list
  assert logging.get_verbosity() == logging.INFO


def test_a_finished_store_is_not_written_over(folder):
  with pytest.raises(errors.InputError, match='converted model already'):
    save(folder, place(None), {})
  assert converted.read_facts(folder) == FACTS


def test_a_folder_with_other_files_is_left_alone(tmp_path):
  (tmp_path / 'params').mkdir()
  (tmp_path / 'params' / 'thesis.tex').touch()
  with pytest.raises(errors.InputError, match='holds other files'):
    save(tmp_path, place(None), {})
  assert (tmp_path / 'params' / 'thesis.tex').exists()
  with pytest.raises(errors.InputError, match='not a folder'):
    save(tmp_path / 'params' / 'thesis.tex', place(None), {})


def test_a_disk_without_room_is_said_before_anything_is_written(
    tmp_path, monkeypatch
):
  usage = type('Usage', (), {'free': 10})
  monkeypatch.setattr(files.shutil, 'disk_usage', lambda _: usage)
  with pytest.raises(errors.InputError, match='0.0 GB free; make room'):
    save(tmp_path / 'store', place(None), {})
  assert not (tmp_path / 'store' / 'params').exists()


def largest(folder):
  paths = (x for x in (folder / 'params').rglob('*') if x.is_file())
  return max(paths, key=lambda path: path.stat().st_size)


def cut(folder):
  path = largest(folder)
  path.write_bytes(path.read_bytes()[:-1])


def flip(folder):
  path = largest(folder)
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


@pytest.mark.parametrize(
    'damage, line',
    [
        (cut, 'was cut short or changed'),
        (flip, 'was cut short or changed'),
        (lambda folder: largest(folder).unlink(), 'is missing'),
        (lambda folder: (folder / 'params/x').touch(), 'does not belong there'),
        (lambda folder: (folder / 'model.json').unlink(), 'interrupted'),
        (lambda folder: files.write_json(folder / 'model.json', 3), 'not of a'),
        (
            lambda folder: files.write_json(folder / 'model.json', {}),
            'not of a',
        ),
        (lambda folder: files.write_text(folder / 'model.json', '{'), 'JSON'),
    ],
    ids='cut flip lose add unfinished number empty broken'.split(),
)
def test_a_store_that_is_not_whole_is_refused(folder, damage, line):
  damage(folder)
  with pytest.raises(errors.InputError, match=line) as caught:
    converted.read_facts(folder)
  assert '\n' not in str(caught.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
  with pytest.raises(errors.InputError, match='no model.json'):
    converted.read_facts(tmp_path / 'lost')


def test_a_store_of_another_model_is_refused_by_the_first_difference(folder):
  other = abstract(None)
  other['params']['embedding'] = jax.ShapeDtypeStruct((33, 16), jnp.float32)
  line = r'params/embedding is \[32, 16\] in the store and \[33, 16\]'
  with pytest.raises(errors.InputError, match=line):
    converted.restore(folder, other)
  other['params']['bias'] = other['params'].pop('embedding')
  line = r'params/bias is not there in the store and \[33, 16\] in the model'
  with pytest.raises(errors.InputError, match=line):
    converted.restore(folder, other)


def child(*arguments):
  return subprocess.Popen(
      [sys.executable, __file__, *map(str, arguments)],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
  )


def result(process):
  output, error = process.communicate(timeout=300)
  assert process.returncode == 0, error
  return json.loads(output)


def on_eight_devices(folder):
  """Saves from 4 x 2; restores on other meshes, in both types."""
  jax.config.update('jax_num_cpu_devices', 8)
  save(folder, place(sharding.make_mesh(4, 2)), FACTS)
  meshes = {'alone': None}
  for sizes in ((4, 2, 1), (2, 4, 1), (8, 1, 1), (2, 2, 2)):
    meshes[str(sizes)] = sharding.make_mesh(*sizes)
  for dtype in (jnp.float32, jnp.bfloat16):
    want = jax.tree.map(lambda x, dtype=dtype: x.astype(dtype), values())
    for name, mesh in meshes.items():
      tree = abstract(mesh, dtype)
      got = converted.restore(folder, tree)
      placed = jax.tree.map(
          lambda x, y: x.dtype == y.dtype and x.sharding == y.sharding,
          got,
          tree,
      )
      yield name, dtype.__name__, equal(got, want), jax.tree.all(placed)


def test_a_store_is_restored_on_any_mesh_in_either_type(tmp_path):
  rows = result(child('on_eight_devices', tmp_path / 'store'))
  assert len(rows) == 10
  for name, dtype, same, placed in rows:
    assert same and placed, (name, dtype)


def peaks(folder):
  """MiB of the parameters, and what saving and restoring add at their worst."""

  def status(key):
    lines = pathlib.Path('/proc/self/status').read_text().splitlines()
    (line,) = (x for x in lines if x.startswith(key + ':'))
    return int(line.split()[1]) / 1024

  def added(call):
    gc.collect()
    pathlib.Path('/proc/self/clear_refs').write_text('5')  # Forget the peak.
    before = status('VmRSS')
    return jax.block_until_ready(call()), status('VmHWM') - before

  alone = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  shape = jax.ShapeDtypeStruct((4 * MEBIBYTE,), jnp.float32, sharding=alone)
  tree = {str(i): shape for i in range(24)}
  key = jax.random.key(0)
  params = jax.tree.map(lambda x: jax.random.normal(key, x.shape), tree)
  jax.block_until_ready(params)
  _, saving = added(functools.partial(save, folder, params, {}))
  del params
  _, restoring = added(lambda: converted.restore(folder, tree))
  yield from (16 * 24, saving, restoring)


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_neither_saving_nor_restoring_holds_a_second_copy(tmp_path):
  size, saving, restoring = result(child('peaks', tmp_path / 'store'))
  assert saving < size / 4
  assert size < restoring < 1.5 * size


MOMENTS = (
    'within the store',
    'a little later',
    'before model.json',
    'within model.json',
)


def die():
  os.kill(os.getpid(), signal.SIGKILL)


def killed(folder, moment):
  """Saves, and is killed at a moment."""
  replace = os.replace

  def within(target, params):
    converted.ocp.save_async(target, params)
    time.sleep(0.01 if moment == 'a little later' else 0)
    die()

  def replacing(source, target):
    if pathlib.Path(target).name == 'model.json':
      die()
    replace(source, target)

  if moment in ('within the store', 'a little later'):
    converted.ocp.save = within
  elif moment == 'before model.json':
    files.write_json = lambda *_: die()
  elif moment == 'within model.json':
    os.replace = replacing
  else:
    files.remove = lambda *_: die()
  save(folder, place(None), FACTS)
  yield 'alive'


def test_a_killed_save_is_refused_and_can_be_started_anew(tmp_path):
  moments = (*MOMENTS, 'after model.json')
  children = [child('killed', tmp_path / x, x) for x in moments]
  for moment, process in zip(moments, children):
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    folder = tmp_path / moment
    if moment == 'after model.json':
      assert converted.read_facts(folder) == FACTS
      assert equal(converted.restore(folder, abstract(None)), values())
      continue
    assert any(folder.iterdir())
    with pytest.raises(errors.InputError, match='interrupted'):
      converted.read_facts(folder)
    other = jax.tree.map(jnp.asarray, values(scale=2.0))
    save(folder, other, {})
    assert converted.read_facts(folder) == {}
    assert equal(converted.restore(folder, abstract(None)), other)
    assert {x.name for x in folder.iterdir()} == {
      'model.json', 'params', 'tokenizer',
  }  # fmt: skip


if __name__ == '__main__':
  print(json.dumps(list(globals()[sys.argv[1]](*sys.argv[2:]))))
