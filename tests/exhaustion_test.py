"""Programs that try to use up the machine, or not to end: they end in time."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import uuid

import pytest
import sandboxed

from emojax.sandbox import isolation

pytestmark = sandboxed.needed


# What it can use up.


def test_processes_are_counted():
  if os.geteuid() == 0 and not sandboxed.FOUND.nobody:
    pytest.skip('root cannot be nobody here, and root is not counted')
  program = """
import time
made = 0
try:
  while made < 100:
    if not os.fork():
      time.sleep(60)
    made += 1
except BlockingIOError:
  pass
print(json.dumps(made))
"""
  assert sandboxed.answer(program) == 15
  assert sandboxed.answer(program, processes=4) == 3


def test_threads_are_counted():
  program = """
import threading
stop, made = threading.Event(), 0
try:
  while made < 100:
    threading.Thread(target=stop.wait).start()
    made += 1
except RuntimeError:
  pass
stop.set()
print(json.dumps(made))
"""
  assert 4 < sandboxed.answer(program) <= 15


def test_open_files_are_counted():
  program = """
opened = []
try:
  while True:
    opened.append(open('/dev/null'))
except OSError:
  print(json.dumps(len(opened)))
"""
  assert 32 < sandboxed.answer(program) < 64


def test_when_memory_ends_it_goes_first():
  token = uuid.uuid4().hex
  command = [*isolation.PYTHON, '-c', 'import time; time.sleep(1)', token]
  thread = threading.Thread(
      target=isolation.run, args=(sandboxed.FOUND, {}, command)
  )
  thread.start()
  scores = []
  assert sandboxed.wait_until(lambda: sandboxed.running(token))
  while thread.is_alive():
    for pid in sandboxed.running(token):
      with contextlib.suppress(OSError):
        path = pathlib.Path(f'/proc/{pid}/oom_score_adj')
        scores.append(path.read_text())
  assert set(scores[-2:]) == {'1000\n'}


def test_a_fork_bomb_ends():
  token = uuid.uuid4().hex
  bomb = """
import os
while True:
  try:
    os.fork()
  except OSError:
    pass
"""
  program = 'os.execv(sys.executable, [sys.executable, "-c", *told])'
  result = sandboxed.run(program, [bomb, token], wall_s=2.0)
  assert result.status == 'timeout'
  assert 2 <= result.wall_s < 9
  assert sandboxed.wait_until(lambda: not sandboxed.running(token))


@pytest.mark.parametrize('size', [1 << 10, 1 << 20, 1 << 30])
def test_memory_ends(size):
  program = f"""
held = []
try:
  while True:
    held.append(bytearray({size}))
except MemoryError:
  held = len(held)
  print(json.dumps(held))
"""
  assert sandboxed.answer(program, memory_mb=100) * size < 100 << 20


def test_scratch_ends_and_is_new_in_every_run():
  program = """
written = 0
try:
  for n in range(100):
    with open(f'/tmp/{n}', 'wb', buffering=0) as file:
      written += file.write(bytes(1 << 20))
except OSError:
  pass
print(json.dumps(written))
"""
  free = os.statvfs('/tmp').f_bavail
  for _ in range(2):
    assert sandboxed.answer(program, scratch_mb=4) == 4 << 20
  assert os.statvfs('/tmp').f_bavail > free - (64 << 20)


def test_small_files_without_end_are_none_of_ours():
  program = """
n = 0
while True:
  os.mkdir(f'/tmp/{n}')
  n += 1
"""
  inodes = os.statvfs('/tmp').f_ffree
  assert sandboxed.run(program, wall_s=2.0).status == 'timeout'
  assert os.statvfs('/tmp').f_ffree > inodes - 10_000


@pytest.mark.parametrize('name', ['stdout', 'stderr'])
def test_output_without_end_is_cut(name):
  program = (
      f'while True: sys.{name}.buffer.write(bytes([27, 91, 50, 74]) * 9999)'
  )
  result = sandboxed.run(program)
  assert result.status == 'output'
  assert len(result.stdout) + len(result.stderr) <= 64 << 10


# Whether it ends.

DEAF = """
import signal, threading, time
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
  signal.signal(number, signal.SIG_IGN if told else lambda *_: None)
