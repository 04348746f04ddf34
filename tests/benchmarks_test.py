"""The benchmarks run, compare like with like, and count what they say."""

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
from tests.benchmarks import decode  # noqa: E402
from tests.benchmarks import hf  # noqa: E402
from tests.benchmarks import machine  # noqa: E402
from tests.benchmarks import models  # noqa: E402

NAMES = {
    'capture': ('--rows=6', '--batch=4'),
    'decode': ('--rows=4', '--new_tokens=3'),
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


def test_contenders_take_turns():
  flags = machine.parser(None, rows=1).parse_args([])
  assert machine.names(flags) == [
      'emojax bfloat16',
      'transformers bfloat16',
      'emojax float32',
      'transformers float32',
  ]


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


def test_steered_rows_have_directions_of_one_length():
  bank = decode.bank_of(3, 64)
  np.testing.assert_allclose(np.linalg.norm(bank, axis=-1), 64, rtol=1e-5)


def test_a_random_model_that_is_not_known_is_refused_by_name():
  with pytest.raises(SystemExit, match='random:llama3_1b'):
    models.random_config('random:llama9')


def test_a_dead_contender_is_named_with_its_log(tmp_path):
  flags = machine.parser(None, rows=1).parse_args([])
  flags.folder = tmp_path
  with pytest.raises(SystemExit, match='emojax_float32 ended before'):
    with machine._child('tests.benchmarks.none', flags, 'emojax float32') as it:
      machine._ask(it)
