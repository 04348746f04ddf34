r"""What steering changes under pressure: impossible tasks and hard questions.

About 12 minutes on 2 CPU cores, 14 with Python 3.11, whose jax is older. Code
that the model writes runs in bubblewrap (Debian, Ubuntu: apt install
bubblewrap).

  emojax --config=configs/behaviour.py --workdir=runs/behaviour
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """Every field can be set on the command line: --config.samples=4.

  Files are JSON lines, the packaged ones if empty.
  """
  quickstart = pathlib.Path(__file__).with_name('quickstart.py')
  config = runpy.run_path(str(quickstart))['vectors']()
  config.experiment = 'behaviour'
  config.behaviours = ()  # All; or some, by the names of the sections below.

  # The grid: every direction at every strength, and its controls.
  config.directions = ('desperate', 'calm', 'angry')
  config.operations = ('add',)
  config.layers = ()  # The one that the vectors are best at.
  config.bands = ()  # First and last of layers that are steered together.
  config.strengths = (0.1,)  # Fractions of the mean residual norm.
  config.opposite = True  # -0.1, too; controls have no sign.
  config.positions = ('all',)  # Every token, as in the paper; or assistant.
  config.random_directions = 3
  config.shuffled_directions = 0
  config.samples = 1  # Episodes of each scenario in each condition.
  config.temperature = 0.7  # At 1 so small a model writes little that is text.
  config.top_k = 0
  config.top_p = 1.0
  config.sweep_batch = 32  # Replies that are written at once.
  config.episodes = 512  # After which a killed run goes on.

  # Code of a model is run by an isolator or not at all. True: it is run with
  # all the rights of whoever starts this; nothing then protects their files.
  config.run_model_code_without_isolation = False

  section = lambda **fields: ml_collections.ConfigDict(fields)
  config.impossible_code = section(
      tasks='',
      kinds=(),  # Of tasks; empty: all.
      twins=True,  # Whether each task's solvable twin is run, too.
      tries=2,  # Solutions that are tested before the report is asked for.
      new_tokens=96,  # Of a solution, at most.
      report_tokens=32,  # Of the report.
  )
  config.honeypot = section(scenarios='', new_tokens=96)
  config.sycophancy = section(scenarios='', new_tokens=40)
  config.harshness = section(scenarios='', new_tokens=40)

  # Another opinion of every reply: a model that is asked which outcome it is.
  config.judge = section(model='', dtype='bfloat16', batch=16)
  return config
