"""Every sequence is in one batch, once, whole and at the side asked for."""

import numpy as np
import pytest

from emojax.data import batches


def _sequences(*lengths):
  """Sequences of different ids, none 0: the id tells the place."""
  return [
      list(range(1000 * (i + 1), 1000 * (i + 1) + length))
      for i, length in enumerate(lengths)
  ]


def test_padding_on_the_right_and_on_the_left_by_hand():
  right = batches.padded([[7, 8], [9], []], 3)
  assert right[0].tolist() == [[7, 8, 0], [9, 0, 0], [0, 0, 0]]
  assert right[1].tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]
  left = batches.padded([[7, 8], [9], []], 3, side='left')
  assert left[0].tolist() == [[0, 7, 8], [0, 0, 9], [0, 0, 0]]
  assert left[1].tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]


def test_an_id_of_zero_is_a_token_and_no_padding():
  tokens, valid = batches.padded([[0, 0]], 3)
  assert tokens.tolist() == [[0, 0, 0]]
  assert valid.tolist() == [[True, True, False]]


def test_tokens_are_int32_and_valid_is_bool():
  tokens, valid = batches.padded([[1]], 2)
  assert tokens.dtype == np.int32 and valid.dtype == bool


def test_a_sequence_longer_than_the_width_is_never_cut():
  for side in ('left', 'right'):
    with pytest.raises(ValueError):
      batches.padded([[1, 2, 3]], 2, side)


@pytest.mark.parametrize('size', [1, 2, 3, 7, 9])
def test_every_sequence_comes_once_and_whole(size):
  sequences = _sequences(5, 40, 33, 1, 64, 32, 40)
  seen = {}
  for batch in batches.bucketed(sequences, size):
    for row, tokens, valid in zip(
        batch.rows, batch.tokens, batch.valid, strict=True
    ):
      if row >= 0:
        assert row not in seen
        seen[row] = tokens[valid].tolist()
  assert [seen[i] for i in range(7)] == sequences


def test_filler_rows_are_marked_and_hold_nothing():
  *_, last = batches.bucketed(_sequences(3, 2, 1, 4), 3)
  assert last.rows.tolist() == [3, -1, -1]
  assert not last.valid[1:].any() and not last.tokens[1:].any()


def test_all_batches_have_the_size_asked_for():
  shapes = [
      batch.tokens.shape[0]
      for batch in batches.bucketed(_sequences(*range(1, 12)), 4)
  ]
  assert shapes == [4, 4, 4]


@pytest.mark.parametrize(
    'longest, least, width',
    [(1, 32, 32), (32, 32, 32), (33, 32, 64), (9, 8, 16), (257, 32, 320)],
)
def test_widths_are_the_least_multiple_that_holds_the_longest(
    longest, least, width
):
  (batch,) = batches.bucketed(_sequences(1, longest), 2, least)
  assert batch.tokens.shape == batch.valid.shape == (2, width)


def test_like_lengths_share_a_batch():
  lengths = (90, 3, 91, 2, 92, 1)
  got = [b.rows.tolist() for b in batches.bucketed(_sequences(*lengths), 3)]
  assert got == [[5, 3, 1], [0, 2, 4]]


def test_sequences_of_one_length_keep_their_order():
  got = batches.bucketed(_sequences(*[3, 2] * 50), 10)
  rows = np.concatenate([batch.rows for batch in got]).tolist()
  assert rows == [*range(1, 100, 2), *range(0, 100, 2)]


def test_no_sequences_make_no_batches():
  assert list(batches.bucketed([], 4)) == []


def test_widths_are_few_and_waste_at_most_a_quarter():
  widths = [batches.width_for(length) for length in range(1, 32769)]
  assert len(set(widths)) <= 8 + 4 * 7  # Up to 256; then four an octave.
  for length, width in enumerate(widths, start=1):
    assert length <= width <= max(32, length + 32, 1.25 * length)


def test_a_process_gets_its_rows_and_the_places_of_all():
  sequences, pools = _sequences(3, 1, 2), [np.arange(n) for n in (3, 1, 2)]
  rows = np.array([2, -1, 0, 1])
  whole = batches.assemble(sequences, pools, rows, 4)
  part = batches.assemble(sequences, pools, rows, 4, np.array([1, 2]))
  assert part.rows.tolist() == rows.tolist()
  for name in ('tokens', 'valid', 'pool'):
    np.testing.assert_array_equal(
        getattr(part, name), getattr(whole, name)[[1, 2]]
    )
  assert whole.pool.tolist() == [
      [0, 1, 0, 0],
      [0, 0, 0, 0],
      [0, 1, 2, 0],
      [0, 0, 0, 0],
  ]
