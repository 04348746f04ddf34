"""A whole random model, and a corpus for it, small enough for seconds."""

import importlib.util
import json
import pathlib
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import safetensors.numpy
import tokenizers

from emojax import files
from emojax.data import stories as stories_lib
from emojax.models import config as config_lib
from emojax.models import load
from emojax.models import sharding
from emojax.models import transformer

# Of a model without a tokenizer, for laws of arrays.
CONFIG = config_lib.TransformerConfig(
    num_layers=4,
    width=24,
    mlp_width=40,
    vocab_size=50,
    num_kv_heads=2,
    queries_per_kv=3,
    head_dim=8,
    context=64,
    rope_base=1e4,
    norm_epsilon=1e-6,
    tied_embeddings=True,
)
ROOT = pathlib.Path(__file__).parents[1]

CONTEXT = 2048
LAYERS = 3
WIDTH = 32
HEADS = 4
KV_HEADS = 2
MLP_WIDTH = 48
CONTROL = ('<|im_start|>', '<|im_end|>')

# All of five letters, as one length of word is one compilation.
EMOTIONS = ('happy', 'proud', 'angry', 'bored')
TOPICS = ('a train platform', 'an exam hall', 'a hospital corridor')
START = 30
# Texts are cut so that all are padded to one width.
_STORY, _TALK = 150, 110  # Characters.

# Bare, as messages, short, with a reply whose text is a role's name, long.
TEXTS = (
    {'text': 'I lost my keys in the snow.'},
    {'messages': [{'role': 'user', 'content': 'I lost my keys in the snow.'}]},
    {'id': 7, 'text': 'Hm\u00e9.'},
    {
        'messages': [
            {'role': 'user', 'content': 'user'},
            {'role': 'assistant', 'content': 'assistant, and so on.'},
        ]
    },
    {'text': 'All the lamps went out. ' * 5},
)

