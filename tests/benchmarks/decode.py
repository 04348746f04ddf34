r"""Times steered writing, each row in its own way, beside transformers'.

  python -m tests.benchmarks.decode
  python -m tests.benchmarks.decode --model=random:llama3_1b --rows=512

--model, --dtype, --repeats, --no_peer, --device, --python: as of `capture`.
--rows         rows of the batch, each steered in its own way
--new_tokens   that every row writes; nothing stops a row early
--temperature  0 for the likeliest token, else sampled

tokens/s counts written tokens; the time is that of the whole call, prompts
included. Padding and steering are the same: a random direction and a strength
from -0.4 to 0.4 a row, added to all tokens at the layer two thirds up.
"""

import argparse
import json

import numpy as np

from emojax.data import batches
from tests.benchmarks import hf
from tests.benchmarks import machine

MODULE = 'tests.benchmarks.decode'
DIRECTIONS = 8
# Rows of one fork apart go on apart: two near words, and float32 in another
# order. Of the real model's rows 19 of 20 must begin alike.
AGREE = 0.95


def rows_of(flags: argparse.Namespace) -> tuple[list[list[int]], np.ndarray]:
  """The prompts of all rows, and their strengths [B]."""
  prompts = json.loads((flags.folder / 'texts.json').read_text())['prompts']
  strengths = np.linspace(-0.4, 0.4, flags.rows, dtype=np.float32)
  return [prompts[i % len(prompts)] for i in range(flags.rows)], strengths


def bank_of(num_layers: int, width: int) -> np.ndarray:
  """Random directions [E, L, D]; strength 1 is a residual stream of RMS 8."""
  rng = np.random.default_rng(0)
  x = rng.standard_normal((DIRECTIONS, num_layers, width), np.float32)
  return 8 * width**0.5 * x / np.linalg.norm(x, axis=-1, keepdims=True)


def contender(flags: argparse.Namespace) -> None:
  """Is one contender, until its parent has heard enough."""
  answers = machine.only_answers()
  who, dtype = flags.one.split()
  begin = _ours if who == machine.OURS else _peer
  machine.contend(flags, answers, *begin(flags, dtype, *rows_of(flags)))


def _ours(flags, dtype, prompts, strengths):
  import jax

  from emojax import steering
  from emojax.models import generate
  from emojax.models import sharding
  from tests.benchmarks import models

  lm = models.ours(flags.model, dtype)
  c = lm.config
  width = max(map(len, prompts))
  put = lambda x: sharding.put(lm.mesh, ('B', '')[: x.ndim], x)
  tokens, valid = map(put, batches.padded(prompts, width, side='left'))
  steered = steering.Interventions(
      sharding.replicate(lm.mesh, bank_of(c.num_layers, c.width)),
      put(np.arange(flags.rows, dtype=np.int32) % DIRECTIONS),
      put(steering.at_layer(strengths, _layer(c.num_layers), c.num_layers)),
      valid,
  )
  keys = jax.random.split(jax.random.key(0), flags.rows)

  def run():
    cache = generate.empty_cache(
        c, flags.rows, width + flags.new_tokens, lm.mesh
    )
    logits, cache = generate.prefill(
        lm.model, lm.params, tokens, valid, cache, steered
    )
    written, _ = generate.decode(
        lm.model,
        lm.params,
        cache,
        logits,
        keys,
        steered,
        steps=flags.new_tokens,
        temperature=flags.temperature,
        stop=(),
    )
    return np.asarray(written.tokens)

  return (
      models.facts(dtype),
      run,
      lambda: models.matmul(dtype),
      models.device_gib,
  )


def _peer(flags, dtype, prompts, strengths):
  model = hf.load(flags.folder / dtype, dtype, flags.device, head=True)
  layers = model.config.num_hidden_layers
  layer = _layer(layers)
  bank = bank_of(layers, model.config.hidden_size)[:, layer]
  hf.steer(
      model,
      layer,
      strengths[:, None] * bank[np.arange(flags.rows) % DIRECTIONS],
  )

  def run():
    return hf.generate(model, prompts, flags.new_tokens, flags.temperature)

  matmul = lambda: hf.matmul(dtype, model.device)
  return hf.facts(model, dtype), run, matmul, hf.device_gib


def _layer(num_layers: int) -> int:
  return 2 * num_layers // 3


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
    same = read(name) == read(exact)
    print(
        f'tokens of {name} that are those of {exact}: {same.mean():.3f}; first'
        f' tokens: {same[:, 0].mean():.3f}'
    )
    if name == f'{machine.OURS} float32':
      agrees = same[:, 0].mean() >= AGREE
  return agrees


def work(flags: argparse.Namespace, ours: dict) -> tuple[str, float, None]:
  """A line about the work of a turn, and its tokens."""
  del ours
  longest = max(map(len, rows_of(flags)[0]))
  line = (
      f'{flags.model}: {flags.rows} rows, each steered in its own way, prompts'
      f' of up to {longest} tokens, {flags.new_tokens} written'
  )
  return line, flags.rows * flags.new_tokens, None


def main() -> None:
  parser = machine.parser(__doc__, rows=64)
  parser.add_argument('--new_tokens', type=int, default=32)
  parser.add_argument('--temperature', type=float, default=0.0)
  machine.main(MODULE, parser.parse_args(), contender, compare, work)


if __name__ == '__main__':
  main()
