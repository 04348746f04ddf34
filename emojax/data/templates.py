"""Chat templates, rendered in a process of their own: see `template_worker`."""

import atexit
from collections.abc import Mapping
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

from emojax import errors

# The longest chat has a million tokens; a template writes little more.
_MAX_CHARS = 4_000_000
# A character of JSON in ASCII has 12 at most: two surrogates.
_MAX_LINE = 12 * _MAX_CHARS + 100
# Without these, some interpreters do not start; nothing else is inherited.
_INHERITED = ('LD_LIBRARY_PATH', 'PYTHONHOME')


class Renderer:
  """Renders chat templates, in a process started when it is first needed.

  Threads may share one; they take turns.
  """

  def __init__(self, seconds: float = 10.0):
    """`seconds` is the longest that a render may take."""
    self._seconds = seconds
    self._lock = threading.Lock()
    self._worker: subprocess.Popen[bytes] | None = None

  def render(self, source: str, variables: Mapping[str, Any]) -> str:
    """Returns what the template `source` writes, given JSON-able variables.

    Raises:
      InputError: the template fails, takes too long or too much memory, or
        writes too much.
    """
    request = {
        'source': source,
        'variables': dict(variables),
        'seconds': self._seconds,
        'chars': _MAX_CHARS,
    }
    with self._lock:
      try:
        line = self._ask(json.dumps(request).encode() + b'\n')
      except OSError as error:
        self._end()
        raise errors.InputError(
            f'The chat template cannot be rendered: {error}.'
        ) from error
      except BaseException:
        self._end()  # Or its answer would be taken for that of the next.
        raise
      match _parsed(line):
        case {'text': str(text)}:
          return text
        case {'error': str(reason)}:
          raise errors.InputError(f'The chat template {_in_a_line(reason)}.')
      # It has ended, or says what it never does.
      status = self._end()
    reason = f'it ends the process that renders it (status {status})'
    if status == -signal.SIGALRM:
      reason = f'it takes more than {self._seconds:g} s'
    raise errors.InputError(f'The chat template fails: {reason}.')

  def close(self) -> None:
    """Ends the process, if there is one."""
    with self._lock:
      self._end()

  def _ask(self, request: bytes) -> bytes:
    if self._worker is None or self._worker.poll() is not None:
      self._end()
      self._worker = start_worker()
    # If it ended meanwhile, it does not read, and the answer is empty.
    with contextlib.suppress(BrokenPipeError):
      self._worker.stdin.write(request)
      self._worker.stdin.flush()
    return self._worker.stdout.readline(_MAX_LINE)

  def _end(self) -> int:
    """Returns the exit status: its own, if it had ended by itself."""
    worker, self._worker = self._worker, None
    if worker is None:
      return 0
    worker.kill()
    with contextlib.suppress(BrokenPipeError), worker:
      pass  # Closes the pipes and waits.
    return worker.wait()


def start_worker() -> subprocess.Popen[bytes]:
  """Starts the process, with our import path and else a bare environment."""
  path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
  inherited = {k: os.environ[k] for k in _INHERITED if k in os.environ}
  return subprocess.Popen(
      # -P: never import what lies in the working directory.
      [sys.executable, '-P', '-m', 'emojax.data.template_worker'],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=subprocess.DEVNULL,
      env=inherited | {'PYTHONPATH': path},
      cwd='/',
  )


def _parsed(line: bytes) -> Any:
  try:
    return json.loads(line)
  except (ValueError, RecursionError):
    return None


def _in_a_line(text: str) -> str:
  """A stranger's words, as a part of a line that is safe on any terminal."""
  shown = ''.join(c if c.isprintable() else ' ' for c in text)
  return ' '.join(shown.split())[:300].rstrip('.')


_RENDERER = Renderer()
atexit.register(_RENDERER.close)
render = _RENDERER.render