_TEMPLATE = (
    '{% for message in messages %}'
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content']"
    " + '<|im_end|>' + '\\n' }}"
    '{% endfor %}'
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def write(folder: pathlib.Path, seed: int = 0) -> pathlib.Path:
  """Writes a Llama of one token a byte; another seed is another model."""
  folder.mkdir(parents=True)
  size = _write_tokenizer(folder)
  settings = {
      'architectures': ['LlamaForCausalLM'],
      'model_type': 'llama',
      'hidden_act': 'silu',
      'hidden_size': WIDTH,
      'intermediate_size': MLP_WIDTH,
      'max_position_embeddings': CONTEXT,
      'num_attention_heads': HEADS,
      'num_hidden_layers': LAYERS,
      'num_key_value_heads': KV_HEADS,
      'rms_norm_eps': 1e-5,
      'rope_theta': 10000.0,
      'tie_word_embeddings': True,
      'vocab_size': size,
  }
  (folder / 'config.json').write_text(json.dumps(settings))
  safetensors.numpy.save_file(weights(size, seed), folder / 'model.safetensors')
  return folder


def weights(size: int, seed: int) -> dict[str, np.ndarray]:
  """Draws all tensors, each scaled so that it keeps its input's variance."""
  rng = np.random.default_rng(seed)
  head = WIDTH // HEADS
  attention, mlp = 'model.layers.{i}.self_attn.', 'model.layers.{i}.mlp.'
  shapes = {
      attention + 'q_proj.weight': (HEADS * head, WIDTH),
      attention + 'k_proj.weight': (KV_HEADS * head, WIDTH),
      attention + 'v_proj.weight': (KV_HEADS * head, WIDTH),
      attention + 'o_proj.weight': (WIDTH, HEADS * head),
      mlp + 'gate_proj.weight': (MLP_WIDTH, WIDTH),
      mlp + 'up_proj.weight': (MLP_WIDTH, WIDTH),
      mlp + 'down_proj.weight': (WIDTH, MLP_WIDTH),
  }
  draw = lambda shape: (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(
      np.float32
  )
  ones = np.ones(WIDTH, np.float32)
  out = {
      'model.embed_tokens.weight': draw((size, WIDTH)),
      'model.norm.weight': ones,
  }
  for i in range(LAYERS):
    out |= {name.format(i=i): draw(shape) for name, shape in shapes.items()}
    for norm in ('input_layernorm', 'post_attention_layernorm'):
      out[f'model.layers.{i}.{norm}.weight'] = ones
  return out


def _write_tokenizer(folder: pathlib.Path) -> int:
  """Writes a byte-level BPE without merges; returns the size of it."""
  letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
  backend = tokenizers.Tokenizer(
      tokenizers.models.BPE(
          vocab={letter: i for i, letter in enumerate(letters)}, merges=[]
      )
  )
  backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
      add_prefix_space=False
  )
  backend.decoder = tokenizers.decoders.ByteLevel()
  backend.add_special_tokens(
      [
          tokenizers.AddedToken(name, special=True, normalized=False)
          for name in CONTROL
      ]
  )
  backend.save(str(folder / 'tokenizer.json'))
  facts = {'chat_template': _TEMPLATE, 'eos_token': CONTROL[1]}
  (folder / 'tokenizer_config.json').write_text(json.dumps(facts))
  return backend.get_vocab_size()


def random_model() -> tuple[transformer.Transformer, Any]:
  """Returns a model of `CONFIG` whose attention is far from uniform."""
  model = transformer.Transformer(CONFIG)
  shapes = jax.eval_shape(
      model.init, jax.random.key(0), jnp.zeros((1, 2), jnp.int32)
  )
  leaves, tree = jax.tree.flatten(nn.unbox(shapes))
  keys = jax.random.split(jax.random.key(1), len(leaves))
  params = [jax.random.normal(k, x.shape) * 0.4 for k, x in zip(keys, leaves)]
  return model, jax.tree.unflatten(tree, params)


def language_model(
    model: transformer.Transformer, params
) -> load.LanguageModel:
  """Returns a model on one device that has weights, and no more."""
  return load.LanguageModel(
      uri='',
      name='',
      sha256='',
      dtype='float32',
      mesh=sharding.one_device(),
      model=model,
      params=params,
      tokenizer=None,
      config_json={},
  )


def write_corpus(folder: pathlib.Path) -> dict[str, str]:
  """Writes a part of the packaged corpus; the last story ends before START.

  Returns:
    The fields of the quickstart's config that name the files.
  """
  stories = [
      row | {'text': row['text'][:_STORY]}
      for row in packaged('stories')
      if row['emotion'] in EMOTIONS and row['topic'] in TOPICS
  ]
  stories[-1]['text'] = stories[-1]['text'][: START - 10]
  rows = {
      'stories': stories,
      'neutral': [_cut(row) for row in packaged('neutral')[:8]],
      'chats': [_cut(row) for row in packaged('chats')[:4]],
  }
  for name, part in rows.items():
    write_rows(folder / f'{name}.jsonl', part)
  return {name: str(folder / f'{name}.jsonl') for name in rows}


def settings(folder: pathlib.Path) -> dict[str, object]:
  """Writes model and corpus; returns a config that runs them in seconds."""
  return write_corpus(folder) | {
      'model': str(write(folder / 'model')),
      'dtype': 'float32',
      'batch': 16,
      'start': START,
      'shuffles': 3,
      'standard_dialogues': 8,
      'clusters': 2,
      'strengths': (-0.2, 0.4),
      'prompts': ('How do you feel?', 'Is all well at home?'),
      'random_directions': 5,
      'shuffled_directions': 2,
      'new_tokens': 6,
      # All rows at once: texts that wait are one more program of everything.
      'sweep_batch': 64,
      'sweep_chunk': 64,
  }


def config(name: str, **fields: object) -> ml_collections.ConfigDict:
  """Returns the config of a file of configs/ with other values in it."""
  path = ROOT / 'configs' / f'{name}.py'
  spec = importlib.util.spec_from_file_location(f'config_{name}', path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  out = module.get_config()
  out.update(fields)
  return out


def write_vectors(
    path: pathlib.Path,
    model: pathlib.Path,
    arrays: dict[str, np.ndarray] | None = None,
    metadata: dict[str, object] | None = None,
) -> None:
  """Writes random vectors for a model; arguments replace parts of them."""
  lm = load.load(str(model), 'float32')
  size = (len(EMOTIONS), LAYERS)
  whole = {
      'vectors': np.random.default_rng(0).standard_normal((*size, WIDTH)),
      'mean': np.ones((LAYERS, WIDTH)),
      'resid_norm': np.ones(LAYERS),
      'shuffled': np.ones((2, LAYERS, WIDTH)),
  }
  for name in ('cosine', 'response'):
    whole[f'neutral_{name}_mean'] = np.zeros(size)
    whole[f'neutral_{name}_std'] = np.ones(size)
  whole |= arrays or {}
  facts = {'schema': 2, 'emotions': list(EMOTIONS), 'layer': 1}
  files.write_arrays(
      path,
      {name: x.astype(np.float32) for name, x in whole.items()},
      lm.identity() | facts | (metadata or {}),
  )


def flags(fields: dict[str, object]) -> list[str]:
  """Returns the command line that sets fields of a config."""
  return [f'--config.{name}={value}' for name, value in fields.items()]


def packaged(name: str) -> list[dict]:
  """Returns the rows of a file of the packaged corpus."""
  path = stories_lib.location(None, name)
  return [row for _, row in files.read_jsonl(path)]


def write_rows(path: pathlib.Path, rows: list) -> None:
  """Writes JSON lines; a string is a line as it is."""
  lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
  path.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def _cut(row: dict) -> dict:
  size = _TALK // len(row['messages'])
  cut = [m | {'content': m['content'][:size]} for m in row['messages']]
  return row | {'messages': cut}
