"""A run that is killed goes on, and ends with the bytes of one that was not."""

import random
import signal
import time

import command_line
import numpy as np
import pytest
import tiny_model

from emojax import files

KILLS = 10  # Of each unit.


@pytest.fixture(scope='module')
def fields(tmp_path_factory):
  """Many short chunks: 8 of stories, 4 of dialogues, 12 of the sweep."""
  fields = tiny_model.settings(tmp_path_factory.mktemp('tiny'))
  fields |= {'batch': 2, 'chunk': 1, 'sketch': 12}
  fields |= {'prompts': ('How do you feel?',), 'strengths': (0.4,)}
  return fields | {'sweep_batch': 1, 'sweep_chunk': 1}


def chunk_files(workdir):
  return sorted(
      path for path in workdir.glob('*.parts/*/*') if path.name[0] != '.'
  )


def finished_chunk_files(workdir):
  """Without sums whose rows were not written: a restart does not read them."""
  chunk = lambda path: (path.parent, path.name.split('-')[1])
  paths = chunk_files(workdir)
  done = {chunk(path) for path in paths if path.name.startswith('rows-')}
  return [path for path in paths if chunk(path) in done]


@pytest.fixture(scope='module')
def undisturbed(fields, tmp_path_factory):
  """Of each unit: settings, and the workdir of a run that nobody disturbs."""
  runs = {}
  for unit in ('story', 'cell'):
    # Of 8 dialogues, all are kept or only a sketch is.
    own = fields | {'unit': unit, 'neutral_rows': 8 * (unit == 'story')}
    if unit == 'cell':
      own['keep_layers'] = (0, 2)
    workdir = tmp_path_factory.mktemp(unit) / 'run'
    command_line.finish(own, workdir)
    runs[unit] = own, workdir
  return runs


@pytest.fixture(params=['story', 'cell'])
def uninterrupted(request, undisturbed):
  """Settings, and the bytes that must come out."""
  fields, workdir = undisturbed[request.param]
  return fields, command_line.artefacts(workdir)


def interrupted(fields, workdir, chunks, sent, delay=0.0):
  """Runs until so many new chunks are there, then sends a signal.

  Returns:
    The exit status, 0 if it ended before, and what it said.
  """
  had = set(chunk_files(workdir))
  seen = set(had)
  process = command_line.start(fields, workdir)
  while process.poll() is None:
    seen |= set(chunk_files(workdir))
    if len(seen - had) >= chunks:
      time.sleep(delay)
      process.send_signal(sent)
      break
    time.sleep(0.002)
  said, _ = process.communicate(timeout=300)
  return process.returncode, said


def test_runs_killed_at_any_moment_end_with_the_same_bytes(
    uninterrupted, tmp_path
):
  fields, expected = uninterrupted
  moments = random.Random(0)
  kills, run = 0, 0
  while kills < KILLS:
    workdir = tmp_path / str(run)
    finished = finished_chunk_files(workdir)
    stamps = {path: path.stat().st_mtime_ns for path in finished}
    status, said = interrupted(
        fields,
        workdir,
        moments.randrange(12),
        signal.SIGKILL,
        moments.uniform(0, 0.1),
    )
    # What was whole is neither lost nor made again.
    for path in chunk_files(workdir):
      assert path.stat().st_mtime_ns == stamps.get(
          path, path.stat().st_mtime_ns
      )
    if status == 0:
      assert command_line.artefacts(workdir) == expected
      run += 1
    else:
      assert status == -signal.SIGKILL, said
      kills += 1
  command_line.finish(fields, tmp_path / str(run))
  assert command_line.artefacts(tmp_path / str(run)) == expected


@pytest.mark.parametrize('chunks', [2, 15])  # Of stories, and of the sweep.
def test_a_run_told_to_stop_saves_says_so_and_goes_on(
    uninterrupted, tmp_path, chunks
):
  fields, expected = uninterrupted
  workdir = tmp_path / 'run'
  status, said = interrupted(fields, workdir, chunks, signal.SIGTERM)
  assert status == 75, said
  assert said.splitlines()[-1].startswith('emojax: Told to stop (SIGTERM)')
  assert 'Traceback' not in said
  assert not any(path.name[0] == '.' for path in workdir.rglob('*'))
  command_line.finish(fields, workdir)
  assert command_line.artefacts(workdir) == expected


@pytest.mark.parametrize('which', [0, -1])  # Rows; rows, or the newest sums.
def test_a_damaged_chunk_is_found_out_and_computed_again(
    uninterrupted, tmp_path, which
):
  fields, expected = uninterrupted
  workdir = tmp_path / 'run'
  status, _ = interrupted(fields, workdir, 5, signal.SIGKILL)
  assert status == -signal.SIGKILL
  path = finished_chunk_files(workdir)[which]
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)
  said = command_line.finish(fields, workdir)
  assert f'{path} is damaged' in said
  assert command_line.artefacts(workdir) == expected


def test_other_settings_are_refused_and_the_chunks_are_kept(
    uninterrupted, tmp_path
):
  fields, _ = uninterrupted
  workdir = tmp_path / 'run'
  interrupted(fields, workdir, 2, signal.SIGKILL)
  before = command_line.artefacts(workdir)
  process = command_line.start(fields | {'start': 31}, workdir)
  said, _ = process.communicate(timeout=300)
  assert process.returncode == 2
  assert 'config.start was 30, is 31' in said.splitlines()[-1]
  assert command_line.artefacts(workdir) == before


def test_sums_of_cells_and_a_sketch_make_the_same_vectors(undisturbed):
  one, two = (
      files.read_arrays(workdir / 'vectors.safetensors')[0]
      for _, workdir in undisturbed.values()
  )
  for name in ('raw', 'mean', 'resid_norm', 'vectors'):
    np.testing.assert_allclose(one[name], two[name], atol=1e-4)
