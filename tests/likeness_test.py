"""How alike kinds of vectors are: planted, and attenuated by noise."""

import itertools

import numpy as np
import pytest

from emojax import effects
from emojax import likeness
from emojax import speakers

E, D = 6, 60
PAIRS = np.array(list(itertools.permutations(range(E), 2))).T
N = PAIRS.shape[1]
DESIGN = effects.Design(PAIRS, E, np.zeros(N, int), 'together')
KINDS = speakers.KINDS


def planted(seed, noise, alike=0.9, other=0.6):
  """Two speakers' tokens: present vectors alike, other ones unrelated to them.

  Returns:
    Activations [2, N, D] and the stories' vectors [E, D], of which present ones
    are half.
  """
  truth = np.random.default_rng(0)
  rng = np.random.default_rng(seed + 1)
  draw = lambda *shape: truth.standard_normal(shape)
  centred = lambda v: v - v.mean(axis=-2, keepdims=True)
  unrelated = lambda v: v @ np.linalg.qr(draw(D, D))[0]
  story = centred(draw(E, D))
  shared = centred(0.5**0.5 * (story + draw(E, D)))
  present = centred(alike**0.5 * shared + (1 - alike) ** 0.5 * draw(2, E, D))
  away = unrelated(centred(draw(E, D)))
  # Of the user's tokens and the assistant's: whose emotion is whose label.
  own = np.stack([present[t][PAIRS[t]] for t in (0, 1)])
  x = own + other * away[PAIRS[::-1]]
  return x + noise * rng.standard_normal((2, N, D)), story


def test_stacked_weights_make_every_kind_and_leave_what_is_given():
  x, story = planted(0, 1.0)
  weights = DESIGN.weights().effects
  made = likeness.stacked(weights, KINDS.made) @ np.concatenate([*x, story])
  made = made.reshape(5, E, D)
  for kind, (token, label) in enumerate(KINDS.made):
    np.testing.assert_allclose(made[kind], weights[label] @ x[token])
  np.testing.assert_allclose(made[4], story)


def test_products_and_cosines_are_those_of_the_vectors():
  rng = np.random.default_rng(1)
  weights, x = rng.standard_normal((3, 4, 9)), rng.standard_normal((9, 7))
  weights[1, 2] = 0
  made = weights @ x
  product = likeness.products(weights, x)
  np.testing.assert_allclose(product, made @ made.swapaxes(1, 2))
  cosine = likeness.cosines(product)
  assert np.all(cosine[1, 2] == 0)  # Of a vector without length.
  expected = made[0] / np.linalg.norm(made[0], axis=1, keepdims=True)
  np.testing.assert_allclose(cosine[0], expected @ expected.T)


def test_same_and_different_emotions_are_told_apart():
  block = np.where(np.eye(3), 0.7, -0.2)
  cosine = np.block([[np.eye(3), block], [block.T, np.eye(3)]])
  same, different = likeness.by_kind(cosine, 3)
  np.testing.assert_allclose(same, [[1, 0.7], [0.7, 1]])
  np.testing.assert_allclose(different, [[0, -0.2], [-0.2, 0]])


def test_planted_kinds_are_found_beyond_shuffled_labels():
  x, story = planted(2, 0.3)
  got = likeness.compare(KINDS, DESIGN.variants(0, 100), x, story)
  for pair, low, high in (
      ('present_present', 0.8, 1.0),
      ('other_other', 0.8, 1.0),
      ('story_present', 0.6, 0.8),
      ('present_other', -0.2, 0.2),
      ('same_speaker', -0.2, 0.2),
      ('story_other', -0.2, 0.2),
  ):
    assert low < got.same[pair]['value'] < high, pair
    assert got.same[pair]['n'] == N
    if low > 0:
      assert got.same[pair]['low'] > got.shuffled[pair]['high']
    assert got.different[pair]['value'] < 0.05
  assert got.cosine.shape == (5 * E, 5 * E)
  assert got.permuted.shape == (100, 5 * E, 5 * E)


