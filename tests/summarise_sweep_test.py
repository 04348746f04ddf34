"""A summary of a sweep finds what was built into its rows."""

import copy
import functools
import json

import pytest
import sweep_fixtures

from emojax.experiments import summarise_sweep

EMOTIONS = list(sweep_fixtures.EMOTIONS)
MEASURES = ('word_delta', 'expressed')
WINDOWS = {'positive': (0.1, 0.4), 'negative': (-0.2, -0.4)}


def _summary(rows, **kwargs):
  dose = summarise_sweep.summarise(EMOTIONS, rows, seed=0, **kwargs)
  json.dumps(dose, allow_nan=False)  # It goes into a file of JSON.
  return dose


@functools.cache
def _whole():
  return _summary(sweep_fixtures.rows())


def _rows(**kwargs):
  return sweep_fixtures.rows(layers=((3,),), **kwargs)


def _windows(layer):
  return {
      name: {
          sign: window and (window['lowest'], window['highest'])
          for sign, window in layer[name]['window'].items()
      }
      for name in MEASURES
  }


def _at(points, strength):
  (point,) = [point for point in points if point['strength'] == strength]
  return point


def test_the_windows_are_those_that_were_built_in():
  dose = _whole()
  assert [layer['layers'] for layer in dose['layers']] == [[3], [5]]
  for layer in dose['layers']:
    assert _windows(layer) == {name: WINDOWS for name in MEASURES}
  window = dose['layers'][0]['word_delta']['window']['positive']
  # 8 emotions, 2 prompts and 2 seeds at each of 0.1, 0.2 and 0.4.
  assert window['n'] == 3 * 32
  assert window['table'][-1]['why'] == 'incoherent'


def test_vectors_that_do_nothing_have_no_window():
  (layer,) = _summary(_rows(slope=0.0))['layers']
  nothing = dict.fromkeys(WINDOWS, (None, None))
  assert _windows(layer) == {name: nothing for name in MEASURES}


def test_the_curves_have_the_slope_of_the_rows():
  layer, _ = _whole()['layers']
  for strength in sweep_fixtures.STRENGTHS:
    effect = sweep_fixtures.SLOPE * strength
    curves = layer['word_delta']['curves']
    for name, share in (('matched', 1), ('unmatched', 0.2), ('random', 0)):
      point = _at(curves[name], strength)
      assert point['value'] == pytest.approx(share * effect, abs=0.1), name
    point = _at(layer['expressed']['curves']['difference'], strength)
    assert point['value'] == pytest.approx(0.8 * effect / 5, abs=0.15)
    assert point['low'] < point['value'] < point['high'] and point['n'] == 32
    kl = sweep_fixtures.KL * strength**2
    assert _at(layer['kl']['emotion'], strength)['value'] == pytest.approx(kl)
    assert _at(layer['kl']['random'], strength)['value'] == pytest.approx(
        1.5 * kl
    )


def test_at_equal_damage_random_directions_do_nothing_and_emotions_do():
  for sign, matched in _whole()['layers'][0]['word_delta'][
      'matched_dose'
  ].items():
    turn = {'positive': 1, 'negative': -1}[sign]
    curves = matched['curves']
    assert [p['dose'] for p in curves['difference']] == [
        p['dose'] for p in curves['random_difference']
    ]
    for own, random in zip(
        curves['difference'], curves['random_difference'], strict=True
    ):
      strength = (own['dose'] / sweep_fixtures.KL) ** 0.5
      expected = turn * 0.8 * sweep_fixtures.SLOPE * strength
      assert own['value'] == pytest.approx(expected, abs=0.2)
      assert random['low'] < 0 < random['high'] < 0.2


def test_what_a_prompt_expresses_anyway_is_no_effect():
  rows = _rows()
  before = _summary(rows)['layers'][0]['expressed']['curves']['matched']
  for row in rows:
    if row['prompt'] == sweep_fixtures.PROMPTS[0]:
      row['expressed'] = {e: x + 50 for e, x in row['expressed'].items()}
  after = _summary(rows)['layers'][0]['expressed']['curves']['matched']
  for a, b in zip(before, after, strict=True):
    assert a['value'] == pytest.approx(b['value'], abs=1e-9)


