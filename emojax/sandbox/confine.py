"""Gives up what a program of a model may not have, then becomes that program.

It is run inside of the isolation, as text, and so imports nothing of emojax:

  python -I -S -B -c TEXT_OF_THIS_FILE STARTED LIMITS COMMAND...

STARTED is the descriptor of a file that is told when the command starts.
LIMITS is a JSON object: the soft and the hard limit of each RLIMIT_ named.
"""

import contextlib
import json
import os
import resource
import select
import sys


def main() -> None:
  started, limits, *command = sys.argv[1:]
  for name, pair in json.loads(limits).items():
    # macOS has the names but may refuse a number; the others still hold.
    refusals = () if sys.platform == 'linux' else (OSError, ValueError)
    with contextlib.suppress(*refusals):
      _limit(getattr(resource, name), pair)
  # Who started this may have been killed before bubblewrap could know of it.
  if _nobody_reads(sys.stdout.fileno()):
    sys.exit('nobody waits for this')
  if command[0] == 'python':
    command[0] = sys.executable
  # Nothing else is inherited: neither variables nor open files. Sets of text
  # have the same order in every run.
  path = {k: v for k, v in os.environ.items() if k == 'LD_LIBRARY_PATH'}
  os.write(int(started), b'1')
  os.close(int(started))
  os.closerange(3, 1024)
  os.execve(command[0], command, {'PYTHONHASHSEED': '0', **path})


def _limit(number: int, pair: list[int]) -> None:
  """Lowers a limit, or leaves one that is lower already."""
  _, hard = resource.getrlimit(number)
  if hard != resource.RLIM_INFINITY:
    pair = [min(most, hard) for most in pair]
  resource.setrlimit(number, tuple(pair))


def _nobody_reads(pipe: int) -> bool:
  poll = select.poll()
  poll.register(pipe, 0)
  return bool(poll.poll(0))


if __name__ == '__main__':
  main()
