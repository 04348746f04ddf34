"""Programs that try to get out of the sandbox.

Each must have no effect outside. Where it does no harm, the same program is run
without isolation, and there it has its effect: so the isolation keeps it from
that, and the test can fail. Programs that try not to end are in
exhaustion_test.py.
"""

import contextlib
import errno
import os
import pathlib
import platform
import signal
import socket
import struct
import subprocess
import sys
import uuid

import pytest
import sandboxed

import emojax
from emojax.sandbox import seccomp

pytestmark = sandboxed.needed


@pytest.fixture(params=['filtered', 'unfiltered'])
def layers(request, monkeypatch):
  """Namespaces hold by themselves, without the filter of system calls."""
  if request.param == 'unfiltered':
    allow = struct.pack('=HBBI', seccomp._RETURN, 0, 0, seccomp._ALLOW)
    monkeypatch.setattr(seccomp, 'program', lambda: allow)
  return request.param


# What it can read.

READ = """
found = {}
for path in told:
  try:
    found[path] = open(path, 'rb').read().decode(errors='replace')
  except OSError as error:
    found[path] = None
print(json.dumps(found))
"""


def test_it_reads_no_file_of_ours(tmp_path):
  secret = tmp_path / 'secret'
  secret.write_text('planted')
  (tmp_path / 'link').symlink_to(secret)
  ours = [
      sandboxed.ROOT / 'pyproject.toml',
      pathlib.Path(emojax.__file__),
      '/etc/passwd',
  ]
  told = [str(p) for p in [secret, tmp_path / 'link', *ours]]
  outside = sandboxed.answer(READ, told, sandboxed.NONE)
  assert outside[told[0]] == outside[told[1]] == 'planted'
  assert all(text is not None for text in outside.values())
  dotted = [f'../../../..{path}' for path in told]
  assert set(sandboxed.answer(READ, told + dotted).values()) == {None}


def test_it_sees_libraries_its_files_and_nothing_else():
  top = 'print(json.dumps(sorted(os.listdir("/"))))'
  libraries = {'lib', 'lib32', 'lib64', 'python', 'usr'}
  assert set(sandboxed.answer(top)) - libraries == {'dev', 'tmp', 'work'}
  assert set(sandboxed.answer(top, place=sandboxed.NONE)) > {
      'dev',
      'etc',
      'tmp',
  }
  program = """
seen = [os.listdir('/usr'), os.listdir('/python'), os.listdir('/python/bin')]
for top in ('/dev', '/tmp', '/work'):
  files = (os.path.join(w, f) for w, _, names in os.walk(top) for f in names)
  seen.append(sorted(files))
print(json.dumps(seen))
"""
  usr, python, interpreters, devices, scratch, files = sandboxed.answer(program)
  assert set(usr) <= libraries
  assert set(python) <= {'bin', 'lib', 'lib64'}
  assert len(interpreters) == 1
  assert devices == [f'/dev/{d}' for d in ('null', 'random', 'urandom', 'zero')]
  assert (scratch, files) == ([], ['/work/main.py'])


def test_it_sees_no_packages():
  program = """
import glob
paths = [f'{p}/python3*/*-packages/*' for p in ('/usr/lib', '/python/lib*')]
print(json.dumps([glob.glob(path) for path in paths]))
"""
  assert sandboxed.answer(program) == [[], []]


ENVIRONMENTS = """
import glob
seen = {v for k, v in os.environ.items() if k == 'PLANTED'}
for path in glob.glob('/proc/[0-9]*/environ') + ['/proc/1/environ']:
  try:
    lines = open(path).read().split(chr(0))
    seen |= {line for line in lines if line.startswith('PLANTED')}
  except OSError:
    pass
print(json.dumps(list(seen)))
"""


def test_it_reads_no_variable_of_ours(monkeypatch):
  monkeypatch.setenv('PLANTED', 'secret')
  # What a process was started with is for all its user's processes to read.
  program = """
import sys
from emojax.sandbox import isolation
for place in isolation.Isolation('none', sys.executable), isolation.find():
  command = [*isolation.PYTHON, '-c', sys.argv[1]]
  print(isolation.run(place, {}, command).stdout, end='')
"""
  head = 'import json, os, sys\n'
  seen = subprocess.run(
      [sys.executable, '-c', program, head + ENVIRONMENTS],
      stdout=subprocess.PIPE,
      text=True,
      cwd=sandboxed.ROOT,
  )
  assert seen.stdout == '["PLANTED=secret"]\n[]\n'


def test_it_knows_no_name_of_this_machine_or_user():
  program = 'print(json.dumps([os.uname().nodename, os.getuid(), os.getgid()]))'
  assert sandboxed.answer(program) == ['sandbox', 65534, 65534]
  assert sandboxed.answer(program, place=sandboxed.NONE)[1] == os.getuid()


def test_no_open_file_of_ours_is_its(tmp_path):
  folder = os.open(tmp_path, os.O_RDONLY)
  os.set_inheritable(folder, True)
  program = """
def is_open(number):
  try:
    return bool(os.fstat(number))
  except OSError:
    return False
print(json.dumps([n for n in range(5000) if is_open(n)]))
"""
  try:
    assert sandboxed.answer(program) == [0, 1, 2]
  finally:
    os.close(folder)


