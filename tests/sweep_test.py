"""A sweep of any grid: its rows, its controls, and what goes wrong."""

import collections
import json
import os
import resource
import subprocess
import sys

import command_line
import compiling
import numpy as np
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax import hosts
from emojax.experiments import sweep
from emojax.experiments import sweep_grid
from emojax.experiments import sweep_rows

L = tiny_model.LAYERS
FIELDS = {
    'prompts': ('How do you feel?',),
    'directions': ('happy', 'proud+angry'),
    'operations': ('add', 'ablate'),
    'layers': (1,),
    'bands': ((0, 1),),
    'strengths': (0.2, 0.4, -0.4),
    'positions': ('assistant', 'generated'),
    'random_directions': 5,
    'readout': ('happy', 'bored'),
    'readout_layers': (2, 0),
    'new_tokens': 5,
    'sweep_batch': 16,
    'sweep_chunk': 40,
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tiny')
  model = tiny_model.write(folder / 'model')
  tiny_model.write_vectors(folder / 'vectors.safetensors', model)
  return folder


@pytest.fixture(scope='module')
def run(folder):
  def go(name, **fields):
    vectors = str(folder / 'vectors.safetensors')
    config = tiny_model.config('sweep', vectors=vectors, **FIELDS | fields)
    sweep.run(config, folder / name)
    return [row for _, row in files.read_jsonl(folder / name / sweep.NAME)]

  return go


@pytest.fixture(scope='module')
def rows(run):
  return run('whole')


def of(rows, **wanted):
  return [row for row in rows if wanted.items() <= row.items()]


def test_a_grid_is_the_product_and_its_controls(rows):
  counts = collections.Counter(row['kind'] for row in rows)
  places = 2 * 2  # Layers, positions.
  assert counts == {
      'unsteered': 1,
      'emotion': 2 * (3 + 1) * places,  # Three strengths, and ablation.
      'opposite': 2 * 1 * places,  # Only -0.2 is not there yet.
      'random': 5 * (3 + 1) * places,
      'shuffled': 2 * (3 + 1) * places,
  }
  assert {row['strength'] for row in of(rows, kind='opposite')} == {-0.2}
  assert len({row['id'] for row in rows}) == len(rows)
  for row in rows:
    assert row['control'] is (row['kind'] != 'emotion')
    assert (row['emotion'] is None) is not (
        row['kind'] in ('emotion', 'opposite')
        and row['operation'] == 'add'
        and row['direction'] == 'happy'
    )
    layers = [[]] if row['kind'] == 'unsteered' else [[1], [0, 1]]
    assert row['layers'] in layers


def test_a_row_says_how_many_tokens_were_steered(rows):
  tail = 1 + len('assistant\nI feel')  # '<|im_start|>', then a token a byte.
  for row in rows:
    prompt = {'assistant': tail, 'generated': 0, None: 0}[row['positions']]
    written = row['n_tokens'] if row['operation'] else 0
    assert row['tokens_steered'] == {'prompt': prompt, 'written': written}


def test_only_what_is_steered_diverges(rows):
  for row in rows:
    # The first token comes before any that 'generated' steers.
    first = row['positions'] == 'generated' and row['n_tokens'] == 1
    assert (row['kl'] > 0) is (bool(row['operation']) and not first)
    if not row['operation']:
      assert max(map(abs, row['word_delta'].values())) < 1e-4


def test_readings_while_writing_are_there_for_every_token(rows):
  for row in rows:
    assert list(row['readout']) == ['2', '0']
    for layer in row['readout'].values():
      assert list(layer) == ['happy', 'bored']
      assert all(len(x) == row['n_tokens'] for x in layer.values())


def test_ablation_leaves_no_component_in_what_is_written(rows):
  row = of(
      rows, direction='happy', operation='ablate', layers=[0, 1],
      positions='generated',
  )[0]  # fmt: skip
  np.testing.assert_allclose(row['readout']['0']['happy'], 0, atol=1e-5)
  assert np.abs(row['readout']['0']['bored']).max() > 1e-3


def test_a_rerun_writes_the_same_and_chunks_do_not_matter(run, rows):
  again = run('again', sweep_chunk=31, sweep_batch=7)
  for a, b in zip(rows, again, strict=True):
    for name in ('id', 'text', 'n_tokens', 'tokens_steered', 'stop'):
      assert a[name] == b[name]
    assert a['kl'] == pytest.approx(b['kl'], abs=2e-5)


def test_only_the_first_chunk_of_a_sweep_compiles(run, monkeypatch):
  """Each of the others has rows of another kind: rules, then ablation."""
  counts, of_chunk = [], sweep_rows.run

  def counted(*arguments):
    out = []
    counts.append(compiling.compiles(lambda: out.extend(of_chunk(*arguments))))
    return out

  monkeypatch.setattr(sweep_rows, 'run', counted)
  run(
      'counted',
      samples=4,
      positions=('all', 'assistant'),
      words=False,
      strengths=(0.2,),
      bands=(),
      new_tokens=6,
      sweep_batch=1,  # So that it does not matter which text ends first.
      sweep_chunk=4,
  )
  assert len(counts) > 20 and counts[0] > 0 == sum(counts[1:])


def test_a_page_and_curves_come_with_it(folder, rows):
  del rows
  dose = files.read_json(folder / 'whole' / sweep.DOSE)
  layers = sorted(x['layers'] for x in dose['layers'])
  assert layers == [[0, 1], [0, 1], [1], [1]]
  page = (folder / 'whole' / sweep.REPORT).read_text()
  assert '</html>' in page and 'happy' in page


def test_texts_that_are_not_finite_are_kept_and_said(folder, tmp_path, caplog):
  vectors = tmp_path / 'vectors.safetensors'
  norms = {'resid_norm': np.full(L, 1e3)}  # As of a real model.
  tiny_model.write_vectors(vectors, folder / 'model', norms)
  fields = FIELDS | {
      'strengths': (0.2, 1e38),
      'directions': ('happy',),
      'bands': (),
      'operations': ('add',),
      'positions': ('generated',),
  }
  sweep.run(
      tiny_model.config('sweep', vectors=str(vectors), **fields),
      tmp_path / 'broken',
  )
  rows = [r for _, r in files.read_jsonl(tmp_path / 'broken' / sweep.NAME)]
  for row in rows:
    lost = row['stop'] == 'not finite'
    assert lost is (abs(row['strength']) == 1e38 and row['n_tokens'] > 0)
    assert (row['kl'] is None) is lost
    assert (row['expressed'] is None) is lost
  assert sum(row['stop'] == 'not finite' for row in rows) > 5
  assert 'not finite (strengths of 1e+38' in caplog.text
  assert (tmp_path / 'broken' / sweep.REPORT).exists()


def test_a_stopped_sweep_goes_on_with_nothing_lost_or_doubled(
    run, rows, folder, monkeypatch
):
  stops = iter([False, True, True])
  real = hosts.stop_if_asked

  def stop():
    if next(stops, False):
      raise errors.Stopped('stopped')
    real()

  monkeypatch.setattr(hosts, 'stop_if_asked', stop)
  for chunks_done in (2, 3):
    with pytest.raises(errors.Stopped):
      run('stopped')
    parts = list((folder / 'stopped').rglob('rows-*'))
    assert len(parts) == chunks_done
    assert not (folder / 'stopped' / sweep.NAME).exists()
  assert run('stopped') == rows
  assert not list((folder / 'stopped').rglob('rows-*'))


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
  return command_line.Command(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ('fields', 'parts'),
    [
        ({'vectors': ''}, ('Give --config.vectors=FILE, the',)),
        ({'directions': ('joy',)}, ("'joy'", 'must be one of happy, proud')),
        ({'directions': ('happy+happy',)}, ("'happy+happy'", 'distinct')),
        ({'layers': (L,)}, (f'Layer {L} is out of range',)),
        ({'bands': ((1, L),)}, (f'Layer {L} is out of range',)),
        ({'positions': ('reply',)}, ("'reply'", 'must be one of all, prompt')),
        ({'positions': ()}, ('config.positions=()', 'a rule or more')),
        ({'operations': ('clamp',)}, ('clamp', 'add, ablate')),
        ({'top_p': 0.0}, ('config.top_p=0.0', 'above 0')),
        ({'samples': 0}, ('config.samples=0', '1 or more')),
        ({'readout': ('joy',)}, ("'joy'", 'must be one of happy, proud')),
        ({'readout_layers': (L,)}, (f'Layer {L} is out of range',)),
        ({'prompts': ('x' * 3000,)}, ('config.prompts[0]', '2048', 'shorten')),
        ({'new_tokens': 3000}, ('2048', 'lower config.new_tokens')),
    ],
    ids=lambda value: ''.join(value)[:30] if isinstance(value, dict) else '',
)
def test_a_setting_that_cannot_work_is_one_line(command, fields, parts):
  line = command.sweep(**fields)
  for part in parts:
    assert part in line


def start(folder, workdir, **fields):
  fields = FIELDS | {'vectors': str(folder / 'vectors.safetensors')} | fields
  return subprocess.run(
      [
          sys.executable,
          '-m',
          'emojax.main',
          '--config=configs/sweep.py',
          f'--workdir={workdir}',
          *tiny_model.flags(fields),
      ],
      cwd=tiny_model.ROOT,
      preexec_fn=lambda: resource.setrlimit(
          resource.RLIMIT_FSIZE, (80_000, 80_000)
      ),
      capture_output=True,
      text=True,
      check=False,
  )


def test_a_full_disk_is_one_line_and_what_was_finished_is_kept(
    folder, run, rows
):
  """A limit on the size of files stands for the disk: no chunk reaches it."""
  done = start(folder, folder / 'full')
  assert done.returncode == 2, done.stderr
  line = command_line.line(done.stderr)
  assert 'File too large' in line and 'start the same command again' in line
  left = {
      name.split('/')[-1] for name in command_line.artefacts(folder / 'full')
  }
  parts = {name for name in left if name.startswith('rows-')}
  assert parts and left == parts | {'config.json'}
  assert run('full') == rows


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_a_workdir_without_the_right_to_write_is_one_line(folder, tmp_path):
  tmp_path.chmod(0o500)
  done = start(folder, tmp_path / 'workdir')
  assert done.returncode == 2
  assert 'cannot be written' in command_line.line(done.stderr)


def test_a_rows_key_is_its_own():
  row = sweep_grid.Row('emotion', 'happy', 'add', (1,), 0.2, 'all', 'Hello?', 0)
  keys = [row.key().tolist()]
  for name, value in (
      ('direction', 'sad'), ('layers', (2,)), ('strength', 0.3),
      ('positions', 'user'), ('prompt', 'Well?'), ('seed', 1),
  ):  # fmt: skip
    other = json.loads(json.dumps(row.__dict__)) | {name: value}
    other['layers'] = tuple(other['layers'])
    keys.append(sweep_grid.Row(**other).key().tolist())
  assert len({tuple(key) for key in keys}) == len(keys)
