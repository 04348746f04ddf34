"""A chunk is there whole or not at all, and a damaged one is found out."""

import pytest

from emojax import chunks

DATA = [bytes([i]) * 100 for i in range(4)]


@pytest.fixture
def parts(tmp_path):
  folder = chunks.folder(tmp_path / 'sweep.jsonl', b'plan')
  for i, data in enumerate(DATA):
    chunks.put(folder, 'rows', i, data)
  return folder


def _path(parts, number):
  (path,) = parts.glob(f'rows-{number:06d}-*')
  return path


def test_what_was_put_is_got(parts):
  assert [chunks.get(parts, 'rows', i) for i in range(4)] == DATA
  assert chunks.count(parts, 'rows') == 4
  assert chunks.get(parts, 'rows', 4) is None
  assert chunks.get(parts, 'sums', 0) is None


@pytest.mark.parametrize('at', range(0, 100, 7))
def test_one_changed_byte_is_detected_and_the_chunk_is_gone(parts, at, caplog):
  path = _path(parts, 2)
  data = bytearray(path.read_bytes())
  data[at] ^= 1
  path.write_bytes(data)
  assert chunks.get(parts, 'rows', 2) is None
  assert 'is damaged' in caplog.text and str(path) in caplog.text
  assert not path.exists()
  assert chunks.count(parts, 'rows') == 2  # What follows a gap does not count.


@pytest.mark.parametrize('size', [0, 1, 99])
def test_a_chunk_that_was_cut_short_is_detected(parts, size):
  path = _path(parts, 0)
  path.write_bytes(path.read_bytes()[:size])
  assert chunks.get(parts, 'rows', 0) is None


def test_a_chunk_under_another_number_is_another_chunk(parts):
  _path(parts, 3).unlink()
  chunks.put(parts, 'rows', 30, DATA[3])
  assert chunks.get(parts, 'rows', 3) is None
  assert chunks.count(parts, 'rows') == 3


def test_chunks_of_another_plan_are_not_seen_and_go_with_all_others(
    parts, tmp_path
):
  artefact = tmp_path / 'sweep.jsonl'
  other = chunks.folder(artefact, b'another plan')
  assert chunks.count(other, 'rows') == 0
  chunks.put(other, 'rows', 0, DATA[0])
  assert chunks.count(parts, 'rows') == 4
  chunks.clear(artefact)
  assert list(tmp_path.iterdir()) == []
  chunks.clear(artefact)  # There is nothing left to delete.


def test_dropped_chunks_are_gone_and_no_others(parts):
  chunks.drop(parts, 'rows', 0)
  chunks.drop(parts, 'rows', 17)
  assert [chunks.get(parts, 'rows', i) for i in (0, 1)] == [None, DATA[1]]