def test_perplexing_texts_are_incoherent_against_their_own_prompt():
  rows = _rows()
  for row in rows:
    if row['strength'] == 0.4:
      row['perplexity'] = 41.0  # Unsteered texts have 10.
  (layer,) = _summary(rows)['layers']
  assert _windows(layer)['word_delta']['positive'] == (0.1, 0.2)
  for row in rows:
    if row['kind'] == 'unsteered':
      row['perplexity'] = 11.0
  (layer,) = _summary(rows)['layers']
  assert _windows(layer)['word_delta']['positive'] == (0.1, 0.4)


def test_rows_that_are_not_finite_are_counted_and_enter_no_mean():
  rows = _rows()
  lost = [
      row
      for row in rows
      if row['strength'] == 0.4 and row['emotion'] in ('happy', 'calm')
  ]
  for row in lost:
    row |= {'stop': 'not finite', 'kl': None, 'perplexity': None}
    row |= {'expressed': None, 'word_delta': dict.fromkeys(EMOTIONS, 1e9)}
  (layer,) = _summary(rows)['layers']
  assert layer['counts']['emotion']['not_finite'] == len(lost) == 8
  assert layer['counts']['random']['not_finite'] == 0
  matched = _at(layer['word_delta']['curves']['matched'], 0.4)
  assert matched['n'] == 24 and matched['value'] == pytest.approx(4, abs=0.1)
  # 24 of 32 are coherent: fewer than 80 %.
  coherent = _at(layer['coherent']['emotion'], 0.4)
  assert (coherent['value'], coherent['n']) == (0.75, 32)
  assert _windows(layer)['word_delta']['positive'] == (0.1, 0.2)


def _others(rows, direction, operation, strength):
  """Rows as those of 'happy' at 0.2, under another name."""
  out = []
  for row in rows:
    if row['direction'] in ('happy', 'random_0', 'random_1') and (
        row['strength'] == 0.2
    ):
      happy = row['direction'] == 'happy'
      changes = {'operation': operation, 'strength': strength}
      changes |= {'direction': direction, 'emotion': None} if happy else {}
      if happy or operation == 'ablate':
        out.append(copy.deepcopy(row) | changes)
  return out


def test_ablations_and_several_directions_stand_apart():
  rows = _rows()
  before = _summary(rows)['layers'][0]
  rows += _others(rows, 'happy+calm', 'add', 0.2)
  rows += _others(rows, 'happy', 'ablate', 1.0)
  (after,) = _summary(rows)['layers']
  for name in ('curves', 'window', 'matched_dose', 'opposite', 'emotions'):
    assert after['word_delta'][name] == before['word_delta'][name]
  by_name = {
      (row['operation'], row['direction']): row for row in after['others']
  }
  assert set(by_name) == {
      ('add', 'happy+calm'),
      ('ablate', 'happy'),
      ('ablate', 'random_0'),
      ('ablate', 'random_1'),
  }
  two = by_name['add', 'happy+calm']
  # The mean over happy (10 * 0.2) and calm (a fifth of it), of 4 rows.
  assert two['word_delta']['own']['value'] == pytest.approx(1.2, abs=0.15)
  assert two['word_delta']['other']['value'] == pytest.approx(0.4, abs=0.1)
  assert two['word_delta']['own']['n'] == 4
  assert two['word_delta']['random']['n'] == 6
  out = by_name['ablate', 'happy']
  assert out['word_delta']['own']['value'] == pytest.approx(2, abs=0.15)
  assert out['word_delta']['random']['n'] == 2
  assert by_name['ablate', 'random_0']['word_delta']['own'] is None
  assert after['counts']['other']['rows'] == 4 + 12


