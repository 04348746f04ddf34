"""Readings along episodes are aligned by what happens, not by place."""

import numpy as np
import pytest

from emojax import traces

USER, ASSISTANT = 'user', 'assistant'
EVENTS = ['task', 'reply', 'failed', 'reply', 'passed', 'report']
ROLES = [USER, ASSISTANT] * 3
# Two template tokens before each message, and the last message has none.
MESSAGE = np.array([-1, -1, 0, 0, 0, -1, -1, 1, 1, -1, -1, 2])


def test_only_what_repeats_is_numbered():
  several = traces.repeated([EVENTS, ['task', 'reply', 'passed']])
  assert several == {'reply'}
  assert traces.numbered(EVENTS, several) == [
      'task',
      'reply 1',
      'failed',
      'reply 2',
      'passed',
      'report',
  ]


def test_all_labels_come_in_an_order_that_every_episode_keeps():
  episodes = [list('adz'), list('abcz'), list('acz')]
  got = traces.in_order(episodes)
  assert sorted(got) == list('abcdz')
  for labels in episodes:
    assert sorted(labels, key=got.index) == labels


def test_a_message_is_read_at_its_tokens_and_at_the_one_before_it():
  got = traces.tokens_of(MESSAGE, 4)
  assert got.shape == (4, 2, 12)
  before, own = (got[:, traces.FORMS.index(f)] for f in ('before', 'message'))
  assert [np.flatnonzero(x).tolist() for x in before] == [[1], [6], [10], []]
  assert [x.sum() for x in own] == [3, 2, 1, 0]
  # Without a template token before it there is none.
  assert not traces.tokens_of(np.array([0, 0, 1, 1]), 2)[:, 0].any()


def test_means_are_over_the_tokens_and_nan_of_none():
  values = np.arange(24.0).reshape(12, 2)
  got = traces.pooled(values, traces.tokens_of(MESSAGE, 4))
  assert got.shape == (4, 2, 2)
  np.testing.assert_array_equal(got[0], [[2, 3], [6, 7]])
  assert np.isnan(got[3]).all()


@pytest.mark.parametrize('size', [1, 3, 4, 10])
def test_bins_share_the_tokens_of_a_message_out_in_order(size):
  tokens = np.zeros(15, bool)
  tokens[3 : 3 + size] = True
  got = traces.binned(tokens, 4)
  np.testing.assert_array_equal(got.sum(axis=0), tokens)
  which = got[:, tokens].argmax(axis=0)
  assert (np.diff(which) >= 0).all()
  assert got.sum(axis=1).max() - min(x for x in got.sum(axis=1) if x) <= 1
  assert not traces.binned(np.zeros(5, bool), 4).any()


def test_rules_pick_the_replies_around_what_happened():
  assert traces.failures(EVENTS, ROLES) == (1, 3)
  assert traces.passing(EVENTS, ROLES) == (3, 5)
  assert traces.ends(EVENTS, ROLES) == (1, 5)
  # Where the tests fail last, no reply but a report follows: none is counted
  # that something else was asked before.
  failed = ['task', 'reply', 'failed', 'question', 'report']
  roles = [USER, ASSISTANT, USER, USER, ASSISTANT]
  assert traces.failures(failed, roles) is None
  assert traces.passing(failed, roles) is None
  assert traces.ends(['task', 'reply'], [USER, ASSISTANT]) is None
  assert traces.passing(['task', 'reply', 'passed'], ROLES[:3]) is None


def test_changes_are_the_later_reading_less_the_earlier():
  readings = np.random.default_rng(0).standard_normal((2, 6, 2, 3))
  got = traces.changes(readings, [(1, 3), None])
  np.testing.assert_array_equal(got[0], readings[0, 3] - readings[0, 1])
  assert np.isnan(got[1]).all()


def test_tasks_count_alike_however_many_episodes_they_have():
  values = np.array([[1.0, 5.0], [3.0, np.nan], [7.0, np.nan]])
  got = traces.by_task(values, np.array(['a', 'a', 'b']))
  assert got['a'].tolist() == [2, 5]
  assert got['b'][0] == 7 and np.isnan(got['b'][1])


def test_a_planted_change_is_found_and_none_is_not():
  rng = np.random.default_rng(0)
  found = traces.change(rng.normal(0.6, 0.5, 15), seed=0)
  assert found['low'] > 0 and found['p'] < 0.01 and found['n'] == 15
  none = traces.change(rng.normal(0, 0.5, 15), seed=0)
  assert none['low'] < 0 < none['high'] and none['p'] > 0.05


def test_changes_of_nothing_are_found_as_often_as_alpha():
  rng = np.random.default_rng(1)
  p = [
      traces.change(rng.standard_normal(8), seed=0, draws=300)['p']
      for _ in range(150)
  ]
  assert 0.01 < np.mean(np.array(p) <= 0.05) < 0.1


def test_one_task_tells_nothing_of_chance():
  one = traces.change(np.array([0.3, np.nan]), seed=0)
  assert (one['value'], one['low'], one['p'], one['n']) == (0.3, None, None, 1)
  assert traces.change(np.array([np.nan]), seed=0) is None
