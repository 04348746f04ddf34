"""Readings along code episodes: what fails or passes, and the text alone."""

import json

import numpy as np
import pytest
import question_fixtures
import simulated_episodes as simulated

from emojax import traces
from emojax.data import chats
from emojax.data import code_tasks
from emojax.experiments import study as study_lib
from emojax.experiments.measures import pressure
from emojax.experiments.measures import pressure_changes
from emojax.experiments.measures import pressure_read
from emojax.experiments.measures import pressure_trace

BEFORE, MESSAGE = (traces.FORMS.index(f) for f in ('before', 'message'))
ASKED = ('happy', 'angry')
PAIRS = {task.id: task.pair for task in code_tasks.load()}
STEERED = ('emotion', 'angry', 0.1)


def _episodes(tasks):
  rows = simulated.code_rows(0, tasks)
  return pressure_read.Episodes(
      rows, [PAIRS[row['scenario']] for row in rows], [], [0] * len(rows), {}
  )


def _readings(tasks=12, rise=0.0, relief=0.0, drift=0.0, seed=1):
  """Two emotions and two controls of each kind, read with noise.

  Args:
    tasks: of which each has a twin.
    rise: of the first emotion at every failure.
    relief: of the second once impossible tests have passed.
    drift: of all directions with every message, whatever happens.
    seed: of the noise.
  """
  episodes = _episodes(tasks)
  rng = np.random.default_rng(seed)
  most = max(map(len, episodes.events))
  means = np.full((len(episodes.rows), most, 2, 6), np.nan)
  for i, events in enumerate(episodes.events):
    shape = (len(events), 2, 6)
    means[i, : len(events)] = rng.normal(0, 0.1, shape)
    means[i, : len(events)] += rng.normal(0, 1, (1, 1, 6))  # Of the text.
    for m in range(len(events)):
      means[i, m] += drift * m
      means[i, m, :, 0] += rise * events[:m].count('failed')
      if 'passed' in events[:m] and episodes.impossible[i]:
        means[i, m, :, 1] -= relief
  return pressure_changes.Readings(
      episodes,
      means,
      means[..., :2],
      np.full((2, 6), 0.5),
      {'emotions': slice(0, 2), 'shuffled': slice(2, 4), 'random': slice(4, 6)},
      ASKED,
      (0, 1),
  )


def _row(found, question, emotion, form='before'):
  (row,) = [
      r for r in found[question]['forms'][form] if r['emotion'] == emotion
  ]
  return row


def test_what_rises_with_failures_is_found_and_nothing_else():
  found = pressure_changes.ask(_readings(rise=0.4), seed=0)
  for form in traces.FORMS:
    row = _row(found, 'failures', 'happy', form)
    # One failure before the last reply of its kind; in standard units of 0.5.
    assert row['value'] == pytest.approx(0.8, abs=0.15)
    assert row['raw'] == pytest.approx(0.4, abs=0.08)
    assert row['low'] > 0 and row['p_holm'] < 0.05 and row['beyond'] is True
    assert row['n'] == 12
    other = _row(found, 'failures', 'angry', form)
    assert other['p_holm'] > 0.05 and other['beyond'] is not True
  assert _row(found, 'shortcut', 'happy')['p_holm'] > 0.05


def test_what_falls_after_a_shortcut_is_found_apart_from_passing():
  found = pressure_changes.ask(_readings(relief=0.8), seed=0)
  for question in ('shortcut', 'shortcut_twin'):
    row = _row(found, question, 'angry')
    assert row['high'] < 0 and row['beyond'] is True
    assert row['n'] == 6  # Every other task is passed.
  assert _row(found, 'failures', 'angry')['p_holm'] > 0.05


def test_where_nothing_happens_hardly_anything_is_found():
  found = [pressure_changes.ask(_readings(seed=s), seed=0) for s in range(5)]
  rows = [
      _row(answers, name, emotion)
      for answers in found
      for name in pressure_changes.QUESTIONS
      for emotion in ASKED
  ]
  assert np.mean([row['p'] <= 0.05 for row in rows]) < 0.1
  assert np.mean([row['low'] <= 0 <= row['high'] for row in rows]) >= 0.9
  assert np.mean([row['beyond'] is True for row in rows]) < 0.1