def test_an_opposite_is_its_emotion_at_a_strength_of_the_other_sign():
  rows = _rows()
  before = _summary(rows)
  for row in rows:
    if row['kind'] == 'emotion' and row['strength'] < 0:
      row |= {'kind': 'opposite', 'emotion': None, 'control': True}
  assert _summary(rows) == before
  (both,) = [
      row
      for row in before['layers'][0]['word_delta']['opposite']
      if row['strength'] == 0.4
  ]
  assert both['both']['value'] == 1 and both['both']['n'] == 8


def test_controls_of_one_sign_serve_both():
  rows = [
      row
      for row in _rows()
      if row['strength'] >= 0 or row['kind'] not in ('random', 'shuffled')
  ]
  rows = [row for row in rows if row['strength'] != 0.1]
  (layer,) = _summary(rows)['layers']
  windows = {'positive': (0.2, 0.4), 'negative': (-0.2, -0.4)}
  assert _windows(layer) == {name: windows for name in MEASURES}


def test_bands_of_layers_and_positions_are_kept_apart():
  rows = sweep_fixtures.rows(layers=((3,), (3, 4)), strengths=(0.2,))
  other = [copy.deepcopy(r) for r in rows if r['layers'] == [3]]
  rows += [row | {'positions': 'all'} for row in other]
  got = [
      (layer['layers'], layer['positions'], layer['counts']['emotion']['rows'])
      for layer in _summary(rows)['layers']
  ]
  assert got == [
      ([3], 'all', 32),
      ([3], 'assistant', 32),
      ([3, 4], 'assistant', 32),
  ]


def test_what_was_not_measured_is_null_and_the_rest_stands():
  rows = _rows()
  before = _summary(rows)['layers'][0]
  for row in rows:
    row |= {'expressed': None, 'perplexity': None}
  (layer,) = _summary(rows)['layers']
  assert layer['expressed'] is None
  assert layer['word_delta'] == before['word_delta']
  counts = layer['counts']['emotion']
  assert counts['without_expressed'] == counts['rows'] == 224
  assert counts['without_log_perplexity'] == 224
  for row in rows:
    row |= {'kl': None, 'word_delta': None}
  (layer,) = _summary(rows)['layers']
  assert layer['word_delta'] is None and layer['kl']['emotion'] == []


@pytest.mark.parametrize(
    'kwargs',
    [
        {'strengths': (0.2,), 'controls': 0},
        {'strengths': (0.2,), 'controls': 1},
        {'strengths': (0.2,), 'prompts': ('One? / I feel',), 'seeds': (0,)},
    ],
)
def test_a_small_sweep_says_why_nothing_can_be_said(kwargs):
  (layer,) = _summary(_rows(**kwargs))['layers']
  (row,) = layer['word_delta']['window']['positive']['table']
  assert layer['word_delta']['window']['negative'] is None
  if kwargs.get('controls', 2) < 2:
    assert row['why'] == 'fewer than two control directions'
  else:
    assert row['why'] is None and row['coherent']['n'] == 8


def test_a_single_emotion_has_curves_without_intervals():
  rows = [
      row
      for row in _rows(strengths=(0.2,))
      if row['kind'] != 'emotion' or row['direction'] == 'happy'
  ]
  (layer,) = _summary(rows)['layers']
  point = _at(layer['word_delta']['curves']['matched'], 0.2)
  assert (point['low'], point['n']) == (None, 4)
  (row,) = layer['word_delta']['window']['positive']['table']
  assert row['why'] == 'one emotion has no interval'
  alone = [
      row | {name: {'happy': row[name]['happy']} for name in MEASURES}
      for row in rows
  ]
  (layer,) = summarise_sweep.summarise(['happy'], alone, seed=0)['layers']
  (row,) = layer['word_delta']['window']['positive']['table']
  assert row['why'] == 'not measured'


def test_one_layer_lies_flat_with_its_words_on_top():
  (layer,) = _summary(_rows(strengths=(0.2,)))['layers']
  dose = summarise_sweep.only_layer(_summary(_rows(strengths=(0.2,))))
  assert dose['layers'] == [3] and dose['words'] == EMOTIONS
  assert dose['curves'] == layer['word_delta']['curves']
  assert dose['expressed'] == layer['expressed']
  assert dose['kl'] == layer['kl']
