"""Hidden emotions: planted, absent, and only displayed."""

import itertools

import numpy as np
import pytest

from emojax import deflection
from emojax import effects

E, D = 6, 50
PAIRS = np.array(list(itertools.permutations(range(E), 2))).T
N = PAIRS.shape[1]
SPEAKER = (PAIRS.sum(axis=0) + (PAIRS[0] > PAIRS[1])) % 2
DESIGN = effects.Design(PAIRS, E, SPEAKER, 'within blocks')
ORDERS = effects.permuted_within(np.random.default_rng(0), SPEAKER, 100)


def planted(seed, target, displayed, noise=1.0):
  """[N, D] activations, with a vector a label of so much length."""
  rng = np.random.default_rng(seed)
  one, two, speaker = (rng.standard_normal((n, D)) for n in (E, E, 2))
  x = target * one[PAIRS[0]] + displayed * two[PAIRS[1]] + 5 * speaker[SPEAKER]
  return x + noise * rng.standard_normal((N, D))


def accuracy(label, x):
  weights = deflection.held_out_weights(DESIGN)
  return deflection.accuracy(DESIGN, label, weights, x, ORDERS)


def test_an_emotion_that_is_there_is_told_in_pairs_never_seen():
  x = planted(0, 1.0, 1.0, 0.3)
  for label in (deflection.TARGET, deflection.DISPLAYED):
    got = accuracy(label, x)
    assert got['real']['value'] > 0.9
    assert got['real']['low'] > got['shuffled']['high']
    assert got['other']['value'] < 0.1
    assert got['real']['n'] == N


def test_noise_is_told_no_better_than_by_chance():
  found = [accuracy(0, planted(seed, 0, 0))['real'] for seed in range(20)]
  assert np.mean([f['value'] for f in found]) == pytest.approx(1 / E, abs=0.06)


def test_what_is_only_displayed_tells_nothing_of_the_target():
  found = [accuracy(0, planted(seed, 0, 1.0, 0.3)) for seed in range(20)]
  mean = np.mean([f['real']['value'] for f in found])
  # Who knew what is displayed would be right in one of the five others.
  assert mean < 1 / (E - 1) + 0.06
  assert np.mean([f['shuffled']['value'] for f in found]) < 0.25


def test_vectors_never_see_the_pair_that_they_are_tested_on():
  twice = np.concatenate([PAIRS, PAIRS], axis=1)
  design = effects.Design(twice, E, np.zeros(2 * N, int), 'together')
  weights = deflection.held_out_weights(design)
  assert weights.shape == (2, 2 * N, E + 1, 2 * N)
  for i in (0, 17, N + 3):
    same = (twice == twice[:, [i]]).all(axis=0)
    assert same.sum() == 2
    assert np.all(weights[:, i, :E][..., same] == 0)
    others = same & (np.arange(2 * N) != i)
    assert np.all(weights[:, i, E, others] == 0)
    assert np.all(weights[:, i, E, i] == 1)
  # The text itself is centred: what all texts have in common is not in it.
  np.testing.assert_allclose(weights.sum(axis=-1), 0, atol=1e-9)


def test_guesses_are_those_of_plain_vectors():
  x = planted(1, 1.0, 1.0, 1.0)
  weights = deflection.held_out_weights(DESIGN)
  got = deflection.held_out_guesses(weights[0], x @ x.T)
  for i in range(N):
    part = DESIGN.part(np.delete(np.arange(N), i)).weights()
    rest = np.delete(x, i, axis=0)
    vectors = part.effects[0] @ rest
    centred = x[i] - (part.base @ rest)[SPEAKER[i]]
    scores = vectors @ centred / np.linalg.norm(vectors, axis=1)
    assert got[i] == scores.argmax()


def test_the_share_of_length_outside_a_space_is_pythagoras():
  space = np.eye(2, 5)
  vectors = np.array([[3.0, 0, 4, 0, 0], [0, 0, 1, 2, 3], [1, 1, 0, 0, 0]])
  np.testing.assert_allclose(deflection.retained(vectors, space), [0.8, 1, 0])
  assert np.isnan(deflection.retained(np.zeros(5), space))


def test_noise_lies_outside_and_its_correction_takes_it_off():
  rng = np.random.default_rng(2)
  space = np.linalg.qr(rng.standard_normal((D, 8)))[0].T
  inside = rng.standard_normal((E, 8)) @ space
  outside = rng.standard_normal((E, D))
  outside -= outside @ space.T @ space
  # Of the vectors' length, 0.6 lies outside.
  lengths = lambda v: np.linalg.norm(v - v.mean(axis=0))
  truth = 0.8 * inside / lengths(inside) + 0.6 * outside / lengths(outside)
  found = []
  for _ in range(20):
    x = truth[PAIRS[0]] + 0.1 * rng.standard_normal((N, D))
    raw, shuffled = deflection.retained_estimates(
        DESIGN.variants(0, 20), deflection.TARGET, x, space
    )
    clean = deflection.retained_without_noise(
        DESIGN, deflection.TARGET, x, space
    )
    assert raw['low'] < raw['value'] < raw['high']
    assert shuffled['n'] == 20
    found.append((raw['value'], clean['value']))
  raw, clean = np.mean(found, axis=0)
  assert raw > 0.65
  assert clean == pytest.approx(0.6, abs=0.03)


def test_the_stories_space_has_their_variance_and_no_more_than_it_needs():
  rng = np.random.default_rng(3)
  vectors = rng.standard_normal((8, 1, 3)) @ rng.standard_normal((3, D))
  vectors = np.concatenate([vectors, vectors], axis=1)
  vectors -= vectors.mean(axis=0)
  spaces = deflection.story_space(vectors, 0.99)
  assert len(spaces) == 2
  for layer, space in enumerate(spaces):
    assert len(space) <= 3
    np.testing.assert_allclose(space @ space.T, np.eye(len(space)), atol=1e-6)
    left = deflection.retained(vectors[:, layer], space)
    total = np.sum(vectors[:, layer] ** 2, axis=1)
    assert np.sum(left**2 * total) <= 0.0101 * total.sum()
