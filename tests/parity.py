r"""Prints how close emojax comes to transformers, model by model.

  python -m tests.parity            every family, and SmolLM2's real weights
  python -m tests.parity --gemma    Gemma 3 270M's too, under its own terms

Compares with the committed goldens, or with those in EMOJAX_GOLDENS, which
`launch/test.sh --parity` records afresh. Each model has a process of its own,
for memory is measured by the process.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import families_parity_test
import jax
import jax.numpy as jnp
import numpy as np
import parity_test

from emojax.models import checkpoint
from emojax.models import sources
from emojax.models import transformer
from emojax.models import weights

HEADER = (
    'family', 'model', 'worst layer, relative', 'logits float32',
    'logits bfloat16', 'greedy', 'peak memory', 'load',
)  # fmt: skip


def measure(name: str) -> dict[str, object]:
  """Returns a row of the table; logits in absolute differences."""
  real = parity_test.MODELS.get(name)
  path = (
      sources.locate(real).path
      if real
      else parity_test.conftest.GOLDENS / f'tiny_{name}'
  )
  start = time.monotonic()
  opened = checkpoint.open_checkpoint(path)
  params = jax.block_until_ready(weights.load_params(opened, jnp.float32))
  seconds = time.monotonic() - start
  golden = parity_test.read_golden(name if real else f'tiny_{name}')
  golden = golden if real else _as_prompt(golden)
  model = transformer.Transformer(opened.config)
  worst, exact = _differences(model, params, golden)
  agree, written = _greedy(model, params, golden)
  memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
  half = weights.load_params(opened, jnp.bfloat16)
  config = dataclasses.replace(opened.config, dtype=jnp.bfloat16)
  _, rounded = _differences(transformer.Transformer(config), half, golden)
  return {
      'family': opened.family,
      'model': path.stem,
      'worst layer, relative': f'{worst:.0e}',
      'logits float32': f'{exact:.0e}',
      'logits bfloat16': f'{rounded:.2g}',
      'greedy': f'{agree} of {written}',
      'peak memory': f'{memory:.2f} GiB',
      'load': f'{seconds:.1f} s',
  }


def _as_prompt(golden):
  """A tiny model's goldens, under the names of a real one's prompt."""
  size, vocabulary = golden['logits'].shape
  return {
      'tokens_0': golden['tokens'],
      'greedy_0': golden['greedy'],
      'positions_0': np.arange(size),
      'resid_post_0': golden['resid_post'],
      'columns_0': np.arange(vocabulary),
      'logits_0': golden['logits'][-1:],
  }


def _differences(model, params, golden) -> tuple[float, float]:
  worst = largest = 0.0
  for key in [key for key in golden if key.startswith('positions_')]:
    i = key.removeprefix('positions_')
    resid_post, logits = parity_test.blocks_and_logits(
        model, params, golden[f'tokens_{i}'][None]
    )
    ours = np.asarray(resid_post, np.float32)[:, golden[key]]
    error = parity_test.relative_error(ours, golden[f'resid_post_{i}'])
    ours = np.asarray(logits)[-1:, golden[f'columns_{i}']]
    worst = max(worst, float(error))
    largest = max(largest, float(np.abs(ours - golden[f'logits_{i}']).max()))
  return worst, largest


def _greedy(model, params, golden) -> tuple[int, int]:
  keys = [key for key in golden if key.startswith('greedy_')]
  theirs = np.stack([golden[key] for key in keys])
  prompts = [golden[key.replace('greedy', 'tokens')] for key in keys]
  ours = parity_test.greedy(model, params, prompts, theirs.shape[1])
  return int((ours == theirs).sum()), theirs.size


def main() -> None:
  parser = argparse.ArgumentParser(usage=__doc__)
  parser.add_argument('--gemma', action='store_true')
  parser.add_argument('--one', help=argparse.SUPPRESS)
  flags = parser.parse_args()
  if flags.one:
    print(json.dumps(measure(flags.one)))
    return
  names = [*families_parity_test.FAMILIES, 'smollm2']
  asked = flags.gemma or os.environ.get('EMOJAX_TEST_GEMMA') == '1'
  names += ['gemma3'] if asked else []
  print('| ' + ' | '.join(HEADER) + ' |')
  print('|' + '---|' * len(HEADER))
  for name in names:
    done = subprocess.run(
        [sys.executable, '-m', 'tests.parity', '--one', name],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    row = json.loads(done.stdout.splitlines()[-1])
    print('| ' + ' | '.join(row[column] for column in HEADER) + ' |')


if __name__ == '__main__':
  main()
