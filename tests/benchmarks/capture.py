r"""Times the mean activations of stories beside transformers' with hooks.

  python -m tests.benchmarks.capture
  python -m tests.benchmarks.capture --model=random:llama3_1b --dtype=bfloat16 \
    --rows=2048 --batch=64

--model    a model's URI, or random:llama3_1b, _3b, _8b: weights drawn on the
           device. A real one's results are compared too.
--dtype    bfloat16, float32, or both with a comma
--rows     stories, the packaged 288 over and over
--batch    stories a batch
--repeats  rounds; each contender has one turn a round
--no_peer  without transformers
--python   interpreter of emojax, if not that of transformers: with another
           environment's, another version of jax
--device   auto, cpu or gpu

All layers' means from token 30 on, all layers' norms and the embedding's mean,
no logits, the same padded batches. tokens/s counts no padding, nor does the
share of the peak: operations that the stories need, over those of a large
matrix product in the same dtype, the faster of the two libraries', timed before
every turn. Compilation is in `first`, not in the rounds.
"""

import argparse
import json

import numpy as np

from emojax.data import batches
from tests.benchmarks import hf
from tests.benchmarks import machine

MODULE = 'tests.benchmarks.capture'
MEAN = 'resid_post/mean'
START = 30  # First token that counts in a mean.
# Sums of 576 to 2048 terms in another order, 30 layers of them.
AGREE = 0.9999


def read_texts(flags: argparse.Namespace) -> list[list[int]]:
  """The stories' ids, as many as asked for."""
  stories = json.loads((flags.folder / 'texts.json').read_text())['stories']
  return [stories[i % len(stories)] for i in range(flags.rows)]


def contender(flags: argparse.Namespace) -> None:
  """Is one contender, until its parent has heard enough."""
  answers = machine.only_answers()
  who, dtype = flags.one.split()
  begin = _ours if who == machine.OURS else _peer
  machine.contend(flags, answers, *begin(flags, dtype, read_texts(flags)))


def _ours(flags, dtype, ids):
  from emojax.experiments import passes
  from tests.benchmarks import models

  lm = models.ours(flags.model, dtype)
  planned = passes.plan(lm, ids, flags.batch)

  def run():
    out = np.zeros((len(ids), lm.config.num_layers, lm.config.width), 'f4')
    work = passes.over(lm, ids, _pools(ids), planned, hf.SITES, 'Stories')
    for batch, got in work:
      _keep(out, batch, {site: np.asarray(x) for site, x in got.items()})
    return out

  lengths = [len(row) for row in ids]
  ready = models.facts(dtype) | {
      'operations': models.operations(lm.config, lengths),
      'padded': models.padded_share(lengths, flags.batch),
  }
  return ready, run, lambda: models.matmul(dtype), models.device_gib


def _peer(flags, dtype, ids):
  model = hf.load(flags.folder / dtype, dtype, flags.device, head=False)
  given, left = hf.reducer(model)
  planned = batches.plan([len(row) for row in ids], flags.batch)

  def run():
    size = len(model.layers), model.config.hidden_size
    out = np.zeros((len(ids), *size), np.float32)
    for rows, width in planned:
      batch = batches.assemble(ids, _pools(ids), rows, width)
      _keep(out, batch, hf.capture(model, given, left, batch))
    return out

  matmul = lambda: hf.matmul(dtype, model.device)
  return hf.facts(model, dtype), run, matmul, hf.device_gib


def _pools(ids):
  return [np.arange(len(row)) >= START for row in ids]


def _keep(out, batch, got) -> None:
  real = batch.rows >= 0
  out[batch.rows[real]] = got[MEAN].swapaxes(0, 1)[real]


def least_cosines(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
  """The least cosine of two [N, L, D]: as they are, and minus their means."""

  def least(x, y):
    product = (x * y).sum(-1)
    lengths = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    return float((product / np.maximum(lengths, 1e-30)).min())

  return least(x, y), least(x - x.mean(0), y - y.mean(0))


def compare(flags: argparse.Namespace) -> bool:
  """Prints how all agree with transformers in float32; whether ours does."""
  read = lambda name: np.load(flags.folder / f'{name}.npy')
  exact = f'{machine.PEER} float32'
  if exact not in machine.names(flags) or flags.model.startswith('random:'):
    return True
  agrees = True
  for name in machine.names(flags):
    plain, centred = least_cosines(read(name), read(exact))
    print(
        f'least cosine of a story and layer, {name} with {exact}: {plain:.6f};'
        f' centred on all stories: {centred:.6f}'
    )
    if name == f'{machine.OURS} float32':
      agrees = plain > AGREE
  return agrees


def work(flags: argparse.Namespace, ours: dict) -> tuple[str, float, float]:
  """A line about the work of a turn, its tokens and its operations."""
  ids = read_texts(flags)
  tokens = sum(map(len, ids))
  line = (
      f'{flags.model}: {len(ids)} stories, {tokens:,} tokens, batches of'
      f' {flags.batch}; of what is computed, {ours["padded"]:.0%} is padding'
  )
  return line, tokens, ours['operations']


def main() -> None:
  parser = machine.parser(__doc__, rows=96)
  parser.add_argument('--batch', type=int, default=16)
  machine.main(MODULE, parser.parse_args(), contender, compare, work)


if __name__ == '__main__':
  main()
