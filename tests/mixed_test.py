"""Folds that share nothing, and labels that mean nothing."""

import numpy as np
import pytest

from emojax import mixed
from emojax import statistics

FOLD = np.repeat(np.arange(4), 6)
OTHER = (FOLD + np.tile([0, 0, 0, 1, 1, 1], 4)) % 4


def test_no_part_shares_a_fold_of_any_kind_with_what_it_tests():
  parts = mixed.parts(FOLD, OTHER)
  tested = np.sum([part.test for part in parts], axis=0)
  assert np.all(tested == 1)
  for test, train in parts:
    assert train.any()
    for fold in (FOLD, OTHER):
      assert not set(fold[test]) & set(fold[train])


def test_of_one_kind_of_folds_all_others_are_trained_on():
  for test, train in mixed.parts(FOLD):
    np.testing.assert_array_equal(train, ~test)


def test_random_folds_split_each_stratum_evenly():
  stratum = np.repeat(np.array(['a', 'b', 'c']), [8, 12, 20])
  fold = mixed.random_folds(np.random.default_rng(0), stratum, 4)
  for name, size in (('a', 2), ('b', 3), ('c', 5)):
    assert np.bincount(fold[stratum == name]).tolist() == [size] * 4
  other = mixed.random_folds(np.random.default_rng(1), stratum, 4)
  assert not np.array_equal(fold, other)


def test_shuffled_labels_move_whole_units_within_their_groups():
  unit = np.repeat(np.arange(12), 3)
  label = np.repeat(np.arange(12) % 3, 3)
  group = np.repeat(np.arange(12) // 6, 3)
  seen = set()
  for seed in range(20):
    got = mixed.shuffled(np.random.default_rng(seed), label, unit, group)
    for name in np.unique(unit):
      assert len(set(got[unit == name])) == 1
    for name in (0, 1):
      assert sorted(got[group == name]) == sorted(label[group == name])
    seen.add(tuple(got))
  assert len(seen) == 20
  # Each unit gets each label equally often.
  draws = [
      mixed.shuffled(np.random.default_rng(s), label, unit, group)[0]
      for s in range(300)
  ]
  assert np.bincount(draws) == pytest.approx([100] * 3, abs=30)


def test_centring_takes_off_what_a_group_has_in_common():
  rng = np.random.default_rng(0)
  group = np.arange(20) % 2
  x = rng.standard_normal((20, 3))
  got = mixed.centred(x + 9 * group[:, None], group)
  np.testing.assert_allclose(got, mixed.centred(x, group), atol=1e-12)
  for name in (0, 1):
    np.testing.assert_allclose(got[group == name].mean(axis=0), 0, atol=1e-12)


def test_shares_resample_clusters_and_fall_back_to_wilson():
  cluster = np.repeat(np.arange(10), 5)
  hits = cluster < 4
  got = mixed.share(hits, cluster, 0)
  assert got == statistics.cluster_bootstrap(hits.astype(float), cluster, 0)
  every = mixed.share(np.ones(50, bool), cluster, 0)
  assert (every['value'], every['n']) == (1.0, 50)
  assert every['low'] == statistics.wilson(10, 10)['low']
  none = mixed.share(np.zeros(50, bool), cluster, 0)
  assert none['high'] == statistics.wilson(0, 10)['high']
