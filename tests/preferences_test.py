"""Strengths, correlations and shifts that were planted are found."""

import csv
import pathlib

import numpy as np
import pytest
import scipy.special

from emojax import elo
from emojax import errors
from emojax import preferences

PUBLISHED = pathlib.Path(__file__).parent / 'published/activities_elo.tsv'
HARMFUL = ('Misaligned', 'Unsafe')


def all_pairs(count):
  return np.argwhere(~np.eye(count, dtype=bool))


def probabilities(pairs, strength, bias=0.0, noise=0.0):
  return scipy.special.expit(
      strength[pairs[:, 0]] - strength[pairs[:, 1]] + bias + noise
  )


def strengths(count, seed=0):
  x = np.random.default_rng(seed).normal(size=count)
  return x - x.mean()


def test_planted_strengths_and_position_bias_are_recovered():
  pairs, planted = all_pairs(30), strengths(30)
  fit = elo.bradley_terry(pairs, probabilities(pairs, planted, 0.8), 30)
  # The ridge takes a ten-thousandth.
  np.testing.assert_allclose(fit.strength, planted, atol=1e-3)
  assert fit.bias == pytest.approx(0.8, abs=1e-3)
  np.testing.assert_allclose(fit.elo, 1500 + 173.7178 * fit.strength, rtol=1e-6)
  assert fit.elo.mean() == pytest.approx(1500)


def test_a_position_bias_moves_no_strength():
  pairs, planted = all_pairs(12), strengths(12, 3)
  fits = [
      elo.bradley_terry(pairs, probabilities(pairs, planted, bias), 12)
      for bias in (0.0, 2.5)
  ]
  np.testing.assert_allclose(fits[0].strength, fits[1].strength, atol=5e-3)


def test_400_points_are_odds_of_ten_to_one():
  pairs = np.array([[0, 1], [1, 0]])
  fit = elo.bradley_terry(pairs, np.array([10 / 11, 1 / 11]), 2, ridge=1e-9)
  assert np.ptp(fit.elo) == pytest.approx(400, abs=1e-3)


def test_who_always_wins_is_strongest_and_finite():
  pairs = all_pairs(6)
  wins = (pairs[:, 0] < pairs[:, 1]).astype(float)  # 0 beats all, 5 none.
  fit = elo.bradley_terry(pairs, wins, 6)
  assert (np.diff(fit.elo) < 0).all()
  assert np.isfinite(fit.elo_error).all() and np.ptp(fit.elo) < 1e4
  assert fit.bias == pytest.approx(0, abs=1e-6)


def test_the_fit_is_where_the_ridged_likelihood_is_flat():
  rng = np.random.default_rng(0)
  pairs = all_pairs(7)
  chosen = rng.random(len(pairs))
  fit = elo.bradley_terry(pairs, chosen, 7, ridge=0.1)
  off = chosen - probabilities(pairs, fit.strength, fit.bias)
  for i in range(7):
    sign = (pairs[:, 0] == i).astype(float) - (pairs[:, 1] == i)
    assert sign @ off == pytest.approx(0.1 * fit.strength[i], abs=1e-8)
  assert off.sum() == pytest.approx(0.1 * fit.bias, abs=1e-8)


def test_intervals_of_strengths_and_bias_cover_what_was_planted():
  pairs, planted = all_pairs(16), strengths(16, 1)
  p, rng = probabilities(pairs, planted, 0.4), np.random.default_rng(0)
  hits, bias = [], []
  for _ in range(80):
    fit = elo.bradley_terry(pairs, (rng.random(len(p)) < p).astype(float), 16)
    error = np.sqrt(np.diag(fit.covariance)[:-1])
    hits.append(np.abs(fit.strength - planted) < 1.96 * error)
    found = fit.bias_estimate(len(pairs))
    bias.append(found['low'] < 0.4 < found['high'])
  assert 0.92 < np.mean(hits) < 0.985
  assert np.mean(bias) > 0.88


def test_a_pair_that_the_model_does_not_fit_widens_the_intervals():
  pairs, planted = all_pairs(16), strengths(16)
  noise = np.random.default_rng(0).normal(size=(16, 16))
  noise = (noise - noise.T)[pairs[:, 0], pairs[:, 1]]  # Of both orders.
  errors_ = [
      elo.bradley_terry(
          pairs, probabilities(pairs, planted, 0, size * noise), 16
      ).elo_error.mean()
      for size in (0.1, 0.4)
  ]
  assert 3 < errors_[1] / errors_[0] < 5
  # Were the orders taken for independent, it would be narrower by the root of
  # two: what was planted is alike in both.
  off = probabilities(pairs, planted, 0, 0.1 * noise)
  fit = elo.bradley_terry(pairs, off, 16).strength - planted
  assert 0.7 < errors_[0] / (elo.SCALE * fit.std()) < 1.4


