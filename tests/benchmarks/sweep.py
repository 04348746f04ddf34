r"""Times a steering sweep beside transformers' with a hook.

  python -m tests.benchmarks.sweep
  python -m tests.benchmarks.sweep --prompts=1
  python -m tests.benchmarks.sweep --model=random:llama3_1b --dtype=bfloat16

--model, --dtype, --repeats, --no_peer, --device, --python: as of `capture`.
--prompts      the first tokens of so many packaged stories
--length       tokens of a prompt
--strengths    of one random direction, evenly from -0.3 to 0.3
--layer        that it is added after, at every position
--new_tokens   that every row writes; nothing stops a row early
--temperature  0 for the likeliest token, else sampled from the whole vocabulary
--serial       rows that transformers also writes one by one, in the last dtype,
               evenly out of the grid; 0 for none

The others write the grid in one batch: emojax from requests, transformers from
rows laid out by hand and a hook that adds a vector a row. tokens/s counts
written tokens; the time is that of the whole call, prompts included. The share
of the peak counts operations as if every row ran its own prompt, which emojax
does not do: so both are measured by what came out. The last written token of a
row is not run.
"""

import argparse
import json

import numpy as np

from tests.benchmarks import hf
from tests.benchmarks import machine

MODULE = 'tests.benchmarks.sweep'
# A near tie that rounding decides takes the rest of a text with it: of all
# tokens in float32 19 of 20 must be those of transformers.
AGREE = 0.95


def grid_of(flags: argparse.Namespace) -> tuple[list[list[int]], np.ndarray]:
  """The prompts of all rows, and their strengths [B]; each with each."""
  stories = json.loads((flags.folder / 'texts.json').read_text())['stories']
  if flags.prompts > len(stories):
    raise SystemExit(f'--prompts={flags.prompts}: at most {len(stories)}.')
  prompts = [story[: flags.length] for story in stories[: flags.prompts]]
  strengths = np.linspace(-0.3, 0.3, flags.strengths, dtype=np.float32)
  rows = [prompt for prompt in prompts for _ in strengths]
  return rows, np.tile(strengths, flags.prompts)


def direction_of(width: int) -> np.ndarray:
  """A random direction [D]; strength 1 is a residual stream of RMS 8."""
  x = np.random.default_rng(0).standard_normal(width, np.float32)
  return 8 * width**0.5 * x / np.linalg.norm(x)


def serial_rows(flags: argparse.Namespace) -> np.ndarray:
  """Rows of the grid that are also written one by one."""
  rows = flags.prompts * flags.strengths
  return np.linspace(0, rows - 1, min(flags.serial, rows)).round().astype(int)


def contender(flags: argparse.Namespace) -> None:
  """Is one contender, until its parent has heard enough."""
  answers = machine.only_answers()
  who, dtype, *serial = flags.one.split()
  begin = _ours if who == machine.OURS else _serial if serial else _peer
  machine.contend(flags, answers, *begin(flags, dtype, *grid_of(flags)))


def _ours(flags, dtype, rows, strengths):
  from emojax import positions
  from emojax import steering
  from emojax.models import engine
  from emojax.models import prompts
  from emojax.models import sampling
  from emojax.models import sharding
  from tests.benchmarks import models

  lm = models.ours(flags.model, dtype)
  c = lm.config
  bank = np.zeros((1, c.num_layers, c.width), np.float32)
  bank[0, :] = direction_of(c.width)
  bank = sharding.replicate(lm.mesh, bank)
  every = positions.parse('all')
  requests = [
      prompts.Request(
          tuple(ids),
          np.array([0, i], np.uint32),
          (
              prompts.Term(
                  index=0,
                  strength=steering.at_layers(x, [flags.layer], c.num_layers),
                  prompt=np.ones(len(ids), bool),
                  span=positions.written_span(every, len(ids)),
              ),
          ),
      )
      for i, (ids, x) in enumerate(zip(rows, strengths))
  ]
  settings = engine.Settings(
      batch=len(requests),
      new_tokens=flags.new_tokens,
      sampling=sampling.Sampling(flags.temperature),
      stop=(),
  )

  def run():
    texts = engine.write(lm, bank, requests, settings)
    return np.array([text.tokens for text in texts])

  needed, shared = operations(c, rows, flags)
  ready = models.facts(dtype) | {'operations': needed, 'shared': shared}
  return ready, run, lambda: models.matmul(dtype), models.device_gib


