r"""Times Inspect's evals with many connections beside one at a time.

  python -m tests.benchmarks.inspect_throughput
  python -m tests.benchmarks.inspect_throughput -M dtype=float32

--model        as of `inspect eval`
-M             NAME=VALUE, as of `inspect eval`; may be given again
--samples      of the task: short questions, no two of them alike
--new_tokens   of a reply, at most
--connections  that are compared with one
--repeats      rounds of one eval each, turn about; one before them warms up

The time is that of the whole eval, its log included. tokens/s counts written
tokens. All evals draw with the same keys; in bfloat16 some texts differ, as the
rows of a larger batch are rounded in another order.
"""

import argparse
from collections.abc import Sequence
import os
import statistics
import tempfile
import time
from typing import Any

import inspect_ai
from inspect_ai import dataset as inspect_data
from inspect_ai import model as inspect_models
from inspect_ai import solver as inspect_solvers
import yaml

THINGS = ('bridge', 'garden', 'violin', 'harbour', 'kettle', 'lantern')
PLACES = ('village', 'desert', 'city', 'forest')


def task(samples: int) -> inspect_ai.Task:
  """Questions of about one length."""
  questions = [
      f'Question {i}: what would you do with a {thing} in a {place}?'
      for i in range(samples)
      for thing in [THINGS[i % len(THINGS)]]
      for place in [PLACES[i % len(PLACES)]]
  ]
  return inspect_ai.Task(
      dataset=[inspect_data.Sample(input=text) for text in questions],
      solver=inspect_solvers.generate(),
  )


def measure(
    model: inspect_models.Model,
    samples: int,
    new_tokens: int,
    connections: Sequence[int],
    repeats: int,
) -> dict[int, list[tuple[float, int]]]:
  """Runs the evals; by connections, the seconds and tokens of each round."""
  out: dict[int, list[tuple[float, int]]] = {n: [] for n in connections}
  with tempfile.TemporaryDirectory() as folder:
    for i in range(repeats + 1):
      for number in connections:
        start = time.perf_counter()
        (log,) = inspect_ai.eval(
            task(samples),
            model=model,
            max_connections=number,
            max_samples=number,
            max_tokens=new_tokens,
            seed=0,
            log_dir=folder,
            display='none',
        )
        seconds = time.perf_counter() - start
        if log.status != 'success':
          raise SystemExit(f'The eval failed: {log.error.message}')
        (usage,) = log.stats.model_usage.values()
        if i:  # The first round compiles.
          out[number].append((seconds, usage.output_tokens))
  return out


def report(found: dict[int, list[tuple[float, int]]], samples: int) -> None:
  """Prints a table, and how many times as fast many connections are."""
  print('| connections | samples/s | tokens/s | tokens |')
  print('|---|---|---|---|')
  rates = {}
  for number, rounds in found.items():
    rates[number] = statistics.median(samples / s for s, _ in rounds)
    tokens = statistics.median(n / s for s, n in rounds)
    print(
        f'| {number} | {rates[number]:.2f} | {tokens:,.0f} |'
        f' {rounds[0][1]:,} |'
    )
  one, *others = rates
  for number in others:
    ratios = [a / b for (a, _), (b, _) in zip(found[one], found[number])]
    print(
        f'{number} connections / {one}: {statistics.median(ratios):.1f} times'
        f' ({min(ratios):.1f} to {max(ratios):.1f})'
    )


def main(arguments: Sequence[str] | None = None) -> None:
  parser = argparse.ArgumentParser(
      usage=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--model', default='emojax/quickstart')
  parser.add_argument('-M', action='append', default=[], dest='given')
  parser.add_argument('--samples', type=int, default=64)
  parser.add_argument('--new_tokens', type=int, default=48)
  parser.add_argument('--connections', type=int, default=16)
  parser.add_argument('--repeats', type=int, default=3)
  flags = parser.parse_args(arguments)
  given: dict[str, Any] = {}
  for text in flags.given:
    name, _, value = text.partition('=')
    given[name] = yaml.safe_load(value)
  with inspect_models.get_model(flags.model, memoize=False, **given) as model:
    print(
        f'{flags.model}, {flags.samples} samples of up to {flags.new_tokens}'
        f' tokens; {os.cpu_count()} CPU cores, load {os.getloadavg()[0]:.1f}'
    )
    found = measure(
        model,
        flags.samples,
        flags.new_tokens,
        (1, flags.connections),
        flags.repeats,
    )
  report(found, flags.samples)


if __name__ == '__main__':
  main()
