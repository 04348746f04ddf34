"""A plan compiles the real programs, and counts what they really do."""

import dataclasses
import importlib.util
import json
import math
import subprocess
import sys

import jax
from jax.experimental.compilation_cache import compilation_cache
import jax.numpy as jnp
import pytest
import tiny_model

from emojax import errors
from emojax.models import config_json
from emojax.models import sharding
from emojax.models import transformer
from emojax.planning import chips
from emojax.planning import costs
from emojax.planning import programs
from emojax.planning import published

ROOT = tiny_model.ROOT
# Parameters in billions, as published.
SIZES = {
    'gemma3_4b': 3.88,
    'gemma3_12b': 11.77,
    'gemma3_27b': 27.01,
    'llama3_70b': 70.55,
    'qwen3_32b': 32.76,
    'paper_gemma3_27b': 27.01,
    'paper_llama33_70b': 70.55,
}
SMALL = published.CONFIGS['hf:Qwen/Qwen3-32B'] | {
    'hidden_size': 256,
    'intermediate_size': 512,
    'num_attention_heads': 8,
    'num_key_value_heads': 4,
    'head_dim': 128,
    'vocab_size': 1024,
}
needs_compiler = pytest.mark.skipif(
    importlib.util.find_spec('libtpu') is None,
    reason='needs libtpu, of jax[tpu]',
)


@pytest.fixture(scope='module', autouse=True)
def no_cache():
  """What is compiled for a TPU can be loaded only where there is one."""
  jax.config.update('jax_enable_compilation_cache', False)
  compilation_cache.reset_cache()
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('JAX_ENABLE_COMPILATION_CACHE', 'false')
    yield
  jax.config.update('jax_enable_compilation_cache', True)
  compilation_cache.reset_cache()


def _tiny(layers=4):
  config = config_json.read(SMALL | {'num_hidden_layers': layers})
  return dataclasses.replace(config, dtype=jnp.bfloat16)


def _config(**fields):
  config = tiny_model.config('gemma3_27b')
  config.mesh.model = 2
  config.batch = config.sweep_batch = 8
  config.new_tokens = 16
  config.plan.update(
      stories=100, story_tokens=128, emotions=5, prompt_tokens=16,
      generations=40,
  )  # fmt: skip
  config.update(fields)
  return config


def _program(name, config=None, topology='v5e:2x2', **fields):
  mesh = chips.mesh(topology, data=-1, model=2, fsdp=1)
  found = programs.of_run(_config(**fields), config or _tiny(), mesh)
  return {program.name: program for program in found}[name]


@pytest.mark.parametrize('name', SIZES)
def test_configs_name_models_of_the_published_size(name):
  config = tiny_model.config(name)
  model = transformer.Transformer(
      config_json.read(published.CONFIGS[config.model])
  )
  leaves = jax.tree.leaves(sharding.abstract_params(model, None))
  count = sum(math.prod(x.shape) for x in leaves)
  assert round(count / 1e9, 2) == SIZES[name]
  assert config.plan.stories == 171 * 100 * 12


@needs_compiler
def test_the_work_of_scanned_blocks_is_that_of_unrolled_ones():
  """XLA by itself counts one block of four."""
  program = _program('capture')
  chip, _ = chips.parse('v5e:2x2')
  counted = costs.of_program(program, 4, chip).counts
  unrolled = costs.count(program.lower(4).compile())
  scanned = costs.count(program.lower(None).compile())
  assert counted.flops == pytest.approx(unrolled.flops, rel=0.02)
  assert counted.bytes == pytest.approx(unrolled.bytes, rel=0.1)
  assert sum(counted.collectives.values()) == pytest.approx(
      sum(unrolled.collectives.values()), rel=0.02
  )
  assert scanned.flops < 0.6 * unrolled.flops


def _block_flops(c, tokens, slots):
  """Of one block: two for each weight and token, and attention to all slots."""
  heads = c.num_kv_heads * c.queries_per_kv * c.head_dim
  weights = c.width * (2 * heads + 2 * c.num_kv_heads * c.head_dim)
  weights += 3 * c.width * c.mlp_width
  return tokens * (2 * weights + 2 * 2 * slots * heads)


def _counts(program):
  chip, _ = chips.parse('v5e:2x2')
  return costs.of_program(program, 4, chip).counts


@needs_compiler
def test_the_work_of_a_forward_pass_is_two_for_each_weight_and_token():
  got = _counts(_program('capture')).flops
  expected = 4 * _block_flops(_tiny(), 8 * 128, 128) / 4
  assert got == pytest.approx(expected, rel=0.1)


