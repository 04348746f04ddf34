"""A file is there whole or not at all; a bad one is one clear line."""

import json
import os
import stat

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from emojax import errors
from emojax import files


def _refused(read, path, *parts):
  """Reads, and holds the error to one line that names the file."""
  with pytest.raises(errors.InputError) as caught:
    read(path)
  message = str(caught.value)
  assert message.startswith(str(path)), message
  assert '\n' not in message
  for part in parts:
    assert part in message, message


def _fail(*_):
  raise KeyboardInterrupt


@pytest.mark.parametrize('step', ['fsync', 'chmod', 'replace'])
def test_an_interrupted_write_leaves_the_old_file_alone(
    tmp_path, monkeypatch, step
):
  path = tmp_path / 'a.json'
  files.write_json(path, {'old': 1})
  with monkeypatch.context() as patch:
    patch.setattr(os, step, _fail)
    with pytest.raises(KeyboardInterrupt):
      files.write_json(path, {'new': 2})
  assert os.listdir(tmp_path) == ['a.json']
  assert files.read_json(path) == {'old': 1}


def test_an_interrupted_first_write_leaves_nothing(tmp_path, monkeypatch):
  monkeypatch.setattr(os, 'replace', _fail)
  with pytest.raises(KeyboardInterrupt):
    files.write_bytes(tmp_path / 'a', b'abc')
  assert os.listdir(tmp_path) == []


def test_bytes_are_synced_before_the_file_has_its_name(tmp_path, monkeypatch):
  steps = []
  for name in ('fsync', 'replace'):
    own = getattr(os, name)

    def step(*arguments, name=name, own=own):
      steps.append((name, (tmp_path / 'a').exists()))
      return own(*arguments)

    monkeypatch.setattr(os, name, step)
  files.write_bytes(tmp_path / 'a', b'abc')
  assert steps == [('fsync', False), ('replace', False)]
  assert (tmp_path / 'a').read_bytes() == b'abc'


def test_a_new_file_has_its_folders_and_can_be_read_by_all(tmp_path):
  path = tmp_path / 'b' / 'c' / 'a.txt'
  files.write_text(path, 'é')
  assert path.read_bytes() == b'\xc3\xa9'
  assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_a_number_that_json_has_not_is_refused_and_nothing_written(
    tmp_path, value
):
  for write in (
      lambda: files.write_json(tmp_path / 'a', {'x': [value]}),
      lambda: files.write_jsonl(tmp_path / 'a', [{'x': 1}, {'x': value}]),
      lambda: files.write_arrays(tmp_path / 'a', {}, {'x': value}),
  ):
    with pytest.raises(ValueError):
      write()
  assert os.listdir(tmp_path) == []


def test_json_reads_as_it_was_written(tmp_path):
  value = {'é\u2028': [1, 0.1, None, True, 'a\nb'], 'c': {}}
  files.write_json(tmp_path / 'a', value)
  assert files.read_json(tmp_path / 'a') == value
  assert json.loads((tmp_path / 'a').read_bytes()) == value


def test_a_row_is_a_line_whatever_its_text_holds(tmp_path):
  # What str.splitlines would break a line at.
  rows = [{'text': 'a\nb\r\u2028\u2029\x85\x0b'}, {'text': ''}]
  files.write_jsonl(tmp_path / 'a', rows)
  assert files.read_jsonl(tmp_path / 'a') == [(1, rows[0]), (2, rows[1])]
  assert (tmp_path / 'a').read_bytes().count(b'\n') == 2


def test_blank_lines_are_skipped_and_counted(tmp_path):
  (tmp_path / 'a').write_bytes(b'\n{"x": 1}\r\n   \n{"x": 2}')
  assert files.read_jsonl(tmp_path / 'a') == [(2, {'x': 1}), (4, {'x': 2})]


@pytest.mark.parametrize(
    'line, parts',
    [
        ('{"x": 1', [':2: not JSON', 'column']),
        ('[1]', [':2: not a JSON object']),
        ('null', [':2: not a JSON object']),
        ('{"x": ' + '[' * 100_000, [':2: not JSON']),
        ('{"x": ' + '9' * 5000 + '}', [':2: not JSON']),
    ],
    ids=['cut', 'list', 'null', 'deep', 'huge'],
)
def test_a_bad_line_is_refused_by_its_number(tmp_path, line, parts):
  path = tmp_path / 'a.jsonl'
  path.write_text('{"x": 0}\n' + line + '\n')
  _refused(files.read_jsonl, path, *parts)


