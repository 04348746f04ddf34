"""How far a pass is: on a terminal, in a log, and in numbers at its end."""

import io
import json
import os
import pty
import re
import subprocess
import sys

from absl import logging
import pytest
import tiny_model

from emojax import hosts
from emojax import logs
from emojax import progress

# A command that logs, warns and nests passes while its bar is up.
_PROGRAM = """
import sys, time
from absl import app, logging
from emojax import progress

def main(_):
  with progress.begun('Stories', 'texts', 20, 3000) as tick:
    for i in range(10):
      time.sleep(0.12)
      tick(2, 300)
      if i == 3:
        logging.info('a line %s.', 'with/a/path' * 20)
      if i == 5:
        print('a warning', file=sys.stderr)
        for _ in progress.over(range(2), 'Folds', 'folds'):
          time.sleep(0.15)
  logging.info('done')

logging.set_verbosity(logging.INFO)
app.run(main)
"""


def _run(program, **streams):
  return subprocess.Popen(
      [sys.executable, '-c', program],
      cwd=tiny_model.ROOT,
      env=os.environ | {'TERM': 'xterm', 'COLUMNS': '80'},
      **streams,
  )


def _on_terminal(program):
  """What a program writes to a terminal."""
  ours, theirs = pty.openpty()
  process = _run(program, stderr=theirs, stdout=subprocess.DEVNULL)
  os.close(theirs)
  out = b''
  try:
    while data := os.read(ours, 1 << 16):
      out += data
  except OSError:  # The other end is closed.
    pass
  os.close(ours)
  assert process.wait() == 0, out.decode()
  return out.decode()


def _screen(written):
  """The lines that a terminal shows at the end, of what rich writes to it."""
  lines, row, column = [''], 0, 0
  for part in re.findall(r'\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\r\n\x1b]+', written):
    if part == '\r':
      column = 0
    elif part == '\n':
      row += 1
      lines += [''] * (row + 1 - len(lines))
    elif part.startswith('\x1b'):
      if part.endswith('A'):
        row -= int(part[2:-1])
      elif part == '\x1b[2K':
        lines[row] = ''
      else:
        assert part[-1] in 'mhl', part  # Colour, and the cursor's look.
    else:
      lines[row] = lines[row][:column].ljust(column) + part
      column += len(part)
  return [line for line in lines if line]


@pytest.fixture(scope='module')
def terminal():
  return _on_terminal(_PROGRAM)


def test_a_bar_shows_label_count_rate_and_time_left(terminal):
  plain = re.sub(r'\x1b\[[\d;]*m', '', terminal)
  pattern = r'Stories +━+ \d+ of 20 texts [\d,]+ tokens/s 00:0\d left'
  assert re.search(pattern, plain)
  assert re.search(r'Folds +\S+ 1 of 2 folds', plain)


def test_what_is_logged_stays_whole_above_the_bar_and_the_bar_goes(terminal):
  one, warning, last = _screen(terminal)
  assert one.endswith(f'a line {"with/a/path" * 20}.')
  assert warning == 'a warning'
  assert last.endswith('] done')
  assert terminal.rindex('\x1b[?25h') > terminal.rindex('\x1b[?25l')


def test_a_file_gets_no_bar_and_a_short_pass_no_line():
  process = _run(_PROGRAM, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
  out, err = process.communicate()
  assert process.returncode == 0 and not out
  assert len(err.decode().splitlines()) == 3 and b'\x1b' not in err


@pytest.fixture
def lines(monkeypatch):
  """What is logged, by a clock that goes as fast as a test wants."""
  said, clock = [], [0.0]
  monkeypatch.setattr(
      logging, 'info', lambda form, *values: said.append(form % values)
  )
  monkeypatch.setattr(progress.time, 'monotonic', lambda: clock[0])

  def wait(seconds):
    clock[0] += seconds

  return said, wait


def test_without_a_terminal_a_line_comes_now_and_then(lines):
  said, wait = lines
  with progress.begun('Sweep', 'texts', 1200) as tick:
    for _ in range(12):
      wait(progress.EVERY / 5)
      tick(100)
  assert [line.split(' texts')[0] for line in said] == [
      'Sweep: 500 of 1,200',
      'Sweep: 1,000 of 1,200',
  ]


def test_a_line_has_the_rate_and_the_time_that_is_left(lines):
  said, wait = lines
  with progress.begun('Stories', 'texts', 18, 1800) as tick:
    for _ in range(4):
      wait(20)
      tick(1, 100)
  assert said == [
      'Stories: 2 of 18 texts, 5.0 tokens/s, 5 min left',
      'Stories: 4 of 18 texts, 5.0 tokens/s, 5 min left',
  ]


def test_what_an_earlier_run_did_counts_in_no_rate(lines):
  _, wait = lines
  with progress.begun('Sweep', 'texts', 100) as tick:
    tick.skip(90)
    for _ in range(2):
      wait(20)
      tick(1, 10)
    line = 'Sweep: 92 of 100 texts, 0.5 tokens/s, 3 min left'
    assert tick.line() == line


def test_units_that_will_not_come_shorten_the_wait_and_change_no_rate(lines):
  _, wait = lines
  with progress.begun('Replies', 'replies', 100) as tick:
    for _ in range(3):
      wait(10)
      tick(10, 100)
    assert tick.line() == 'Replies: 30 of 100 replies, 10 tokens/s, 70 s left'
    tick.fewer(40)
    assert tick.line() == 'Replies: 30 of 60 replies, 10 tokens/s, 30 s left'
    tick.fewer(30)
    assert tick.line() == 'Replies: 30 of 30 replies, 10 tokens/s'


@pytest.mark.parametrize('first', [True, False])
def test_only_the_first_process_has_a_bar(monkeypatch, first):
  terminal = io.StringIO()
  terminal.isatty = lambda: True
  monkeypatch.setenv('TERM', 'xterm')
  monkeypatch.setattr(sys, 'stderr', terminal)
  monkeypatch.setattr(hosts, 'is_first', lambda: first)
  monkeypatch.setattr(progress, '_console', progress._console.__wrapped__)
  assert list(progress.over([1], 'Stories', 'texts')) == [1]
  assert ('Stories' in terminal.getvalue()) == first


def test_a_pass_leaves_its_numbers_in_the_metrics(lines, monkeypatch):
  _, wait = lines
  rows = []
  monkeypatch.setattr(
      logs,
      'record',
      lambda name, **values: rows.append({'name': name} | values),
  )
  with pytest.raises(ZeroDivisionError):
    with progress.begun('Stories', 'texts', 18, 1800) as tick:
      tick.skip(2)
      wait(10)
      tick(4, 400)
      raise ZeroDivisionError
  assert json.loads(json.dumps(rows)) == [
      {
          'name': 'pass/Stories',
          'step': 6,
          'total': 18,
          'unit': 'texts',
          'seconds': 10,
          'per_s': 0.4,
          'resumed': 2,
          'tokens': 400,
          'tokens_per_s': 40,
      }
  ]


def test_items_come_through_unchanged_and_in_order():
  assert list(progress.over([3, 1, 2], 'Any', 'items')) == [3, 1, 2]
  assert list(progress.over(iter('ab'), 'Any', 'letters')) == ['a', 'b']
