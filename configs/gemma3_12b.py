r"""The quickstart for Gemma 3 12B on a TPU slice, at the size of the paper.

python -m launch.plan --config=configs/gemma3_12b.py --topology=v5e:8x8
emojax --config=configs/gemma3_12b.py --workdir=DIR --distributed
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  pod = pathlib.Path(__file__).with_name('pod.py')
  config = runpy.run_path(str(pod))['get_config']()
  config.model = 'hf:google/gemma-3-12b-it'
  config.mesh.model = 8
  return config
