"""The lens counts exactly what the unembedding says, in blocks of any size."""

import dataclasses
import types

import numpy as np
import pytest
import tiny_model

from emojax.experiments.measures import logit_lens
from emojax.models import lens

SIZE = tiny_model.CONFIG.vocab_size


@pytest.fixture(scope='module')
def lm():
  return tiny_model.language_model(*tiny_model.random_model())


@pytest.fixture(scope='module')
def table(lm):
  return np.asarray(lm.params['params']['embedding'])


def _directions(count, seed=0):
  x = np.random.default_rng(seed).normal(size=(count, tiny_model.CONFIG.width))
  return x.astype(np.float32)


def _all():
  return np.ones(SIZE, bool)


def test_a_tokens_own_row_is_what_it_says_first(lm, table):
  long = table / np.linalg.norm(table, axis=1, keepdims=True) ** 2
  tokens = np.arange(SIZE)[:, None]
  scores = long @ table.T
  first = scores.argmax(axis=1) == tokens[:, 0]
  rank, _ = lens.ranks(lm, long, tokens, np.array([0]), _all())
  assert first.any() and (rank[first] == 0).all()


@pytest.mark.parametrize('count', [1, 63, 64, 130])
def test_ranks_are_those_of_a_sort_for_any_number_of_directions(
    lm, table, count
):
  x = _directions(count)
  tokens = np.random.default_rng(1).integers(SIZE, size=(count, 3))
  among = np.array([4, 0, 31])
  rank, scores = lens.ranks(lm, x, tokens, among, _all())
  expected = x @ table.T
  order = np.argsort(np.argsort(-expected, axis=1), axis=1)
  np.testing.assert_array_equal(rank, np.take_along_axis(order, tokens, axis=1))
  np.testing.assert_allclose(scores, expected[:, among], rtol=2e-5, atol=2e-5)


def test_a_tie_counts_against_a_token(lm):
  rank, _ = lens.ranks(
      lm,
      np.zeros((1, tiny_model.CONFIG.width)),
      np.array([[7]]),
      np.array([0]),
      _all(),
  )
  assert rank.tolist() == [[SIZE - 1]]


def test_tokens_that_are_no_text_count_nowhere(lm, table):
  x = _directions(3)
  kept = np.arange(SIZE) % 2 == 0
  tokens = np.full((3, 1), 8)
  rank, _ = lens.ranks(lm, x, tokens, np.array([0]), kept)
  scores = x @ table.T
  expected = (scores[:, kept] > scores[:, [8]]).sum(axis=1)
  np.testing.assert_array_equal(rank[:, 0], expected)
  top, bottom = lens.extremes(lm, x, kept, 5)
  assert kept[top].all() and kept[bottom].all()


def test_extremes_are_the_ends_of_a_sort(lm, table):
  x = _directions(70)
  top, bottom = lens.extremes(lm, x, _all(), 4)
  order = np.argsort(x @ table.T, axis=1)
  np.testing.assert_array_equal(bottom, order[:, :4])
  np.testing.assert_array_equal(top, order[:, ::-1][:, :4])


def test_the_gain_is_what_the_final_norm_multiplies_by(lm):
  x = _directions(5)
  normed = lm.model.apply(lm.params, x, method=lambda m, x: m.norm(x))
  size = np.sqrt(np.mean(x**2, axis=1) + tiny_model.CONFIG.norm_epsilon)
  expected = x / size[:, None] * lens.gain(lm)
  np.testing.assert_allclose(normed, expected, rtol=1e-5)


def test_the_gain_has_the_offset_of_gemmas_norms(lm):
  config = dataclasses.replace(tiny_model.CONFIG, norm_offset=1.0)
  other = dataclasses.replace(lm, model=type(lm.model)(config))
  np.testing.assert_allclose(lens.gain(other), lens.gain(lm) + 1)


def _words(lm, tokens):
  size = len(tokens)
  return logit_lens.Words(
      emotions=list(range(size)),
      tokens=np.array(tokens, np.int32),
      single=size,
      dealt=logit_lens.deal(size, 0),
      kept=_all(),
  )


def test_vectors_that_are_their_words_rows_score_fully(lm, table):
  tokens = [3, 11, 20, 33, 41]
  # Less what all rows share, so that another's word is not high as well.
  x = table[tokens] - table.mean(axis=0)
  got = logit_lens.read(lm, x[None], _words(lm, tokens), 'plain', dealt=True)
  own, *dealt = got['percentile'][0]
  assert np.median(own) > 0.95 and got['among'][0, 0].mean() == 1
  assert np.median(dealt) < 0.8
  assert got['among'][0, 1:].mean() < 0.5


def test_the_length_of_a_vector_says_nothing(lm, table):
  words = _words(lm, [3, 11, 20])
  x = _directions(3)
  a, b = (
      logit_lens.read(lm, v[None], words, 'gain', dealt=True)
      for v in (x, x * np.array([[1e-3], [1], [50]], np.float32))
  )
  for name in logit_lens.MEASURES:
    np.testing.assert_allclose(a[name], b[name], atol=1e-6)


@pytest.mark.parametrize('size', [2, 5, 24])
def test_no_word_that_is_dealt_out_is_the_emotions_own(size):
  dealt = logit_lens.deal(size, 3)
  np.testing.assert_array_equal(dealt[:, 0], np.arange(size))
  for column in dealt[:, 1:].T:
    assert sorted(column) == list(range(size))
    assert (column != np.arange(size)).all()


def test_bands_of_controls_hold_the_planted_half(lm):
  rng = np.random.default_rng(5)
  found = {
      name: np.concatenate(
          [np.full((1, 1, 30), 0.9), rng.random((1, 8, 30))], 1
      )
      for name in logit_lens.MEASURES
  }
  null = {name: rng.random((20, 1, 30)) for name in logit_lens.MEASURES}
  got = logit_lens.summary(found, null, null, 0)
  assert got['percentile']['value'] == pytest.approx(0.9)
  assert got['dealt_percentile']['n'] == 8
  assert got['shuffled_percentile']['n'] == got['random_among']['n'] == 20
  for name in ('dealt', 'shuffled', 'random'):
    assert got[f'{name}_percentile']['high'] < 0.9


def _named(tokenizer):
  return types.SimpleNamespace(
      tokenizer=tokenizer, config=types.SimpleNamespace(vocab_size=49152)
  )


def test_a_word_is_its_first_token_and_told_only_if_no_other_has_it(tokenizer):
  # Neither of the last two is one token here; both begin alike.
  emotions = ['happy', 'sad', 'disdainful', 'disoriented', 'worn out']
  got = logit_lens.words_of(_named(tokenizer), emotions, 0)
  firsts = [tokenizer.encode_word(e)[0] for e in emotions]
  assert firsts[2] == firsts[3]
  assert got.emotions == [0, 1, 4]
  assert got.tokens.tolist() == [firsts[i] for i in (0, 1, 4)]
  assert got.single == 2


def test_control_tokens_are_no_words(tokenizer):
  kept = lens.words(_named(tokenizer))
  assert not kept[tokenizer.backend.token_to_id('<|im_start|>')]
  assert kept[tokenizer.encode_word('happy')[0]]


def test_every_token_can_be_printed_and_none_acts(tokenizer):
  named = _named(tokenizer)
  shown = [logit_lens.readable(named, i) for i in range(0, 49152, 41)]
  shown += [logit_lens.readable(named, i) for i in range(300)]
  assert all(text and text.isprintable() for text in shown)
  assert not any('\ufffd' in text for text in shown)
  (happy,) = tokenizer.encode_word('happy')
  assert logit_lens.readable(named, happy) == 'happy'
