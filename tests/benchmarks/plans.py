r"""Plans runs of the paper's size on slices of TPUs, and prints a table.

  python -m tests.benchmarks.plans
  python -m tests.benchmarks.plans --only=gemma3_27b --keep=DIR

--only  one config of those below
--keep  folder of the plans' JSON; what is there is not planned again

Nothing runs: programs are compiled for the slice and counted (`launch.plan`).
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
PLANS = (
    ('gemma3_4b', 'v5e:2x4'),
    ('gemma3_12b', 'v5e:4x4'),
    ('gemma3_27b', 'v5p:2x2x2'),
    ('gemma3_27b', 'v5e:8x8'),
    ('gemma3_27b', 'v6e:8x8'),
    ('gemma3_27b', 'v5p:4x4x4'),
    ('qwen3_32b', 'v5e:8x8'),
    ('llama3_70b', 'v5e:8x8'),
    ('llama3_70b', 'v5p:4x4x4'),
    ('llama3_70b', 'v5e:16x16'),
)
PROGRAMS = (
    'capture',
    'probe fit',
    'prefill',
    'decode',
    'divergence',
)
HEADER = (
    'model', 'slice', 'data x fsdp x model', 'of a chip\'s GiB', *PROGRAMS,
    'compiled in', 'run takes at least', 'chip-hours',
)  # fmt: skip


def plan(name: str, topology: str, path: pathlib.Path) -> str | None:
  """Writes a plan, unless it is there; returns what refused it, if anything."""
  if path.exists():
    return None
  done = subprocess.run(
      [
          sys.executable,
          '-m',
          'launch.plan',
          f'--config=configs/{name}.py',
          f'--topology={topology}',
          f'--json={path}',
      ],
      cwd=ROOT,
      capture_output=True,
      text=True,
  )
  if done.returncode not in (0, 3):
    raise SystemExit(done.stderr)
  return done.stdout if done.returncode else None


def row(plan: dict) -> list[str]:
  """Returns the cells of a plan's row."""
  programs = {each['name']: each for each in plan['programs']}
  gib = lambda size: f'{size / 2**30:.1f}'
  hours = plan['seconds'] / 3600
  compiled = sum(each['compile_seconds'] for each in programs.values())
  return [
      plan['model'].partition('/')[2],
      plan['topology'],
      ' x '.join(map(str, plan['mesh'].values())),
      gib(plan['memory']),
      *(gib(programs[name]['peak']) for name in PROGRAMS),
      f'{compiled:.0f} s',
      f'{hours * 60:.0f} min',
      f'{hours * plan["chips"]:.0f}',
  ]


def line(cells) -> None:
  print('| ' + ' | '.join(cells) + ' |', flush=True)


def main() -> None:
  parser = argparse.ArgumentParser(
      usage=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--only')
  parser.add_argument('--keep', type=pathlib.Path)
  flags = parser.parse_args()
  with tempfile.TemporaryDirectory() as scratch:
    folder = flags.keep or pathlib.Path(scratch)
    folder.mkdir(parents=True, exist_ok=True)
    line(HEADER)
    line(['---'] * len(HEADER))
    for name, topology in PLANS:
      if flags.only not in (None, name):
        continue
      path = folder / f'{name}-{topology.replace(":", "-")}.json'
      refused = plan(name, topology, path)
      if refused:
        print(refused)
      else:
        line(row(json.loads(path.read_text())))


if __name__ == '__main__':
  main()
