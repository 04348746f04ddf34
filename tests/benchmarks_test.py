"""The benchmarks run, compare like with like, and count what they say."""

import argparse
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tiny_model

ROOT = pathlib.Path(__file__).parents[1]
sys.path.append(str(ROOT))  # Benchmarks are started from there.

from emojax.models import config_json  # noqa: E402
from tests.benchmarks import capture  # noqa: E402
from tests.benchmarks import hf  # noqa: E402
from tests.benchmarks import machine  # noqa: E402
from tests.benchmarks import models  # noqa: E402
from tests.benchmarks import sweep  # noqa: E402

NAMES = {
    'capture': ('--rows=6', '--batch=4'),
    'sweep': (
        '--prompts=2',
        '--length=12',
        '--strengths=3',
        '--layer=1',
        '--new_tokens=3',
        '--temperature=0',
        '--serial=2',
    ),
}


def run(name, *flags):
  command = [sys.executable, '-m', f'tests.benchmarks.{name}']
  command += ['--device=cpu', '--repeats=2', *NAMES[name], *flags]
  return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize('name', NAMES)
def test_a_benchmark_prints_our_tokens_a_second(name):
  done = run(name, '--model=random:tiny', '--dtype=bfloat16', '--no_peer')
  assert done.returncode == 0, done.stderr
  (row,) = [x for x in done.stdout.splitlines() if 'emojax bfloat16' in x]
  median = float(row.split('|')[2].split()[0].replace(',', ''))
  assert median > 0
  assert 'transformers' not in done.stdout


@pytest.mark.skipif(not hf.available(), reason='torch is not installed.')
@pytest.mark.parametrize('name', NAMES)
def test_a_benchmark_agrees_with_its_peer_and_prints_a_ratio(name, tmp_path):
  model = tiny_model.write(tmp_path / 'model')
  done = run(name, f'--model={model}', '--dtype=float32')
  assert done.returncode == 0, done.stdout + done.stderr
  assert 'ratio emojax float32 / transformers float32: ' in done.stdout
  if name == 'sweep':
    assert 'ratio emojax float32 / transformers float32 serial' in done.stdout
    assert 'of transformers float32 serial that are those' in done.stdout


def test_contenders_take_turns():
  flags = machine.parser(None, rows=1).parse_args([])
  assert machine.names(flags) == [
      'emojax bfloat16',
      'transformers bfloat16',
      'emojax float32',
      'transformers float32',
  ]


def test_the_peer_row_by_row_is_last_and_only_where_it_is_asked_for():
  parser = machine.parser(None)
  parser.add_argument('--serial', type=int)
  names = lambda *given: machine.names(parser.parse_args(given))
  assert names('--serial=2')[-2:] == [
      'transformers float32',
      'transformers float32 serial',
  ]
  for given in ((), ('--serial=0',), ('--serial=2', '--no_peer')):
    assert not any('serial' in name for name in names(*given))


def test_a_part_of_the_work_is_reported_as_the_whole(capsys):
  """Half the tokens in half the time is no other speed."""
  ready = {'version': '', 'device': '', 'dtype': 'float32', 'first': 0}
  end = {'peak': 0, 'device_peak': 0}
  machine.report(
      {
          'emojax float32': [{'seconds': 2, 'matmul': 1}],
          'transformers float32 serial': [{'seconds': 4, 'matmul': 1}],
      },
      {
          'emojax float32': [ready, end],
          'transformers float32 serial': [ready | {'part': 0.5}, end],
      },
      amount=80,
      operations=None,
      about='',
  )
  out = capsys.readouterr().out
  assert '| transformers float32 serial | 10 (10 to 10) |' in out
  assert 'ratio emojax float32 / transformers float32 serial: 4.00' in out


def test_operations_are_two_a_weight_and_token_and_attention_is_causal():
  config = config_json.read(models.RANDOM['tiny'])
  # q, k, v and o of 64 x 64, gate, up and down of 64 x 128, in 2 layers.
  weights = 2 * (4 * 64 * 64 + 3 * 64 * 128)
  # Of 3 tokens 1 + 2 + 3 pairs; 8 heads of 8, two products, two layers.
  pairs = 6 + 1
  expected = 2 * weights * (3 + 1) + 2 * 2 * 2 * 64 * pairs
  assert models.operations(config, [3, 1]) == expected


def test_a_wrong_story_lowers_the_least_cosine():
  x = np.random.default_rng(0).standard_normal((5, 2, 8)) + 10
  assert min(capture.least_cosines(x, x)) > 1 - 1e-9
  wrong = x.copy()
  wrong[3, 1] = x[4, 1]
  plain, centred = capture.least_cosines(wrong, x)
  assert centred < 0.9 < plain < 1 - 1e-4


def test_a_sweep_crosses_prompts_and_strengths(tmp_path):
  (tmp_path / 'texts.json').write_text('{"stories": [[1, 2, 3], [4, 5, 6]]}')
  flags = argparse.Namespace(
      folder=tmp_path, prompts=2, strengths=3, length=2, serial=2
  )
  rows, strengths = sweep.grid_of(flags)
  assert rows == [[1, 2]] * 3 + [[4, 5]] * 3
  np.testing.assert_allclose(strengths, [-0.3, 0, 0.3] * 2, atol=1e-7)
  np.testing.assert_array_equal(sweep.serial_rows(flags), [0, 5])
  assert np.isclose(np.linalg.norm(sweep.direction_of(64)), 64)


def test_shared_prompts_save_the_blocks_below_the_steered_one():
  config = config_json.read(models.RANDOM['tiny'])
  flags = argparse.Namespace(strengths=3, layer=0, new_tokens=2)
  needed, shared = sweep.operations(config, [[1, 2]] * 3, flags)
  # The last token is drawn and not run; two are drawn from 512.
  assert needed == models.operations(config, [3] * 3) + 2 * 64 * 512 * 2 * 3
  # Two of three rows need not run their prompt through one of two blocks.
  assert needed - shared == pytest.approx(
      models.operations(config, [2] * 2) / 2
  )


def test_a_random_model_that_is_not_known_is_refused_by_name():
  with pytest.raises(SystemExit, match='random:llama3_1b'):
    models.random_config('random:llama9')


def test_a_dead_contender_is_named_with_its_log(tmp_path):
  flags = machine.parser(None, rows=1).parse_args([])
  flags.folder = tmp_path
  with pytest.raises(SystemExit, match='emojax_float32 ended before'):
    with machine._child('tests.benchmarks.none', flags, 'emojax float32') as it:
      machine._ask(it)
