r"""Finds the passages of any chats in which each emotion is most active.

TRANSCRIPTS is a file of JSON lines, each with `messages` or `text`, or a folder
of .jsonl and .json files. The answer is OUT/report.html and OUT/wild.json.

  emojax --config=configs/wild.py --config.vectors=DIR/vectors.safetensors \
    --config.transcripts=TRANSCRIPTS --workdir=OUT
"""

import ml_collections
from ml_collections import config_dict


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.experiment = 'wild'
  config.vectors = ''
  config.transcripts = ''
  config.model = ''  # Empty: the model that the vectors were made for.
  config.dtype = ''  # Empty: the one that they were made in.
  config.layer = config_dict.placeholder(int)  # None: the vectors' own choice.
  config.window = 12  # Tokens of a passage.
  config.top = 5  # Passages of each emotion, of different transcripts.
  config.random_directions = 24
  config.batch = 8
  config.seed = 0
  # Devices: copies of the model x what splits its heads and mlp. -1: the rest.
  config.mesh = ml_collections.ConfigDict({'data': -1, 'fsdp': 1, 'model': 1})
  return config