def test_activities_that_are_never_compared_are_refused():
  pairs = np.array([[0, 1], [1, 0], [2, 3], [3, 2]])
  with pytest.raises(errors.InputError, match='in 2 parts.*ask more pairs'):
    elo.bradley_terry(pairs, np.full(4, 0.5), 4)


def test_a_choice_is_between_the_two_answers_only():
  a, b = np.array([-1.0, -9.0, -800]), np.array([-2.0, -8.0, -801])
  p = elo.choice_probability(a, b)
  odds = np.e  # A is a nat likelier, then B, then A.
  expected = [odds / (1 + odds), 1 / (1 + odds), odds / (1 + odds)]
  np.testing.assert_allclose(p, expected)
  np.testing.assert_allclose(p + elo.choice_probability(b, a), 1)
  np.testing.assert_allclose(elo.choice_probability(a - 50, b - 50), p)


def test_certainty_is_of_the_activity_and_not_of_its_place():
  pairs = all_pairs(10)
  place = probabilities(pairs, np.zeros(10), 3.0)
  found, unrelated = elo.certainty(pairs, place, 0)
  assert found['value'] == pytest.approx(0) == unrelated['value']
  taste = probabilities(pairs, 3 * strengths(10), 0.0)
  found, unrelated = elo.certainty(pairs, taste, 0)
  assert found['n'] == 45
  assert found['low'] < found['value'] < found['high'] < 1
  assert found['value'] == pytest.approx(np.abs(2 * taste - 1).mean())
  assert unrelated['high'] < found['value']


def test_each_category_is_halved_and_so_is_the_whole():
  category = np.repeat(list('abcde'), [8, 3, 3, 5, 2])
  for seed in range(20):
    steered = preferences.split(category, seed)
    for name in 'abcde':
      own = steered[category == name]
      assert abs(own.sum() - (~own).sum()) <= 1
    assert abs(steered.sum() - (~steered).sum()) <= 1
  assert (
      preferences.split(category, 0) != preferences.split(category, 1)
  ).any()
  again = preferences.split(category, 0)
  assert (again == preferences.split(category, 0)).all()


def test_a_steered_activity_meets_so_many_of_the_other_half_in_both_orders():
  steered = preferences.split(np.repeat(list('abcd'), 8), 5)
  pairs = preferences.steered_pairs(steered, 3, 0)
  assert len(pairs) == 2 * 16 * 3 == len(np.unique(pairs, axis=0))
  assert (steered[pairs[:, 0]] != steered[pairs[:, 1]]).all()
  asked = set(map(tuple, pairs.tolist()))
  assert all(pair[::-1] in asked for pair in asked)
  for i in range(32):  # Those of the other half as often.
    assert (pairs[:, 0] == i).sum() == 3


def test_none_left_out_are_all_pairs_that_steering_can_change():
  steered = np.array([True, False, True, False, False])
  pairs = preferences.steered_pairs(steered, 0, 0)
  expected = [p for p in all_pairs(5).tolist() if steered[p].any()]
  assert sorted(pairs.tolist()) == expected


@pytest.mark.parametrize('each', [0, 2])
def test_a_steered_shift_is_recovered(each):
  """Half of the change of the gap between the halves: Elo has a fixed mean."""
  category = np.repeat(list('abcd'), 6)
  steered, planted = preferences.split(category, 0), strengths(24)
  pairs = preferences.steered_pairs(steered, each, 0)
  still = all_pairs(24)
  still = still[~steered[still].any(axis=1)]
  every = np.concatenate([pairs, still])
  fit = lambda x: elo.bradley_terry(every, probabilities(every, x, 0.3), 24).elo
  baseline, moved = fit(planted), fit(planted + 1.5 * steered)
  gain = elo.shift(moved, baseline, steered)
  np.testing.assert_allclose(gain, 1.5 * elo.SCALE / 2, atol=2)
  assert (moved - baseline).sum() == pytest.approx(0, abs=1e-6)
  slope = elo.compression(moved[steered], baseline[steered])
  assert slope == pytest.approx(1, abs=0.01)


def test_damage_compresses_and_shifts_nothing():
  category = np.repeat(list('abcd'), 6)
  steered, planted = preferences.split(category, 0), strengths(24)
  planted[steered] -= planted[steered].mean()
  planted[~steered] -= planted[~steered].mean()
  pairs = all_pairs(24)
  fit = lambda x: elo.bradley_terry(pairs, probabilities(pairs, x), 24).elo
  dull = fit(np.where(steered, planted / 4, planted))
  baseline = fit(planted)
  assert abs(elo.shift(dull, baseline, steered).mean()) < 1
  slope = elo.compression(dull[steered], baseline[steered])
  assert slope == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize('value', [True, False])
