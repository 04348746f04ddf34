"""The programs of the questions of a paper run, beside its capture.

Most of what they compute is prompts that are read once, or scored by the word
that comes next. Texts are few and short.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from emojax.models import capture
from emojax.models import config as config_lib
from emojax.models import prompts
from emojax.models import sampling
from emojax.models import sharding
from emojax.models import taps
from emojax.models import words
from emojax.planning import program
from emojax.planning import sizes
from emojax.planning import sweep

_SITES = ('resid_post/norm', 'resid_post/project')


def of_questions(
    config: ml_collections.ConfigDict,
    model_config: config_lib.TransformerConfig,
    mesh: jax.sharding.Mesh,
) -> list[program.Program]:
  """Returns the programs of questions of `config.plan`'s size."""
  p = config.plan
  rows = sharding.round_up_rows(mesh, config.batch)
  s = sizes.Sizes(
      model=model_config,
      mesh=mesh,
      rows=sharding.round_up_rows(mesh, config.sweep_batch),
      prompt=prompts.width(p.prompt_tokens),
      new=p.new_tokens,
      emotions=p.emotions,
      bank=p.emotions + config.random_directions + config.shuffled_directions,
      read=None,
  )
  read = functools.partial(_read, s, rows, p.reading_tokens)
  return [
      program.Program(
          'reading',
          lambda n: read(program.some_blocks(model_config, n)),
          calls=-(-p.readings // rows),
      ),
      sweep.prefill(s, -(-p.choices // s.rows)),
      program.Program(
          'next words',
          lambda _: _next_words(s),
          calls=-(-p.choices // s.rows),
          blocks=False,
      ),
      sweep.decode(
          s, -(-p.generations // s.rows), sampling.Sampling(0.0, 0, 1.0)
      ),
  ]


def _read(s: sizes.Sizes, rows: int, tokens: int, model_config) -> Any:
  """Every token of texts along every direction, at all layers."""
  model, params = program.model_of(model_config, s.mesh)
  of = lambda dtype: program.array(s.mesh, 'BT', (rows, tokens), dtype)
  bank = s.whole(s.bank, model_config.num_layers, model_config.width)
  return capture.capture.lower(
      model,
      params,
      of(jnp.int32),
      of(bool),
      taps.Readout(of(jnp.float32), bank),
      _SITES,
  )


def _next_words(s: sizes.Sizes) -> Any:
  """The distribution after every prompt."""
  model, params = s.model_of()
  x = s.by_row(jnp.float32, s.rows, s.model.width)
  return words._first.lower(model, params, x)
