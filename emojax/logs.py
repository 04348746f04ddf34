"""What a run says of itself in its workdir: log lines, and numbers of passes.

`log.txt` has every log line, `metrics.jsonl` an object a pass or stage. They
tell when and how fast, so they are no artefacts: two runs of the same bytes
differ in them. Only the command keeps them, in its first process, and nothing
is written before `runs.open_workdir` has accepted settings and input.
"""

from collections.abc import Iterator, Sequence
import contextlib
import datetime
import json
import logging as logging_lib
import math
import os
import platform
import resource
import shlex
import sys
import time
import traceback
from typing import Any

from absl import logging
import jax

import emojax
from emojax import errors
from emojax import files
from emojax import hosts

LOG, METRICS = NAMES = 'log.txt', 'metrics.jsonl'
_FORMAT = logging_lib.Formatter(
    '%(asctime)s %(levelname)s %(message)s', '%Y-%m-%d %H:%M:%SZ'
)
_FORMAT.converter = time.gmtime
# What JAX calls them on the devices that count: GPUs and TPUs.
_DEVICE_BYTES = {
    'bytes_in_use': 'device_bytes',
    'peak_bytes_in_use': 'device_peak_bytes',
}


class _Records(logging_lib.Handler):
  """The records of this command, in memory until there is a place for them."""

  def __init__(self):
    super().__init__()
    self.setFormatter(_FORMAT)
    self._workdir: files.Path | None = None
    self._waiting = dict.fromkeys(NAMES, '')

  def emit(self, record: logging_lib.LogRecord) -> None:
    self.add(LOG, self.format(record) + '\n')

  def add(self, name: str, text: str) -> None:
    """Adds to a file; whatever that ends in, the run goes on."""
    self._waiting[name] += text
    if self._workdir is not None:
      with contextlib.suppress(OSError):  # Its artefacts will say so.
        if files.append(self._workdir / name, self._waiting[name]):
          self._waiting[name] = ''

  def open_in(self, workdir: files.Path) -> None:
    self._workdir = workdir
    for name in NAMES:
      self.add(name, '')

  def save(self) -> None:
    """Writes what a bucket could not be given line by line."""
    for name, text in self._waiting.items():
      if self._workdir is None or not text:
        continue
      path = self._workdir / name
      try:
        old = files.read_bytes(path) if files.exists(path) else b''
        files.write_bytes(path, old + text.encode(errors='backslashreplace'))
      except (OSError, errors.InputError) as error:
        logging.warning('The end of %s is lost: %s', path, error)


_records: _Records | None = None


@contextlib.contextmanager
def kept(command: Sequence[str]) -> Iterator[None]:
  """Keeps the records of what runs within, if it comes to open a workdir.

  Args:
    command: as it was typed, for the first line.
  """
  global _records
  if not hosts.is_first():
    yield
    return
  _records, root = _Records(), logging_lib.getLogger()
  root.addHandler(_records)
  start = time.monotonic()
  said = lambda: f'after {time.monotonic() - start:.1f} s'
  try:
    for line in _first_lines(command):
      _say(logging_lib.INFO, line)
    yield
    _say(logging_lib.INFO, f'ended {said()}')
  except (errors.InputError, errors.Stopped) as error:
    _say(logging_lib.WARNING, f'ended {said()}: {error}')
    raise
  except BaseException:
    _say(logging_lib.ERROR, f'failed {said()}\n{traceback.format_exc()}')
    raise
  finally:
    root.removeHandler(_records)
    _records.save()
    _records = None


def _say(level: int, text: str) -> None:
  """A line of the log alone."""
  name = logging_lib.getLevelName(level)
  record = {'msg': text.rstrip(), 'levelno': level, 'levelname': name}
  _records.emit(logging_lib.makeLogRecord(record))


def _first_lines(command: Sequence[str]) -> Iterator[str]:
  words = [os.path.basename(command[0]), *command[1:]]
  yield f'started by: {shlex.join(words)}'
  devices = jax.devices()
  yield (
      f'emojax {emojax.__version__}, jax {jax.__version__},'
      f' Python {platform.python_version()},'
      f' {len(devices)} x {devices[0].device_kind},'
      f' {jax.process_count()} process(es), in {os.getcwd()}'
  )


def open_in(workdir: files.Path) -> None:
  """Says where records go, from the first on; nothing if none are kept."""
  if _records is not None:
    _records.open_in(workdir)


def record(name: str, **values: Any) -> None:
  """Adds a line to `metrics.jsonl`: time, name, values, and memory.

  Args:
    name: of what was done, such as 'pass/Stories'.
    **values: strings and numbers; what is not finite becomes null.
  """
  if _records is None:
    return
  now = datetime.datetime.now(datetime.UTC).isoformat(timespec='milliseconds')
  row = {'time': now, 'name': name} | values | _memory()
  for key, value in row.items():
    if isinstance(value, float):
      row[key] = float(f'{value:.6g}') if math.isfinite(value) else None
  _records.add(METRICS, json.dumps(row) + '\n')


def stage(name: str, seconds: float) -> None:
  """Logs that a stage of a run is done, and how long it took."""
  logging.info('%s: %.1f s', name, seconds)
  record(f'stage/{name}', seconds=seconds)


def _memory() -> dict[str, int]:
  """The most that this process had so far, and what its first device has."""
  unit = 1 if sys.platform == 'darwin' else 1024
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
  stats = jax.local_devices()[0].memory_stats() or {}
  return {'host_peak_bytes': peak} | {
      ours: stats[theirs]
      for theirs, ours in _DEVICE_BYTES.items()
      if theirs in stats
  }
