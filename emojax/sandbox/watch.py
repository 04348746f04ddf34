"""Reads what a process writes, for so long and so much."""

import os
import selectors
import subprocess
import time

# What is written beyond the limit is read and forgotten, up to this multiple.
_TOO_MUCH = 16
_TICK = 0.05  # Seconds.


def read(
    process: subprocess.Popen[bytes], deadline: float, most: int
) -> tuple[str, str, str]:
  """Reads stdout and stderr until the process has ended, or must end.

  Args:
    process: with pipes for both.
    deadline: on the clock of `time.monotonic`.
    most: bytes of each that are kept.

  Returns:
    'exited', or 'timeout' or 'output' if it still runs; the beginnings of
    stdout and of stderr.
  """
  outputs = {process.stdout: bytearray(), process.stderr: bytearray()}
  status = _read(process, deadline, most, outputs)
  return status, *(str(o, 'utf-8', 'replace') for o in outputs.values())


def _read(process, deadline, most, outputs) -> str:
  written = 0
  with selectors.DefaultSelector() as selector:
    for pipe in outputs:
      selector.register(pipe, selectors.EVENT_READ)
    while selector.get_map():
      left = deadline - time.monotonic()
      if left <= 0:
        return 'timeout'
      # Without isolation, what it leaves behind may hold the pipes open.
      ended = process.poll() is not None
      ready = selector.select(0 if ended else min(left, _TICK))
      if ended and not ready:
        return 'exited'
      for key, _ in ready:
        data = os.read(key.fd, 1 << 16)
        if not data:
          selector.unregister(key.fileobj)
        outputs[key.fileobj] += data[: most - len(outputs[key.fileobj])]
        written += len(data)
      if written > _TOO_MUCH * most:
        return 'output'
  try:
    process.wait(max(deadline - time.monotonic(), 0))
  except subprocess.TimeoutExpired:
    return 'timeout'
  return 'exited'
