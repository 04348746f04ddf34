"""A workdir holds one run: other settings are refused and change nothing."""

import os
import tempfile

import pytest

from emojax import errors
from emojax import files
from emojax import runs

CONFIG = {'seed': 0, 'strengths': (0.25, 0.5), 'model': {'dtype': 'float32'}}
MADE_FROM = {'weights': 'abc', 'corpus': {'stories': 'def'}}


def _refused(workdir, config, made_from=MADE_FROM):
  before = {name: (workdir / name).read_bytes() for name in os.listdir(workdir)}
  with pytest.raises(errors.InputError) as caught:
    runs.open_workdir(workdir, config, made_from)
  after = {name: (workdir / name).read_bytes() for name in os.listdir(workdir)}
  assert before == after
  message = str(caught.value)
  assert str(workdir) in message and '\n' not in message
  return message


def test_a_new_workdir_has_the_settings_the_hashes_and_the_versions(tmp_path):
  runs.open_workdir(tmp_path / 'a' / 'b', CONFIG, MADE_FROM)
  got = files.read_json(tmp_path / 'a' / 'b' / 'config.json')
  assert got['config'] == CONFIG | {'strengths': [0.25, 0.5]}
  assert got['made_from'] == MADE_FROM
  assert got['versions'] == runs.versions()
  assert {'emojax', 'jax', 'numpy'} < set(got['versions'])


def test_the_same_settings_are_accepted_and_not_written_again(tmp_path):
  runs.open_workdir(tmp_path, CONFIG, MADE_FROM)
  before = os.stat(tmp_path / 'config.json')
  runs.open_workdir(tmp_path, dict(reversed(CONFIG.items())), MADE_FROM)
  after = os.stat(tmp_path / 'config.json')
  assert (before.st_ino, before.st_mtime_ns) == (
      after.st_ino,
      after.st_mtime_ns,
  )


def test_other_versions_are_no_other_settings(tmp_path):
  runs.open_workdir(tmp_path, CONFIG, MADE_FROM)
  path = tmp_path / 'config.json'
  files.write_json(path, files.read_json(path) | {'versions': {'jax': '0.1'}})
  runs.open_workdir(tmp_path, CONFIG, MADE_FROM)
  assert files.read_json(path)['versions'] == {'jax': '0.1'}


@pytest.mark.parametrize(
    'change, expected',
    [
        ({'seed': 1}, 'config.seed was 0, is 1'),
        (
            {'strengths': (0.25,)},
            'config.strengths was [0.25, 0.5], is [0.25]',
        ),
        (
            {'model': {'dtype': 'bfloat16'}},
            'config.model.dtype was "float32", is "bfloat16"',
        ),
        ({'layer': 3}, 'config.layer was null, is 3'),
    ],
    ids=['number', 'tuple', 'nested', 'new'],
)
def test_another_setting_is_refused_with_its_name_and_both_values(
    tmp_path, change, expected
):
  runs.open_workdir(tmp_path, CONFIG, MADE_FROM)
  assert f'({expected});' in _refused(tmp_path, CONFIG | change)


def test_other_inputs_are_refused_and_every_difference_named(tmp_path):
  runs.open_workdir(tmp_path, CONFIG, MADE_FROM)
  message = _refused(
      tmp_path,
      CONFIG | {'seed': 9},
      {'weights': 'abc', 'corpus': {'stories': 'xyz'}},
  )
  assert 'config.seed was 0, is 9' in message
  assert 'made_from.corpus.stories was "def", is "xyz"' in message
  assert 'weights' not in message and 'dtype' not in message


@pytest.mark.parametrize('text', ['', '{"config": ', '[]', '3'])
def test_damaged_settings_are_refused(tmp_path, text):
  (tmp_path / 'config.json').write_text(text)
  assert 'config.json' in _refused(tmp_path, CONFIG)


@pytest.mark.parametrize('below', ['', 'a', 'a/b'])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, below):
  # Below a file: permissions do not stop the superuser, this does.
  (tmp_path / 'file').write_text('x')
  workdir = tmp_path / 'file' / below
  with pytest.raises(errors.InputError) as caught:
    runs.open_workdir(workdir, CONFIG, MADE_FROM)
  assert str(caught.value).startswith(f'{workdir}: cannot be written (')
  assert os.listdir(tmp_path) == ['file']


def test_what_a_killed_run_had_begun_to_write_goes(tmp_path):
  handle, begun = tempfile.mkstemp(dir=tmp_path, prefix='.a.json.')
  os.close(handle)
  kept = [tmp_path / name for name in ('a.json', '.hidden', '.a.json.old')]
  for path in kept:
    path.write_text('{}')
  runs.open_workdir(tmp_path, {}, {})
  assert not os.path.exists(begun)
  assert all(path.exists() for path in kept)
