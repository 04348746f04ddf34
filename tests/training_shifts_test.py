"""Two models read alike or apart: planted, and as published."""

import csv
import pathlib

import numpy as np
import pytest

from emojax.experiments.measures import training_shifts

PUBLISHED = pathlib.Path(__file__).parent / 'published'
N, E = 60, 30
NEUTRAL = np.arange(N) < N // 2


def by_id(numbers):
  return {row['id'].removeprefix('post_training_'): row for row in numbers}


def planted(shift, noise=0.1, size=E):
  """Readings of a base model and of one that has moved: [N, size] twice.

  Args:
    shift: [size], or [N, size].
    noise: of single readings.
    size: how many emotions.
  """
  rng = np.random.default_rng(1)
  profile = rng.standard_normal(size)
  draw = lambda: profile + noise * rng.standard_normal((N, size))
  return draw() + shift, draw()


def random_pair():
  """Random directions, of which nothing but the noise differs."""
  return planted(0.0)


def test_a_model_and_itself_are_one_and_have_not_shifted():
  post, _ = planted(0.0)
  numbers = by_id(
      training_shifts.agreements(post, post, random_pair(), NEUTRAL, 0)
  )
  for name in ('all', 'neutral', 'challenging'):
    assert numbers[name]['value'] == pytest.approx(1)
  # No shift correlates with nothing.
  assert numbers['shift']['value'] is None and numbers['shift']['low'] is None
  assert numbers['shift']['beyond'] is None
  names = [f'e{i}' for i in range(E)]
  for row in training_shifts.shift_table(post, post, names, 0):
    assert row['shift']['value'] == 0 and row['base'] == row['post']
  assert training_shifts.with_valence(post, post, names, 0) == []
  rated = ['happy', 'sad', 'angry', 'proud', 'bored']
  found = training_shifts.with_valence(post[:, :5], post[:, :5], rated, 0)
  assert set(by_id(found)) == {'valence_base', 'valence_post'}


def test_a_planted_shift_is_found_and_its_interval_covers_it():
  shift = np.linspace(-0.3, 0.3, E)
  post, base = planted(shift, noise=0.2)
  names = [f'e{i}' for i in range(E)]
  table = training_shifts.shift_table(post, base, names, 0)
  values = [row['shift']['value'] for row in table]
  assert values == sorted(values, reverse=True)
  covered = 0
  for row in table:
    true = shift[names.index(row['emotion'])]
    assert abs(row['shift']['value'] - true) < 0.15
    assert row['post'] - row['base'] == pytest.approx(row['shift']['value'])
    covered += row['shift']['low'] <= true <= row['shift']['high']
  # Of 30 intervals of 95 %, under 26 cover in one run of 60.
  assert covered >= 26


def test_one_shift_on_all_prompts_agrees_and_two_shifts_do_not():
  shift = np.random.default_rng(2).standard_normal(E)
  post, base = planted(shift)
  numbers = by_id(
      training_shifts.agreements(post, base, random_pair(), NEUTRAL, 0)
  )
  assert numbers['shift']['value'] > 0.97 and numbers['shift']['beyond']
  other = np.random.default_rng(3).standard_normal(E)
  post, base = planted(np.where(NEUTRAL[:, None], shift, other))
  numbers = by_id(
      training_shifts.agreements(post, base, random_pair(), NEUTRAL, 0)
  )
  expected = np.corrcoef(shift, other)[0, 1]
  assert numbers['shift']['value'] == pytest.approx(expected, abs=0.1)
  assert numbers['shift']['beyond'] is False
  for row in numbers.values():
    labels = [control['label'] for control in row['controls']]
    assert len(labels) == 2 and 'random directions' in labels[0]
    assert row['n'] > 0 and row['low'] <= row['value'] <= row['high']


def test_shifts_that_oppose_each_other_do_not_agree_beyond_controls():
  shift = np.random.default_rng(2).standard_normal(E)
  post, base = planted(np.where(NEUTRAL[:, None], shift, -shift))
  numbers = by_id(
      training_shifts.agreements(post, base, random_pair(), NEUTRAL, 0)
  )
  assert numbers['shift']['high'] < -0.9
  assert numbers['shift']['beyond'] is False


def test_means_are_over_prompts_of_the_kind_that_is_named():
  post, base = planted(0.0)
  neutral, other = training_shifts.shifts(post, base, NEUTRAL, 0)
  np.testing.assert_allclose(neutral, (post - base)[NEUTRAL].mean(axis=0))
  np.testing.assert_allclose(other, (post - base)[~NEUTRAL].mean(axis=0))
  numbers = by_id(
      training_shifts.agreements(post, base, random_pair(), NEUTRAL, 0)
  )
  for name, kept in (('neutral', NEUTRAL), ('challenging', ~NEUTRAL)):
    r = np.corrcoef(post[kept].mean(axis=0), base[kept].mean(axis=0))[0, 1]
    assert numbers[name]['value'] == pytest.approx(r)
    assert numbers[name]['n'] == kept.sum()


def test_the_published_table_gives_the_published_correlations():
  with open(PUBLISHED / 'table16_post_training.tsv', newline='') as file:
    rows = list(csv.DictReader(file, delimiter='\t'))
  assert len(rows) == 171
  names = [row['emotion'] for row in rows]
  post, base = (
      np.array([[float(row[name]) for row in rows]])
      for name in ('post', 'base')
  )
  numbers = by_id(
      training_shifts.agreements(post, base, [post, base], np.zeros(1, bool), 0)
      + training_shifts.with_valence(post, base, names, 0)
  )
  assert set(numbers) == {
      'all', 'challenging', 'valence_base', 'valence_post', 'valence_shift',
  }  # fmt: skip
  assert numbers['all']['value'] == pytest.approx(0.632, abs=5e-4)
  assert numbers['all']['low'] is None  # One row tells nothing of the spread.
  expected = {'base': 0.61, 'post': 0.21, 'shift': -0.22}
  for name, r in expected.items():
    found = numbers[f'valence_{name}']
    assert found['value'] == pytest.approx(r, abs=5e-3)
    assert found['n'] == 139
  assert numbers['valence_base']['beyond'] is True


def test_layers_are_read_at_their_own_place():
  rng = np.random.default_rng(0)
  post = rng.standard_normal((N, 3, 2 * E))
  base = post.copy()
  base[:, 1, :E] -= 0.5
  base[:, 2] = rng.standard_normal((N, 2 * E))
  rows = training_shifts.by_layer(post, base, E, NEUTRAL)
  assert [row['layer'] for row in rows] == [0, 1, 2]
  assert [round(row['shift'], 6) for row in rows[:2]] == [0, 0.5]
  assert rows[1]['random_shift'] == 0
  same = [rows[0]['neutral'], rows[1]['challenging']]
  assert same == pytest.approx([1, 1])
  assert abs(rows[2]['neutral']) < 0.7
