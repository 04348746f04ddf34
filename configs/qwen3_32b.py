r"""The quickstart for Qwen3 32B on a TPU slice, at the size of the paper.

python -m launch.plan --config=configs/qwen3_32b.py --topology=v5e:8x8
emojax --config=configs/qwen3_32b.py --workdir=DIR --distributed
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  pod = pathlib.Path(__file__).with_name('pod.py')
  config = runpy.run_path(str(pod))['get_config']()
  config.model = 'hf:Qwen/Qwen3-32B'
  config.mesh.model = 8
  return config
