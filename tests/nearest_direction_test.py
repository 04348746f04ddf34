"""Stories go to the direction that is nearest, as it is."""

import ml_collections
import numpy as np
import pytest

from emojax.experiments import build_vectors
from emojax.experiments.measures import nearest_direction

E, TOPICS, L, D = 5, 8, 3, 40
HOLDS = 1  # The layer at which stories lie along the directions.


@pytest.fixture(scope='module')
def planted():
  """One story of each emotion on each topic, and a direction of each emotion.

  Topics differ far more than emotions do, as they do in models.
  """
  rng = np.random.default_rng(0)
  directions = rng.standard_normal((E, L, D))
  emotion, topic = (x.ravel() for x in np.indices((E, TOPICS)))
  pooled = 20 * rng.standard_normal((TOPICS, L, D))[topic]
  pooled += rng.standard_normal((E * TOPICS, L, D))
  pooled[:, HOLDS] += directions[emotion, HOLDS]
  embed = rng.standard_normal((E * TOPICS, D))
  rows = {
      'stories': pooled,
      'stories_embed': embed,
      'emotion': emotion,
      'topic': topic,
      'count': np.ones(E * TOPICS, int),
  }
  return rows, directions


def ranks_of(rows, directions, **kwargs):
  return nearest_direction.ranks(
      rows['stories'], rows['topic'], directions, rows['emotion'], **kwargs
  )


def test_stories_along_their_directions_are_told_and_others_are_not(planted):
  rows, directions = planted

  def rank(labels, centre='topic'):
    return nearest_direction.ranks(
        rows['stories'], rows['topic'], directions, labels, centre
    )

  config = ml_collections.ConfigDict({'seed': 0, 'shuffles': 20})
  found = build_vectors.evaluate(rows, config, rank, (4, 9, 12))
  assert [row['layer'] for row in found['layers']] == [4, 9, 12]
  assert found['chosen_layer'] == 9 and found['chance']['top1'] == 1 / E
  one, held, other = found['layers']
  assert held['top1']['low'] > held['shuffled_top1']['high']
  assert found['nested']['top1']['value'] > 0.8
  assert found['nested']['top1']['n'] == E * TOPICS
  for row in (one, other):
    assert row['top1']['low'] < row['shuffled_top1']['high']
    assert abs(row['top1']['value'] - 1 / E) < 0.2
  # What chance gives, wherever the directions hold.
  assert abs(held['shuffled_top1']['value'] - 1 / E) < 0.1


def test_random_directions_tell_nothing(planted):
  rows, directions = planted
  drawn = np.random.default_rng(9).standard_normal((20, *directions.shape))
  hits = np.mean([(ranks_of(rows, x) == 0).mean(axis=0) for x in drawn], axis=0)
  np.testing.assert_allclose(hits, 1 / E, atol=0.08)


def test_a_topic_and_a_length_are_of_no_account(planted):
  rows, directions = planted
  ranks = ranks_of(rows, directions)
  moved = rows['stories'] + 100 * (rows['topic'] == 3)[:, None, None]
  longer = directions * np.arange(1, E + 1)[:, None, None]
  again = ranks_of(rows | {'stories': moved}, longer)
  np.testing.assert_array_equal(ranks, again)
  # A story on its own has no others of its topic: the topic hides its emotion.
  alone = ranks_of(rows, directions, centre='train')
  assert (alone[:, HOLDS] == 0).mean() < (ranks[:, HOLDS] == 0).mean() - 0.3


def test_a_story_that_is_near_to_none_is_not_told():
  pooled = np.ones((2, 1, 4))
  ranks = nearest_direction.ranks(
      pooled, np.array([0, 0]), np.eye(2, 4)[:, None], np.array([0, 1])
  )
  assert ranks.tolist() == [[1], [1]]


def test_emotions_are_counted_under_their_names_in_any_case():
  config = ml_collections.ConfigDict({'stories': ''})
  found = nearest_direction.stories_of(config, ('Bored', 'Zen', 'happy'))
  assert found.emotions == ('happy', 'bored')  # In the order of the stories.
  assert {story.emotion for story in found.stories} == {'happy', 'bored'}
  assert len(found.stories) == 2 * len(found.topics)
