r"""The quickstart for Llama 3.3 70B on a TPU slice, at the size of the paper.

python -m launch.plan --config=configs/llama3_70b.py --topology=v5e:8x8
emojax --config=configs/llama3_70b.py --workdir=DIR --distributed
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  pod = pathlib.Path(__file__).with_name('pod.py')
  config = runpy.run_path(str(pod))['get_config']()
  config.model = 'hf:meta-llama/Llama-3.3-70B-Instruct'
  config.mesh.fsdp = 4
  config.mesh.model = 8
  return config
