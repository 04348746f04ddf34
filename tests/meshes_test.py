"""Laws of scale: no result depends on the number of devices or processes."""

import contextlib
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import tiny_model

from emojax import files

MESHES = [(8, 1), (4, 2), (2, 4), (1, 8)]
# As (processes, devices of each).
PROCESSES = [(1, 8), (2, 4), (4, 2)]
# Relative, in float32.
TOLERANCE = 1e-5


@pytest.fixture(scope='module')
def fields(tmp_path_factory):
  """Greedy, so that the same tokens are written; rows split over no mesh."""
  fields = tiny_model.settings(tmp_path_factory.mktemp('tiny'))
  return fields | {'temperature': 0.0, 'batch': 7, 'sweep_batch': 46}


@pytest.fixture(scope='module')
def run(fields, tmp_path_factory):
  """Runs a config on so many processes and devices; once each."""
  done = {}

  def start(processes, devices, process, port, workdir, name, fields):
    several = processes > 1
    return subprocess.Popen(
        [
            sys.executable,
            '-m',
            'emojax.main',
            f'--config={tiny_model.ROOT / "configs" / name}.py',
            f'--workdir={workdir}',
            *tiny_model.flags(fields),
            *(['--distributed'] if several else []),
            *([f'--coordinator=127.0.0.1:{port}'] if several else []),
            *([f'--processes={processes}'] if several else []),
            *([f'--process={process}'] if several else []),
        ],
        cwd=tiny_model.ROOT,
        env=os.environ | {'JAX_NUM_CPU_DEVICES': str(devices)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

  def run(processes, devices, model=1, name='quickstart', **own):
    key = (processes, devices, model, name, *own.items())
    if key not in done:
      workdir = tmp_path_factory.mktemp('runs')
      with contextlib.closing(socket.socket()) as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
      given = (fields if name == 'quickstart' else {}) | own
      given |= {'mesh.model': model}
      all_ = [
          start(processes, devices, i, port, workdir, name, given)
          for i in range(processes)
      ]
      said = [process.communicate(timeout=300)[0] for process in all_]
      assert not any(process.returncode for process in all_), '\n'.join(said)
      done[key] = workdir
    return done[key]

  return run


def assert_same(one, two):
  """Vectors, readings and the sweep to 1e-5; the same tokens."""
  for name in ('activations', 'vectors'):
    a, _ = files.read_arrays(one / f'{name}.safetensors')
    b, _ = files.read_arrays(two / f'{name}.safetensors')
    assert a.keys() == b.keys()
    for key in a.keys() - {'neutral_components', 'components'}:
      error = np.linalg.norm(np.subtract(a[key], b[key], dtype=float))
      error /= max(np.linalg.norm(a[key].astype(float)), 1)
      assert error < TOLERANCE, (name, key)
    # A component's sign is arbitrary.
    for key in a.keys() & {'neutral_components', 'components'}:
      x, y = (np.einsum('LCD,LCE->LDE', z[key], z[key]) for z in (a, b))
      assert np.abs(x - y).max() < 10 * TOLERANCE
  for name in ('readings', 'sweep'):
    rows = [
        [row for _, row in files.read_jsonl(folder / f'{name}.jsonl')]
        for folder in (one, two)
    ]
    assert_alike(*rows, name)


def assert_alike(a, b, where):
  """Texts and counts are equal, numbers to the five decimals of a row."""
  if isinstance(a, dict):
    assert a.keys() == b.keys(), where
    for key in a:
      assert_alike(a[key], b[key], f'{where}.{key}')
  elif isinstance(a, list):
    assert len(a) == len(b), where
    for i, (x, y) in enumerate(zip(a, b)):
      assert_alike(x, y, f'{where}[{i}]')
  elif isinstance(a, float):
    # Log-probabilities of -30 nats, of which 1e-5 is 3e-4.
    assert a == pytest.approx(b, rel=1e-4, abs=3e-4), where
  else:
    assert a == b, where


@pytest.mark.parametrize('mesh', MESHES)
def test_a_run_on_eight_devices_equals_that_on_one(run, mesh):
  assert_same(run(1, 1), run(1, 8, mesh[1]))


def test_rows_that_wait_for_a_place_on_a_mesh_are_those_of_one_device(run):
  assert_same(run(1, 1), run(1, 8, 2, sweep_batch=24))


@pytest.mark.parametrize('processes, devices', PROCESSES[1:])
def test_a_run_of_several_processes_equals_that_of_one(run, processes, devices):
  assert_same(run(1, 8, 2), run(processes, devices, 2))


def test_devices_of_one_copy_in_two_processes_share_their_rows(run):
  """Four devices hold a copy of the model, two of them in each process."""
  assert_same(run(1, 1), run(4, 2, 4))


def probes_of(run, *where):
  """Fits 3 layers of 11 stories: of both, some devices have none."""
  activations = run(1, 1) / 'activations.safetensors'
  return run(
      *where,
      name='probes',
      activations=str(activations),
      inverse_penalties=(0.1,),
      tolerance=1e-8,
  )


def objectives(arrays, activations):
  """What the probes minimise, of each layer, in float64."""
  x = activations['stories'].swapaxes(0, 1).astype(float)
  n = x.shape[1]
  x = (x - arrays['mean'][:, None]) / arrays['scale'][:, None]
  logits = np.einsum('LND,LDE->LNE', x, arrays['weights'])
  logits += arrays['bias'][:, None]
  own = logits[:, np.arange(n), activations['emotion']]
  losses = (np.logaddexp.reduce(logits, axis=2) - own).sum(axis=1)
  penalties = (arrays['weights'] ** 2).sum(axis=(1, 2))
  return (losses + penalties / (2 * arrays['inverse_penalty'])) / n


def assert_same_probes(run, one, two):
  """The minimum to 1e-5; weights, which it determines less well, less."""
  a, b = (files.read_json(folder / 'probes.json') for folder in (one, two))
  for x, y in zip(a['layers'], b['layers'], strict=True):
    assert x['loss'] == pytest.approx(y['loss'], rel=1e-3)
    assert x['top1'] == y['top1']
    assert x['inverse_penalty'] == y['inverse_penalty']
  a, b = (
      files.read_arrays(folder / 'probes.safetensors')[0]
      for folder in (one, two)
  )
  activations, _ = files.read_arrays(run(1, 1) / 'activations.safetensors')
  np.testing.assert_allclose(
      objectives(a, activations), objectives(b, activations), rtol=TOLERANCE
  )
  assert a.keys() == b.keys()
  for key in a:
    np.testing.assert_allclose(a[key], b[key], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize('mesh', MESHES)
def test_probes_of_eight_devices_equal_those_of_one(run, mesh):
  assert_same_probes(run, probes_of(run, 1, 1), probes_of(run, 1, 8, mesh[1]))


def test_probes_of_two_processes_equal_those_of_one_device(run):
  assert_same_probes(run, probes_of(run, 1, 1), probes_of(run, 2, 4, 4))
