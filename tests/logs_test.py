"""What a run says of itself in its workdir, and that no result knows of it."""

import datetime
import json
import logging as logging_lib
import os
import re
import subprocess
import sys

from absl import logging
import command_line
import pytest
import tiny_model

import emojax
from emojax import buckets
from emojax import errors
from emojax import files
from emojax import hosts
from emojax import logs
from emojax import runs

COMMAND = ['/somewhere/emojax', '--config=configs/x.py', '--config.note=a b']
_LINE = re.compile(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ [A-Z]+ (.*)')


@pytest.fixture(autouse=True)
def verbose():
  """INFO as the command has it; absl's logger is as it was, afterwards."""
  level = logging.get_verbosity()
  logging.set_verbosity(logging.INFO)
  yield
  logging.set_verbosity(level)


def _run(workdir, work=lambda: None):
  with logs.kept(COMMAND):
    logging.info('before the workdir')
    runs.open_workdir(workdir, {}, {})
    logging.info('after it')
    work()


def _said(workdir):
  """What the lines of the log say; every line begins with a time."""
  lines = (workdir / 'log.txt').read_text().splitlines()
  return [_LINE.fullmatch(line)[1] for line in lines]


def _rows(workdir):
  return [row for _, row in files.read_jsonl(workdir / 'metrics.jsonl')]


def test_a_log_says_what_was_started_with_what_and_how_it_ended(tmp_path):
  _run(tmp_path / 'run')
  first, about, *lines, last = _said(tmp_path / 'run')
  assert first == (
      "started by: emojax --config=configs/x.py '--config.note=a b'"
  )
  assert about.startswith(f'emojax {emojax.__version__}, jax ')
  assert ' x cpu, 1 process(es)' in about
  assert lines == ['before the workdir', 'after it']
  assert re.fullmatch(r'ended after \d+\.\d s', last)


def test_a_log_goes_on_where_it_ended(tmp_path):
  _run(tmp_path)
  before = (tmp_path / 'log.txt').read_bytes()
  _run(tmp_path)
  after = (tmp_path / 'log.txt').read_bytes()
  assert after.startswith(before)
  assert sum(x.startswith('started by:') for x in _said(tmp_path)) == 2


def test_a_line_is_in_the_file_when_it_is_said(tmp_path):
  seen = []
  _run(tmp_path, lambda: seen.extend(_said(tmp_path)))
  assert seen[-1] == 'after it'


def test_a_stop_and_a_mistake_are_said_and_raised(tmp_path):
  for error in (errors.Stopped('told to'), errors.InputError('a bad layer')):

    def fail(error=error):
      raise error

    with pytest.raises(type(error)):
      _run(tmp_path, fail)
    assert re.fullmatch(rf'ended after .* s: {error}', _said(tmp_path)[-1])


def test_what_nobody_foresaw_leaves_its_traceback(tmp_path):
  with pytest.raises(ZeroDivisionError):
    _run(tmp_path, lambda: 1 / 0)
  text = (tmp_path / 'log.txt').read_text()
  assert 'ERROR failed after' in text
  assert text.endswith('ZeroDivisionError: division by zero\n')


def test_a_refused_run_writes_nothing(tmp_path):
  workdir = tmp_path / 'none'
  with pytest.raises(errors.InputError):
    with logs.kept(COMMAND):
      logging.info('a line')
      logs.record('pass/Weights', step=1)
      raise errors.InputError('no')
  assert not workdir.exists()
  _run(workdir)
  before = {path: path.read_bytes() for path in workdir.iterdir()}
  with pytest.raises(errors.InputError, match='other settings'):
    with logs.kept(COMMAND):
      runs.open_workdir(workdir, {'seed': 1}, {})
  assert {path: path.read_bytes() for path in workdir.iterdir()} == before


def test_who_calls_an_experiment_himself_gets_no_records(tmp_path):
  runs.open_workdir(tmp_path, {}, {})
  logging.info('a line')
  logs.record('pass/Weights', step=1)
  assert os.listdir(tmp_path) == ['config.json']


def test_only_the_first_process_keeps_records(tmp_path, monkeypatch):
  monkeypatch.setattr(hosts, 'is_first', lambda: False)
  _run(tmp_path, lambda: logs.record('pass/Weights', step=1))
  assert os.listdir(tmp_path) == ['config.json']


def test_nothing_stays_behind_in_the_loggers(tmp_path):
  before = logging_lib.getLogger().handlers[:]
  _run(tmp_path)
  assert logging_lib.getLogger().handlers == before
  logging.info('a line for nobody')
  assert 'a line for nobody' not in _said(tmp_path)


def test_metrics_are_json_lines_with_time_name_values_and_memory(tmp_path):
  def work():
    logs.record('pass/Stories', step=3, seconds=1 / 3, unit='texts')
    logs.record('probes/fold', loss=float('nan'))
    logs.stage('capture', 2.0)

  _run(tmp_path, work)
  one, two, three = _rows(tmp_path)
  now = datetime.datetime.now(datetime.UTC)
  age = now - datetime.datetime.fromisoformat(one['time'])
  assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=1)
  assert one['name'] == 'pass/Stories' and one['step'] == 3
  assert one['seconds'] == 0.333333 and one['unit'] == 'texts'
  assert one['host_peak_bytes'] > 10 << 20
  assert two['loss'] is None
  assert three['name'] == 'stage/capture' and three['seconds'] == 2
  assert 'capture: 2.0 s' in _said(tmp_path)


