"""Runs programs that a model wrote, where they can do no harm.

The boundary is bubblewrap (`bubblewrap` says what is in it, `seccomp` what may
be asked of the kernel there). Limits are set inside of it (`confine`), and time
is limited from outside. Nothing comes back but what the program writes to
stdout and stderr.

What it cannot prevent: faults of the kernel, and that the machine gets slower.
A run may take the memory of `Limits.processes` processes; should the machine
have less, the kernel ends the run first.
"""

from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from absl import logging

from emojax import errors
from emojax.sandbox import bubblewrap
from emojax.sandbox import handed
from emojax.sandbox import seccomp
from emojax.sandbox import watch

# How the interpreter is called by a command, with the standard library alone:
# not even what lies beside the program is imported, unless it asks for that.
# It reads the variables that it is given; there are none but ours.
PYTHON = ('python', '-P', '-s', '-S', '-B', '-X', 'utf8')
_CONFINE = pathlib.Path(__file__).with_name('confine.py').read_text('utf-8')
_OPEN_FILES = 64
_UNPROTECTED = 'run_model_code_without_isolation'


@dataclasses.dataclass(frozen=True)
class Limits:
  """What a run may take.

  Attributes:
    wall_s: seconds from start to end.
    cpu_s: seconds of computing, of each process.
    memory_mb: address space of each process, in MiB.
    processes: processes and threads at a time.
    file_mb: size of each file, in MiB.
    scratch_mb: size of all files together, in MiB.
    output_kb: of each of stdout and stderr, in KiB; the rest is cut off.
  """

  wall_s: float = 10.0
  cpu_s: int = 5
  memory_mb: int = 512
  processes: int = 16
  file_mb: int = 4
  scratch_mb: int = 16
  output_kb: int = 64


@dataclasses.dataclass(frozen=True)
class Isolation:
  """What keeps a program from doing harm: see `find`.

  Attributes:
    kind: 'bubblewrap'; or 'none': the limits hold, but it has our rights, and
      what leaves its session outlives it.
    program: the path of bubblewrap, or of the interpreter if there is none.
    options: of bubblewrap, beyond those that it is always given.
    nobody: whether root becomes nobody before.
  """

  kind: str
  program: str
  options: tuple[str, ...] = ()
  nobody: bool = False


@dataclasses.dataclass(frozen=True)
class Result:
  """How a run ended.

  Attributes:
    status: 'exited' by itself; 'killed' by a signal; 'timeout' of the wall
      clock or of computing; 'output', far too much of it.
    code: the exit status if it exited.
    stdout: what it wrote, cut at the limit.
    stderr: the same.
    wall_s: seconds it took.
  """

  status: str
  code: int | None
  stdout: str
  stderr: str
  wall_s: float


def find(unprotected: bool = False) -> Isolation:
  """Finds bubblewrap and tries it.

  Args:
    unprotected: whether no isolation will do where bubblewrap does not work.
      Where it works, it is used all the same.

  Raises:
    InputError: bubblewrap is absent or does not work, and `unprotected` is not
      set.
  """
  program = shutil.which('bwrap')
  reason = 'bubblewrap is not installed'
  if program is not None:
    for isolation in _ways(program):
      try:
        result = run(isolation, {}, [*PYTHON, '-c', 'print(6 * 7)'])
      except (OSError, RuntimeError) as error:
        reason = f'bubblewrap ({program}) does not work: {error}'
        continue
      if result.stdout == '42\n':
        if os.geteuid() == 0 and not isolation.nobody:
          logging.warning('Root cannot be nobody here: no limit of processes.')
        return isolation
      said = f'{result.status}, {result.stderr[-200:]!r}'
      reason = f'bubblewrap ({program}) does not run Python: {said}'
  if not unprotected:
    raise errors.InputError(
        f'config.{_UNPROTECTED}: {reason}, so that code which the model writes '
        'would not be kept from your files and network; install bubblewrap 0.7 '
        'or newer (Linux: apt install bubblewrap) where user namespaces are '
        f'allowed, or set --config.{_UNPROTECTED}, which runs that code with '
        'all your rights.'
    )
  logging.warning('%s: the code of the model is run with your rights.', reason)
  return Isolation('none', sys.executable)


def _ways(program: str) -> list[Isolation]:
  """What is tried, best first."""
  return [
      Isolation('bubblewrap', program, options, nobody)
      for nobody in ((True, False) if os.geteuid() == 0 else (False,))
      for options in (('--disable-userns',), ())
  ]


