r"""Reads hidden states that vLLM has written; needs no weights.

vLLM's `extract_hidden_states` writes a safetensors file a request. Layer id k
is the input of block k: what vectors of layer k - 1 are read at. The answer is
OUT/readings.jsonl, a line a file and layer.

  emojax --config=configs/read_states.py --workdir=OUT \
    --config.vectors=DIR/vectors.safetensors \
    --config.hidden_states=FOLDER --config.layer_ids=15,21
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.experiment = 'read_states'
  config.vectors = ''
  config.hidden_states = ''
  config.layer_ids = ()  # In the order in which vLLM was given them.
  config.axes = ''  # 'TLD' or 'LTD', if their order cannot be told.
  config.layers = ()  # Blocks, 0-based; empty: the vectors' own layer.
  config.start = 1  # First token that counts in a mean; the first is no word's.
  return config
