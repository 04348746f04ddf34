"""How bubblewrap is called: what a program of a model sees, and nothing else.

It gets a file system that is put together for it and is thrown away after it,
read-only but for its scratch:

  /python   our interpreter and its standard library, wherever they are here
  /usr/lib  the system's shared libraries (and /lib, /lib64, /usr/lib64)
  /work     its files, where it starts
  /tmp      its scratch, a tmpfs of limited size
  /dev      null, zero, random, urandom

There is no /proc, /sys, /etc or home to look at, and no shell. Every namespace
is its own: it sees no process, network, host name or terminal of this machine.
"""

from collections.abc import Mapping, Sequence
import glob
import os
import sys

INTERPRETER = f'/python/bin/python{sys.version_info[0]}.{sys.version_info[1]}'
# In there, everybody is this user: nobody.
_NOBODY = '65534'
_DEVICES = ('null', 'zero', 'random', 'urandom')
_LIBRARIES = ('/usr/lib', '/usr/lib32', '/usr/lib64')
_OLD_LIBRARIES = ('/lib', '/lib32', '/lib64')
# Where root, as nobody, sees the folder of the interpreter: see `_AS_NOBODY`.
_SEEN_BY_NOBODY = '/mnt'
# When memory ends the kernel ends this first, and not the largest process.
_FIRST_TO_GO = 'echo 1000 >/proc/self/oom_score_adj'
_AS_OURSELVES = ('sh', '-c', f'{_FIRST_TO_GO}; exec "$@"', 'sh')
# The kernel counts no processes of root, so root becomes nobody, who may not
# enter a home where the interpreter may be: it is mounted for these processes.
_AS_NOBODY = (
    *('unshare', '--mount', '--propagation=private', 'sh', '-c'),
    f'{_FIRST_TO_GO}; mount --bind "$0" {_SEEN_BY_NOBODY} && exec setpriv '
    f'--reuid={_NOBODY} --regid={_NOBODY} --clear-groups "$@"',
    sys.base_prefix,
)


def command(
    program: str,
    options: Sequence[str],
    nobody: bool,
    filter_: int,
    files: Mapping[str, int],
    scratch_mb: int,
) -> list[str]:
  """The command up to what is to be run.

  Args:
    program: the path of bubblewrap.
    options: more of its options.
    nobody: whether root becomes nobody first.
    filter_: file descriptor of a filter of system calls: see `seccomp`.
    files: file descriptors of what the files of /work hold, by name.
    scratch_mb: size of /tmp, in MiB.
  """
  made = []
  for name, descriptor in files.items():
    made += ['--perms', '0444', '--file', str(descriptor), f'/work/{name}']
  for name in _DEVICES:
    made += ['--dev-bind', f'/dev/{name}', f'/dev/{name}']
  return [
      *(_AS_NOBODY if nobody else _AS_OURSELVES),
      program,
      *('--unshare-all', '--unshare-user', '--die-with-parent'),
      *('--new-session', '--cap-drop', 'ALL', '--hostname', 'sandbox'),
      *('--uid', _NOBODY, '--gid', _NOBODY, '--clearenv'),
      *('--setenv', 'LD_LIBRARY_PATH', '/python/lib'),
      *('--seccomp', str(filter_)),
      *options,
      *_libraries(),
      *_interpreter(_SEEN_BY_NOBODY if nobody else sys.base_prefix),
      *('--dir', '/work', '--chdir', '/work'),
      *made,
      *('--perms', '0700', '--size', str(scratch_mb << 20), '--tmpfs', '/tmp'),
      *('--remount-ro', '/', '--'),
  ]


def _libraries() -> list[str]:
  bound = []
  for folder in (*_LIBRARIES, *_OLD_LIBRARIES):
    if os.path.islink(folder):
      bound += ['--symlink', os.readlink(folder), folder]
    elif os.path.isdir(folder):
      bound += ['--ro-bind', folder, folder, *_hidden(folder, folder)]
  return bound


def _interpreter(prefix: str) -> list[str]:
  """Puts what is in `prefix` into /python; `sys.base_prefix` is the same."""
  bound = [
      '--ro-bind',
      f'{prefix}/bin/{os.path.basename(INTERPRETER)}',
      INTERPRETER,
  ]
  for name in sorted({'lib', sys.platlibdir}):
    source = f'{sys.base_prefix}/{name}'
    if os.path.isdir(source):
      bound += ['--ro-bind', f'{prefix}/{name}', f'/python/{name}']
      bound += _hidden(source, f'/python/{name}')
  return bound


def _hidden(source: str, seen: str) -> list[str]:
  """Puts nothing over the folders of packages that are no standard library."""
  bound = []
  for found in sorted(glob.glob('python3*/*-packages', root_dir=source)):
    if not os.path.islink(f'{source}/{found}'):
      over = f'{seen}/{found}'
      bound += ['--size', '4096', '--tmpfs', over, '--remount-ro', over]
  return bound
