"""The whole command on a tiny model: artefacts, reruns, refusals."""

import pathlib
import shutil
import subprocess
import sys

import command_line
import numpy as np
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax.experiments import quickstart

# In the order in which the stages write them.
ARTEFACTS = (
    'config.json',
    'activations.safetensors',
    'heldout.json',
    'vectors.safetensors',
    'geometry.json',
    'cosines.safetensors',
    'readings.jsonl',
    'sweep.jsonl',
    'dose.json',
    'summary.json',
    'report.html',
)
E, L, D = len(tiny_model.EMOTIONS), tiny_model.LAYERS, tiny_model.WIDTH


def _command(name, workdir, fields):
  return subprocess.run(
      [
          sys.executable,
          '-m',
          'emojax.main',
          f'--config={tiny_model.ROOT / "configs" / name}.py',
          f'--workdir={workdir}',
          *tiny_model.flags(fields),
      ],
      cwd=tiny_model.ROOT,
      capture_output=True,
      text=True,
      check=False,
  )


def _state(folder):
  return {
      path.name: (path.stat().st_mtime_ns, path.read_bytes())
      for path in folder.iterdir()
  }


def _rows(path):
  return [row for _, row in files.read_jsonl(path)]


def _assert_same(one, two):
  for name in ARTEFACTS:
    assert (one / name).read_bytes() == (two / name).read_bytes(), name


@pytest.fixture(scope='module')
def fields(tmp_path_factory):
  return tiny_model.settings(tmp_path_factory.mktemp('tiny'))


@pytest.fixture(scope='module')
def finished(fields, tmp_path_factory):
  """The workdir of the command, run as a user runs it."""
  workdir = tmp_path_factory.mktemp('runs') / 'quickstart'
  done = _command('quickstart', workdir, fields)
  assert done.returncode == 0, done.stderr
  assert 'Traceback' not in done.stderr
  return workdir


def test_a_run_leaves_every_artefact_and_nothing_else(finished):
  assert command_line.artefacts(finished).keys() == set(ARTEFACTS)


def test_vectors_have_the_named_tensors(finished):
  arrays, _ = files.read_arrays(finished / 'vectors.safetensors')
  components = arrays['neutral_components'].shape[1]
  shapes = {
      'vectors': (E, L, D),
      'raw': (E, L, D),
      'mean': (L, D),
      'resid_norm': (L,),
      'neutral_components': (L, components, D),
  }
  assert 0 < components < D
  for name, shape in shapes.items():
    assert arrays[name].shape == shape, name
    assert arrays[name].dtype == np.float32, name
  assert np.all(arrays['resid_norm'] > 0)
  # Float32 sums of a handful of numbers near 1.
  np.testing.assert_allclose(arrays['raw'].sum(axis=0), 0, atol=1e-5)
  along = np.einsum(
      'ELD,LCD->ELC', arrays['vectors'], arrays['neutral_components']
  )
  np.testing.assert_allclose(along, 0, atol=1e-5)


def test_vectors_state_what_they_were_made_from(finished, fields):
  _, metadata = files.read_arrays(finished / 'vectors.safetensors')
  assert metadata['schema'] == 2
  assert metadata['model'] == fields['model']
  assert metadata['corpus'] == files.sha256(fields['stories'])
  assert len(metadata['weights']) == len(metadata['template']) == 64
  assert metadata['emotions'] == list(tiny_model.EMOTIONS)
  assert metadata['start'] == tiny_model.START
  assert metadata['dtype'] == 'float32'
  assert 'before the final norm' in metadata['layers']
  assert metadata['stories'] == {'happy': 3, 'proud': 3, 'angry': 3, 'bored': 2}
  assert metadata['stories_too_short'] == 1
  assert metadata['neutral_dialogues'] == 8
  assert {'emojax', 'jax', 'flax', 'numpy'} <= set(metadata['versions'])


def test_every_number_has_an_interval_and_a_control(finished):
  numbers = files.read_json(finished / 'summary.json')['numbers']
  ids = [number['id'] for number in numbers]
  assert len(set(ids)) == len(ids)
  for part in ('heldout_top1', 'heldout_top5', 'valence_', 'steer_', 'kl_'):
    assert any(id_.startswith(part) for id_ in ids), part
  assert any(id_.startswith('reading_') for id_ in ids)
  for number in numbers:
    assert number['controls'], number['id']
    for each in (number, *number['controls']):
      assert {'value', 'low', 'high', 'n'} <= set(each), number['id']
      assert each['n'] > 0, number['id']
    assert number['low'] <= number['high'], number['id']


def test_the_sweep_crosses_directions_strengths_and_prompts(finished, fields):
  rows = _rows(finished / 'sweep.jsonl')
  _, facts = files.read_arrays(finished / 'vectors.safetensors')
  layer = facts['layer']
  prompts = {row['prompt'] for row in rows}
  cells = [(row['direction'], row['strength'], row['prompt']) for row in rows]
  random = [f'random_{i}' for i in range(fields['random_directions'])]
  assert len(random) >= 5
  shuffled = [f'shuffled_{i}' for i in range(fields['shuffled_directions'])]
  expected = {('none', 0.0, prompt) for prompt in prompts} | {
      (direction, strength, prompt)
      for direction in (*tiny_model.EMOTIONS, *random, *shuffled)
      for strength in fields['strengths']
      for prompt in prompts
  }
  assert prompts == {f'{prompt} / I feel' for prompt in fields['prompts']}
  assert len(cells) == len(expected) and set(cells) == expected
  for row in rows:
    steered_by_emotion = row['direction'] in tiny_model.EMOTIONS
    assert row['control'] is not steered_by_emotion
    assert row['emotion'] == (row['direction'] if steered_by_emotion else None)
    assert isinstance(row['text'], str) and isinstance(row['seed'], int)
    assert row['layers'] == ([] if row['kind'] == 'unsteered' else [layer])
    assert row['perplexity'] >= 1 and row['stop'] in ('token', 'length')
    assert set(row['expressed']) == set(tiny_model.EMOTIONS)
    assert set(row['word_delta']) == set(tiny_model.EMOTIONS)