def operations(
    config, rows: list[list[int]], flags: argparse.Namespace
) -> tuple[float, float]:
  """Counts what the texts need: as if nothing were shared, and if prompts are.

  Rows of one prompt are the same up to the block that steers, and all positions
  of it are steered: so that much need be run once a prompt only.
  """
  from tests.benchmarks import models

  c = config
  lengths = [len(ids) for ids in rows]
  whole = models.operations(c, [n + flags.new_tokens - 1 for n in lengths])
  whole += 2.0 * c.width * c.vocab_size * len(rows) * flags.new_tokens
  repeated = models.operations(c, lengths) * (1 - 1 / flags.strengths)
  return whole, whole - repeated * (flags.layer + 1) / c.num_layers


def _load_peer(flags, dtype):
  """The peer, and a direction [D]."""
  model = hf.load(flags.folder / dtype, dtype, flags.device, head=True)
  return model, direction_of(model.config.hidden_size)


def _peer(flags, dtype, rows, strengths):
  model, direction = _load_peer(flags, dtype)
  hf.steer(model, flags.layer, strengths[:, None] * direction)
  run = lambda: hf.generate(model, rows, flags.new_tokens, flags.temperature)
  matmul = lambda: hf.matmul(dtype, model.device)
  return hf.facts(model, dtype), run, matmul, hf.device_gib


def _serial(flags, dtype, rows, strengths):
  model, direction = _load_peer(flags, dtype)
  some = serial_rows(flags)

  def write(i):
    hook = hf.steer(model, flags.layer, strengths[i] * direction[None])
    out = hf.generate(model, [rows[i]], flags.new_tokens, flags.temperature)
    hook.remove()
    return out[0]

  ready = hf.facts(model, dtype) | {'part': len(some) / len(rows)}
  matmul = lambda: hf.matmul(dtype, model.device)
  return ready, lambda: np.stack(list(map(write, some))), matmul, hf.device_gib


def compare(flags: argparse.Namespace) -> bool:
  """Prints how many tokens are transformers' in float32; whether ours are."""
  read = lambda name: np.load(flags.folder / f'{name}.npy')
  exact = f'{machine.PEER} float32'
  if (
      exact not in machine.names(flags)
      or flags.model.startswith('random:')
      or flags.temperature
  ):
    return True
  agrees = True
  for name in machine.names(flags):
    theirs = read(exact)
    if name.endswith(machine.SERIAL):
      theirs = theirs[serial_rows(flags)]
    same = read(name) == theirs
    print(
        f'tokens of {name} that are those of {exact}: {same.mean():.3f}; whole'
        f' texts: {same.all(axis=1).mean():.3f}'
    )
    if name == f'{machine.OURS} float32':
      agrees = same.mean() >= AGREE
  return agrees


def work(flags: argparse.Namespace, ours: dict) -> tuple[str, float, float]:
  """A line about the work of a turn, its tokens and its operations."""
  rows = flags.prompts * flags.strengths
  needed, shared = ours['operations'], ours['shared']
  line = (
      f'{flags.model}: {flags.prompts} prompts of {flags.length} tokens x'
      f' {flags.strengths} strengths after layer {flags.layer},'
      f' {flags.new_tokens} written, temperature {flags.temperature:g};'
      f' {needed / 1e9:,.0f} G operations if every row ran its prompt,'
      f' {shared / 1e9:,.0f} G if rows of one prompt share what is the same'
  )
  if flags.serial and not flags.no_peer:
    line += f'; {machine.SERIAL}: {len(serial_rows(flags))} of {rows} rows'
  return line, rows * flags.new_tokens, needed


def main() -> None:
  parser = machine.parser(__doc__)
  parser.add_argument('--prompts', type=int, default=32)
  parser.add_argument('--length', type=int, default=48)
  parser.add_argument('--strengths', type=int, default=7)
  parser.add_argument('--layer', type=int, default=20)
  parser.add_argument('--new_tokens', type=int, default=40)
  parser.add_argument('--temperature', type=float, default=1.0)
  parser.add_argument('--serial', type=int, default=6)
  machine.main(MODULE, parser.parse_args(), contender, compare, work)


if __name__ == '__main__':
  main()