# Rows of 16 tokens of a prompt and 16 of a text, in a cache of 16 more slots.
@needs_compiler
@pytest.mark.parametrize(
    ('name', 'tokens', 'slots', 'blocks', 'unembedded'),
    [
        ('prefill', 16, 32, 4, 0),
        ('decode', 16, 48, 4, 16),
        # The lowest block once, the others twice; all distributions twice.
        ('divergence', 32, 48, 7, 32),
    ],
)
def test_the_work_of_a_sweep_is_two_for_each_weight_and_token(
    name, tokens, slots, blocks, unembedded
):
  """Whatever loops over blocks and tokens, of which XLA counts one turn."""
  c, rows, devices = _tiny(), 8, 4
  expected = blocks * _block_flops(c, rows * tokens, slots)
  expected += 2 * c.width * c.vocab_size * rows * unembedded
  got = _counts(_program(name)).flops
  assert got == pytest.approx(expected / devices, rel=0.1)


@needs_compiler
def test_the_work_of_questions_is_that_of_their_prompts():
  """Read along every direction at all layers, or up to the next word."""
  c, rows, devices = _tiny(), 8, 4
  config = tiny_model.config('paper_gemma3_27b')
  config.batch = config.sweep_batch = rows
  config.plan.update(emotions=5, reading_tokens=32, prompt_tokens=16)
  mesh = chips.mesh('v5e:2x2', data=-1, model=2, fsdp=1)
  found = {x.name: x for x in programs.of_run(config, c, mesh)}
  assert list(found) == [
      'capture', 'cell sums', 'reading', 'prefill', 'next words', 'decode',
  ]  # fmt: skip
  bank = 5 + config.random_directions + config.shuffled_directions
  along = 2 * rows * 32 * c.width * bank
  block = _block_flops(c, rows * 32, 32)
  # Projections are not cut over `model`: each of its two chips has all.
  expected = 4 * (block / devices + along / 2)
  assert _counts(found['reading']).flops == pytest.approx(expected, rel=0.1)
  expected = 2 * c.width * c.vocab_size * rows / devices
  assert _counts(found['next words']).flops == pytest.approx(expected, rel=0.1)


@needs_compiler
def test_a_step_of_decoding_moves_every_weight_once():
  """Of a model whose weights no chip keeps beside its arithmetic."""
  config = config_json.read(
      SMALL
      | {'hidden_size': 2048, 'intermediate_size': 8192}
      | {'num_hidden_layers': 16}
  )
  config = dataclasses.replace(config, dtype=jnp.bfloat16)
  decode = _program('decode', config=config)
  chip, _ = chips.parse('v5e:2x2')
  got = costs.of_program(decode, 16, chip).counts.bytes / decode.steps
  leaves = jax.tree.leaves(
      sharding.abstract_params(transformer.Transformer(config), None)
  )
  # Two chips share them.
  expected = sum(math.prod(x.shape) * x.dtype.itemsize for x in leaves) / 2
  assert expected < got < 1.5 * expected


@needs_compiler
def test_every_step_of_decoding_counts():
  chip, _ = chips.parse('v5e:2x2')
  decode, prefill = (_program(name) for name in ('decode', 'prefill'))
  assert (decode.steps, prefill.steps) == (16, 1)
  one = costs.of_program(dataclasses.replace(decode, steps=1), 4, chip)
  all_ = costs.of_program(decode, 4, chip)
  assert all_.counts.flops == pytest.approx(16 * one.counts.flops)
  assert all_.peak == one.peak > 0


@needs_compiler
def test_every_pass_along_the_vocabulary_counts():
  """Top-k halves 31 times; XLA counts one."""
  plain, chosen = (
      _counts(_program('decode', top_k=top_k)).bytes / 16 for top_k in (0, 40)
  )
  row = 4 * 1024 * 8 / 4
  assert 31 * row < chosen - plain < 2 * 31 * row


@needs_compiler
def test_prompts_are_run_beside_the_rows_that_write():
  """Their cache takes memory, though the program knows nothing of it."""
  chip, _ = chips.parse('v5e:2x2')
  short, long = (
      costs.of_program(
          dataclasses.replace(_program('prefill', new_tokens=new), also=()),
          4,
          chip,
      )
      for new in (16, 144)
  )
  # Keys and values of 4 layers, 2 of 4 heads and 4 of 8 rows on a chip.
  assert long.arguments - short.arguments >= 128 * 2 * 4 * 2 * 4 * 128 * 2


def test_collectives_are_read_out_of_the_compilers_text():
  text = """
  %a = bf16[8,128]{1,0} all-reduce(%x), replica_groups={}
  ROOT %b = (f32[4]{0}, f32[16]{0}) all-gather-start(f32[4]{0} %y)
  %c = f32[16]{0} all-gather-done(%b)
  %d = f32[2,2]{1,0} add(%e, %f)
  %g = (f32[10]{0}, bf16[10]{0}) all-reduce(%h, %i), replica_groups={}
  """
  assert costs.collectives(text) == {
      'all-reduce': 8 * 128 * 2 + 40 + 20,
      'all-gather': 64,
  }


