r"""Makes vectors of other tools into vectors that all our commands take.

The model is run over neutral dialogues, for the mean residual norm that
strengths are fractions of, and for the zero of standardised scores; and over
stories of the emotions that directions are named after, for how often the
nearest direction is the right one: 2 minutes for SmolLM2 on 2 CPU cores. The
answer is OUT/vectors.safetensors and OUT/heldout.json (docs/vectors.md).

  emojax --config=configs/import_vectors.py --workdir=OUT \
    --config.source=FILE.gguf --config.model=hf:org/name
"""

import ml_collections
from ml_collections import config_dict


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.experiment = 'import_vectors'
  # A .gguf, .npz, .safetensors or .json, or a folder of them: one a direction.
  config.source = ''
  config.model = ''  # That they were made for; as in configs/quickstart.py.
  config.dtype = 'bfloat16'
  config.names = ()  # Of the directions, in order; if empty, the files'.
  config.layer = config_dict.placeholder(int)  # None: nearest to 2/3 of depth.

  # Instead of a source: a folder of hidden states that vLLM wrote, its layer
  # ids, and labels: JSON lines with `file`, `emotion` and `topic`.
  config.hidden_states = ''
  config.layer_ids = ()
  config.labels = ''
  config.axes = ''  # 'TLD' or 'LTD', if their order cannot be told.
  config.start = 50  # First token that counts in a file, and in a story.
  config.shuffled_directions = 16  # Controls, made of the labels.

  # JSON lines, the packaged ones if empty: whose emotion is the nearest?
  config.stories = ''
  config.shuffles = 20  # Shuffled-label controls of that.

  config.project_neutral = False  # Whether neutral components are taken out.
  config.neutral = ''  # JSON lines; the packaged ones if empty.
  config.neutral_variance = 0.5
  config.neutral_rows = 2048
  config.sketch = 256
  config.standard_dialogues = 32
  config.batch = 16
  config.chunk = 8
  config.seed = 0
  config.mesh = ml_collections.ConfigDict({'data': -1, 'fsdp': 1, 'model': 1})
  return config