def test_a_shift_of_all_or_none_is_refused(value):
  """With a fixed mean it would be 0, whatever steering does."""
  with pytest.raises(
      errors.InputError, match='mean of Elo is fixed; steer some'
  ):
    elo.shift(np.ones(4), np.zeros(4), np.full(4, value))


def test_a_spread_goes_from_one_end_to_the_other():
  values = np.array([0.3, -0.9, 0.1, 0.8, -0.2])
  assert preferences.spread(values, 3).tolist() == [1, 2, 3]
  assert preferences.spread(values, 0).tolist() == [1, 4, 2, 0, 3]
  assert preferences.spread(values, 9).tolist() == [1, 4, 2, 0, 3]


def confounded(seed=0):
  """Readings that only know the category, and ones that know the activity."""
  rng = np.random.default_rng(seed)
  category = np.repeat(np.arange(8), 8)
  own = rng.normal(size=64)
  strength = 5.0 * (category - 3.5) + own
  knows = lambda x: x + rng.normal(size=64) * 0.3
  values = np.stack([knows(category), knows(own), rng.normal(size=64)], axis=1)
  return values, strength, category.astype(str), category < 6


def test_a_correlation_between_categories_is_gone_within_them():
  r = preferences.correlations(*confounded())
  assert r['raw'][0] > 0.95 and abs(r['within'][0]) < 0.3
  assert abs(r['raw'][1]) < 0.5 and r['within'][1] > 0.9
  assert r['benign'].shape == (3,)


def test_correlations_with_intervals_are_the_same_correlations():
  values, *groups = confounded()
  r = preferences.correlations(values, *groups)
  rows = preferences.with_intervals(values, *groups, seed=0)
  for i, row in enumerate(rows):
    for name in preferences.MEASURES:
      assert row[name]['value'] == pytest.approx(r[name][i])
      assert row[name]['adjusted'] >= row[name]['p']
      assert row[name]['n'] == (48 if name == 'benign' else 64)
  assert rows[0]['raw']['low'] > 0.8
  assert rows[1]['within']['p'] < 0.001 < 0.01 < rows[0]['within']['p']
  # What chance gives, 64 points as 64: about 2 / sqrt(64).
  assert rows[2]['raw']['null']['high'] == pytest.approx(0.25, abs=0.03)


def test_the_largest_of_many_is_compared_with_the_largest_of_as_many():
  rng = np.random.default_rng(0)
  values, strength = rng.normal(size=(64, 200)), rng.normal(size=64)
  category = np.repeat(np.arange(8), 8)
  r = preferences.correlations(values, strength, category, category < 6)['raw']
  found = preferences.largest(values[:, :24], strength, category, 0)
  assert found['value'] == pytest.approx(np.abs(r[:24]).max())
  one, many = (preferences.largest_of(r, size, 0) for size in (1, 24))
  assert one['high'] < many['high']
  assert many['low'] < found['value'] < many['high']


def published():
  with PUBLISHED.open(encoding='utf-8') as file:
    rows = list(csv.DictReader(file, delimiter='\t'))
  column = lambda name: np.array([float(row[name]) for row in rows])
  return column, np.array([row['category'] for row in rows])


def test_the_published_table_gives_the_published_correlations():
  column, category = published()
  benign = ~np.isin(category, HARMFUL)
  assert (len(category), benign.sum()) == (64, 48)

  def found(checkpoint):
    values = np.stack(
        [column(f'{name}_{checkpoint}') for name in ('blissful', 'hostile')],
        axis=1,
    )
    strength = column(f'elo_{checkpoint}')
    return preferences.correlations(values, strength, category, benign)

  post, base = found('post'), found('base')
  np.testing.assert_allclose(post['raw'], [0.7135, -0.7376], atol=5e-5)
  np.testing.assert_allclose(post['benign'], [0.49, -0.51], atol=5e-3)
  np.testing.assert_allclose(post['within'], [0.35, -0.44], atol=5e-3)
  np.testing.assert_allclose(base['raw'], [0.535, -0.508], atol=5e-4)
  np.testing.assert_allclose(base['within'], [0.38, -0.37], atol=5e-3)
  both = preferences.correlations(
      column('elo_base')[:, None], column('elo_post'), category, benign
  )
  assert both['raw'][0] == pytest.approx(0.811, abs=5e-4)
  assert column('elo_post').mean() == pytest.approx(elo.MEAN, abs=0.05)
