"""Runs the command, here or in a process, and checks how it refuses."""

import contextlib
import json
import logging
import pathlib
import subprocess
import sys

from absl.testing import flagsaver
import pytest
import safetensors.numpy
import tiny_model

from emojax import files
from emojax import logs
from emojax import main


def artefacts(workdir):
  """The bytes of a workdir's files by their names, but for its records.

  Those say when and how fast: they differ between runs of the same bytes.
  """
  return {
      path.relative_to(workdir).as_posix(): path.read_bytes()
      for path in sorted(workdir.rglob('*'))
      if path.is_file() and path.name not in logs.NAMES
  }


def _tree(folder):
  return {
      str(path): path.read_bytes() if path.is_file() else None
      for path in folder.rglob('*')
  }


@contextlib.contextmanager
def _restored():
  """Leaves flags and logging as they were, for whatever test comes next."""
  saved = flagsaver.save_flag_values()
  loggers = [logging.getLogger(name) for name in (None, 'absl', 'jax')]
  before = [(log, log.handlers[:], log.level) for log in loggers]
  try:
    yield
  finally:
    flagsaver.restore_flag_values(saved)
    for log, handlers, level in before:
      log.handlers[:] = handlers
      log.setLevel(level)


class Command:
  """Runs the console script in this process, on a tiny model of its own."""

  def __init__(self, folder, monkeypatch, capsys):
    self.folder = folder
    self.quickstart_fields = tiny_model.settings(folder)
    self.model = folder / 'model'
    self._monkeypatch, self._capsys = monkeypatch, capsys

  def run(self, *arguments):
    """Runs the command and checks all but its one line, which it returns."""
    before = _tree(self.folder)
    self._capsys.readouterr()
    self._monkeypatch.setattr(sys, 'argv', ['emojax', *arguments])
    with _restored(), pytest.raises(SystemExit) as stop:
      main.run()
    out, err = self._capsys.readouterr()
    assert stop.value.code == 2
    assert out == ''
    assert _tree(self.folder) == before
    return line(err)

  def quickstart(self, *arguments, **fields):
    return self._run('quickstart', self.quickstart_fields | fields, arguments)

  def read(self, **fields):
    texts = self.folder / 'texts.jsonl'
    tiny_model.write_rows(texts, fields.pop('rows', [{'text': 'Hello.'}]))
    vectors = self.folder / 'vectors.safetensors'
    if not vectors.exists():
      self.write_vectors()
    paths = {'vectors': vectors, 'texts': texts}
    return self._run('read', paths | fields, ())

  def sweep(self, **fields):
    self.write_vectors()
    paths = {'vectors': self.folder / 'vectors.safetensors'}
    return self._run('sweep', paths | fields, ())

  def _run(self, name, fields, arguments):
    return self.run(
        f'--config={tiny_model.ROOT / "configs" / name}.py',
        f'--workdir={self.folder / "workdir"}',
        *tiny_model.flags(fields),
        *arguments,
    )

  def write_vectors(self, arrays=None, metadata=None):
    path = self.folder / 'vectors.safetensors'
    tiny_model.write_vectors(path, self.model, arrays, metadata)

  def change_row(self, name, number, **fields):
    """Edits a line of a corpus file in place."""
    path = pathlib.Path(self.quickstart_fields[name])
    rows = [row for _, row in files.read_jsonl(path)]
    rows[number - 1] |= fields
    tiny_model.write_rows(path, rows)

  def change_config(self, **fields):
    path = self.model / 'config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))

  def change_weights(self, change):
    path = self.model / 'model.safetensors'
    weights = safetensors.numpy.load_file(path)
    change(weights)
    safetensors.numpy.save_file(weights, path)


def start(fields, workdir, environment=None):
  """Starts a quickstart in a process of its own."""
  return subprocess.Popen(
      [
          sys.executable,
          '-m',
          'emojax.main',
          f'--config={tiny_model.ROOT / "configs/quickstart.py"}',
          f'--workdir={workdir}',
          *tiny_model.flags(fields),
      ],
      cwd=tiny_model.ROOT,
      env=environment,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
  )


def finish(fields, workdir, environment=None):
  """Runs a quickstart, which must succeed; returns what it said."""
  process = start(fields, workdir, environment)
  said, _ = process.communicate(timeout=300)
  assert process.returncode == 0, said
  return said


def line(err):
  """The last line of stderr, which is the only one that is no log line."""
  lines = err.splitlines()
  assert 'Traceback' not in err
  assert lines[-1].startswith('emojax: ')
  assert not any(line.startswith('emojax: ') for line in lines[:-1])
  return lines[-1]