def test_a_collective_in_a_chain_of_computations_counts_once():
  link = (
      '  %%a.%d = f32[4]{0} all-gather(%%x), channel_id=%d,'
      ' frontend_attributes={chain_id="%d"}\n'
  )
  once = '  %a.9 = f32[8]{0} all-gather(%x), channel_id=5\n'
  text = ''.join(link % x for x in ((0, 7, 0), (1, 7, 0), (2, 8, 1)))
  assert costs.collectives(text + 2 * once) == {'all-gather': 2 * 16 + 2 * 32}


def test_the_roofline_is_each_part_at_its_published_speed():
  chip, _ = chips.parse('v5e:4x4')
  counts = costs.Counts(197e12, 819e9 * 2, {'all-reduce': 100e9})
  assert costs.roofline(counts, chip) == {
      'compute': 1.0,
      'memory': 2.0,
      'interconnect': 0.5,
  }


def test_the_largest_buffers_are_read_out_of_a_refusal():
  text = (
      'RESOURCE_EXHAUSTED: Ran out of memory\n'
      '  1. Size: 2.62G\n     Operator: op_name="x"\n'
      '     Shape: bf16[62,5376,21504]{2,1,0:T(8,128)(2,1)}\n'
      '  2. Size: 512.0M\n     Shape: f32[128,512]{1,0}\n'
  )
  assert costs.largest_buffers(text) == [
      'bf16[62,5376,21504] 2.62G',
      'f32[128,512] 512.0M',
  ]


def test_without_buffers_the_largest_arrays_are_read_out_of_the_program():
  text = (
      'func.func @main(%0: tensor<4x1024xbf16>, %1: tensor<4096x1024x2xf32>)'
      ' -> tensor<4096x1024x2xf32> { tensor<f32> tensor<8x1024x1024xi1> }'
  )
  assert costs.largest_arrays(text, 2) == [
      'f32[4096,1024,2] 0.03G on all chips',
      'i1[8,1024,1024] 0.00G on all chips',
  ]


@pytest.mark.parametrize('name', ['v5e', 'v5e-16', 'v5e:16', 'h100:2x2', ''])
def test_names_that_are_no_topology_are_refused(name):
  with pytest.raises(errors.InputError, match='give KIND:SIZE'):
    chips.parse(name)


@needs_compiler
def test_a_slice_that_is_not_made_is_refused():
  with pytest.raises(errors.InputError, match='v5e:3x3'):
    chips.devices('v5e:3x3')


def _run(*arguments):
  return subprocess.run(
      [sys.executable, '-m', 'launch.plan', *arguments],
      cwd=ROOT,
      capture_output=True,
      text=True,
      timeout=500,
  )


def _sized(tmp_path, **facts):
  path = tmp_path / 'config.json'
  path.write_text(json.dumps(SMALL | facts))
  return [
      '--config=configs/qwen3_32b.py',
      f'--model_config={path}',
      '--config.mesh.model=2',
      '--config.batch=8',
      '--config.sweep_batch=8',
      '--config.new_tokens=16',
      '--config.plan.emotions=8',
  ]


@needs_compiler
def test_the_command_exits_with_three_and_says_what_fits_if_a_run_does_not(
    tmp_path,
):
  """Weights: of 14 GiB a chip on 2 x 2, of 7 GiB on 2 x 4.

  What it says of a run that fits is looked at in docs_test.py.
  """
  large = _sized(
      tmp_path, num_hidden_layers=40, hidden_size=1024,
      intermediate_size=250_000,
  )  # fmt: skip
  out = tmp_path / 'plan.json'
  refused = _run(
      *large, '--topology=v5e:2x2', '--config.mesh.data=1',
      '--config.mesh.fsdp=-1', f'--json={out}',
  )  # fmt: skip
  assert refused.returncode == 3, refused.stderr
  assert 'v5e:2x2 is too small' in refused.stdout
  assert 'large: ' in refused.stdout and '250000' in refused.stdout
  assert 'The smallest that fits: --topology=v5e:' in refused.stdout
  assert not out.exists()


@pytest.mark.parametrize(
    'arguments, line',
    [
        ([], 'Give --config=configs/NAME.py --topology=v5e:4x4.'),
        (
            ['--config=configs/quickstart.py', '--topology=v5e:2x2'],
            'config.plan',
        ),
        (
            [
                '--config=configs/qwen3_32b.py',
                '--topology=v5e:2x2',
                '--config.model=hf:a/b',
            ],
            'give --model_config=FILE',
        ),
        (
            [
                '--config=configs/qwen3_32b.py',
                '--topology=v5e:2x2',
                '--config.dtype=float32',
            ],
            'plan for bfloat16 or int8',
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_with_two(arguments, line):
  done = _run(*arguments)
  assert done.returncode == 2
  assert len(done.stderr.splitlines()) == 1 and line in done.stderr
