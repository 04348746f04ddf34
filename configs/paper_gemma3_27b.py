r"""Every experiment of the paper on Gemma 3 27B, on a TPU slice.

python -m launch.plan --config=configs/paper_gemma3_27b.py --topology=v5e:8x8
emojax --config=configs/paper_gemma3_27b.py --workdir=DIR --distributed \
  --config.stories=FILE --config.neutral=FILE
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  pod = pathlib.Path(__file__).with_name('paper_pod.py')
  config = runpy.run_path(str(pod))['get_config']()
  config.model = 'hf:google/gemma-3-27b-it'
  config.post_training.base = 'hf:google/gemma-3-27b-pt'
  config.mesh.fsdp = 4  # Room for the base model beside it.
  config.mesh.model = 8
  return config