@pytest.mark.parametrize(
    'text',
    ['', '{"x": 1', '[' * 100_000, '9' * 5000],
    ids=['empty', 'cut', 'deep', 'huge'],
)
def test_what_is_not_json_is_refused(tmp_path, text):
  path = tmp_path / 'a.json'
  path.write_text(text)
  _refused(files.read_json, path, 'not JSON')


@pytest.mark.parametrize('read', [files.read_json, files.read_jsonl])
def test_text_that_cannot_be_read_is_refused(tmp_path, read):
  (tmp_path / 'a').write_bytes(b'{"x": "\xff"}')
  _refused(read, tmp_path / 'a', 'not UTF-8')
  _refused(read, tmp_path / 'none', 'No such file')
  _refused(read, tmp_path, 'directory')


def test_a_file_without_rows_is_refused(tmp_path):
  (tmp_path / 'a').write_text('\n \n')
  _refused(files.read_jsonl, tmp_path / 'a', 'no rows')


def test_arrays_come_back_bit_for_bit(tmp_path):
  x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
  arrays = {
      'odd': np.array([np.nan, -0.0, np.inf, 1e-45], np.float32),
      'transposed': x.T,
      'strided': x[:, ::2, 1:],
      'reversed': x[::-1],
      'empty': np.zeros((3, 0, 2), np.float32),
      'bool': np.array([True, False]),
      'int': np.array([-(2**62), 7]),
  }
  metadata = {'emotions': ['é', 'b'], 'layer': 3, 'none': None}
  files.write_arrays(tmp_path / 'a', arrays, metadata)
  got, header = files.read_arrays(tmp_path / 'a')
  assert header == metadata
  assert got.keys() == arrays.keys()
  for name, array in arrays.items():
    assert got[name].dtype == array.dtype and got[name].shape == array.shape
    assert got[name].tobytes() == array.tobytes(), name


def _arrays_file(path):
  files.write_arrays(path, {'x': np.arange(100.0)}, {'layer': 1})
  return path.read_bytes()


@pytest.mark.parametrize('kept', [0, 5, 60, -1])
def test_a_truncated_file_of_arrays_is_refused(tmp_path, kept):
  path = tmp_path / 'a.safetensors'
  path.write_bytes(_arrays_file(path)[:kept])
  _refused(files.read_arrays, path, 'not a whole safetensors file')


@pytest.mark.parametrize(
    'damage',
    [
        lambda data: b'\xff' * 8 + data[8:],  # A header of 2**64 bytes.
        lambda data: data[:8] + b'[' + data[9:],
        lambda data: data.replace(b'F64', b'F99'),
        lambda data: data + b'more',
        lambda data: b'GGUF' + data,
    ],
    ids=['size', 'header', 'dtype', 'longer', 'other'],
)
def test_a_damaged_file_of_arrays_is_refused(tmp_path, damage):
  path = tmp_path / 'a.safetensors'
  path.write_bytes(damage(_arrays_file(path)))
  _refused(files.read_arrays, path, 'not a whole safetensors file')


@pytest.mark.parametrize(
    'metadata',
    [None, {'format': 'pt'}, {'emojax': 'x'}, {'emojax': '[1]'}],
    ids=['none', 'other', 'text', 'list'],
)
def test_arrays_of_another_program_are_refused(tmp_path, metadata):
  path = tmp_path / 'model.safetensors'
  safetensors.numpy.save_file({'x': np.zeros(2)}, path, metadata=metadata)
  _refused(files.read_arrays, path, 'not written by emojax')


def test_a_model_in_bfloat16_is_refused_as_another_programs(tmp_path):
  path = tmp_path / 'model.safetensors'
  x = np.zeros(2, ml_dtypes.bfloat16)
  safetensors.numpy.save_file({'x': x}, path, metadata={'format': 'pt'})
  _refused(files.read_arrays, path, 'not written by emojax')


def test_arrays_that_are_not_there_are_refused(tmp_path):
  _refused(files.read_arrays, tmp_path / 'none', 'no such file')
  _refused(files.read_arrays, tmp_path, 'a folder; give the path of a file')


def test_sha256_is_the_published_one(tmp_path):
  (tmp_path / 'a').write_bytes(b'abc')
  assert files.sha256(tmp_path / 'a') == (
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  )


def test_packed_arrays_keep_their_shapes_and_values_however_they_lie():
  x = np.arange(6, dtype=np.float32).reshape(2, 3)
  arrays = {'scalar': np.float32(3), 'strided': x.T, 'none': x[:0], 'x': x}
  got = files.unpack(files.pack(arrays, {}))
  assert got.keys() == arrays.keys()
  for name, expected in arrays.items():
    assert got[name].shape == np.shape(expected)
    np.testing.assert_array_equal(got[name], expected)
