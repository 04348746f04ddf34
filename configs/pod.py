r"""What the configs of large models share: the quickstart at full size.

A model's own config names it and says how it is cut, such as gemma3_27b.py.
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  quickstart = pathlib.Path(__file__).with_name('quickstart.py')
  config = runpy.run_path(str(quickstart))['get_config']()
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
          'evaluations': 100,  # Of a fit whose penalty is weak.
          'prompt_tokens': 128,
          'generations': 20_000,
      }
  )
  return config
