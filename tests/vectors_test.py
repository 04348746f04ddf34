"""Vectors weigh emotions alike; the test on unseen topics never peeks."""

import numpy as np
import pytest

from emojax import errors
from emojax import vectors


def _draw(seed, *shape):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _crossed(num_topics, num_emotions):
  """Labels of one story for each topic and emotion: (emotion, topic)."""
  topic, emotion = np.divmod(np.arange(num_topics * num_emotions), num_emotions)
  return emotion, topic


def test_vectors_are_means_minus_the_mean_over_emotions_by_hand():
  pooled = np.array([[[0, 2]], [[2, 4]], [[5, 1]]], np.float32)
  got, mean = vectors.emotion_vectors(pooled, np.array([0, 0, 1]), 2)
  # Means: (1, 3) of two stories and (5, 1) of one; halfway: (3, 2).
  np.testing.assert_array_equal(mean, [[3, 2]])
  np.testing.assert_array_equal(got, [[[-2, 1]], [[2, -1]]])


def test_vectors_sum_to_zero_with_unequal_story_counts():
  emotion = np.array([0, 1, 1, 2, 2, 2, 2])
  got, _ = vectors.emotion_vectors(_draw(0, 7, 3, 5), emotion, 3)
  np.testing.assert_allclose(got.sum(axis=0), np.zeros((3, 5)), atol=1e-6)


