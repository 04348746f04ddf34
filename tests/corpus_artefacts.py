"""Synthetic artefacts of a corpus that a model wrote."""

import copy
import functools

import ml_collections
import numpy as np
import report_fixtures

from emojax.data import completions
from emojax.data import piece_filters
from emojax.data import story_prompts
from emojax.experiments import corpus_rows
from emojax.experiments import transfer

EMOTIONS = report_fixtures.EMOTIONS
REFUSED = ('too short', 'own word', 'synonym', 'near duplicate')


@functools.cache
def artefacts():
  """Of 24 emotions on 5 topics, of which the first can be written best."""
  rng = np.random.default_rng(0)
  written, judged = [], []

  def add(kind, emotions, topic, share):
    for attempt in range(4):
      wordings = [p for p in story_prompts.PROMPTS if p.startswith(kind)]
      request = story_prompts.Request(
          wordings[attempt % len(wordings)], emotions, topic, 1
      )
      dropped = ('cut off',) if rng.random() < 0.1 else ()
      why = None if rng.random() < share else str(rng.choice(REFUSED))
      pieces = () if dropped else ('A story.',)
      judged.append(
          piece_filters.Judged(
              request,
              completions.Parsed(pieces, dropped),
              () if dropped else (why,),
          )
      )
      text = 'The window was open, and somebody had left the light on. ' * 8
      written.append(
          corpus_rows.Completion(request, attempt, text, not dropped)
      )

  for topic in story_prompts.topics()[:5]:
    for i, emotion in enumerate(EMOTIONS):
      add('story', (emotion,), topic, 0.9 - i / 40)
    add('neutral', (), topic, 0.8)
    add('dialogue', EMOTIONS[:2], topic, 0.3)
  config = copy.deepcopy(report_fixtures.artefacts()['config.json'])
  config['config'] |= {'reference': 'packaged', 'rounds': 6}
  return {
      'completions.jsonl': corpus_rows.completion_rows(written, judged),
      'yields.json': {
          'kinds': corpus_rows.yields(judged),
          'corpora': {
              'stories.jsonl': {'rows': 200, 'emotions': 20, 'topics': 5},
              corpus_rows.REST: {'rows': 9, 'emotions': 4, 'topics': 3},
              'neutral.jsonl': {'rows': 5},
          },
      },
      'comparison.json': comparison(signal=1.0),
      'config.json': config,
  }


@functools.cache
def comparison(signal):
  """Of two authors, who share as much as `signal` is more than 0."""
  arrays = []
  size, topics, layers, width = 10, 6, 5, 32
  shared = np.random.default_rng(0).normal(size=(size, layers, width))
  shared *= signal * np.sin(np.linspace(0.2, 3, layers))[:, None]
  emotion, topic = (np.ravel(x) for x in np.indices((size, topics)))
  for seed in (1, 2):
    noise = np.random.default_rng(seed).normal(
        size=(len(emotion), layers, width)
    )
    arrays.append(
        {
            'stories': (shared[emotion] + 2 * noise).astype(np.float32),
            'emotion': emotion,
            'topic': topic,
            'components': np.zeros((layers, 1, width), np.float32),
        }
    )
  settings = ml_collections.ConfigDict({'seed': 0, 'shuffles': 20})
  found = transfer.compare(settings, *arrays)
  for name, row in zip(EMOTIONS[:size], found['emotions'], strict=True):
    row['emotion'] = name
  facts = {
      'topics': list('abcdef'),
      'stories': {'written': 60, 'reference': 60},
  }
  return facts | found
