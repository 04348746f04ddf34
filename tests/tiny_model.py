"""Writes a whole random model as the hub has them, small enough for seconds."""

import json
import pathlib

import numpy as np
import safetensors.numpy
import tokenizers

CONTEXT = 2048
LAYERS = 3
WIDTH = 32
HEADS = 4
KV_HEADS = 2
MLP_WIDTH = 48
CONTROL = ('<|im_start|>', '<|im_end|>')

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
  safetensors.numpy.save_file(
      weights(size, seed), folder / 'model.safetensors'
  )
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
  draw = lambda shape: (
      rng.standard_normal(shape) / np.sqrt(shape[-1])
  ).astype(np.float32)
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
  backend.add_special_tokens([
      tokenizers.AddedToken(name, special=True, normalized=False)
      for name in CONTROL
  ])
  backend.save(str(folder / 'tokenizer.json'))
  facts = {'chat_template': _TEMPLATE, 'eos_token': CONTROL[1]}
  (folder / 'tokenizer_config.json').write_text(json.dumps(facts))
  return backend.get_vocab_size()