def test_every_emotion_weighs_the_same_however_many_stories_it_has():
  pooled, emotion = _draw(1, 4, 2, 3), np.array([0, 0, 1, 2])
  once = vectors.emotion_vectors(pooled, emotion, 3)
  again = [0, 1, 2, 3, 3, 3, 3]  # The last story four times.
  more = vectors.emotion_vectors(pooled[again], emotion[again], 3)
  for a, b in zip(once, more, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_vectors_do_not_depend_on_the_order_of_the_stories():
  pooled, emotion = _draw(2, 6, 2, 3), np.array([0, 1, 2, 0, 1, 2])
  order = np.array([5, 2, 0, 4, 1, 3])
  a, _ = vectors.emotion_vectors(pooled, emotion, 3)
  b, _ = vectors.emotion_vectors(pooled[order], emotion[order], 3)
  np.testing.assert_allclose(a, b, atol=1e-6)


def test_vectors_stay_in_float32():
  got, mean = vectors.emotion_vectors(_draw(3, 2, 1, 4), np.array([0, 1]), 2)
  assert got.dtype == mean.dtype == np.float32


def test_an_emotion_without_a_story_is_refused_and_not_nan():
  with pytest.raises(errors.InputError, match='Emotion 1 of 0 to 2'):
    vectors.emotion_vectors(_draw(4, 2, 1, 4), np.array([0, 2]), 3)


def test_projecting_out_leaves_nothing_along_the_components():
  components = np.array([[[1, 0, 0], [0, 0.6, 0.8]]], np.float32)
  got = vectors.project_out(np.array([[[7, 5, 0]]], np.float32), components)
  # (5, 0) has 3 along (0.6, 0.8): (5, 0) - 3 (0.6, 0.8) = (3.2, -2.4).
  np.testing.assert_allclose(got, [[[0, 3.2, -2.4]]], atol=1e-6)
  along = np.einsum('ELD,LCD->ELC', got, components)
  np.testing.assert_allclose(along, np.zeros((1, 1, 2)), atol=1e-6)


def test_projecting_out_twice_is_projecting_out_once():
  components, _ = vectors.neutral_components(_draw(5, 9, 2, 6), 0.5)
  once = vectors.project_out(_draw(6, 4, 2, 6), components)
  twice = vectors.project_out(once, components)
  np.testing.assert_allclose(twice, once, atol=1e-6)


def test_projecting_out_leaves_orthogonal_vectors_alone():
  components = np.array([[[1, 0, 0], [0, 1, 0]]], np.float32)
  x = np.array([[[0, 0, 3]], [[0, 0, -0.1]]], np.float32)
  np.testing.assert_array_equal(vectors.project_out(x, components), x)


def test_each_layer_has_its_own_components():
  components = np.array([[[1, 0]], [[0, 1]]], np.float32)
  got = vectors.project_out(np.full((1, 2, 2), 3, np.float32), components)
  np.testing.assert_array_equal(got, [[[0, 3], [3, 0]]])


def _along_axes(*scales):
  """Dialogues with variance scale**2 along each axis: [2 D, D]."""
  axes = np.diag(np.array(scales, np.float32))
  return np.concatenate([axes, -axes])


def test_neutral_components_are_the_fewest_that_reach_the_fraction():
  pooled = _along_axes(1, 2, 2, 4)[:, None]  # Shares: 1, 4, 4, 16 of 25.
  counts = [
      vectors.neutral_components(pooled, fraction)[1].tolist()
      for fraction in (0, 0.5, 0.63, 0.65, 0.79, 0.81, 0.95, 0.97, 1)
  ]
  assert counts == [[0], [1], [1], [2], [2], [3], [3], [4], [4]]


def test_each_layer_counts_for_itself_and_is_padded_with_zero_rows():
  pooled = np.stack([_along_axes(1, 9, 1), _along_axes(2, 2.1, 0)], axis=1)
  components, counts = vectors.neutral_components(pooled, 0.8)
  assert counts.tolist() == [1, 2]
  expected = [[[0, 1, 0], [0, 0, 0]], [[0, 1, 0], [1, 0, 0]]]
  np.testing.assert_allclose(np.abs(components), expected, atol=1e-6)


def test_components_are_those_of_the_covariance_matrix():
  pooled = _draw(7, 40, 1, 5) * np.array([1, 2, 3, 4, 5], np.float32)
  components, counts = vectors.neutral_components(pooled + 100, 0.9)
  values, columns = np.linalg.eigh(np.cov(pooled[:, 0].astype(float).T))
  share = np.cumsum(values[::-1]) / values.sum()
  assert counts[0] == np.argmax(share >= 0.9) + 1
  own = columns.T[::-1][: counts[0]]
  # Up to sign; float32 at an offset of 100 keeps five digits.
  cosine = np.abs(np.einsum('CD,CD->C', components[0], own))
  np.testing.assert_allclose(cosine, 1, atol=1e-4)


def test_dialogues_that_do_not_vary_have_no_components():
  components, counts = vectors.neutral_components(np.ones((3, 2, 4)), 0.5)
  assert counts.tolist() == [0, 0]
  x = _draw(8, 2, 2, 4)
  np.testing.assert_array_equal(vectors.project_out(x, components), x)


def test_unit_vectors_have_length_one_and_zero_stays_zero():
  got = vectors.unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
  np.testing.assert_allclose(got, [[0.6, 0.8], [0, 0]])


@pytest.mark.parametrize('centre', ['topic', 'train'])
def test_emotions_that_hold_across_topics_are_found(centre):
  emotion, topic = _crossed(4, 3)
  pooled = np.eye(3, dtype=np.float32)[emotion][:, None]
  ranks = vectors.held_out_ranks(pooled, emotion, topic, None, centre)
  np.testing.assert_array_equal(ranks, np.zeros((12, 1)))


@pytest.mark.parametrize('centre', ['topic', 'train'])
def test_a_story_is_never_compared_with_vectors_made_of_itself(centre):
  emotion, topic = _crossed(8, 10)
  # Every story is noise of its own: only a vector that holds it resembles it.
  pooled = _draw(9, 80, 1, 400)
  leaked, _ = vectors.emotion_vectors(pooled, emotion, 10)
  cosine = np.einsum('ND,ED->NE', pooled[:, 0], vectors.unit(leaked[:, 0]))
  assert np.mean(cosine.argmax(axis=1) == emotion) > 0.95
  ranks = vectors.held_out_ranks(pooled, emotion, topic, None, centre)
  # Chance is 4.5; the standard error of 80 ranks is 0.32.
  assert abs(ranks.mean() - 4.5) < 4 * 0.32


def test_held_out_labels_have_no_effect_on_the_vectors_of_their_topic():
  emotion, topic = _crossed(3, 4)
  pooled = _draw(10, 12, 2, 6)
  ranks = []
  for shift in range(4):
    label = emotion.copy()
    label[topic == 1] = (label[topic == 1] + shift) % 4
    got = vectors.held_out_ranks(pooled, label, topic, None)
    ranks.append(got[topic == 1])
  # The cosines stay, only which of the four is its own changes: every story
  # has, at every layer, each rank once.
  expected = np.broadcast_to(np.arange(4)[:, None, None], (4, 4, 2))
  np.testing.assert_array_equal(np.sort(ranks, axis=0), expected)


def test_held_out_activations_have_no_effect_on_the_vectors():
  emotion, topic = _crossed(3, 3)
  pooled = np.zeros((9, 1, 3), np.float32)
  pooled[topic != 0] = np.eye(3)[emotion[topic != 0]][:, None]
  # In topic 0 emotion 0 looks like 1, 1 like 2 and 2 like 0, a million times
  # as strongly: in any mean with them these stories would decide.
  wrong = (emotion[topic == 0] + 1) % 3
  pooled[topic == 0, 0] = 1e6 * np.eye(3)[wrong]
  ranks = vectors.held_out_ranks(pooled, emotion, topic, None, 'train')
  assert np.all(ranks[topic == 0] > 0)


def test_topic_centring_ignores_a_constant_per_topic_and_train_does_not():
  emotion, topic = _crossed(4, 3)
  # Whole numbers: adding and subtracting the offset is exact.
  pooled = np.round(8 * _draw(11, 12, 2, 3))
  offset = np.round(99 * _draw(12, 4, 2, 3))[topic]
  for centre, same in (('topic', True), ('train', False)):
    a = vectors.held_out_ranks(pooled, emotion, topic, None, centre)
    b = vectors.held_out_ranks(pooled + offset, emotion, topic, None, centre)
    assert np.array_equal(a, b) == same, centre


def _two_authors(num_topics, num_emotions, seed):
  """Stories of two authors, noise all: pooled, emotion, topic, is the first."""
  emotion, topic = _crossed(num_topics, num_emotions)
  first = np.repeat([True, False], len(emotion))
  pooled = _draw(seed, 2 * len(emotion), 2, 8)
  return pooled, np.tile(emotion, 2), np.tile(topic, 2), first


@pytest.mark.parametrize('centre', ['topic', 'train'])
def test_vectors_of_one_author_hold_neither_the_other_nor_the_topic(centre):
  pooled, emotion, topic, first = _two_authors(4, 3, 15)
  ranks = vectors.held_out_ranks(
      pooled, emotion, topic, None, centre, train=first
  )
  for fold in range(4):
    asked = ~first & (topic == fold)
    # All that may not count, a million times as strongly.
    changed = pooled.copy()
    barred = ~asked & (~first | (topic == fold))
    changed[barred] = 1e6 * _draw(16 + fold, *pooled[barred].shape)
    got = vectors.held_out_ranks(
        changed, emotion, topic, None, centre, train=first
    )
    np.testing.assert_array_equal(got[asked], ranks[asked])
    # What may count does: the vectors are of the rest.
    changed[~barred & ~asked] *= -1
    other = vectors.held_out_ranks(
        changed, emotion, topic, None, centre, train=first
    )
    assert not np.array_equal(other[asked], ranks[asked])


def test_an_author_who_copies_another_is_read_like_the_other():
  pooled, emotion, topic, first = _two_authors(4, 3, 20)
  pooled[~first] = pooled[first]
  alone = vectors.held_out_ranks(
      pooled[first], emotion[first], topic[first], None
  )
  got = vectors.held_out_ranks(pooled, emotion, topic, None, train=first)
  np.testing.assert_array_equal(got[~first], alone)


def test_what_lies_along_the_components_does_not_count():
  emotion, topic = _crossed(3, 3)
  pooled = np.zeros((9, 1, 4), np.float32)
  pooled[:, 0, :3] = np.eye(3)[emotion]
  components = np.eye(3, 4, dtype=np.float32)[None]
  ranks = vectors.held_out_ranks(pooled, emotion, topic, components)
  np.testing.assert_array_equal(ranks, np.full((9, 1), 2))


def test_each_layer_is_ranked_by_itself():
  emotion, topic = _crossed(5, 4)
  pooled = _draw(13, 20, 3, 8)
  together = vectors.held_out_ranks(pooled, emotion, topic, None)
  alone = [
      vectors.held_out_ranks(pooled[:, [i]], emotion, topic, None)[:, 0]
      for i in range(3)
  ]
  np.testing.assert_array_equal(together, np.stack(alone, axis=1))


def test_the_only_story_of_a_topic_is_no_hit_when_centred_on_itself():
  emotion, topic = np.array([0, 1, 0, 1, 0]), np.array([0, 0, 1, 1, 2])
  pooled = np.eye(2, dtype=np.float32)[emotion][:, None]
  ranks = vectors.held_out_ranks(pooled, emotion, topic, None)
  assert ranks[:, 0].tolist() == [0, 0, 0, 0, 1]


def test_an_emotion_that_only_one_topic_has_is_refused_and_no_hit():
  emotion, topic = np.array([0, 1, 0, 2]), np.array([0, 0, 1, 1])
  with pytest.raises(errors.InputError, match='two topics'):
    vectors.held_out_ranks(_draw(14, 4, 1, 3), emotion, topic, None)


def test_shuffling_keeps_the_emotions_of_each_topic():
  emotion = np.array([0, 1, 2, 3, 4, 5, 0, 0, 1])
  topic = np.array([7, 7, 7, 7, 7, 7, 2, 2, 2])
  got = vectors.shuffled(np.random.default_rng(0), emotion, topic)
  assert sorted(got[:6]) == [0, 1, 2, 3, 4, 5]
  assert sorted(got[6:]) == [0, 0, 1]
  assert got[:6].tolist() != [0, 1, 2, 3, 4, 5]
  assert emotion.tolist() == [0, 1, 2, 3, 4, 5, 0, 0, 1]


def test_nested_ranks_are_those_of_the_layer_that_other_topics_prefer():
  topic = np.array([0, 0, 1, 1, 2, 2])
  ranks = np.array([[0, 3], [0, 3], [4, 0], [4, 0], [5, 0], [0, 2]])
  # Hits without topic 0: 1 and 3, layer 1; without 1: 3 and 1, layer 0;
  # without 2: 2 and 2, the first layer.
  got = vectors.nested_ranks(ranks, topic, 1)
  assert got.tolist() == [3, 3, 4, 4, 5, 0]


def test_a_topic_has_no_say_in_the_layer_that_it_is_read_at():
  topic = np.repeat(np.arange(4), 5)
  ranks = np.random.default_rng(1).integers(6, size=(20, 3))
  for fold in range(4):
    own = topic == fold
    changed = ranks.copy()
    # Ranks that name the layer, and never a miss at the worst one.
    changed[own] = [0, 1, 2]
    layer = np.argmax((ranks[~own] < 1).mean(axis=0))
    got = vectors.nested_ranks(changed, topic, 1)[own]
    assert got.tolist() == [layer] * 5


def test_nested_accuracy_on_noise_is_not_inflated_by_the_choice_of_layer():
  rng = np.random.default_rng(2)
  ranks = rng.integers(4, size=(400, 60))  # Chance: 0.25.
  best = (ranks < 1).mean(axis=0).max()
  nested = (vectors.nested_ranks(ranks, np.arange(400) % 8, 1) < 1).mean()
  standard_error = np.sqrt(0.25 * 0.75 / 400)
  assert best > 0.25 + 2 * standard_error
  assert abs(nested - 0.25) < 2 * standard_error


def test_vectors_of_shuffled_labels_point_nowhere():
  """Six stories of each emotion on six topics, whose emotion is plain."""
  rng = np.random.default_rng(0)
  emotion, topic = np.tile(np.arange(5), 6), np.repeat(np.arange(6), 5)
  own = rng.normal(size=(5, 2, 40)) * 5
  pooled = own[emotion] + rng.normal(size=(30, 2, 40))
  none = np.zeros((2, 1, 40))
  got = vectors.shuffled_vectors(pooled, emotion, topic, none, 7, seed=0)
  assert got.shape == (7, 2, 40) and got.dtype == np.float32
  real, _ = vectors.emotion_vectors(pooled, emotion, 5)
  length = lambda x: np.linalg.norm(x, axis=-1).mean()
  assert length(got) < length(real) / 1.5
  again = vectors.shuffled_vectors(pooled, emotion, topic, none, 3, seed=0)
  np.testing.assert_array_equal(got[:3], again)
  assert len(np.unique(got.round(4), axis=0)) == 7
