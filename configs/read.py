r"""Reads any texts, token by token, with vectors of an earlier run.

A few seconds for a dozen chats on 2 CPU cores. Each line of the texts has
`text` or `messages`; the answer is OUT/reader.html, to be looked at, with
OUT/readings.jsonl, a line a text, and OUT/cosines.safetensors, all layers.

  emojax --config=configs/read.py --config.vectors=DIR/vectors.safetensors \
    --config.texts=FILE.jsonl --workdir=OUT
"""

import ml_collections
from ml_collections import config_dict


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.experiment = 'read'
  config.vectors = ''
  config.texts = ''
  config.model = ''  # Empty: the model that the vectors were made for.
  config.dtype = ''  # Empty: the one that they were made in.
  config.layer = config_dict.placeholder(int)  # None: the vectors' own choice.
  config.all_layers = True  # Else cosines.safetensors has that layer alone.
  config.batch = 8

  # If steer is set, the model replies to every chat twice, as it is and
  # steered, and both texts are read without steering.
  config.reply = ml_collections.ConfigDict()
  # 'happy:0.1,calm:-0.05': strengths in mean residual norms.
  config.reply.steer = ''
  config.reply.layers = ()  # The vectors' own.
  config.reply.positions = 'all'
  config.reply.temperature = 0.0  # 0: always the likeliest token.
  config.reply.top_p = 1.0
  config.reply.seed = 0
  config.reply.new_tokens = 96

  # Devices: copies of the model x what splits its heads and mlp. -1: the rest.
  config.mesh = ml_collections.ConfigDict({'data': -1, 'fsdp': 1, 'model': 1})
  return config