def test_what_all_directions_do_is_not_beyond_controls():
  found = pressure_changes.ask(_readings(drift=0.5), seed=0)
  for emotion in ASKED:
    row = _row(found, 'failures', emotion)
    assert row['p_holm'] < 0.05 and row['beyond'] is False


def test_what_a_twin_does_as_well_is_taken_off():
  # From the first reply to the last a twin has 2 messages, its other 4.
  found = pressure_changes.ask(_readings(drift=0.5), seed=0)
  row = _row(found, 'twin', 'happy')
  assert row['raw'] == pytest.approx(0.5 * (4 - 2), abs=0.1)
  still = pressure_changes.ask(_readings(), seed=0)
  assert _row(still, 'twin', 'happy')['p_holm'] > 0.05


def test_a_question_without_episodes_says_so():
  readings = _readings(tasks=1)  # The first fails to the end.
  found = pressure_changes.ask(readings, seed=0)
  assert 'no unsteered episode' in found['shortcut']['absent']
  assert _row(found, 'failures', 'happy')['p_holm'] is None
  names = [n['id'] for n in pressure_changes.numbers_of(found)]
  assert 'pressure_failures_happy' in names
  assert not any('shortcut' in name for name in names)


def test_a_number_says_when_no_p_could_be_small():
  found = pressure_changes.ask(_readings(tasks=5), seed=0)
  assert found['failures']['least_p'] == 2**-4
  number, *_ = pressure_changes.numbers_of(found)
  assert 'none of 2 can be told from chance' in number['note']
  assert [c['n'] for c in number['controls']] == [2, 2]


def test_a_trace_is_a_mean_over_tasks_in_the_order_of_events():
  episodes = _episodes(tasks=4)
  most = max(map(len, episodes.events))
  means = np.full((len(episodes.rows), most, 2, 3), np.nan)
  for i, events in enumerate(episodes.events):
    means[i, : len(events)] = np.arange(len(events))[:, None, None]
  parts = np.repeat(means[:, :, MESSAGE, None], 4, axis=2)
  got = pressure_trace.trace(
      ['happy'],
      episodes,
      episodes.impossible,
      (means, parts),
      (np.ones((2, 3)), np.full((2, 3), 2.0)),
      {'random': slice(1, 3)},
      {'reply'},
  )
  events = [e['event'] for e in got if e['form'] == 'message']
  assert events[:4] == ['task', 'reply 1', 'failed', 'reply 2']
  assert (
      set(events[4:6]) == {'report question', 'passed'}
      and events[6] == 'report'
  )
  for each in got:
    at = {'task': 0, 'reply 1': 1, 'failed': 2, 'reply 2': 3, 'report': 5}
    raw = at.get(each['event'], 4)
    own = each['emotions']['happy']
    assert own['raw'] == pytest.approx(raw)
    assert own['value'] == pytest.approx((raw - 1) / 2)
    assert each['n'] == (2 if raw == 4 else 4)
    assert each['random']['n'] == 2
    if each['form'] == 'message':
      assert own['bins'] == pytest.approx([(raw - 1) / 2] * 4)
    else:
      assert each['event'] in ('reply 1', 'reply 2', 'report')


@pytest.fixture(scope='module')
def study(tmp_path_factory):
  folder = tmp_path_factory.mktemp('pressure')
  config = question_fixtures.config(folder)
  with config.unlocked():
    config.directions = ASKED
    config.impossible_code = {'tasks': ''}
  return question_fixtures.study(folder, config)


def _run(study, rows):
  found = pressure.run(study, rows, study.config)
  json.dumps(found, allow_nan=False)  # It goes into a file of JSON.
  return found


@pytest.fixture(scope='module')
def rows():
  out = simulated.code_rows(0, tasks=3)
  copies = simulated.code_rows(0, tasks=3, conditions=[STEERED])
  for row, copy in zip(out, copies, strict=True):
    copy['messages'] = row['messages']
  return out + copies


@pytest.fixture(scope='module')
def found(study, rows):
  return _run(study, rows)


def _events(trace):
  return {(e['event'], e['form']): e for e in trace}