def run(
    isolation: Isolation,
    files: Mapping[str, str],
    command: Sequence[str],
    stdin: str = '',
    limits: Limits = Limits(),
) -> Result:
  """Runs a command, and takes away all that it leaves behind.

  Args:
    isolation: what `find` returned.
    files: text by name, relative to the folder that the command starts in.
    command: an absolute path or 'python' (see `PYTHON`), and its arguments.
    stdin: what it reads.
    limits: what it may take.

  Raises:
    ValueError: the name of a file is not a relative one of plain characters.
    RuntimeError: the isolation could not be set up; the command did not run.
  """
  handed.check_names(files)
  with contextlib.ExitStack() as stack:
    started = stack.enter_context(tempfile.TemporaryFile())
    python, options = _surroundings(isolation, files, limits, stack)
    options['pass_fds'] += [started.fileno()]
    script = ('-I', '-S', '-B', '-c', _CONFINE, str(started.fileno()))
    start = time.monotonic()
    with subprocess.Popen(
        [*python, *script, json.dumps(_rlimits(limits)), *command],
        stdin=stack.enter_context(handed.unnamed(handed.encoded(stdin))),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    ) as process:
      try:
        status, stdout, stderr = watch.read(
            process, start + limits.wall_s, limits.output_kb << 10
        )
      finally:
        _kill(process)
    seconds = time.monotonic() - start
    started.seek(0)
    if not started.read():
      said = ' '.join(stderr[:300].split())
      raise RuntimeError(f'no program was started: {said or status}')
  code = None
  if status == 'exited':
    status, code = _ending(isolation, process.returncode)
  return Result(status, code, stdout, stderr, seconds)


def _surroundings(
    isolation: Isolation,
    files: Mapping[str, str],
    limits: Limits,
    stack: contextlib.ExitStack,
) -> tuple[list[str], dict[str, Any]]:
  """How the interpreter is started: its command, and arguments of Popen.

  What is open or made for it is closed or removed with the stack.
  """
  if isolation.kind == 'none':
    folder = stack.enter_context(handed.folder(files))
    # Without it, some interpreters do not start.
    path = {k: v for k, v in os.environ.items() if k == 'LD_LIBRARY_PATH'}
    return [isolation.program], {'env': path, 'cwd': folder, 'pass_fds': []}
  opened = lambda content: stack.enter_context(handed.unnamed(content)).fileno()
  filter_ = opened(seccomp.program())
  given = {name: opened(handed.encoded(text)) for name, text in files.items()}
  before = bubblewrap.command(
      isolation.program,
      isolation.options,
      isolation.nobody,
      filter_,
      given,
      limits.scratch_mb,
  )
  descriptors = [filter_, *given.values()]
  options = {'env': {'PATH': os.defpath}, 'cwd': '/', 'pass_fds': descriptors}
  return [*before, bubblewrap.INTERPRETER], options


def _rlimits(limits: Limits) -> dict[str, tuple[int, int]]:
  """Soft and hard limits, by name."""
  memory, file = limits.memory_mb << 20, limits.file_mb << 20
  return {
      'RLIMIT_AS': (memory, memory),
      'RLIMIT_CORE': (0, 0),
      # The soft one is told by SIGXCPU, the hard one kills.
      'RLIMIT_CPU': (limits.cpu_s, limits.cpu_s + 1),
      'RLIMIT_FSIZE': (file, file),
      'RLIMIT_MEMLOCK': (0, 0),
      'RLIMIT_NOFILE': (_OPEN_FILES, _OPEN_FILES),
      # One more: bubblewrap's own, which starts it.
      'RLIMIT_NPROC': (limits.processes + 1, limits.processes + 1),
  }


def _kill(process: subprocess.Popen[bytes]) -> None:
  """Ends what runs; the kernel ends all that is in bubblewrap with it."""
  with contextlib.suppress(ProcessLookupError, PermissionError):
    os.killpg(process.pid, signal.SIGKILL)


def _ending(isolation: Isolation, code: int) -> tuple[str, int | None]:
  """What the exit status of the process says of the command.

  bubblewrap, as a shell, says 128 + N of a command that was killed by signal N,
  and so do commands that wish to be taken for killed.
  """
  if isolation.kind == 'bubblewrap' and 0 < code - 128 < signal.NSIG:
    code = 128 - code
  if code >= 0:
    return 'exited', code
  return ('timeout' if code == -signal.SIGXCPU else 'killed'), None
