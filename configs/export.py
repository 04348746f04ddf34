r"""Writes vectors for other tools: llama.cpp, repeng, vLLM, Neuronpedia, NumPy.

Seconds; needs no weights. One file a direction, and OUT/manifest.json, which
says what each is, where it belongs and what strength means in that tool
(docs/vectors.md).

  emojax --config=configs/export.py --workdir=OUT --config.to=gguf \
    --config.vectors=runs/quickstart/vectors.safetensors
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.experiment = 'export_vectors'
  config.vectors = ''
  config.to = 'gguf'  # repeng, vllm-lens, neuronpedia, npz or hook.
  config.emotions = ()  # All.
  # Directions of the same length that no emotion is in: any direction changes
  # what a model writes, so try them in the other tool, too.
  config.controls = ('random_0', 'shuffled_0')
  config.seed = 0  # Of random directions, as in a sweep.
  config.layers = ()  # The vectors' own; ('all',) for every layer.
  # Where a format has room for one; in mean residual norms of the layer.
  config.strength = 0.1
  config.norm_match = False  # vllm-lens: a fraction of each token's own norm.
  config.model_id = ''  # What the tool calls the model; as we do if empty.
  return config