def test_what_it_reads_from_is_not_to_be_written():
  program = """
try:
  print(os.write(0, b'x'))
except OSError as error:
  print(json.dumps(str(error)))
"""
  assert 'Bad file descriptor' in sandboxed.answer(program)


# What it can write.

WRITE = """
done = []
for path in told:
  try:
    with open(path, 'a') as file:
      file.write('x')
    done.append(path)
  except OSError:
    pass
  for change in (os.mkdir, lambda p: os.symlink('/', p), os.remove, os.chmod):
    try:
      change(path) if change is not os.chmod else change(path, 0o777)
      done.append(path)
    except OSError:
      pass
print(json.dumps(done))
"""


def test_it_writes_nothing_but_scratch(tmp_path):
  outside = str(tmp_path / 'written')
  assert outside in sandboxed.answer(WRITE, [outside], sandboxed.NONE)
  (tmp_path / 'kept').write_text('kept')
  tops = ['/', '/usr/', '/usr/lib/', '/lib/', '/lib64/', '/python/', '/dev/']
  tops += ['/python/bin/', '/python/lib/', '/work/', '/etc/', '/dev/shm/', './']
  tops += ['/proc/sys/kernel/', '/proc/', '/proc/self/', '/sys/', '/root/']
  places = [top + 'new' for top in tops]
  places += [outside, str(tmp_path / 'kept'), '/tmp/../new', '../../new']
  places += ['main.py', '/work/main.py', '/python/bin', '/proc/self/exe']
  places += ['/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/work']
  assert sandboxed.answer(WRITE + '\n', places) == []
  assert (tmp_path / 'kept').read_text() == 'kept'
  assert set(sandboxed.answer(WRITE, ['/tmp/new'])) == {'/tmp/new'}


def test_a_link_in_scratch_leads_nowhere(tmp_path):
  (tmp_path / 'kept').write_text('kept')
  program = """
os.symlink(told, '/tmp/link')
os.symlink('../../../../..' + told, '/tmp/dotted')
os.symlink('main.py', '/tmp/own')
done = []
for path in ('/tmp/link/kept', '/tmp/dotted/kept', '/tmp/own'):
  for mode in ('r', 'w', 'x'):
    try:
      open(path, mode)
      done.append(path)
    except OSError:
      pass
try:
  os.link('/work/main.py', '/tmp/hard')
  done.append('hard')
except OSError:
  pass
print(json.dumps(done))
"""
  assert sandboxed.answer(program, str(tmp_path)) == ['/tmp/own']
  assert (tmp_path / 'kept').read_text() == 'kept'


# Whom it can reach.

CALL = """
import socket
reached = []
for family, kind, address in told:
  address = tuple(address) if isinstance(address, list) else address
  try:
    kinds = getattr(socket, family), getattr(socket, kind)
    with socket.socket(*kinds) as caller:
      caller.settimeout(1)
      caller.connect(address)
      reached.append(family)
  except OSError:
    pass
print(json.dumps(reached))
"""


def test_it_reaches_no_server_of_this_machine(tmp_path, layers):
  servers = [
      ('AF_INET', ('127.0.0.1', 0)),
      ('AF_UNIX', f'\0{uuid.uuid4()}'),  # Of no file system.
      ('AF_UNIX', str(tmp_path / 'socket')),
  ]
  with contextlib.ExitStack() as stack:
    told = []
    for family, address in servers:
      server = stack.enter_context(socket.socket(getattr(socket, family)))
      server.bind(address)
      server.listen()
      name = server.getsockname()
      name = name.decode() if isinstance(name, bytes) else name
      told.append((family, 'SOCK_STREAM', name))
    families = [family for family, _ in servers]
    assert sandboxed.answer(CALL, told, sandboxed.NONE) == families
    assert sandboxed.answer(CALL, told) == []


def test_it_has_no_network(layers):
  # For datagrams, it is enough that there is a way.
  ways = [('AF_INET', '192.0.2.1'), ('AF_INET6', '2001:db8::1')]
  told = [[family, 'SOCK_DGRAM', [host, 9]] for family, host in ways]
  assert sandboxed.answer(CALL, told) == []
  if len(socket.if_nameindex()) > 1:
    assert sandboxed.answer(CALL, told, sandboxed.NONE)


def test_no_socket_is_made_at_all_but_a_pair():
  program = """
import socket
made = []
for family in range(64):
  for kind in (1, 2, 3):
    try:
      made.append(socket.socket(family, kind).family)
    except OSError:
      pass
a, b = socket.socketpair()
a.send(b'pair')
print(json.dumps([made, b.recv(9).decode()]))
"""
  assert sandboxed.answer(program) == [[], 'pair']
  if hasattr(socket, 'AF_VSOCK'):
    # These know no namespace: they reach the host of a virtual machine.
    assert sandboxed.answer(program, place=sandboxed.NONE)[0]


# Whom it can kill.


