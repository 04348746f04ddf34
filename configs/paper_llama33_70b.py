r"""Every experiment of the paper on Llama 3.3 70B, on a TPU slice.

python -m launch.plan --config=configs/paper_llama33_70b.py --topology=v5p:4x4x4
emojax --config=configs/paper_llama33_70b.py --workdir=DIR --distributed \
  --config.stories=FILE --config.neutral=FILE
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  pod = pathlib.Path(__file__).with_name('paper_pod.py')
  config = runpy.run_path(str(pod))['get_config']()
  config.model = 'hf:meta-llama/Llama-3.3-70B-Instruct'
  # It was trained from this one.
  config.post_training.base = 'hf:meta-llama/Llama-3.1-70B'
  config.mesh.fsdp = 4
  config.mesh.model = 8
  return config
