r"""Talks with a steered model in the browser, its tokens coloured as they come.

The page is for this machine and whoever has its address. Every exchange is
kept in DIR/exchanges.jsonl, with the command that writes it again. Needs
pip install 'emojax[chat]'.

  emojax --config=configs/chat.py --workdir=runs/chat \
    --config.vectors=DIR/vectors.safetensors
"""

import ml_collections
from ml_collections import config_dict


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.experiment = 'chat'
  config.vectors = ''
  config.model = ''  # Empty: the model that the vectors were made for.
  config.dtype = ''  # Empty: the one that they were made in.
  config.port = 8765  # Of 127.0.0.1; 0: any that is free.
  config.seed = 0  # Of the random directions; replies have their own.
  # Instead of the page: an exchanges.jsonl that is written again, or of it one.
  config.replay = ''
  config.only = config_dict.placeholder(int)
  # Devices: copies of the model x what splits its heads and mlp. -1: the rest.
  config.mesh = ml_collections.ConfigDict({'data': -1, 'fsdp': 1, 'model': 1})
  return config