def test_noise_makes_cosines_small_and_its_correction_brings_them_back():
  clear, story = planted(3, 0.0)
  truth = likeness.without_noise(KINDS, DESIGN, clear, story)
  assert all(each['value'] > 1 - 1e-9 for each in truth.signal)
  sets = [planted(seed, 1.5)[0] for seed in range(20)]
  variants = DESIGN.variants(0, 2)
  raw = [likeness.compare(KINDS, variants, x, story).same for x in sets]
  got = [likeness.without_noise(KINDS, DESIGN, x, story) for x in sets]
  mean = lambda found, pair: np.mean([each[pair]['value'] for each in found])
  for pair in ('present_present', 'other_other', 'story_present'):
    true = truth.pairs[pair]['value']
    assert mean(raw, pair) < 0.85 * true
    assert mean([each.pairs for each in got], pair) == pytest.approx(
        true, abs=0.1
    )
    held = [
        each.pairs[pair]['low'] < true < each.pairs[pair]['high']
        for each in got
    ]
    assert np.mean(held) >= 0.85
  for each in got:
    present, *_, other = (share['value'] for share in each.signal)
    assert other < present < 1


def test_pure_noise_has_no_signal():
  rng = np.random.default_rng(4)
  story = rng.standard_normal((E, D))
  shares = [
      likeness.without_noise(
          KINDS, DESIGN, rng.standard_normal((2, N, D)), story
      ).signal[0]['value']
      for _ in range(5)
  ]
  assert abs(np.mean(shares)) < 0.1


def test_the_interval_holds_what_it_is_to_hold():
  # The mean over many sets of dialogues, of which each gives an interval.
  found = [
      likeness.compare(KINDS, DESIGN.variants(0, 2), *planted(seed, 1.0)).same
      for seed in range(40)
  ]
  for pair in ('present_present', 'present_other', 'story_present'):
    mean = np.mean([each[pair]['value'] for each in found])
    held = [each[pair]['low'] < mean < each[pair]['high'] for each in found]
    assert np.mean(held) >= 0.9, pair


def test_random_directions_are_like_nothing():
  x, story = planted(5, 0.5)
  effects_ = DESIGN.weights().effects
  got = likeness.random_bands(KINDS, effects_, x, story, 0, 400)
  for band in got.values():
    assert band['n'] == 400
    assert band['low'] < 0 < band['high']
    assert band['high'] == pytest.approx(1.96 / (E * D) ** 0.5, rel=0.35)


def test_kinds_that_are_turned_have_one_structure_and_no_cosine():
  rng = np.random.default_rng(6)
  first = rng.standard_normal((E, D))
  turned = first @ np.linalg.qr(rng.standard_normal((D, D)))[0]
  made = np.concatenate([first, turned, rng.standard_normal((E, D))])
  cosine = likeness.cosines(made @ made.T)
  same, _ = likeness.by_kind(cosine, E)
  order = likeness.structure(cosine, E)
  assert abs(same[0, 1]) < 0.3
  assert order[0, 1] == pytest.approx(1)
  assert abs(order[0, 2]) < 0.6


def test_other_emotions_are_the_rows_and_present_ones_the_columns():
  x, story = planted(7, 0.0, other=0.0)
  # The assistant answers each emotion of the user with the next one.
  weights = DESIGN.weights().effects
  present = weights[0] @ x[0]
  answer = np.roll(present, -1, axis=0)
  x = x + np.stack([answer[PAIRS[1]], answer[PAIRS[0]]])
  got = likeness.compare(KINDS, DESIGN.variants(0, 2), x, story)
  table = speakers.other_to_present(got.cosine, E)
  np.testing.assert_array_equal(table.argmax(axis=1), (np.arange(E) + 1) % E)


def test_what_is_pointed_at_is_rated_alike_or_opposite():
  rating = np.array([3.0, 1, -1, -3])
  assert np.array_equal(speakers.pointed_rating(np.eye(4), rating), rating)
  opposite = speakers.pointed_rating(np.eye(4)[::-1], rating)
  assert np.array_equal(opposite, -rating)
