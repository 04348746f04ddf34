"""Arrays of two corpora -> cosines of their vectors, and accuracy both ways."""

from typing import Any

import ml_collections
import numpy as np
import scipy.stats

from emojax import statistics
from emojax import vectors as vectors_lib

CORPORA = ('written', 'reference')
_TOPS = (('top1', 1), ('top5', 5))

Arrays = dict[str, np.ndarray]


def compare(
    config: ml_collections.ConfigDict, written: Arrays, reference: Arrays
) -> dict[str, Any]:
  """Cosines of vectors by emotion and layer, and accuracy both ways.

  Args:
    config: `seed` and `shuffles`.
    written: arrays of `activations.safetensors`.
    reference: likewise, of the same emotions and topics.

  Returns:
    `cosine`: by layer, the mean over emotions of the cosine of the two vectors
    of an emotion, and as controls that of different emotions and that of
    shuffled labels; `shuffled_best`, the highest over layers of the latter.
    `transfer`: by layer, how often the nearest vector of one corpus is right
    for a story of the other on a topic held out, and within one corpus, beside
    shuffled labels. `chosen_layer`: where both ways between the corpora are
    right most often. `nested`: accuracies at layers that were chosen without
    the topic. `emotions`: of each the cosine at the chosen layer.
  """
  corpora = dict(zip(CORPORA, (written, reference), strict=True))
  size = int(max(written['emotion'].max(), reference['emotion'].max())) + 1
  cosine = _cosines(written, reference, size)
  null = _shuffled_cosines(config, written, reference, size)
  found = {
      (a, b): _transfer(config, x, y)
      for a, x in corpora.items()
      for b, y in corpora.items()
  }
  between = [
      [row['top1']['value'] for row in found[way][0]]
      for way in (CORPORA, CORPORA[::-1])
  ]
  layer = int(np.mean(between, axis=0).argmax())
  return {
      'chance': {name: min(top / size, 1) for name, top in _TOPS},
      'chosen_layer': layer,
      'cosine': _by_layer(config, cosine, null),
      'shuffled_best': statistics.band(null.max(axis=1)),
      'emotions': _by_emotion(written, reference, cosine[layer], layer),
      'transfer': {' to '.join(w): layers for w, (layers, _) in found.items()},
      'nested': {' to '.join(w): nested for w, (_, nested) in found.items()},
  }


def _cosines(written: Arrays, reference: Arrays, size: int) -> np.ndarray:
  """Cosines of every two vectors: [L, E, E], those written first."""
  a, b = (
      vectors_lib.unit(
          vectors_lib.project_out(
              vectors_lib.emotion_vectors(x['stories'], x['emotion'], size)[0],
              x['components'],
          )
      )
      for x in (written, reference)
  )
  return np.einsum('ELD,FLD->LEF', a, b, optimize=True).astype(float)


def _shuffled_cosines(config, written, reference, size) -> np.ndarray:
  """Mean cosines of the same emotion, the reference's dealt out: [N, L].

  Their highest over layers is what a layer that was chosen stands beside.
  """
  rng = np.random.default_rng(config.seed)
  null = []
  for _ in range(config.shuffles):
    labels = vectors_lib.shuffled(rng, reference['emotion'], reference['topic'])
    dealt = reference | {'emotion': labels}
    cosine = _cosines(written, dealt, size)
    null.append(np.einsum('LEE->L', cosine) / size)
  return np.array(null)


def _by_layer(config, cosine, null) -> list[dict[str, Any]]:
  """Rows of `cosine`, from [L, E, E] and [N, L]."""
  emotion = np.arange(cosine.shape[1])
  mean = lambda x: statistics.cluster_bootstrap(x, emotion, config.seed)
  return [
      {
          'layer': layer,
          'same': mean(np.diagonal(x)),
          'different': mean(_others(x).mean(axis=1)),
          'shuffled': statistics.band(null[:, layer]),
      }
      for layer, x in enumerate(cosine)
  ]


def _others(x: np.ndarray) -> np.ndarray:
  """[E, E] less its diagonal: [E, E - 1]."""
  return x[~np.eye(len(x), dtype=bool)].reshape(len(x), -1)


def _by_emotion(
    written: Arrays, reference: Arrays, cosine: np.ndarray, layer: int
) -> list[dict[str, Any]]:
  """The cosine of each emotion's two vectors at one layer.

  The interval is that of the jackknife over topics, with Student's t: new
  topics would move it so much. Resampled topics would repeat, and lower it.
  """
  size = len(cosine)
  topics = np.unique(written['topic'])
  left_out = []
  for topic in topics:
    some = [
        {
            'stories': x['stories'][x['topic'] != topic, layer : layer + 1],
            'emotion': x['emotion'][x['topic'] != topic],
            'components': x['components'][layer : layer + 1],
        }
        for x in (written, reference)
    ]
    left_out.append(np.diagonal(_cosines(*some, size)[0]))
  n = len(topics)
  error = np.std(left_out, axis=0) * np.sqrt(n - 1)
  half = scipy.stats.t.ppf(0.975, n - 1) * error
  return [
      {
          'same': {
              'value': float(value),
              'low': float(max(value - h, -1)),
              'high': float(min(value + h, 1)),
              'n': n,
          },
          'different': statistics.band(others),
      }
      for value, h, others in zip(
          np.diagonal(cosine), half, _others(cosine), strict=True
      )
  ]


def _transfer(
    config: ml_collections.ConfigDict, train: Arrays, test: Arrays
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
  """Accuracy of one corpus's vectors on the stories of the other, or its own.

  Returns:
    By layer, and at layers that were chosen without the topic.
  """
  parts = [train] if test is train else [train, test]
  pooled, emotion, topic = (
      np.concatenate([x[name] for x in parts])
      for name in ('stories', 'emotion', 'topic')
  )
  author = np.repeat(np.arange(len(parts)), [len(x['emotion']) for x in parts])
  tested = author == len(parts) - 1

  def ranks(labels):
    found = vectors_lib.held_out_ranks(
        pooled,
        labels,
        topic,
        train['components'],
        train=None if test is train else author == 0,
    )
    return found[tested]

  found = ranks(emotion)
  rng = np.random.default_rng(config.seed)
  # Within each author: every emotion keeps its number of stories on a topic.
  place = topic * len(parts) + author
  null = np.stack(
      [
          ranks(vectors_lib.shuffled(rng, emotion, place))
          for _ in range(config.shuffles)
      ]
  )  # [shuffles, N, L]
  estimate = lambda hits: statistics.cluster_bootstrap(
      hits.astype(float), topic[tested], config.seed
  )
  layers = []
  for layer in range(found.shape[1]):
    row = {'layer': layer}
    for name, top in _TOPS:
      row[name] = estimate(found[:, layer] < top)
      chance = (null[:, :, layer] < top).mean(axis=1)
      row[f'shuffled_{name}'] = statistics.band(chance)
    layers.append(row)
  nested = {}
  for name, top in _TOPS:
    own, *others = (
        vectors_lib.nested_ranks(x, topic[tested], top) < top
        for x in (found, *null)
    )
    nested[name] = estimate(own)
    nested[f'shuffled_{name}'] = statistics.band(np.mean(others, axis=1))
  return layers, nested
