"""Vectors of signal stay on other topics, those of noise do not."""

import numpy as np
import pytest

from emojax import stability
from emojax import vectors as vectors_lib

SIZE, TOPICS, LAYERS, WIDTH = 6, 12, 2, 40
_NONE = np.zeros((LAYERS, 1, WIDTH), np.float32)


def _stories(seed, signal=0.0, confound=0.0, each=2):
  """Stories of every emotion on every topic: (pooled, emotion, topic)."""
  rng = np.random.default_rng(seed)
  emotion, topic, _ = np.indices((SIZE, TOPICS, each)).reshape(3, -1)
  of_emotion = rng.normal(size=(SIZE, LAYERS, WIDTH))
  of_topic = rng.normal(size=(TOPICS, LAYERS, WIDTH))
  noise = rng.normal(size=(len(emotion), LAYERS, WIDTH))
  pooled = signal * of_emotion[emotion] + confound * of_topic[topic] + noise
  return pooled.astype(np.float32), emotion, topic


def _measures(pooled, emotion, topic, count=None, components=_NONE):
  count = np.ones(len(emotion)) if count is None else count
  args = (pooled, emotion, topic, components, count, 0, 20)
  return stability.bootstrap_cosines(*args), stability.split_half_cosines(*args)


def test_signal_is_the_same_on_other_topics():
  resampled, halves = _measures(*_stories(0, signal=2))
  assert resampled.shape == halves.shape == (LAYERS, SIZE)
  assert resampled.min() > 0.97 and halves.min() > 0.9


def test_noise_agrees_by_what_resamples_share_and_halves_do_not_agree():
  resampled, halves = _measures(*_stories(1))
  assert 0.6 < resampled.mean() < 0.8
  assert abs(halves.mean()) < 0.15


def test_topics_that_all_emotions_share_are_no_signal():
  _, halves = _measures(*_stories(2, confound=10))
  assert abs(halves.mean()) < 0.2


def test_emotions_with_topics_of_their_own_fail_by_halves():
  # What is of a topic passes for an emotion in the whole, not in new topics.
  pooled, emotion, topic = _stories(3, confound=10)
  own = topic % SIZE == emotion
  resampled, halves = _measures(pooled[own], emotion[own], topic[own])
  assert halves.mean() < 0.2 < 0.7 < resampled.mean()


def test_what_every_story_shares_changes_nothing():
  pooled, emotion, topic = _stories(4, signal=1)
  sink = np.zeros(WIDTH, np.float32)
  sink[3] = 500  # One dimension, hundreds of times as large as the others.
  plain, shifted = (
      _measures(x, emotion, topic) for x in (pooled, pooled + sink)
  )
  np.testing.assert_allclose(plain, shifted, atol=1e-3)


def test_a_projected_component_counts_nowhere():
  pooled, emotion, topic = _stories(5, signal=1)
  components = np.zeros((LAYERS, 1, WIDTH), np.float32)
  components[:, 0, 7] = 1
  loud = pooled.copy()
  loud[..., 7] *= 100
  plain, changed = (
      _measures(x, emotion, topic, components=components)
      for x in (pooled, loud)
  )
  np.testing.assert_allclose(plain, changed, atol=1e-5)


def test_a_mean_of_many_stories_counts_as_they_do():
  pooled, emotion, topic = _stories(6, signal=0.5, each=3)
  cells = pooled.reshape(SIZE * TOPICS, 3, LAYERS, WIDTH).mean(axis=1)
  each = emotion[::3], topic[::3]
  whole = _measures(pooled, emotion, topic)
  summed = _measures(cells, *each, count=np.full(len(cells), 3))
  np.testing.assert_allclose(whole, summed, atol=1e-5)


def test_weights_of_one_are_the_emotion_vectors():
  pooled, emotion, _ = _stories(7, signal=1)
  got = stability.vectors_of(
      pooled[:, 0], emotion, np.ones((1, len(emotion))), _NONE[0]
  )
  expected, _ = vectors_lib.emotion_vectors(pooled[:, :1], emotion, SIZE)
  np.testing.assert_allclose(got[0], expected[:, 0], atol=1e-5)


def test_an_emotion_without_weight_is_unknown_and_the_others_are_centred():
  pooled, emotion, _ = _stories(8)
  weights = (emotion != 2).astype(float)[None]
  (got,) = stability.vectors_of(pooled[:, 0], emotion, weights, _NONE[0])
  known = np.delete(got, 2, axis=0)
  assert np.isnan(got[2]).all() and np.isfinite(known).all()
  np.testing.assert_allclose(known.sum(axis=0), 0, atol=1e-4)


def test_each_topic_is_left_out_once():
  topic, count = np.array([3, 5, 3, 9]), np.array([1, 2, 4, 8])
  got = stability.leave_out(topic, count)
  assert got.tolist() == [[0, 2, 0, 8], [1, 0, 4, 8], [1, 2, 4, 0]]


def test_halves_step_up_by_spearman_and_brown():
  assert stability.spearman_brown(0.5) == pytest.approx(2 / 3)
  assert stability.spearman_brown(1.0) == 1 and stability.spearman_brown(0) == 0
  assert stability.spearman_brown(-0.9) == stability.spearman_brown(-1) == -1
