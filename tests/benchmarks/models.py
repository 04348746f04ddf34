"""The models and texts that are measured: real ones, or random at real sizes.

`random:NAME` needs no download: its weights are drawn on the device, its texts
are the packaged stories with a number for each word.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import json
import pathlib
import platform
import re
import time
from typing import Any
import zlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from emojax.data import batches
from emojax.data import stories as stories_lib
from emojax.models import config as config_lib
from emojax.models import config_json
from emojax.models import export
from emojax.models import load
from emojax.models import sharding
from emojax.models import transformer

Path = pathlib.Path
_ROPE = {
    'factor': 32.0,
    'high_freq_factor': 4.0,
    'low_freq_factor': 1.0,
    'original_max_position_embeddings': 8192,
    'rope_type': 'llama3',
}
_LLAMA3 = {
    'model_type': 'llama',
    'hidden_act': 'silu',
    'max_position_embeddings': 131072,
    'num_key_value_heads': 8,
    'rms_norm_eps': 1e-5,
    'rope_scaling': _ROPE,
    'rope_theta': 500000.0,
    'tie_word_embeddings': True,
    'vocab_size': 128256,
}


def _llama3(layers: int, width: int, mlp: int, heads: int, head: int) -> dict:
  return _LLAMA3 | {
      'num_hidden_layers': layers,
      'hidden_size': width,
      'intermediate_size': mlp,
      'num_attention_heads': heads,
      'head_dim': head,
  }


# The sizes of Llama 3.1 and 3.2, and one that a test runs in no time.
RANDOM = {
    'llama3_1b': _llama3(16, 2048, 8192, 32, 64),
    'llama3_3b': _llama3(28, 3072, 8192, 24, 128),
    'llama3_8b': _llama3(32, 4096, 14336, 32, 128)
    | {'tie_word_embeddings': False, 'rope_scaling': _ROPE | {'factor': 8.0}},
    'tiny': _llama3(2, 64, 128, 8, 8) | {'vocab_size': 512},
}


def random_config(name: str) -> dict[str, Any] | None:
  """The `config.json` of `random:NAME`; None for a real model."""
  if not name.startswith('random:'):
    return None
  size = name.removeprefix('random:')
  if size not in RANDOM:
    raise SystemExit(
        f'--model={name}: must be one of'
        f' {", ".join(f"random:{known}" for known in RANDOM)}, or a model.'
    )
  return RANDOM[size]


def prepare(name: str, dtypes: Sequence[str], folder: Path) -> None:
  """Writes the texts as ids, and what transformers loads, a folder a dtype."""
  stories = [story.text for story in stories_lib.load_stories().stories]
  raw = random_config(name)
  if raw is None:
    lm = load.load(name, 'float32')
    for dtype in dtypes:
      export.save_weights(
          folder / dtype, lm.params, lm.config, lm.config_json,
          load.DTYPES[dtype][0],
      )  # fmt: skip
    ids = [lm.tokenizer.encode(text, bos=True).ids for text in stories]
  else:
    for dtype in dtypes:
      (folder / dtype).mkdir()
      (folder / dtype / 'config.json').write_text(json.dumps(raw))
    number = lambda word: zlib.crc32(word.encode()) % raw['vocab_size']
    numbers = lambda text: [number(w) for w in re.findall(r'\w+|\S', text)]
    ids = [numbers(text) for text in stories]
  (folder / 'texts.json').write_text(
      json.dumps({'stories': [list(map(int, row)) for row in ids]})
  )


def ours(name: str, dtype: str) -> load.LanguageModel:
  """Loads a model, or draws a random one, without tokenizer, on the device."""
  raw = random_config(name)
  if raw is None:
    return load.load(name, dtype)
  config = dataclasses.replace(
      config_json.read(raw), dtype=load.DTYPES[dtype][0]
  )
  model, mesh = transformer.Transformer(config), sharding.one_device()
  draw = jax.jit(
      lambda key: nn.unbox(model.init(key, jnp.zeros((1, 1), jnp.int32))),
      out_shardings=jax.tree.map(
          lambda x: x.sharding, sharding.abstract_params(model, mesh)
      ),
  )
  return load.LanguageModel(
      uri=name,
      name=name,
      sha256='',
      dtype=dtype,
      mesh=mesh,
      model=model,
      params=draw(jax.random.key(0)),
      tokenizer=None,
      config_json=raw,
  )


def facts(dtype: str) -> Mapping[str, Any]:
  """What ours says when it is ready: the device and its name."""
  device = jax.devices()[0]
  return {
      'platform': 'cpu' if device.platform == 'cpu' else 'gpu',
      'device': device.device_kind,
      'version': f'jax {jax.__version__} (Python {platform.python_version()})',
      'dtype': dtype,
  }


def device_gib() -> float:
  """The largest memory on the device so far, GiB; 0 where none is counted."""
  stats = jax.devices()[0].memory_stats() or {}
  return stats.get('peak_bytes_in_use', 0) / 2**30


def matmul(dtype: str) -> float:
  """Measures a large matrix product, floating-point operations a second."""
  size, times = (2048, 5) if jax.default_backend() == 'cpu' else (8192, 20)
  kind = load.DTYPES[dtype][0]
  precision = 'highest' if dtype == 'float32' else 'default'
  # Not of one number: a GPU multiplies those a tenth faster.
  x = jax.random.normal(jax.random.key(0), (size, size), kind)
  multiply = jax.jit(lambda x: jnp.matmul(x, x, precision=precision))
  return rate(lambda: multiply(x), jax.block_until_ready, size, times)


def rate(compute, wait, size: int, times: int) -> float:
  """Times products of size x size matrices that are queued one by one."""
  wait(compute())
  start = time.perf_counter()
  wait([compute() for _ in range(times)])
  return 2 * size**3 * times / (time.perf_counter() - start)


def operations(
    config: config_lib.TransformerConfig, lengths: Sequence[int]
) -> float:
  """Counts what a pass without logits must compute; padding counts nothing.

  Two a weight and token, and two products of H over all pairs of a token and
  one that it sees, windows not subtracted.
  """
  c = config
  heads = c.num_kv_heads * c.queries_per_kv
  weights = 2 * c.width * (heads + c.num_kv_heads) * c.head_dim
  weights += 3 * c.width * c.mlp_width
  n = np.asarray(lengths, np.float64)
  pairs = (n * (n + 1) / 2).sum()
  layer = 2 * weights * n.sum() + 4 * heads * c.head_dim * pairs
  return float(c.num_layers * layer)


def padded_share(lengths: Sequence[int], size: int) -> float:
  """The share of computed tokens that are padding, in batches of `size`."""
  planned = batches.plan(lengths, size)
  return 1 - sum(lengths) / sum(len(rows) * width for rows, width in planned)
