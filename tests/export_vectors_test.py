"""Exported vectors: the lengths that strengths mean, controls, refusals."""

import hashlib
import json

import command_line
import numpy as np
import pytest
import tiny_model

from emojax import files
from emojax import runs
from emojax import steering
from emojax.experiments import export_vectors
from emojax.interop import gguf
from emojax.interop import read

NORMS = np.array([2.0, 3.0, 5.0])
RANDOM, SHUFFLED = 'random_1', 'shuffled_1'


@pytest.fixture(scope='module')
def vectors(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tiny')
  model = tiny_model.write(folder / 'model')
  rng = np.random.default_rng(1)
  shape = (2, tiny_model.LAYERS, tiny_model.WIDTH)
  arrays = {'resid_norm': NORMS, 'shuffled': rng.standard_normal(shape)}
  tiny_model.write_vectors(folder / 'vectors.safetensors', model, arrays)
  return folder / 'vectors.safetensors'


@pytest.fixture
def export(vectors, tmp_path):
  def run(**fields):
    fields = {'controls': (RANDOM, SHUFFLED)} | fields
    config = tiny_model.config('export', vectors=str(vectors), **fields)
    workdir = tmp_path / f'{config.to}{len(list(tmp_path.iterdir()))}'
    export_vectors.run(config, workdir)
    return workdir, files.read_json(workdir / export_vectors.NAME)

  return run


def read_all(workdir, manifest):
  """Every direction by its name: {layer: vector}."""
  out = {}
  for row in manifest['files']:
    data = (workdir / row['file']).read_bytes()
    assert hashlib.sha256(data).hexdigest() == row['sha256']
    _, (found,) = read.decode(row['file'], data)
    assert list(found.layers) == row['layers']
    of_name = out.setdefault(row['direction'], {})
    of_name |= dict(zip(found.layers, found.vectors, strict=True))
  return out


def expected(vectors, name):
  """[L, D] with which a sweep of strength 1 steers."""
  arrays, metadata = files.read_arrays(vectors)
  if name == RANDOM:
    bank = steering.random_directions(0, 8, *arrays['vectors'].shape[1:])
    x = bank[1]
  elif name == SHUFFLED:
    x = arrays['shuffled'][1]
  else:
    x = arrays['vectors'][metadata['emotions'].index(name)]
  return steering.scaled_directions(x[None], arrays['resid_norm'])[0]


@pytest.mark.parametrize('to', export_vectors.FORMATS)
def test_strength_1_is_one_mean_residual_norm(export, vectors, to):
  workdir, manifest = export(to=to, layers=('all',))
  found = read_all(workdir, manifest)
  assert set(found) == {*tiny_model.EMOTIONS, RANDOM, SHUFFLED}
  first = 1 if to in ('gguf', 'repeng') else 0
  assert manifest['layers'] == list(range(first, tiny_model.LAYERS))
  assert manifest['layers_left_out'] == list(range(first))
  for name, by_layer in found.items():
    wanted = expected(vectors, name)
    assert sorted(by_layer) == manifest['layers']
    for layer, vector in by_layer.items():
      length = 1 / NORMS[layer] if to == 'repeng' else 1
      np.testing.assert_allclose(vector, wanted[layer] * length, rtol=1e-5)


def test_the_layer_is_the_vectors_own_unless_others_are_named(export):
  assert export()[1]['layers'] == [1]
  assert export(layers=(2, 1))[1]['layers'] == [1, 2]


def test_the_manifest_says_of_what_and_in_which_unit(export, vectors):
  workdir, manifest = export(to='npz', layers=(0, 2))
  assert manifest['vectors'] == files.sha256(vectors)
  assert manifest['resid_norm'] == {'0': 2.0, '2': 5.0}
  assert json.loads((workdir / 'h_norms.json').read_text()) == {
      '0': 2.0,
      '2': 5.0,
  }
  _, metadata = files.read_arrays(vectors)
  for name in ('model', 'weights', 'dtype'):
    assert manifest['made_from'][name] == metadata[name]
  assert manifest['layers_are_called']['0']['vLLM'] == 'aux_hidden_states[1]'
  assert manifest['versions'] == runs.versions()
  controls = {row['direction'] for row in manifest['files'] if row['control']}
  assert controls == {RANDOM, SHUFFLED}


def test_strength_goes_where_a_format_has_room_for_it(export):
  fields = {'strength': -0.25, 'emotions': ('happy',), 'controls': ()}
  workdir, _ = export(to='vllm-lens', norm_match=True, **fields)
  value = files.read_json(workdir / 'happy.json')
  assert (value['scale'], value['norm_match']) == (-0.25, True)
  workdir, _ = export(to='neuronpedia', model_id='their-name', **fields)
  value = files.read_json(workdir / 'happy.layer_1.json')
  assert value['default_steer_strength'] == -0.25
  assert value['modelId'] == 'their-name'


def test_the_hook_is_printed_and_kept(export, capsys):
  workdir, _ = export(to='hook')
  code = (workdir / 'steer.py').read_text()
  assert capsys.readouterr().out == code + '\n'


def test_a_finished_export_is_left_alone(vectors, tmp_path):
  config = tiny_model.config('export', vectors=str(vectors))
  export_vectors.run(config, tmp_path / 'out')
  before = (tmp_path / 'out' / 'happy.gguf').stat().st_mtime_ns
  export_vectors.run(config, tmp_path / 'out')
  assert (tmp_path / 'out' / 'happy.gguf').stat().st_mtime_ns == before


def test_names_that_are_no_names_of_files_stay_apart(tmp_path):
  model = tiny_model.write(tmp_path / 'model')
  odd = ['../up', 'at ease', 'at_ease', 'manifest']
  path = tmp_path / 'vectors.safetensors'
  tiny_model.write_vectors(path, model, metadata={'emotions': odd})
  for to in ('vllm-lens', 'gguf'):
    config = tiny_model.config('export', vectors=str(path), to=to)
    export_vectors.run(config, tmp_path / to)
    manifest = files.read_json(tmp_path / to / 'manifest.json')
    names = [row['file'] for row in manifest['files']]
    assert len(set(names)) == 6
    assert all('/' not in name and ' ' not in name for name in names)
    assert {row['direction'] for row in manifest['files']} > set(odd)
  first = next(r for r in manifest['files'] if r['direction'] == '../up')
  data = (tmp_path / 'gguf' / first['file']).read_bytes()
  assert gguf.decode(data, 'x').name == '../up'


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
  return command_line.Command(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ('fields', 'says'),
    [
        ({'vectors': ''}, 'Give --config.vectors=FILE.'),
        ({'to': 'pt'}, 'must be one of gguf, repeng'),
        ({'layers': '0'}, 'steers from block 1 on'),
        ({'layers': '3'}, 'layers 0 to 2'),
        ({'layers': 'most'}, "'all'"),
        ({'layers': '1,1'}, 'distinct'),
        ({'emotions': "('joy',)"}, "called 'joy'"),
        ({'emotions': "('happy','happy')"}, 'given once'),
        ({'controls': "('shuffled_2',)"}, 'has 2 vectors of shuffled'),
        ({'controls': "('random_-1',)"}, "called 'random_-1'"),
        ({'strength': 'nan'}, 'must be finite'),
        ({'seed': '-1'}, 'must be 0 or more'),
    ],
)
def test_what_cannot_be_exported_is_one_line(command, fields, says):
  command.write_vectors()
  path = command.folder / 'vectors.safetensors'
  fields = {'vectors': path} | fields
  line = command.run(
      f'--config={tiny_model.ROOT}/configs/export.py',
      f'--workdir={command.folder}/out',
      *tiny_model.flags(fields),
  )
  assert says in line