def test_devices_that_count_their_memory_are_asked(monkeypatch, tmp_path):
  class Device:
    device_kind = 'a GPU'

    def memory_stats(self):
      return {'bytes_in_use': 5, 'peak_bytes_in_use': 9, 'num_allocs': 3}

  monkeypatch.setattr(logs.jax, 'local_devices', lambda: [Device()])
  _run(tmp_path, lambda: logs.record('pass/Stories'))
  (row,) = _rows(tmp_path)
  assert (row['device_bytes'], row['device_peak_bytes']) == (5, 9)
  assert 'num_allocs' not in row


def test_a_disk_that_takes_no_more_ends_no_run(tmp_path, monkeypatch):
  def append(path, text):
    raise OSError(28, 'No space left on device', str(path))

  def write(path, data):
    raise OSError(28, 'No space left on device', str(path))

  def fill():
    monkeypatch.setattr(files, 'append', append)
    monkeypatch.setattr(files, 'write_bytes', write)

  done = []
  _run(tmp_path, lambda: (fill(), logging.info('x'), done.append(1)))
  assert done


def test_a_bucket_gets_its_records_at_the_end_behind_the_earlier(
    tmp_path, monkeypatch
):
  def write(path, data):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)

  ours = {
      'holds': lambda path: 'bucket' in str(path),
      'read': lambda path: path.read_bytes(),
      'write': write,
      'exists': os.path.exists,
      'sizes': lambda folder, prefix='': {},
  }
  for name, function in ours.items():
    monkeypatch.setattr(buckets, name, function)
  workdir = files.Path(tmp_path / 'bucket')
  _run(workdir, lambda: logs.record('pass/Stories', step=1))
  _run(workdir, lambda: logs.record('pass/Stories', step=2))
  assert [row['step'] for row in _rows(workdir)] == [1, 2]
  assert sum(x.startswith('ended after') for x in _said(workdir)) == 2


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """A folder with the workdir of a reading by the command, run twice."""
  folder = tmp_path_factory.mktemp('command')
  vectors, texts = folder / 'vectors.safetensors', folder / 'texts.jsonl'
  tiny_model.write_vectors(vectors, tiny_model.write(folder / 'model'))
  tiny_model.write_rows(texts, tiny_model.TEXTS)
  command = [
      sys.executable,
      '-m',
      'emojax.main',
      f'--config={tiny_model.ROOT / "configs" / "read.py"}',
      f'--workdir={folder / "workdir"}',
      *tiny_model.flags({'vectors': vectors, 'texts': texts}),
  ]
  for _ in range(2):
    subprocess.run(command, check=True, capture_output=True)
  return folder


def test_a_command_keeps_its_records_beside_its_results(finished):
  said = _said(finished / 'workdir')
  starts = [x for x in said if x.startswith('started by: main.py --config=')]
  assert len(starts) == 2
  names = [row['name'] for row in _rows(finished / 'workdir')]
  assert names.count('pass/Weights') == 2 and names.count('pass/Readings') == 1
  (row,) = [x for x in _rows(finished / 'workdir') if 'Readings' in x['name']]
  assert row['step'] == row['total'] == len(tiny_model.TEXTS)
  assert row['tokens'] > row['step'] and row['tokens_per_s'] > 0


def test_no_artefact_names_a_record(finished):
  for name, data in command_line.artefacts(finished / 'workdir').items():
    for record in logs.NAMES:
      assert json.dumps(record).encode() not in data, name
