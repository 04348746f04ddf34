r"""Every experiment of the paper, on one model.

Under 30 minutes on 2 CPU cores, under 5 with --config.fast.

  emojax --config=configs/paper.py --workdir=runs/paper
  emojax --config=configs/paper.py --config.fast --workdir=runs/fast
"""

import pathlib
import runpy

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """Every field can be set on the command line: --config.start=50.

  Files are JSON lines, the packaged ones if empty.
  """
  quickstart = pathlib.Path(__file__).with_name('quickstart.py')
  config = runpy.run_path(str(quickstart))['vectors']()
  config.experiment = 'paper'
  # Controls of every reading; some sections have numbers of their own.
  config.random_directions = 6
  config.shuffled_directions = 6
  config.sweep_batch = 128  # Texts that are written at once.
  config.questions = ()  # All; or some, by the names of the sections below.
  section = lambda **fields: ml_collections.ConfigDict(fields)
  # The paper's twelve; those without a vector are left out.
  twelve = (
      'happy',
      'inspired',
      'loving',
      'proud',
      'calm',
      'desperate',
      'angry',
      'guilty',
      'sad',
      'afraid',
      'nervous',
      'anxious',  # What the packaged stories have for nervous.
      'surprised',
  )

  config.layer_profile = section(
      other_stories='',  # By another author, with some of the same emotions.
      resamples=100,  # Of the topics that vectors are made of.
      splits=50,  # Of those topics, into halves.
      control_sets=5,  # That the logit lens is compared with.
  )
  config.affect = section(
      norms='',  # NRC-VAD, Warriner or word,valence[,arousal]; '': VADER.
      clusters=0,  # 0: a third of the emotions, at most 10.
      own_ratings=True,  # Of the words, by the model itself, from 1 to 7.
  )
  config.implicit = section(
      prompts='',
      emotions=twelve,
      top=3,
      sets=10,  # Of directions, shuffled or random, that stand in for vectors.
      draws=1000,  # Of the emotions' names, dealt out anew.
  )
  config.ladders = section(
      ladders='',
      emotions=('afraid', 'calm', 'happy', 'sad'),  # The paper's.
      wordings=3,  # Of each ladder, at most.
      sets=10,
  )
  config.turns = section(
      prompts='',
      emotions=('afraid', 'angry', 'sad', 'calm', 'happy', 'loving'),
      new_tokens=20,
      sets=10,
      draws=1000,
  )
  config.contrasts = section(
      pairs='',
      bindings='',
      affirmed='I am feeling {x} right now.',
      negated='I am not feeling {x} at all right now.',
      parts=8,  # Of what follows the changed word, in the map.
      sets=10,
  )
  config.speakers = section(
      dialogues='',
      permutations=200,  # Of the dialogues' labels.
  )
  config.preferences = section(
      activities='',
      activities_per_category=0,  # The first so many; 0: all.
      harmful=('unsafe', 'misaligned_harmful'),  # Categories left out of some.
      # The first that has a vector is expected to go with Elo, or against it.
      positive=('blissful', 'happy'),
      negative=('hostile', 'angry'),
      hard=False,  # Wins, not probabilities, as of the paper's base model.
      random_directions=200,  # That readings are compared with.
      # Steering of one half. A strength at several layers adds up.
      strength=0.5,
      layers=(),  # The middle layers.
      steered=(),  # Emotions; or, if none are named,
      steer=8,  # so many, evenly spaced in rank of r; 0: all.
      controls=4,  # Random and shuffled directions that are steered with, each.
      pairs_per_activity=4,  # Opponents in the other half; 0: every pair.
      batch=64,
      chunk=512,  # Questions after which a killed run goes on.
  )
  config.emotion_words = section(
      emotions=twelve,
      prompts=(
          ('How does he feel?', 'He feels'),
          ('How do you feel?', 'I feel'),
          ('What has just happened?', ''),  # Asks for no emotion: a control.
      ),
      strengths=(0.1, 0.25, 0.5),
      layers=(),  # The one that the vectors are best at.
      new_tokens=24,
  )
  config.deflection = section(
      dialogues='',
      variance=0.99,  # Of the stories' vectors, in the space taken out.
      permutations=200,
  )
  config.mixed_probe = section(
      scenarios='',
      asides='',
      dialogues='',  # With an emotion behind another.
      folds=4,
      per_emotion=0,  # Scenarios; 0: all.
      repeats=2,  # Dialogues after each scenario, of different folds.
      stories=24,  # Of an emotion at most.
      # Scikit-learn's C: that of the numbers, and others to compare with.
      inverse_penalties=(1e-2, 1.0),
      shuffles=10,  # Shuffled-label controls.
      layers=5,  # Beside the one of the readings.
  )
  config.post_training = section(
      base='',  # A second checkpoint of the model's shape; '': left out.
      prompts='',
  )
  config.wild = section(
      transcripts='',  # A file, or a folder of files.
      window=12,  # Tokens of a passage.
      top=5,  # Passages of each emotion, of different transcripts.
  )

  # What --config.fast puts in place of the above.
  config.fast = False
  config.fast_values = section(
      shuffles=5,
      layer_profile=section(control_sets=2),
      ladders=section(wordings=1),
      speakers=section(permutations=50),
      deflection=section(permutations=50),
      mixed_probe=section(per_emotion=4, shuffles=4, layers=1),
      emotion_words=section(strengths=(0.5,), new_tokens=12),
      preferences=section(
          activities_per_category=2,
          steer=2,
          controls=2,
          pairs_per_activity=2,
      ),
  )
  return config