print('deaf', flush=True)
def last():
  while True:
    try:
      while True:
        SPIN
    except BaseException:
      pass
threading.Thread(target=last).start()
last()
"""


@pytest.mark.parametrize('ignore', [True, False])
def test_computing_ends_whatever_it_catches(ignore):
  # 2 seconds of computing are long where others compute.
  result = sandboxed.run(
      DEAF.replace('SPIN', 'pass'), ignore, cpu_s=1, wall_s=60.0
  )
  assert (result.status, result.stdout) == ('killed', 'deaf\n')


@pytest.mark.parametrize('ignore', [True, False])
def test_waiting_ends_whatever_it_catches(ignore):
  result = sandboxed.run(
      DEAF.replace('SPIN', 'time.sleep(9)'), ignore, wall_s=2.0
  )
  assert (result.status, result.stdout) == ('timeout', 'deaf\n')
  assert 2 <= result.wall_s < 9


def test_it_cannot_stop_the_clock():
  program = """
import signal
os.kill(os.getpid(), signal.SIGSTOP)
"""
  result = sandboxed.run(program, wall_s=2.0)
  assert result.status == 'timeout'
  assert 2 <= result.wall_s < 9


DAEMON = """
import time
if not os.fork():
  os.setsid()
  if not os.fork():
    os.closerange(0, 64)
    os.execv(sys.executable, [sys.executable, '-c', told[1], told[0]])
time.sleep(told[2])
"""


@pytest.mark.parametrize('parent_s, status', [(1.0, 'exited'), (60, 'timeout')])
def test_no_daemon_outlives_a_run(parent_s, status):
  token = uuid.uuid4().hex
  told = [token, 'import time; time.sleep(60)', parent_s]
  results = []
  thread = threading.Thread(
      target=lambda: results.append(sandboxed.run(DAEMON, told, wall_s=4.0))
  )
  thread.start()
  assert sandboxed.wait_until(lambda: sandboxed.running(token))  # There it is.
  thread.join()
  assert results[0].status == status
  assert sandboxed.wait_until(lambda: not sandboxed.running(token))


OURS = """
import signal, sys
from emojax.sandbox import isolation
# What a shell starts in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
become = 'import os, sys; os.execv(sys.executable, [sys.executable, "-c", *{}])'
sleep = 'import time; time.sleep(60)'
program = become.format('[sys.argv[1], sys.argv[2] + sys.argv[3]]')
command = [*isolation.PYTHON, '-c', program, sleep, *sys.argv[1:]]
place = isolation.find()
print('found', flush=True)
isolation.run(place, {'a': 'x'}, command, limits=isolation.Limits(wall_s=60.0))
"""


def _interrupt(number, delay, folder):
  """Ends a process of ours that runs a program.

  It ends after a delay, or, if that is None, when the program runs, which only
  then has the two halves of its token in one word.

  Returns:
    The first half, which whatever starts the program has too.
  """
  token, rest = uuid.uuid4().hex, uuid.uuid4().hex
  with subprocess.Popen(
      [sys.executable, '-c', OURS, token, rest],
      stdout=subprocess.PIPE,
      stderr=subprocess.DEVNULL,
      env={**os.environ, 'TMPDIR': str(folder)},
      cwd=sandboxed.ROOT,
  ) as ours:
    ours.stdout.readline()
    if delay is None:
      assert sandboxed.wait_until(lambda: sandboxed.running(token + rest))
    else:
      time.sleep(delay)
    ours.send_signal(number)
  return token


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT])
def test_it_dies_with_us_and_leaves_nothing(number, tmp_path):
  token = _interrupt(number, None, tmp_path)
  assert sandboxed.wait_until(lambda: not sandboxed.running(token))
  assert list(tmp_path.iterdir()) == []


def test_it_dies_with_us_however_early(tmp_path):
  tokens = [
      _interrupt(signal.SIGKILL, delay, tmp_path)
      for delay in (0.0, 0.003, 0.006, 0.009, 0.012, 0.02, 0.03)
  ]
  assert sandboxed.wait_until(lambda: not any(map(sandboxed.running, tokens)))
  assert list(tmp_path.iterdir()) == []