def test_steering_starts_with_the_reply_and_unsteered_rows_have_none(finished):
  tail = 1 + len('assistant\nI feel')  # '<|im_start|>', then a token a byte.
  for row in _rows(finished / 'sweep.jsonl'):
    if row['strength'] == 0:
      assert row['tokens_steered'] == {'prompt': 0, 'written': 0}
      assert row['kl'] == 0
      # Two programs add up to the same -30 nats, in float32.
      assert max(map(abs, row['word_delta'].values())) < 1e-4
    else:
      steered = {'prompt': tail, 'written': row['n_tokens']}
      assert row['tokens_steered'] == steered
      assert row['kl'] > 0
      assert max(map(abs, row['word_delta'].values())) > 1e-3


def test_a_rerun_touches_nothing(finished, fields):
  before = _state(finished)
  quickstart.run(tiny_model.config('quickstart', **fields), finished)
  assert _state(finished) == before


def test_another_process_writes_the_same_bytes(finished, fields, tmp_path):
  quickstart.run(tiny_model.config('quickstart', **fields), tmp_path / 'again')
  assert {p.name for p in (tmp_path / 'again').iterdir()} == set(ARTEFACTS)
  _assert_same(finished, tmp_path / 'again')


@pytest.mark.parametrize(
    'last', ['config.json', 'heldout.json', 'geometry.json', 'sweep.jsonl']
)
def test_a_run_that_was_cut_off_is_finished(finished, fields, last, tmp_path):
  copied = shutil.copytree(finished, tmp_path / 'copy')
  for name in ARTEFACTS[ARTEFACTS.index(last) + 1 :]:
    (copied / name).unlink()
  kept = _state(copied)
  quickstart.run(tiny_model.config('quickstart', **fields), copied)
  _assert_same(finished, copied)
  if last != 'heldout.json':  # Half a stage: that one is written again.
    after = _state(copied)
    assert {name: after[name] for name in kept} == kept


def test_no_text_depends_on_batches(finished, fields, tmp_path):
  others = fields | {'batch': 5, 'sweep_batch': 7, 'sweep_chunk': 50}
  quickstart.run(tiny_model.config('quickstart', **others), tmp_path / 'other')
  one, two = (
      _rows(folder / 'sweep.jsonl') for folder in (finished, tmp_path / 'other')
  )
  for a, b in zip(one, two, strict=True):
    for name in ('id', 'text', 'n_tokens', 'tokens_steered', 'layers'):
      assert a[name] == b[name], a['id']
    assert a['kl'] == pytest.approx(b['kl'], abs=2e-5)  # Five decimals.


@pytest.mark.parametrize(
    ('name', 'value'), [('start', 31), ('strengths', (0.1,)), ('seed', 1)]
)
def test_other_settings_are_refused_by_name(finished, fields, name, value):
  before = _state(finished)
  config = tiny_model.config('quickstart', **fields | {name: value})
  pattern = f'config.{name} was .* --workdir'
  with pytest.raises(errors.InputError, match=pattern):
    quickstart.run(config, finished)
  assert _state(finished) == before


def test_emotions_that_nobody_rated_have_no_correlation(fields, tmp_path):
  made_up = ('ploon', 'zibby', 'quarr', 'frobb')
  names = dict(zip(tiny_model.EMOTIONS, made_up, strict=True))
  rows = _rows(pathlib.Path(fields['stories']))
  renamed = [row | {'emotion': names[row['emotion']]} for row in rows]
  tiny_model.write_rows(tmp_path / 'stories.jsonl', renamed)
  others = fields | {'stories': str(tmp_path / 'stories.jsonl')}
  quickstart.run(tiny_model.config('quickstart', **others), tmp_path / 'run')
  geometry = files.read_json(tmp_path / 'run' / 'geometry.json')
  assert geometry['valence']['missing'] == list(names.values())
  assert geometry['correlations'] == []
  assert len(geometry['pca']['explained']) == 3


def test_the_read_command_answers_every_line_in_order(finished, tmp_path):
  texts = tmp_path / 'texts.jsonl'
  tiny_model.write_rows(texts, tiny_model.TEXTS)
  done = _command(
      'read',
      tmp_path / 'out',
      {'vectors': finished / 'vectors.safetensors', 'texts': texts},
  )
  assert done.returncode == 0, done.stderr
  names = command_line.artefacts(tmp_path / 'out').keys()
  assert names == {
      'config.json',
      'cosines.safetensors',
      'readings.jsonl',
      'reader.html',
  }
  rows = _rows(tmp_path / 'out' / 'readings.jsonl')
  ids = ['line 1', 'line 2', 7, 'line 4', 'line 5']
  assert [row['id'] for row in rows] == ids
  for row in rows:
    size = len(row['tokens'])
    assert len(row['roles']) == len(row['cosine']) == size
    for name in ('mean', 'response'):
      assert list(row[name]) == list(tiny_model.EMOTIONS)
      assert all(abs(value) <= 1 for value in row[name].values())
    shown = ''.join(row['tokens'])
    for message in row['messages']:
      assert message['content'] in shown
    # The part of each role is its messages, to the letter.
    for role in ('user', 'assistant'):
      said = [m['content'] for m in row['messages'] if m['role'] == role]
      own = zip(row['tokens'], row['roles'], strict=True)
      assert ''.join(t for t, r in own if r == role) == ''.join(said)