def test_a_reading_is_that_of_the_message_at_the_studys_layer(
    study, rows, found
):
  row = rows[0]
  messages = [{k: m[k] for k in ('role', 'content')} for m in row['messages']]
  chat = chats.encode_chat(study.lm.tokenizer, messages)
  of = np.array(chat.message)
  first = np.flatnonzero(of == 1)[0]
  pools = {
      'message': [of == 1],
      'before': [np.arange(len(of)) == first - 1],
  }
  expected = study_lib.read(study, [chat.ids], pools, 'One')
  alone = _run(study, rows[:1])['traces']['impossible']
  for form, baseline in (('message', 'cosine'), ('before', 'response')):
    for i, emotion in enumerate(study.emotions):
      got = _events(alone)['reply 1', form]['emotions'][emotion]
      raw = expected[form][0, study.layer, i]
      mean, deviation = (
          study.arrays[f'neutral_{baseline}_{part}'][i, study.layer]
          for part in ('mean', 'std')
      )
      assert got['raw'] == pytest.approx(raw, abs=1e-4)
      assert got['value'] == pytest.approx((raw - mean) / deviation, abs=1e-2)
      assert got['low'] is None  # Of one task.
  assert chat.roles[first - 1] == 'template'
  assert found['layer'] == study.layer


def test_a_steered_episode_is_read_as_its_text_alone(found):
  (steered,) = found['steered']
  assert (steered['emotion'], steered['strength']) == ('angry', 0.1)
  assert (steered['n'], steered['of']) == (3, 3)
  plain = _events(found['traces']['impossible'])
  assert [(e['event'], e['form']) for e in steered['events']] == list(plain)
  for each in steered['events']:
    own = each['emotions']['angry']
    other = plain[each['event'], each['form']]['emotions']['angry']
    assert own['value'] == pytest.approx(other['value'], abs=1e-3)


def test_steered_episodes_change_nothing_of_the_unsteered(study, rows, found):
  alone = _run(study, rows[: len(rows) // 2])
  assert alone['steered'] == []
  assert alone['episodes']['unsteered'] == found['episodes']['unsteered'] == 6
  for group, trace in found['traces'].items():
    for one, other in zip(trace, alone['traces'][group], strict=True):
      for emotion, own in one['emotions'].items():
        same = other['emotions'][emotion]
        assert own['value'] == pytest.approx(same['value'], abs=1e-3)


def test_the_words_of_the_token_before_a_reply_explain_nothing(study, rows):
  episodes = pressure_read.encode_rows(study, rows[:2], PAIRS)
  words = pressure_read.read_words(study, episodes, ASKED)
  replies = [e for e, role in enumerate(episodes.roles[0]) if role != 'user']
  before = words[0, replies, BEFORE]
  np.testing.assert_allclose(
      before, before[:1].repeat(len(replies), 0), atol=1e-5
  )
  assert np.ptp(words[0, replies, MESSAGE], axis=0).min() > 1e-4


def test_what_cannot_be_read_is_counted(study, rows, monkeypatch):
  broken = [dict(row) for row in rows]
  broken[0]['finite'] = False
  long = [*rows[1]['messages']]
  long[0] = long[0] | {'content': 'x' * (study.lm.config.context + 1)}
  broken[1]['messages'] = long
  monkeypatch.setattr(pressure, '_MOST', 2)
  found = _run(study, broken)
  assert found['episodes']['left_out'] == 2
  assert found['episodes']['unsteered'] == 4
  assert (found['steered'][0]['n'], found['steered'][0]['of']) == (2, 3)
  assert found['episodes']['steered_unread'] == 1


def test_a_system_message_without_a_place_is_read_with_the_next(study, rows):
  row = dict(rows[0])
  system = {'role': 'system', 'content': 'Be brief.', 'event': 'setting'}
  row['messages'] = [system, *row['messages']]
  episodes = pressure_read.encode_rows(study, [row], PAIRS)
  plain = pressure_read.encode_rows(study, rows[:1], PAIRS)
  assert episodes.joined == [0]
  joined = pressure_read.Episodes([row], plain.pairs, plain.encoded, [1], {})
  got, expected = joined.tokens(0), plain.tokens(0)
  assert not got[0].any()
  np.testing.assert_array_equal(got[1:], expected)


def test_without_code_episodes_there_is_a_reason(study):
  assert 'impossible_code' in _run(study, [])['absent']
