"""Runs programs in the sandbox, and looks for what they leave behind."""

import contextlib
import json
import os
import pathlib
import sys
import time

import pytest

import emojax
from emojax import errors
from emojax.sandbox import isolation

NONE = isolation.Isolation('none', sys.executable)
ROOT = pathlib.Path(emojax.__file__).parents[1]


def _find():
  """Isolation, or why there is none here."""
  try:
    return isolation.find()
  except errors.InputError as error:
    return str(error)


FOUND = _find()
needed = pytest.mark.skipif(isinstance(FOUND, str), reason=str(FOUND))


def run(program, told=None, place=FOUND, **limits):
  """Runs a program that gets what it is `told` and answers, both in JSON."""
  head = 'import json, os, sys\ntold = json.load(sys.stdin)\n'
  return isolation.run(
      place,
      {'main.py': head + program},
      [*isolation.PYTHON, 'main.py'],
      json.dumps(told),
      isolation.Limits(**limits),
  )


def answer(program, told=None, place=FOUND, **limits):
  result = run(program, told, place, **limits)
  assert (result.status, result.stderr) == ('exited', '')
  return json.loads(result.stdout)


def running(token):
  """Processes whose command line has the token."""
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
    with contextlib.suppress(OSError):
      if token in path.read_text(errors='replace'):
        found.append(int(path.parent.name))
  return [pid for pid in found if pid != os.getpid()]


def wait_until(condition, seconds=10.0):
  end = time.monotonic() + seconds
  while not condition() and time.monotonic() < end:
    time.sleep(0.02)
  return condition()
