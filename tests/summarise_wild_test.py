"""Numbers of transcripts: planted truth is told from chance."""

import numpy as np
import pytest

from emojax.experiments.measures import summarise_wild


def test_retrieval_counts_best_passages_of_transcripts_about_an_emotion():
  top = {
      'happy': [{'transcript': 0}, {'transcript': 1}],
      'proud': [{'transcript': 3}],
      'angry': [{'transcript': 0}],
      'bored': [],
  }
  implies = ['happy', None, 'proud', 'bored', 'proud']
  (row,) = summarise_wild.retrieval(top, implies)
  # Happy is right, proud is wrong, of angry there is none, bored has no best.
  assert row['value'] == 0.5 and row['n'] == 2
  assert row['controls'][0]['value'] == pytest.approx((1 + 2) / 2 / 5)
  assert summarise_wild.retrieval(top, [None] * 5) == []


def test_roles_that_go_together_are_told_from_those_that_do_not():
  rng = np.random.default_rng(0)
  size, shared = 6, rng.standard_normal((40, 1, 6))
  random = rng.standard_normal((40, 2, 6))
  offset = 5 * rng.standard_normal((1, 1, 12))  # Of each direction.
  own = shared + 0.5 * rng.standard_normal((40, 2, 6))
  together = np.concatenate([own, random], axis=2) + offset
  (row,) = summarise_wild.across_roles(together, size, 0)
  assert row['value'] == pytest.approx(0.8, abs=0.08) and row['beyond'] is True
  apart = np.concatenate([random, random[::-1]], axis=2) + offset
  (row,) = summarise_wild.across_roles(apart, size, 0)
  assert abs(row['value']) < 0.2 and row['beyond'] is False
  opposed = shared * [[[1], [-1]]] + 0.5 * rng.standard_normal((40, 2, 6))
  opposed = np.concatenate([opposed, random], axis=2) + offset
  (row,) = summarise_wild.across_roles(opposed, size, 0)
  assert row['high'] < -0.5 and row['beyond'] is False
  # Of transcripts with both roles alone.
  together[4:, 1] = np.nan
  (row,) = summarise_wild.across_roles(together, size, 0)
  assert row['n'] == 4
  assert summarise_wild.across_roles(together[1:], size, 0) == []


def test_peaks_of_no_word_are_counted_beside_those_of_random_directions():
  is_ = np.array([True, False, False, True] + [True] * 2 + [False] * 8)
  row = summarise_wild.structural(is_, 4, 'raw')
  assert row['id'] == 'wild_structural_raw'
  assert (row['value'], row['n']) == (0.5, 4)
  (control,) = row['controls']
  assert (control['value'], control['n']) == (0.2, 10)
  assert row['low'] < 0.5 < row['high'] and row['beyond'] is False


def test_a_role_that_nobody_has_is_no_mean():
  means = np.full((3, 2, 2), np.nan)
  means[:, 0] = [[1, 2], [3, 4], [5, 9]]
  means[0, 1] = [7, 8]
  one, two = summarise_wild.by_role(means, ['happy', 'sad'], 0)
  assert one['user']['value'] == 3 and one['user']['n'] == 3
  assert two['user']['value'] == 5 and one['emotion'] == 'happy'
  # One transcript tells nothing of the spread.
  assert one['assistant']['value'] == 7 and one['assistant']['low'] is None
  means[:, 1] = np.nan
  assert summarise_wild.by_role(means, ['happy', 'sad'], 0)[0]['assistant'] is (
      None
  )
