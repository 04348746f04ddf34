r"""Reads any texts with vectors that were made before.

A few seconds for a dozen chats on 2 CPU cores. Each line of the texts has
`text` or `messages`; the answer is OUT/readings.jsonl, a line a text.

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
  config.batch = 8
  # Devices: copies of the model x what splits its heads and mlp. -1: the rest.
  config.mesh = ml_collections.ConfigDict({'data': -1, 'fsdp': 1, 'model': 1})
  return config
