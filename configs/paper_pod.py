r"""What those of the paper on large models share: its full size.

A model's own config names it and says how it is cut: paper_gemma3_27b.py.
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  paper = pathlib.Path(__file__).with_name('paper.py')
  config = runpy.run_path(str(paper))['get_config']()
  # 171 emotions x 100 topics x 12 stories and 1,200 neutral dialogues: those
  # of configs/write_stories.py, or any others.
  config.stories = 'stories.jsonl'
  config.neutral = 'neutral.jsonl'
  config.start = 50
  config.batch = 128
  config.sweep_batch = 128
  config.unit = 'cell'
  config.folds = 10
  # What `launch.plan` counts with.
  config.plan = ml_collections.ConfigDict(
      {
          'stories': 205_200,
          'story_tokens': 512,
          'emotions': 171,
          'readings': 4_000,  # Prompts and dialogues of all questions.
          'reading_tokens': 256,
          # 4,032 pairs, and of 35 emotions and 12 controls 2,048 each.
          'choices': 100_288,
          'prompt_tokens': 96,
          'generations': 128,
          'new_tokens': 24,
      }
  )
  return config
