"""Running a program of a model: what is given, what comes back, what is left.

What it cannot do is in attacks_test.py.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest
import sandboxed

from emojax import errors
from emojax.sandbox import isolation

QUICK = isolation.Limits(wall_s=2.0)


@pytest.fixture(params=['bubblewrap', 'none'])
def place(request):
  """Each law holds with isolation and without."""
  if request.param == 'none':
    return sandboxed.NONE
  if isinstance(sandboxed.FOUND, str):
    pytest.skip(sandboxed.FOUND)
  return sandboxed.FOUND


def run(place, program, limits=None, stdin='', **files):
  return isolation.run(
      place,
      {'main.py': program, **files},
      [*isolation.PYTHON, 'main.py'],
      stdin,
      limits or isolation.Limits(),
  )


def test_what_it_writes_and_how_it_exits_comes_back(place):
  program = 'import sys; print("so"); print("no", file=sys.stderr); sys.exit(3)'
  result = run(place, program)
  assert (result.status, result.code) == ('exited', 3)
  assert (result.stdout, result.stderr) == ('so\n', 'no\n')
  assert 0 < result.wall_s < 10


def test_it_reads_what_it_is_given(place):
  text = 'naïve\n' * 50_000  # More than a pipe holds.
  program = 'import sys; print(len(sys.stdin.read()))'
  assert run(place, program, stdin=text).stdout == f'{len(text)}\n'
  assert run(place, program).stdout == '0\n'


def test_files_lie_where_it_starts(place):
  files = {'a/b.txt': 'one', 'c': 'two'}
  program = 'print(open("a/b.txt").read(), open("c").read())'
  assert run(place, program, **files).stdout == 'one two\n'


def test_files_cannot_be_written_by_who_is_not_root(place):
  program = 'import os; print(oct(os.stat("main.py").st_mode & 0o222))'
  assert run(place, program).stdout == '0o0\n'


@pytest.mark.parametrize('text', ['\0', 'é', '\ud800', 'x' * 1_000_000, ''])
def test_any_text_can_be_a_file(place, text):
  program = 'print(len(open("text", newline="").read()))'
  assert run(place, program, text=text).stdout == f'{len(text)}\n'


@pytest.mark.parametrize(
    'name',
    ['', *'. .. ../x a/../x /x a//b a/ .x -x a\\b é $(x) ~'.split(' ')]
    + ['a b', 'a\n', 'a\0', 'a' * 101],
)
def test_no_file_has_a_name_that_leads_elsewhere(place, name):
  with pytest.raises(ValueError, match='is not a plain relative name'):
    run(place, '', **{name: 'x'})


def test_no_file_is_a_folder_too(place):
  with pytest.raises(ValueError, match="^'a' is not"):
    run(place, '', **{'a': 'x', 'a/b': 'y'})


def test_a_signal_is_told_from_an_exit(place):
  result = run(place, 'import os; os.abort()')
  assert (result.status, result.code) == ('killed', None)
  result = run(place, 'import os; os._exit(250)')
  assert (result.status, result.code) == ('exited', 250)


def test_time_is_limited_on_the_wall(place):
  program = 'import time; print(1, flush=True); time.sleep(60)'
  result = run(place, program, QUICK)
  assert (result.status, result.code) == ('timeout', None)
  assert result.stdout == '1\n'
  assert 2 <= result.wall_s < 9


def test_computing_is_limited(place):
  result = run(place, 'while True: pass', isolation.Limits(60.0, cpu_s=1))
  assert (result.status, result.code) == ('timeout', None)
  assert result.wall_s < 50


def test_a_closed_output_is_no_end(place):
  program = 'import os, time; os.close(1); os.close(2); time.sleep(60)'
  assert run(place, program, QUICK).status == 'timeout'


def test_memory_is_limited(place):
  limits = isolation.Limits(memory_mb=100)
  result = run(place, 'bytearray(101 << 20)', limits)
  assert (result.status, result.code) == ('exited', 1)
  assert 'MemoryError' in result.stderr
  assert run(place, 'bytearray(20 << 20)', limits).code == 0


def test_the_size_of_a_file_is_limited(place):
  program = 'open({!r}, "wb").truncate({})'
  path = '/tmp/x' if place.kind == 'bubblewrap' else 'x'
  limits = isolation.Limits(file_mb=1)
  assert run(place, program.format(path, 1 << 20), limits).code == 0
  result = run(place, program.format(path, 1 + (1 << 20)), limits)
  assert 'File too large' in result.stderr


def test_output_is_cut_at_the_limit_and_read_on(place):
  limits = isolation.Limits(output_kb=1)
  result = run(place, 'print("x" * 3000); print(1 / 0)', limits)
  assert (result.status, result.code) == ('exited', 1)
  assert result.stdout == 'x' * 1024
  assert 'ZeroDivisionError' in result.stderr


@pytest.mark.parametrize('name', ['stdout', 'stderr'])
def test_far_too_much_output_is_an_end(place, name):
  limits = isolation.Limits(output_kb=1)
  program = f'import sys\nwhile True: sys.{name}.write("x" * 999)'
  result = run(place, program, limits)
  assert (result.status, result.code) == ('output', None)
  assert getattr(result, name) == 'x' * 1024
  assert result.wall_s < 9


def test_output_need_not_be_text(place):
  program = 'import os; os.write(1, bytes([255, 65, 0])); os.write(2, b"\\xe2")'
  result = run(place, program)
  assert (result.stdout, result.stderr) == ('\ufffdA\0', '\ufffd')


def test_only_the_standard_library_can_be_imported(place):
  assert run(place, 'import sqlite3, ssl, ctypes, zlib, decimal').code == 0
  for name in ('numpy', 'absl', 'emojax', 'beside'):
    result = run(place, f'import {name}', **{'beside.py': ''})
    assert 'ModuleNotFoundError' in result.stderr
  beside = 'import sys; sys.path.append("."); import beside'
  assert run(place, beside, **{'beside.py': ''}).code == 0


def test_it_runs_the_interpreter_that_we_run(place):
  program = 'import sys; print(list(sys.version_info), sys.flags.utf8_mode)'
  assert run(place, program).stdout == f'{[*sys.version_info]} 1\n'


def test_every_run_has_the_same_order_of_sets(place):
  program = 'print([*{str(i) for i in range(99)}])'
  assert run(place, program).stdout == run(place, program).stdout


def test_nothing_is_left_of_a_run(place, tmp_path, monkeypatch):
  monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
  before = os.listdir('/dev/fd')
  for program in ('print(1)', '1 / 0', 'while True: print("x" * 9999)'):
    run(place, program, **{'a/b': 'x'})
  assert list(tmp_path.iterdir()) == []
  assert os.listdir('/dev/fd') == before
  assert _zombies() == []


def _zombies():
  """Children of this process that ended and that nobody waited for."""
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
    try:
      state, parent = path.read_text().rpartition(')')[2].split()[:2]
    except OSError:
      continue
    if parent == str(os.getpid()) and state == 'Z':
      found.append(path)
  return found


def test_what_was_not_run_is_no_failure_of_the_program(place):
  broken = isolation.Isolation('bubblewrap', shutil.which('false'))
  with pytest.raises(RuntimeError, match='no program was started: exited'):
    run(broken, 'print(1)')
  if place.kind == 'bubblewrap':
    odd = isolation.Isolation(place.kind, place.program, ('--odd',))
    with pytest.raises(RuntimeError, match='started: bwrap: .*--odd'):
      run(odd, 'print(1)')


def _path(monkeypatch, tmp_path, text=None):
  """Makes a bwrap of this text the only one, or makes none."""
  monkeypatch.setenv('PATH', str(tmp_path))
  if text:
    program = tmp_path / 'bwrap'
    program.write_text(f'#!/bin/sh\n{text}\n')
    program.chmod(0o755)


BROKEN = 'echo "bwrap: No permissions to creating new\nnamespace" >&2; exit 1'


@pytest.mark.parametrize(
    'text, reason',
    [
        (None, 'bubblewrap is not installed'),
        (BROKEN, 'does not work: .* No permissions to creating new namespace'),
        ('echo 43', 'does not work: no program was started: exited'),
    ],
)
def test_no_isolation_is_one_line_that_says_what_to_do(
    monkeypatch, tmp_path, text, reason
):
  _path(monkeypatch, tmp_path, text)
  with pytest.raises(errors.InputError, match=reason) as raised:
    isolation.find()
  line = str(raised.value)
  assert '\n' not in line
  assert line.startswith('config.run_model_code_without_isolation: ')
  assert 'apt install bubblewrap' in line
  assert '--config.run_model_code_without_isolation, which' in line


@pytest.mark.parametrize('text', [None, BROKEN])
def test_no_isolation_is_taken_only_if_told_to_and_is_warned_of(
    monkeypatch, tmp_path, caplog, text
):
  _path(monkeypatch, tmp_path, text)
  place = isolation.find(unprotected=True)
  assert place == sandboxed.NONE
  assert 'with your rights' in caplog.text
  assert run(place, 'print(1)').stdout == '1\n'


@sandboxed.needed
def test_isolation_is_taken_where_it_works_whatever_is_allowed():
  assert isolation.find(unprotected=True) == sandboxed.FOUND
  assert sandboxed.FOUND.kind == 'bubblewrap'


@sandboxed.needed
def test_an_older_bubblewrap_will_do(monkeypatch, tmp_path):
  text = (
      'case "$*" in *--disable-userns*) echo odd >&2; exit 1;; esac\n'
      f'exec {sandboxed.FOUND.program} "$@"'
  )
  path = os.environ['PATH']
  _path(monkeypatch, tmp_path, text)
  tmp_path.chmod(0o755)
  monkeypatch.setenv('PATH', f'{tmp_path}:{path}')
  place = isolation.find()
  assert place.options == ()
  assert run(place, 'print(1)').stdout == '1\n'


def test_a_limit_that_is_lower_already_stays():
  ask = 'import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE))'
  program = f"""
import resource, sys
from emojax.sandbox import isolation
resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
none = isolation.Isolation('none', sys.executable)
print(isolation.run(none, {{}}, [*isolation.PYTHON, '-c', {ask!r}]).stdout)
"""
  lowered = subprocess.run(
      [sys.executable, '-c', program], capture_output=True, text=True
  )
  assert lowered.stdout.strip() == '(30, 30)', lowered.stderr
