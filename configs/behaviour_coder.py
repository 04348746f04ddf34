r"""Behaviour under pressure of a Qwen2.5-Coder instruct model of any size.

An accelerator is wanted: a 7B model plays some 47,000 episodes.

  emojax --config=configs/behaviour_coder.py --workdir=runs/coder
  emojax --config=configs/behaviour_coder.py --workdir=runs/coder32 \
    --config.model=hf:Qwen/Qwen2.5-Coder-32B-Instruct --config.mesh.model=4
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """Every field can be set on the command line: --config.samples=4."""
  small = pathlib.Path(__file__).with_name('behaviour.py')
  config = runpy.run_path(str(small))['get_config']()
  config.model = 'hf:Qwen/Qwen2.5-Coder-7B-Instruct'
  config.directions = (
      'desperate',
      'calm',
      'angry',
      'afraid',
      'happy',
      'loving',
      'proud',
      'guilty',
  )
  config.strengths = (0.025, 0.05, 0.1)  # The paper's, and their opposites.
  config.random_directions = 5
  config.shuffled_directions = 5
  config.samples = 5
  config.temperature = 1.0
  config.sweep_batch = 256
  config.impossible_code.tries = 4
  config.impossible_code.new_tokens = 768
  config.impossible_code.report_tokens = 96
  config.honeypot.new_tokens = 768
  config.sycophancy.new_tokens = 160
  config.harshness.new_tokens = 160
  return config
