r"""The quickstart for Gemma 3 12B on a TPU slice, at the size of the paper.

python -m launch.plan --config=configs/gemma3_12b.py --topology=v5e:8x8
emojax --config=configs/gemma3_12b.py --workdir=DIR --distributed
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  quickstart = pathlib.Path(__file__).with_name('quickstart.py')
  config = runpy.run_path(str(quickstart))['get_config']()
  config.model = 'hf:google/gemma-3-12b-it'
  config.mesh.fsdp = 1
  config.mesh.model = 8
  config.batch = 128
  config.sweep_batch = 128
  config.unit = 'cell'
  config.folds = 10
  config.start = 50
  config.new_tokens = 256
  # What `launch.plan` counts with: 171 emotions x 100 topics x 12 stories.
  config.plan = ml_collections.ConfigDict(
      {
          'stories': 205_200,
          'story_tokens': 512,
          'emotions': 171,
          'fits': 121,  # 10 folds x 4 penalties x real or shuffled labels, + 1.
          'evaluations': 100,  # Of a fit.
          'prompt_tokens': 128,
          'generations': 20_000,
      }
  )
  return config
