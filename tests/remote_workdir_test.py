"""A run whose workdir is in a bucket is the run that it would be on a disk."""

import hashlib
import os
import signal
import sys
import time

import command_line
import fake_gcs
import jax
import numpy as np
import pytest
import tiny_model

from emojax import buckets
from emojax import chunks
from emojax import errors
from emojax import files
from emojax import logs
from emojax.data import stories as stories_lib
from emojax.experiments import convert
from emojax.experiments import fit_probes
from emojax.experiments import read
from emojax.models import load
from emojax.report import page


@pytest.fixture(scope='module')
def server():
  """The store, and the variables that lead this process's children to it."""
  with fake_gcs.serve('bucket') as (store, variables):
    yield store, variables


@pytest.fixture
def store(server, monkeypatch):
  """The store, reached from this process."""
  store, variables = server
  for name, value in variables.items():
    monkeypatch.setenv(name, value)
  buckets.client.cache_clear()
  yield store
  store.denied.clear()


@pytest.fixture(scope='module')
def environment(server):
  return os.environ | server[1]


@pytest.fixture(scope='module')
def fields(tmp_path_factory):
  """Short chunks: 6 of stories, 4 of dialogues, 6 of the sweep."""
  fields = tiny_model.settings(tmp_path_factory.mktemp('tiny'))
  return fields | {
      'batch': 2,
      'chunk': 1,
      'prompts': ('How do you feel?',),
      'strengths': (0.4,),
      'sweep_batch': 2,
      'sweep_chunk': 2,
      'keep_layers': (0, 2),
  }


@pytest.fixture(scope='module')
def on_disk(fields, environment, tmp_path_factory):
  """The workdir of a run on a disk."""
  workdir = tmp_path_factory.mktemp('disk') / 'run'
  command_line.finish(fields, workdir, environment)
  return workdir


@pytest.fixture(scope='module')
def expected(on_disk):
  """The bytes of its files, by their names."""
  return command_line.artefacts(on_disk)


def artefacts(store, workdir):
  """The same of what is in the store, but for the records of the run."""
  found = store.below(workdir)
  return {name: x for name, x in found.items() if name not in logs.NAMES}


def parts(store, workdir):
  """Returns the names of the chunks that are there."""
  return {name for name in store.below(workdir) if '.parts/' in name}


def interrupted(server, fields, workdir, environment, count, sent):
  """Runs until so many chunks have been seen, then sends a signal."""
  store, _ = server
  seen = set()
  process = command_line.start(fields, workdir, environment)
  while process.poll() is None and len(seen) < count:
    seen |= parts(store, workdir)
    time.sleep(0.005)
  process.send_signal(sent)
  said, _ = process.communicate(timeout=300)
  return process.returncode, said


def test_a_run_in_a_bucket_ends_with_the_bytes_of_one_on_a_disk(
    server, fields, environment, expected
):
  command_line.finish(fields, 'gs://bucket/runs/whole', environment)
  assert artefacts(server[0], 'gs://bucket/runs/whole') == expected
  assert any(name.startswith('stories.zarr/c/') for name in expected)