def test_it_kills_nobody_outside(layers):
  # Somebody whom the same user could kill.
  user = {'user': 65534, 'group': 65534} if sandboxed.FOUND.nobody else {}
  program = """
import signal
for pid in (os.getppid(), 1, *told, *[-pid for pid in told], -1):
  try:
    os.kill(pid, signal.SIGKILL)
  except OSError:
    pass
try:
  os.killpg(0, signal.SIGCONT)
except OSError:
  pass
print(json.dumps('lives'))
"""
  sleep = ['sleep', '60']
  with subprocess.Popen(sleep, start_new_session=True, **user) as canary:
    try:
      result = sandboxed.run(program, [os.getpid(), canary.pid])
      assert result.stdout == '"lives"\n'
      assert canary.poll() is None
    finally:
      canary.kill()


# What it can ask of the kernel.

ASK = """
import ctypes
library = ctypes.CDLL(None, use_errno=True)
replies = []
for number, *arguments in told:
  returned = library.syscall(number, *map(ctypes.c_long, arguments))
  replies.append([returned, ctypes.get_errno()])
print(json.dumps(replies))
"""
COLUMN = seccomp._PROCESSORS.get(platform.machine(), (0,))[0]


def numbers(*names):
  return [seccomp._REFUSED[name][COLUMN] for name in names]


def test_what_is_refused_is_as_if_it_did_not_exist():
  every = [[n[COLUMN], 0, 0, 0, 0, 0, 0] for n in seccomp._REFUSED.values()]
  newer = [[n, 0, 0, 0, 0] for n in range(424, 480)]
  many = [[0x40000000 + 41, 2, 1, 0], [10**6, 0], [-1, 0]]
  clone, namespaces = seccomp._CLONE[COLUMN], (17, *range(25, 31))
  clones = [[clone, 1 << bit | signal.SIGCHLD] for bit in namespaces]
  replies = sandboxed.answer(ASK, every + newer + many + clones)
  assert {tuple(reply) for reply in replies} == {(-1, errno.ENOSYS)}


def test_keys_and_shared_memory_are_there_without_the_filter(monkeypatch):
  # Namespaces keep nobody from a session's keys, nor from memory without end.
  keyctl, shmget = numbers('keyctl', 'shmget')
  told = [[keyctl, 0, -3, 0], [shmget, 0, 1 << 20, 0o1600]]
  assert [returned for returned, _ in sandboxed.answer(ASK, told)] == [-1, -1]
  allow = struct.pack('=HBBI', seccomp._RETURN, 0, 0, seccomp._ALLOW)
  monkeypatch.setattr(seccomp, 'program', lambda: allow)
  assert sandboxed.answer(ASK, told)[1][0] >= 0


def test_it_gains_no_rights(layers):
  if layers == 'unfiltered' and not sandboxed.FOUND.options:
    pytest.skip('this bubblewrap leaves new namespaces to the filter')
  mount, unshare, setns, chroot, bpf = numbers(
      'mount', 'unshare', 'setns', 'chroot', 'bpf'
  )
  told = [[mount, 0, 0, 0, 0, 0], [setns, 0, 0], [chroot, 0], [bpf, 0, 0, 0]]
  told += [[unshare, flag] for flag in (0x20000, 0x10000000, 0x40000000)]
  program = """
gained = []
for change in (os.setuid, os.setgid, lambda n: os.setgroups([n]), os.nice):
  try:
    change(-1 if change is os.nice else 0)
    gained.append(str(change))
  except OSError:
    pass
no_new_privileges = library.prctl(39, 0, 0, 0, 0)
nosuid = [os.statvfs(p).f_flag & os.ST_NOSUID for p in ('/usr/lib', '/tmp')]
print(json.dumps([gained, no_new_privileges, all(nosuid), replies]))
"""
  asked = ASK.rpartition('print')[0]
  gained, no_new_privileges, nosuid, replies = sandboxed.answer(
      asked + program, told
  )
  assert (gained, no_new_privileges, nosuid) == ([], 1, True)
  assert {returned for returned, _ in replies} == {-1}


@pytest.mark.skipif(platform.machine() != 'x86_64', reason='of that processor')
def test_calls_of_the_old_kind_are_an_end():
  # mov eax, 20 (getpid); int 0x80; ret: numbers of 32 bits, unknown to filters.
  program = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes.fromhex('b814000000cd80c3'))
call = ctypes.CFUNCTYPE(ctypes.c_int)
print(call(ctypes.addressof(ctypes.c_char.from_buffer(code)))())
"""
  result = sandboxed.run(program)
  assert (result.status, result.stdout) == ('killed', '')


def test_it_has_no_terminal(layers):
  program = """
import fcntl
done = []
for path in ('/dev/tty', '/dev/console', '/dev/ptmx', '/dev/pts/0'):
  try:
    open(path)
    done.append(path)
  except OSError:
    pass
for number in (0, 1, 2):
  try:
    fcntl.ioctl(number, 0x5412, b'x')  # TIOCSTI: as if x were typed.
    done.append(number)
  except OSError:
    pass
print(json.dumps([done, os.getsid(0) == os.getsid(1)]))
"""
  assert sandboxed.answer(program)[0] == []
