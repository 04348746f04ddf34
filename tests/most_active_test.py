"""What is kept of transcripts does not depend on the order they come in."""

import itertools

import numpy as np
import pytest

from emojax.data import chats
from emojax.experiments.measures import most_active

EMOTIONS = ('happy', 'sad')
T = 12
# Position 0, then two tokens of the template, a word, a dot, and words.
PIECES = ('<s>', '[', ']', 'one', '.', *(f' w{i}' for i in range(T - 5)))
CHAT = chats.Chat(
    ids=tuple(range(T)),
    pieces=PIECES,
    roles=('user', 'template', 'template', *['user'] * (T - 3)),
    message=(0, -1, -1, *[0] * (T - 3)),
    response=2,
    turn=2,
)
COUNTED = np.arange(T) > 2


def cosine(seed):
  return np.random.default_rng(seed).uniform(-1, 1, (T, len(EMOTIONS)))


def kept(order, values, top=2):
  best = most_active.Passages(EMOTIONS, 3, top)
  peaks = most_active.Peaks(len(EMOTIONS))
  for i in order:
    best.offer(i, values[i], 2 * values[i], COUNTED, CHAT)
    peaks.offer(i, values[i], COUNTED, CHAT)
  return best.ranked(), peaks.pieces, peaks.structural.tolist()


def test_the_order_of_transcripts_changes_nothing_even_of_equals():
  # 0 and 3 are the same, and so are 1 and 4.
  values = [cosine(0), cosine(1), cosine(2), cosine(0), cosine(1)]
  expected = kept(range(5), values)
  for order in itertools.permutations(range(5)):
    assert kept(order, values) == expected
  ranked = expected[0]['happy']
  assert ranked[0]['score'] == ranked[1]['score']
  first, second = (passage['transcript'] for passage in ranked)
  assert (first, second) in ((0, 3), (1, 4))


def test_no_more_than_the_best_are_kept_one_a_transcript():
  values = [cosine(i) for i in range(6)]
  for top in (1, 3, 10):
    ranked, _, _ = kept(range(6), values, top)
    for passages in ranked.values():
      scores = [passage['score'] for passage in passages]
      assert len(scores) == min(top, 6) and scores == sorted(scores)[::-1]
      assert len({passage['transcript'] for passage in passages}) == len(scores)


def test_a_passage_has_its_context_and_where_its_window_is():
  values = np.zeros((T, len(EMOTIONS)))
  values[[5, 6, 7], 0] = 0.8
  values[9, 1] = -0.8
  passage = kept([0], [values])[0]['happy'][0]
  first, last = passage['window']
  assert passage['tokens'][first:last] == list(PIECES[5:8])
  # Eight tokens before it would begin before the text does.
  assert passage['tokens'] == list(PIECES)
  assert passage['shown'][5:8] == [1, 1, 1] and passage['shown'][9] == 0
  assert passage['score'] == pytest.approx(1.6)


def test_a_token_of_no_word_is_structural_wherever_it_is():
  everything = np.ones(T, bool)
  for at, expected in ((0, True), (1, True), (3, False), (4, True), (5, False)):
    values = np.full((T, 1), -0.5)
    values[at] = 0.5
    peaks = most_active.Peaks(1)
    peaks.offer(7, values, everything, CHAT)
    assert peaks.pieces == [PIECES[at]]
    assert peaks.structural.tolist() == [expected]


def test_a_transcript_of_no_token_that_counts_gives_nothing():
  best, peaks = most_active.Passages(EMOTIONS, 3, 2), most_active.Peaks(2)
  best.offer(0, cosine(0), cosine(0), ~np.ones(T, bool), CHAT)
  peaks.offer(0, cosine(0), ~np.ones(T, bool), CHAT)
  assert best.ranked() == {'happy': [], 'sad': []}
  assert peaks.pieces == ['', ''] and not peaks.structural.any()
