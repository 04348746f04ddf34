r"""Steers with vectors of an earlier run: any grid, in one batch.

Everything in a tuple is crossed with everything else; random directions,
vectors of shuffled labels, unsteered texts and the opposite of every strength
come along. OUT/sweep.jsonl has a line a text, OUT/dose.json the curves,
OUT/report.html both.

  emojax --config=configs/sweep.py --workdir=OUT \
    --config.vectors=runs/quickstart/vectors.safetensors \
    --config.directions="('happy','sad')" --config.layers=10,14,20
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.experiment = 'sweep'
  config.vectors = ''
  config.model = ''  # Empty: the model that the vectors were made for.
  config.dtype = ''  # Empty: the one that they were made in.
  config.mesh = ml_collections.ConfigDict({'data': -1, 'fsdp': 1, 'model': 1})
  config.seed = 0

  config.directions = ()  # All emotions; 'happy+calm' is both at once.
  config.operations = ('add',)  # Or 'ablate', which projects a direction out.
  config.layers = ()  # Blocks, 0-based; empty: the one that the vectors name.
  config.bands = ()  # ((10, 14),) steers blocks 10 to 14 together.
  # Fractions of the mean residual norm at the layer.
  config.strengths = (0.1, 0.2, 0.4)
  config.opposite = True  # Whether each is run with the other sign, too.
  # all, prompt, user, assistant, generated, from:K or span:A:B.
  config.positions = ('assistant',)
  config.random_directions = 8
  config.shuffled_directions = 8  # At most as many as the vectors come with.
  config.samples = 1  # Texts for every cell, each of its own seed.

  config.prompts = (
      'How do you feel?',
      'How are you feeling right now?',
      'Tell me about your mood today.',
  )
  config.reply_prefix = 'I feel'
  config.words = True  # Whether the next word is compared, emotion by emotion.
  # Emotions that are read of every token while it is written, and where (the
  # vectors' own layer if empty).
  config.readout = ()
  config.readout_layers = ()
  config.new_tokens = 40
  config.temperature = 1.0  # 0: the likeliest token.
  config.top_k = 0  # 0: all tokens.
  config.top_p = 1.0
  config.sweep_batch = 128  # Texts that are written at once.
  config.sweep_chunk = 1024  # Texts after which a killed run goes on.
  return config
