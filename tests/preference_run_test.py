"""The question about preferences, asked of a tiny model."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import question_fixtures
import tiny_model

from emojax import errors
from emojax import files
from emojax import statistics
from emojax import steering
from emojax.experiments import build_vectors
from emojax.experiments import numbers
from emojax.experiments import paper
from emojax.experiments.measures import preference_steering
from emojax.experiments.questions import preferences as question
from emojax.report.questions import preferences as report

# Of one length, but for one, as a length of questions is a compilation.
ACTIVITIES = {
    'helpful': ('sort names', 'mend a bug'),
    'social': ('chat along', 'tell tales about sailors'),
    'dull': ('count dots', 'retype log'),
    'harmful': ('rob a bank', 'cheat them'),
}
COUNT = 8
SMALL = dict(
    harmful=('harmful',),
    random_directions=20,
    pairs_per_activity=1,
    steer=4,
    controls=2,
    batch=16,
    chunk=32,
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('preferences')


@pytest.fixture(scope='module')
def study(folder):
  rows = [
      {'category': category, 'text': text}
      for category, texts in ACTIVITIES.items()
      for text in texts
  ]
  tiny_model.write_rows(folder / 'activities.jsonl', rows)
  own = SMALL | {'activities': str(folder / 'activities.jsonl')}
  config = question_fixtures.config(folder, preferences=own)
  return question_fixtures.study(folder, config)


@pytest.fixture(scope='module')
def prepared(study):
  return question.prepare(study.config, study.lm, study.emotions)


@pytest.fixture(scope='module')
def contents(study, prepared):
  found = question.run(study, prepared)
  return json.loads(json.dumps(found, allow_nan=False))


def reconfigured(study, **changes):
  config = study.config.copy_and_resolve_references()
  config.preferences.update(changes)
  return config


@functools.partial(jax.jit, static_argnums=0)
def last_logits(model, params, tokens, interventions):
  """One row, without padding, cache or batches."""
  return model.apply(params, tokens, interventions=interventions)[0][0, -1]


def by_hand(study, prepared, pair, direction=0, steered=()):
  """P(the first is chosen), with activities steered by their characters."""
  texts = [prepared.activities[i].text for i in pair]
  head, between = 'Would you prefer to (A) ', ' or (B) '
  content = f'{head}{texts[0]}{between}{texts[1]}?'
  text = f'<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n('
  ids = study.lm.tokenizer.encode(text, bos=False).ids
  mask = np.zeros((1, 1, len(ids)), bool)
  # A control token is one token, any letter too.
  first = 1 + len('user\n') + len(head)
  starts = first, first + len(texts[0]) + len(between)
  for i, own, start in zip(pair, texts, starts, strict=True):
    mask[0, 0, start : start + len(own)] = i in steered
  strength = steering.at_layers(0.5, study.band, study.lm.config.num_layers)
  interventions = steering.Interventions(
      directions=study.bank,
      index=jnp.array([[direction]], jnp.int32),
      strength=jnp.asarray(strength)[None, None],
      tokens=jnp.asarray(mask),
  )
  logits = last_logits(
      study.lm.model, study.lm.params, jnp.array([ids]), interventions
  )
  a, b = (logits[study.lm.tokenizer.encode(x, bos=False).ids[0]] for x in 'AB')
  return 1 / (1 + np.exp(b - a))


def test_all_ordered_pairs_are_asked(prepared):
  assert len(prepared.activities) == COUNT
  assert len(prepared.pairs) == COUNT * (COUNT - 1) == len(prepared.asked)
  assert len(np.unique(prepared.pairs, axis=0)) == len(prepared.pairs)


def test_a_choice_does_not_depend_on_its_batch(study, prepared):
  """Nor on padding: the questions are of two lengths."""
  pairs = prepared.pairs
  together = preference_steering.choose(study, prepared, pairs)
  backwards = preference_steering.choose(study, prepared, pairs[::-1])[::-1]
  np.testing.assert_allclose(together, backwards, atol=1e-5)
  alone = [by_hand(study, prepared, pair) for pair in pairs[::5]]
  np.testing.assert_allclose(together[::5], alone, atol=1e-5)


def test_exactly_the_tokens_of_steered_activities_are_steered(study, prepared):
  steered = np.zeros(len(prepared.activities), bool)
  steered[[0, 3]] = True
  seen = set()
  for pair, asked in zip(map(tuple, prepared.pairs), prepared.asked):
    where = preference_steering.steered_places(asked, pair, steered)
    request = preference_steering.request(
        study, asked.ids, where, 1, 0.5, study.band
    )
    seen.add(tuple(steered[list(pair)].tolist()))
    if not steered[list(pair)].any():
      assert request.terms == ()
      continue
    (term,) = request.terms
    assert np.flatnonzero(term.strength).tolist() == list(study.band)
    assert term.span[0] >= term.span[1]  # No written token.
    texts = [prepared.activities[i].text for i in pair if steered[i]]
    ids = np.asarray(asked.ids)[term.prompt].tolist()
    assert study.lm.tokenizer.decode(ids) == ''.join(texts)
  # Both, as the first, as the second, and none.
  assert len(seen) == 4


def test_a_steered_choice_is_that_of_a_pass_by_hand(study, prepared):
  steered = np.arange(COUNT) < 4
  pairs = np.array([[0, 5], [5, 0], [1, 2], [6, 7]])
  directions = [0, len(study.emotions)]
  found = preference_steering.choose(
      study, prepared, pairs, steered, directions
  )
  alone = [
      [
          by_hand(study, prepared, pair, at, np.flatnonzero(steered))
          for pair in pairs
      ]
      for at in directions
  ]
  np.testing.assert_allclose(found, alone, atol=1e-4)
  # With no steered activity in it, a question is as it was.
  plain = preference_steering.choose(study, prepared, pairs)
  np.testing.assert_allclose(found[:, 3], plain[3], atol=1e-6)
  assert np.abs(found[:, :3] - plain[:3]).min() > 1e-4


def test_hard_choices_are_wins(study, prepared):
  pairs = prepared.pairs[:10]
  soft = preference_steering.choose(study, prepared, pairs)
  study.config.preferences.hard = True
  hard = preference_steering.choose(study, prepared, pairs)
  study.config.preferences.hard = False
  assert hard.tolist() == (soft > 0.5).astype(float).tolist()


def test_readings_are_means_over_the_activitys_tokens(study, prepared):
  values = question.read(study, prepared)
  ids, pool = prepared.feelings[3]
  ((_, cosine),) = build_vectors.read_cosines(
      study.lm, [ids], study.directions, 1, 'Test'
  )
  expected = cosine[:, pool].mean(axis=1)
  size = len(study.directions)
  np.testing.assert_allclose(values['layers'][3, :, :size], expected, atol=1e-6)
  np.testing.assert_allclose(
      values['band'][3, :size],
      expected[list(study.band)].mean(axis=0),
      atol=1e-6,
  )
  np.testing.assert_allclose(
      values['layer'][3, :size], expected[study.layer], atol=1e-6
  )


def test_a_run_that_was_killed_asks_nothing_again(
    study, prepared, contents, monkeypatch
):
  monkeypatch.setattr(
      preference_steering.next_words, 'log_probs', lambda *_: 1 / 0
  )
  again = question.run(study, prepared)
  assert json.loads(json.dumps(again)) == contents


def test_the_halves_of_the_coupling_share_no_activity(
    study, prepared, contents
):
  """r is of the activities that are not steered."""
  category = [a['category'] for a in contents['activities']]
  steered = question.preferences.split(np.array(category), study.config.seed)
  elos = np.array([a['elo']['value'] for a in contents['activities']])
  probe = np.array([a['probe']['positive'] for a in contents['activities']])
  (row,) = [
      row
      for row in contents['steered']['rows']
      if row['direction'] == contents['names']['positive']
  ]
  expected = statistics.pearson(probe[~steered], elos[~steered])
  assert row['r'] == pytest.approx(expected, abs=1e-5)
  assert row['shift']['n'] == steered.sum() == COUNT / 2
  assert contents['steered']['questions'] == 2 * COUNT / 2


def test_every_number_has_an_interval_and_controls(contents):
  ids = [row['id'] for row in contents['numbers']]
  assert ids == [
      'preferences_positive',
      'preferences_negative',
      'preferences_positive_within',
      'preferences_negative_within',
      'preferences_positive_benign',
      'preferences_negative_benign',
      'preferences_largest',
      'preferences_certainty',
      'preferences_bias',
      'preferences_coupling',
      'preferences_shift_positive',
      'preferences_shift_negative',
  ]
  for row in contents['numbers']:
    assert row['n'] and row['controls'] and row['interval'], row['id']
    assert row['low'] <= row['value'] <= row['high'], row['id']
  published = numbers.with_published('preferences', contents['numbers'])
  shown = {row['id'] for row in published if 'published' in row}
  assert shown == set(ids) - {'preferences_certainty', 'preferences_bias'}
  kinds = [row['kind'] for row in contents['steered']['rows']]
  assert kinds == ['emotions'] * 4 + ['random'] * 2 + ['shuffled'] * 2


def test_what_goes_against_elo_is_expected_below_its_controls(contents):
  sides = {row['id']: row['side'] for row in contents['numbers']}
  for name in ('', '_within', '_benign'):
    assert sides[f'preferences_positive{name}'] == 1
    assert sides[f'preferences_negative{name}'] == -1
  # Of a vector that is taken away the shift is the other way round.
  way = np.sign(contents['steered']['strength'])
  assert sides['preferences_shift_positive'] == way
  assert sides['preferences_shift_negative'] == -way
  assert sides['preferences_bias'] == 0  # Either place may be preferred.


def test_a_tiny_model_is_said_to_prefer_nothing(contents):
  view = report.view(contents)
  assert 'hardly prefers anything' in view['shows']
  assert set(view['figures']) == set(view['captions'])
  assert len(view['figures']) == 5
  for figure in view['figures'].values():
    assert figure.to_json()
  categories = {a['category'] for a in contents['activities']}
  scatter = view['figures']['preferences-positive']
  assert len(scatter.data) == len(categories) == 4
  marks = {(t.marker.color, t.marker.symbol) for t in scatter.data}
  assert len(marks) == 4
  dots = view['figures']['preferences-emotions']
  assert [t.name for t in dots.data] == ['within categories', 'all activities']
  for table in view['tables']:
    assert {len(row) for row in table['rows']} == {len(table['columns'])}


def test_an_emotion_without_a_vector_leaves_the_question_out(study, prepared):
  lacking = question.study_lib.dataclasses.replace(
      study, config=reconfigured(study, negative=('hostile',))
  )
  found = question.run(lacking, prepared)
  assert list(found) == ['absent']
  assert "config.preferences.negative=('hostile',)" in found['absent']


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(harmful=('rude',)), "harmful has 'rude': the categories are"),
        (dict(activities_per_category=1), 'per_category=1: too few; give 3'),
        (dict(strength=0.0), 'strength=0.0: must be finite, and not 0'),
        (dict(strength=float('nan')), 'strength=nan: must be finite'),
        (dict(pairs_per_activity=-1), 'pairs_per_activity=-1: must be 0 or'),
        (dict(controls=1), 'controls=1: must be 2 or more'),
        (dict(layers=(3,)), 'Layer 3 is out of range'),
    ],
)
def test_a_setting_that_cannot_work_is_refused(study, changes, message):
  config = reconfigured(study, **changes)
  with pytest.raises(errors.InputError, match=message.replace('(', '.')):
    question.prepare(config, study.lm, study.emotions)


def test_activities_that_are_too_long_are_refused(study, folder):
  path = folder / 'long.jsonl'
  rows = [row for _, row in files.read_jsonl(folder / 'activities.jsonl')]
  rows[0]['text'] = 'count ' * 500
  tiny_model.write_rows(path, rows)
  config = reconfigured(study, activities=str(path))
  with pytest.raises(errors.InputError, match='long.jsonl.*context'):
    question.prepare(config, study.lm, study.emotions)


def test_the_fast_subset_is_a_part_of_the_whole():
  config = tiny_model.config('paper', fast=True)
  fast = paper.settled(config).preferences
  assert set(fast) == set(config.preferences)
  assert fast.activities_per_category > 0 and fast.steer < 4
