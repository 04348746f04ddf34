"""The probe experiment: whole, resumed, and refused in one line."""

import numpy as np
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax import hosts
from emojax.experiments import fit_probes

N, L, D, E, TOPICS = 36, 2, 6, 3, 4


@pytest.fixture
def activations(tmp_path):
  rng = np.random.default_rng(0)
  emotion, topic = np.arange(N) % E, np.arange(N) // E % TOPICS
  centres = 2 * rng.normal(size=(E, L, D))
  path = tmp_path / 'activations.safetensors'
  files.write_arrays(
      path,
      {
          'stories': (rng.normal(size=(N, L, D)) + centres[emotion]).astype(
              np.float32
          ),
          'emotion': emotion,
          'topic': topic,
      },
      {'model': 'made up'},
  )
  return path


def _config(path, **fields):
  return tiny_model.config('probes', activations=str(path), **fields)


def _bytes(folder):
  return {
      str(p.relative_to(folder)): p.read_bytes()
      for p in sorted(folder.rglob('*'))
      if p.is_file()
  }


def test_probes_are_tested_on_unseen_topics_beside_shuffled_labels(
    activations, tmp_path
):
  fit_probes.run(_config(activations), tmp_path / 'run')
  assert set(_bytes(tmp_path / 'run')) == {
      'config.json',
      'probes.json',
      'probes.safetensors',
  }
  summary = files.read_json(tmp_path / 'run' / 'probes.json')
  assert [row['layer'] for row in summary['layers']] == list(range(L))
  assert summary['n'] == N and summary['decrement'] < 1e-4
  for row in summary['layers']:
    top1, null = row['top1'], row['shuffled_top1']
    assert top1['low'] <= top1['value'] <= top1['high']
    assert top1['value'] > null['value'] + 0.2
    assert row['temperature'] > 0
  arrays, metadata = files.read_arrays(tmp_path / 'run' / 'probes.safetensors')
  assert arrays['weights'].shape == (L, D, E)
  assert arrays['temperature'].shape == arrays['inverse_penalty'].shape == (L,)
  assert metadata == {'model': 'made up', 'kind': 'multinomial'}


def test_a_run_stopped_after_any_penalty_ends_with_the_same_bytes(
    activations, tmp_path, monkeypatch
):
  config = _config(activations, kind='one-vs-rest')
  fit_probes.run(config, tmp_path / 'whole')
  count = 0

  def stop():
    nonlocal count
    count += 1
    raise errors.Stopped('now')

  with monkeypatch.context() as patched:
    patched.setattr(hosts, 'stop_if_asked', stop)
    for _ in range(12):  # 4 penalties, of real and twice of shuffled labels.
      with pytest.raises(errors.Stopped):
        fit_probes.run(config, tmp_path / 'parts')
    fit_probes.run(config, tmp_path / 'parts')
  assert count == 12  # Nothing was fitted twice.
  assert _bytes(tmp_path / 'parts') == _bytes(tmp_path / 'whole')


@pytest.mark.parametrize(
    'fields, line',
    [
        ({'activations': ''}, 'Give --config.activations='),
        ({'kind': 'linear'}, "config.kind='linear': must be one of"),
        ({'inverse_penalties': (1.0, 0.1)}, 'give rising numbers above 0'),
        ({'inverse_penalties': (0.0, 0.1)}, 'give rising numbers above 0'),
        ({'tolerance': 0.0}, 'config.tolerance=0.0: must be'),
        ({'shuffles': 1}, 'config.shuffles=1: must be'),
    ],
)
def test_settings_that_cannot_work_are_refused(
    activations, tmp_path, fields, line
):
  config = _config(activations)
  config.update(fields)
  with pytest.raises(errors.InputError, match=line):
    fit_probes.run(config, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


def test_files_that_hold_no_stories_are_refused(tmp_path):
  path = tmp_path / 'vectors.safetensors'
  files.write_arrays(path, {'vectors': np.zeros((2, 2, 2))}, {})
  with pytest.raises(errors.InputError, match='not the activations of stories'):
    fit_probes.run(_config(path), tmp_path / 'run')