def test_a_run_killed_stopped_and_damaged_goes_on_to_the_same_bytes(
    server, fields, environment, expected
):
  store, _ = server
  workdir = 'gs://bucket/runs/a tried one'
  status, said = interrupted(
      server, fields, workdir, environment, 2, signal.SIGKILL
  )
  assert status == -signal.SIGKILL, said
  assert 'config.json' in store.below(workdir)

  status, said = interrupted(
      server, fields, workdir, environment, 6, signal.SIGTERM
  )
  assert status == 75, said
  assert said.splitlines()[-1].startswith('emojax: Told to stop (SIGTERM)')
  assert 'Traceback' not in said

  # The newest: what came after a damaged one would be made again, too.
  order = {name: i for i, name in enumerate(store.written)}
  *kept, name = sorted(
      parts(store, workdir), key=lambda x: order[f'runs/a tried one/{x}']
  )
  data = bytearray(store.below(workdir)[name])
  data[len(data) // 2] ^= 1
  store.put('bucket', f'runs/a tried one/{name}', bytes(data))
  first = len(store.written)
  said = command_line.finish(fields, workdir, environment)
  assert f'{workdir}/{name} is damaged' in said
  assert artefacts(store, workdir) == expected
  # What was whole is read and not written again.
  written = store.written[first:]
  assert kept and not {f'runs/a tried one/{name}' for name in kept} & {*written}


def test_readings_and_probes_come_from_a_bucket_as_from_a_disk(
    store, fields, on_disk, tmp_path
):
  for path in ('vectors.safetensors', 'activations.safetensors'):
    store.put('bucket', f'in/{path}', (on_disk / path).read_bytes())
  texts = tmp_path / 'texts.jsonl'
  tiny_model.write_rows(texts, tiny_model.TEXTS)
  store.put('bucket', 'in/texts.jsonl', texts.read_bytes())

  def run(folder, texts, out):
    config = tiny_model.config(
        'read', vectors=f'{folder}/vectors.safetensors', texts=str(texts)
    )
    read.run(config, out / 'read')
    config = tiny_model.config(
        'probes',
        activations=f'{folder}/activations.safetensors',
        inverse_penalties=(0.1,),
        shuffles=2,
        tolerance=0.1,
    )
    fit_probes.run(config, out / 'probes')
    names = (
        'read/cosines.safetensors',
        'read/readings.jsonl',
        'probes/probes.safetensors',
    )
    return [files.read_bytes(out / name) for name in names]

  here = run(on_disk, texts, files.locate(str(tmp_path)))
  there = run(
      'gs://bucket/in',
      'gs://bucket/in/texts.jsonl',
      files.locate('gs://bucket/out'),
  )
  assert there == here


def test_a_corpus_and_a_report_are_the_same_in_a_bucket(
    store, fields, expected
):
  data = files.read_bytes(fields['stories'])
  store.put('bucket', 'corpus/stories.jsonl', data)
  path = files.locate('gs://bucket/corpus/stories.jsonl')
  assert stories_lib.load_stories(path) == stories_lib.load_stories(
      files.locate(fields['stories'])
  )
  for name, data in expected.items():
    if name != 'report.html':
      store.put('bucket', f'again/{name}', data)
  page.write(files.locate('gs://bucket/again'))
  assert store.below('gs://bucket/again')['report.html'] == (
      expected['report.html']
  )


@pytest.mark.parametrize('dtype', ['float32', 'int8'])
def test_a_model_converted_into_a_bucket_is_the_model(store, fields, dtype):
  folder = f'gs://bucket/models/{dtype}'
  config = tiny_model.config('convert', model=fields['model'], dtype=dtype)
  convert.run(config, files.locate(folder))
  ours, theirs = (load.load(x, dtype) for x in (folder, fields['model']))
  equal = lambda x, y: x.dtype == y.dtype and np.array_equal(x, y)
  assert jax.tree.all(jax.tree.map(equal, ours.params, theirs.params))
  assert ours.identity() == theirs.identity() | {'model': folder}
  assert '.converting' not in store.below(folder)
  with pytest.raises(errors.InputError, match='converted model already'):
    convert.run(config, files.locate(folder))
  name = next(x for x in store.below(folder) if x.startswith('params/state/d/'))
  store.put('bucket', f'models/{dtype}/{name}', b'cut')
  with pytest.raises(errors.InputError, match='was cut short or changed'):
    load.load(folder, dtype)


def test_a_conversion_that_was_cut_off_in_a_bucket_is_started_anew(
    store, fields
):
  folder = 'gs://bucket/models/cut'
  for name in ('.converting', 'params/state/_METADATA', 'tokenizer/old.json'):
    store.put('bucket', f'models/cut/{name}', b'{}')
  with pytest.raises(errors.InputError, match='no model.json'):
    load.load(folder, 'float32')
  config = tiny_model.config('convert', model=fields['model'], dtype='float32')
  convert.run(config, files.locate(folder))
  assert load.load(folder, 'float32').sha256
  assert 'tokenizer/old.json' not in store.below(folder)


def test_counting_chunks_lists_once_and_reads_each_once(store):
  folder = chunks.folder(files.locate('gs://bucket/count/a.jsonl'), b'plan')
  for number in range(5):
    chunks.put(folder, 'rows', number, bytes([number]))
  chunks.drop(folder, 'rows', 3)
  store.log.clear()
  assert chunks.count(folder, 'rows') == 3
  asked = [path for _, path in store.log]
  assert len(asked) == 4
  assert asked[0] == '/storage/v1/b/bucket/o'
  assert all('/download/' in path for path in asked[1:])
  assert chunks.get(folder, 'rows', 4) == bytes([4])


def test_a_file_that_is_looked_for_or_written_is_one_request(store):
  path = files.locate('gs://bucket/one/a b%.json')
  store.log.clear()
  assert not files.exists(path)
  files.write_json(path, {'x': 1})
  assert files.exists(path)
  assert [method for method, _ in store.log] == ['GET', 'POST', 'GET']
  assert files.read_json(path) == {'x': 1}


def test_thousands_of_files_are_all_found_and_deleted(store):
  names = [f'{i:04d}' for i in range(2500)]
  for name in names:
    store.put('bucket', f'many/part/{name}', b'x')
  store.put('bucket', 'many/part/', b'')  # As consoles show a folder.
  store.put('bucket', 'many/party', b'x')
  folder = files.locate('gs://bucket/many/part')
  store.log.clear()
  assert [path.name for path in files.find(folder)] == names
  assert len(store.log) == 3
  assert [x.name for x in files.find(folder, '001')] == names[10:20]
  for path in files.find(folder)[:-3]:
    del store.objects['bucket', f'many/part/{path.name}']
  files.remove_folder(folder)
  assert list(store.below('gs://bucket/many')) == ['party']
  files.remove_folder(folder)  # There is nothing left to delete.


def test_a_large_file_comes_in_parts_and_is_there_when_all_have_come(
    store, monkeypatch
):
  path = files.locate('gs://bucket/large')
  files.write_bytes(path, b'old')
  data = np.random.default_rng(0).bytes(101 << 20)  # In parts of 50 MiB.
  seen = []
  begin = lambda: seen.append(store.objects['bucket', 'large'])
  monkeypatch.setattr(store, 'begin_part', begin)
  files.write_bytes(path, data)
  assert seen == [b'old'] * 3
  assert files.read_bytes(path) == data
  assert files.sha256(path) == hashlib.sha256(data).hexdigest()


@pytest.fixture
def refusal(store, tmp_path, monkeypatch, capsys):
  """Runs the command, which must write nothing; returns its one line."""
  command = command_line.Command(tmp_path, monkeypatch, capsys)

  def run(workdir='gs://bucket/refused', **fields):
    before = dict(store.objects)
    line = command.quickstart(f'--workdir={workdir}', **fields)
    assert store.objects == before
    return line

  return run


def test_a_bucket_that_is_not_there_is_said_with_what_makes_it(refusal):
  line = refusal('gs://other/run')
  assert "gs://other/run: there is no bucket 'other'; make it" in line


@pytest.mark.parametrize(
    'status, part',
    [
        (401, 'log in with `gcloud auth application-default login`'),
        (403, 'needs roles/storage.objectUser on gs://bucket'),
    ],
)
@pytest.mark.parametrize('method', ['GET', 'POST'])
def test_who_may_not_read_or_write_is_told_what_is_needed(
    refusal, store, status, part, method
):
  store.denied['bucket', method] = status
  line = refusal()
  assert line.startswith('emojax: gs://bucket/refused'), line
  assert part in line


@pytest.mark.parametrize('field', ['stories', 'neutral', 'chats'])
def test_an_input_that_is_not_in_the_bucket_is_named(refusal, field):
  line = refusal(**{field: 'gs://bucket/in/none.jsonl'})
  assert 'gs://bucket/in/none.jsonl: no such object' in line


@pytest.mark.parametrize(
    'workdir', ['gs://bucket', 'gs://', 's3://bucket/run', 'gs://bucket/run*']
)
def test_what_is_no_place_in_a_bucket_is_refused(refusal, workdir):
  assert 'give a path of this machine, or gs://BUCKET/PATH' in refusal(workdir)


def test_without_gcsfs_the_line_says_how_to_get_it(refusal, monkeypatch):
  buckets.client.cache_clear()
  monkeypatch.setitem(sys.modules, 'gcsfs', None)
  assert "pip install 'emojax[gcs]'" in refusal()


def test_a_folder_for_other_libraries_is_made_here_and_copied(store, fields):
  config = tiny_model.config(
      'convert', model=fields['model'], form='huggingface'
  )
  with pytest.raises(errors.InputError, match='gcloud storage cp'):
    convert.run(config, files.locate('gs://bucket/models/hf'))
