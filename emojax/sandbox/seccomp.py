"""Which system calls a program of a model may not make: a filter for seccomp.

A namespace of its own does not keep a program from everything: sockets of
virtual machines reach their host, keys of the session can be read, and shared
memory is limited by nothing. What these calls do is nothing that a program of
the standard library must have; they look as if the kernel did not know them.

The filter is a program of the kernel's BPF: man 2 seccomp says how it is read.
"""

import platform
import struct

# By name: their numbers on x86-64 and on ARM64 (Linux, asm/unistd.h).
_REFUSED = {
    # Other hosts, and the host of this machine.
    'socket': (41, 198),
    # Memory that outlives who asked for it, and that RLIMIT_AS does not count.
    'shmget': (29, 194),
    'msgget': (68, 186),
    'semget': (64, 190),
    'mq_open': (240, 180),
    'memfd_create': (319, 279),
    # Keys, which belong to no namespace.
    'keyctl': (250, 219),
    'add_key': (248, 217),
    'request_key': (249, 218),
    # Other processes.
    'ptrace': (101, 117),
    'process_vm_readv': (310, 270),
    'process_vm_writev': (311, 271),
    'kcmp': (312, 272),
    # What faults of the kernel are most often reached by.
    'bpf': (321, 280),
    'perf_event_open': (298, 241),
    'userfaultfd': (323, 282),
    'vmsplice': (278, 75),
    'personality': (135, 92),
    'open_by_handle_at': (304, 265),
    'fanotify_init': (300, 262),
    # New namespaces, in which a program would be root.
    'unshare': (272, 97),
    'setns': (308, 268),
    'mount': (165, 40),
    'umount2': (166, 39),
    'pivot_root': (155, 41),
    'chroot': (161, 51),
}
_CLONE = (56, 220)
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
_NEW_NAMESPACES = 0x7E020000
# Calls that are newer than Linux 5.0 have the same number everywhere; the C
# library can do without. Among them are io_uring, clone3 and the new mounts.
_FIRST_NEW = 424
# By processor: its column above, and its AUDIT_ARCH.
_PROCESSORS = {'x86_64': (0, 0xC000003E), 'aarch64': (1, 0xC00000B7)}

# Instructions and what they return.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 32, 21, 53, 69, 6
_ALLOW, _KILL, _NO_SUCH_CALL = 0x7FFF0000, 0x80000000, 0x00050000 | 38
# Where in what is known of the call: see struct seccomp_data.
_NUMBER, _PROCESSOR, _FIRST_ARGUMENT = 0, 4, 16


def program(machine: str = platform.machine()) -> bytes:
  """Returns the filter for the processor of this machine.

  Raises:
    RuntimeError: the numbers of its system calls are not known here.
  """
  if machine not in _PROCESSORS:
    raise RuntimeError(f'no filter of system calls is written for {machine}')
  column, processor = _PROCESSORS[machine]
  refused = [numbers[column] for numbers in _REFUSED.values()]
  # After the comparisons come: three of clone, then allow, then refuse.
  to_refuse = lambda place: len(refused) + 3 - place
  code = [
      (_LOAD, 0, 0, _PROCESSOR),
      (_IF_EQUAL, 1, 0, processor),
      (_RETURN, 0, 0, _KILL),
      (_LOAD, 0, 0, _NUMBER),
      (_IF_AT_LEAST, to_refuse(-1), 0, _FIRST_NEW),
      *((_IF_EQUAL, to_refuse(i), 0, n) for i, n in enumerate(refused)),
      (_IF_EQUAL, 0, 2, _CLONE[column]),
      (_LOAD, 0, 0, _FIRST_ARGUMENT),
      (_IF_ANY_BIT, 1, 0, _NEW_NAMESPACES),
      (_RETURN, 0, 0, _ALLOW),
      (_RETURN, 0, 0, _NO_SUCH_CALL),
  ]
  return b''.join(struct.pack('=HBBI', *instruction) for instruction in code)
