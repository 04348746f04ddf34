"""Figures and tables of behaviours show what was counted, unsteered first."""

import itertools

import behaviour_artefacts
import pytest

from emojax.report import behaviour_figures
from emojax.report import behaviour_tables
from emojax.report import behaviour_views
from emojax.report import conditions
from emojax.report import episode_views
from emojax.report import pressure_figures
from emojax.report import pressure_views

LABELS = ['cheats', 'admits', 'malformed']
UNSTEERED = {
    'kind': 'unsteered',
    'direction': 'none',
    'operation': None,
    'layers': [],
    'strength': 0.0,
    'positions': None,
}
point = behaviour_artefacts.point


def condition(direction, strength, kind='emotion', **changes):
  return {
      'kind': kind,
      'direction': direction,
      'operation': 'add',
      'layers': [4],
      'strength': strength,
      'positions': 'all',
  } | changes


def counted(condition, *counts, n=None):
  return {
      'condition': condition,
      'n': sum(counts) if n is None else n,
      'counts': dict(zip(LABELS, counts)),
  }


TABLE = [
    counted(UNSTEERED, 1, 2, 3, n=8),
    counted(condition('calm', -0.1), 0, 4, 0),
    counted(condition('calm', -0.2, 'opposite'), 0, 1, 1),
    counted(condition('random_0', 0.1, 'random'), 1, 1, 0),
    counted(condition('random_1', 0.1, 'random'), 2, 0, 1),
    counted(condition('shuffled_0', 0.1, 'shuffled'), 0, 0, 0),
]


def test_bars_are_shares_of_all_episodes_with_the_unsteered_ones_first():
  figure = behaviour_views.outcomes_figure({'': TABLE}, LABELS)
  assert list(figure.layout.yaxis.categoryarray) == [
      'unsteered',
      'random +0.1',
      'shuffled +0.1',
      'calm −0.2',
      'calm −0.1',
  ]
  assert figure.layout.yaxis.autorange == 'reversed'
  by_label = {bar.name: bar for bar in figure.data}
  assert list(by_label) == [*LABELS, 'not counted']
  assert list(by_label['cheats'].x) == [1 / 8, 3 / 5, 0, 0, 0]
  assert list(by_label['cheats'].text) == ['1', '3', '', '', '']
  assert list(by_label['not counted'].x) == [2 / 8, 0, 0, 0, 0]
  for i in (0, 1, 3, 4):
    assert sum(bar.x[i] for bar in figure.data) == pytest.approx(1)
  none = behaviour_views.outcomes_figure({'': TABLE[1:]}, LABELS)
  assert [bar.name for bar in none.data] == LABELS


def test_outcomes_differ_in_colour_and_in_pattern():
  labels = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'malformed']
  filled = behaviour_figures.fills(labels)
  assert list(filled) == [*labels, 'not counted']
  for which in (0, 1):
    own = [fill[which] for name, fill in filled.items() if len(name) == 1]
    assert len(set(own)) == 7
  assert len(set(filled.values())) == 9
  # What an outcome looks like does not hang on which others there are of grey.
  assert behaviour_figures.fills(['malformed', 'a'])['a'] == filled['a']


def test_tasks_stand_beside_their_twins_in_the_same_rows():
  rows = behaviour_artefacts.code_rows()
  view = episode_views.view('impossible_code', ['solved', 'failed'], rows)
  figure = view['figures'][view['twins']]
  own = [bar for bar in figure.data if bar.xaxis in ('x', 'x1')]
  twins = [bar for bar in figure.data if bar.xaxis == 'x2']
  assert [bar.name for bar in own] == [bar.name for bar in twins]
  assert [bool(bar.showlegend) for bar in own] == [True] * len(own)
  assert not any(bar.showlegend for bar in twins)
  assert [a.text for a in figure.layout.annotations] == [
      'Impossible tasks',
      'Solvable twins',
  ]
  assert figure.layout.xaxis.domain[1] < figure.layout.xaxis2.domain[0]
  solved = {bar.xaxis: sum(map(int, filter(None, bar.text))) for bar in
            figure.data if bar.name == 'solved'}  # fmt: skip
  count = sum(row['outcome'] == 'solved' for row in rows)
  assert sorted(solved.values()) == [0, count] and count
  without = [row for row in rows if not row['facts']['twin']]
  assert episode_views.view('impossible_code', [], without)['twins'] is None
  assert episode_views.view('sycophancy', [], rows)['twins'] is None


def test_an_episode_that_was_not_whole_ends_as_nothing():
  rows = behaviour_artefacts.code_rows()
  rows[0]['finite'] = False
  view = episode_views.view('impossible_code', ['solved', 'failed'], rows)
  names = [bar.name for bar in view['figures'][view['twins']].data]
  assert 'not counted' in names


def test_rates_go_through_the_unsteered_one_and_keep_their_places():
  base = point(0.5)
  lines = {
      name: [
          point(value) | {'strength': s} for s, value in ((0.1, 0.9), (-0.1, v))
      ]
      for name, v in (('calm', 0.25), ('<b>', 0.375))
  }
  bands = {'random': [point(0.5) | {'strength': s} for s in (-0.1, 0.1)]}
  figure = behaviour_figures.rates(lines, base, bands, [0, 1], 'strength')
  calm, other = figure.data[-2:]
  assert other.name == '&lt;b&gt;' and calm.line.color != other.line.color
  assert calm.line.dash != other.line.dash
  assert calm.marker.symbol != other.marker.symbol
  assert list(calm.y) == [0.25, 0.5, 0.9] and calm.x[1] == other.x[1] == 0
  for i, strength in ((0, -0.1), (2, 0.1)):
    assert calm.x[i] < strength < other.x[i]
    assert calm.text[i].startswith(conditions.signed(strength))
  flat = next(t for t in figure.data if t.name == 'unsteered, its interval')
  assert list(flat.y) == [0.5, 0.5]
  assert flat.x[0] < -0.1 and flat.x[1] > 0.1
  assert [t.name for t in figure.data if t.name][1] == 'random directions'


def test_every_emotion_is_drawn_once_a_few_in_a_figure():
  found = behaviour_artefacts.artefacts()['behaviour.json']
  measure = found['behaviours']['sycophancy']['measures']['cheats']
  one = [row for row in measure['rates'] if row['direction'] == 'calm']
  measure['rates'] += [
      row | {'direction': f'calm {i}'} for i in range(5) for row in one
  ]
  view = behaviour_views.view(found)
  own = [
      figure
      for name, figure in view['figures'].items()
      if name.startswith('rates-sycophancy-cheats')
  ]
  drawn = [[t.name for t in figure.data if t.error_y.array] for figure in own]
  expected = ['desperate', 'calm', 'angry', *(f'calm {i}' for i in range(5))]
  assert list(itertools.chain(*drawn)) == expected
  assert [len(names) for names in drawn] == [behaviour_figures.MOST, 2]
  assert len({figure.layout.yaxis.range for figure in own}) == 1


def test_conditions_are_named_by_what_they_differ_in():
  calm = condition('calm', 0.1)
  assert conditions.namer([UNSTEERED, calm])(calm) == 'calm +0.1'
  assert conditions.namer([calm])(UNSTEERED) == 'unsteered'
  band = condition('calm', -0.05, layers=[4, 5, 6], positions='assistant')
  name = conditions.namer([calm, band])
  assert name(calm) == 'calm +0.1, layer 4, all'
  assert name(band) == 'calm −0.05, layer 4–6, assistant'
  ablated = condition('calm', 1.0, operation='ablate')
  assert conditions.namer([calm, ablated])(ablated) == 'calm taken out'


def test_slopes_are_named_without_a_strength():
  found = behaviour_artefacts.artefacts()['behaviour.json']['behaviours']
  measure = found['sycophancy']['measures']['cheats']
  namer = conditions.namer(row for row in measure['rates'])
  tables = behaviour_tables.of_measure('cheats', measure, namer)
  (slopes,) = [t for t in tables if t['title'].startswith('Slopes')]
  assert [row[0] for row in slopes['rows']] == ['desperate', 'calm', 'angry']
  assert [row[1]['value'] for row in slopes['rows']] == [
      row['value'] for row in measure['slopes']
  ]


def test_a_change_that_controls_have_too_is_not_said_to_be_shown():
  found = behaviour_artefacts.artefacts()['behaviour.json']
  measure = found['behaviours']['sycophancy']['measures']['cheats']
  for row in measure['effects']:
    row['beyond'] = False
  said = behaviour_views.view(found)['behaviours']['sycophancy']['verdict']
  assert said.startswith('None of 6 changes is told from chance')
  assert '1 is told from chance, but not from what random directions' in said
  for row in measure['effects']:
    row['beyond'] = None
  said = behaviour_views.view(found)['behaviours']['sycophancy']['verdict']
  assert said.startswith('None of 6') and 'no control was run' in said


def test_readings_lie_at_their_events_beside_controls_and_twins():
  data = behaviour_artefacts.pressure(('calm', 'angry'))
  view = pressure_views.view(data)
  assert [emotion for emotion, _ in view['rows']] == ['calm', 'angry']
  figure = view['figures']['pressure-message-1']
  lines = {t.name: t for t in figure.data if t.name}
  assert set(lines) == {
      'impossible tasks',
      'solvable twins',
      'random directions',
      'shuffled labels',
  }
  own = lines['impossible tasks']
  assert list(own.x) == list(behaviour_artefacts.EVENTS)
  assert list(own.y) == [1, 1.5, 2, 2.5, 3, 3.5]
  order = list(figure.layout.xaxis.categoryarray)
  assert order.index('reply 1') < order.index('passed') < order.index('report')
  before = view['figures']['pressure-before-0']
  assert 'task' not in before.layout.xaxis.categoryarray
  spans = {f.layout.yaxis.range for n, f in view['figures'].items() if
           n.startswith('pressure-message')}  # fmt: skip
  assert len(spans) == 1


def test_questions_stand_beside_their_controls():
  view = pressure_views.view(behaviour_artefacts.pressure(('calm', 'angry')))
  rows = view['questions']['failures']['table']['rows']
  assert [row[0] for row in rows] == [
      'angry',
      'calm',
      'random directions',
      'shuffled labels',
  ]
  assert [row[1]['value'] for row in rows] == [1.5, 0.5, 0, 0]
  answer = view['questions']['failures']['answer']
  assert 'before the reply none; over the reply none' in answer
  assert 'With so few tasks (4) no p is below 0.12' in answer
  assert view['questions']['shortcut']['absent']


def test_a_change_that_is_beyond_chance_is_named_with_its_size():
  data = behaviour_artefacts.pressure(('calm', 'angry'))
  question = data['questions']['failures'] | {'least_p': 0.001}
  question['forms']['before'][1]['p_holm'] = 0.01
  data['questions']['failures'] = question
  answer = pressure_views.view(data)['questions']['failures']['answer']
  assert 'before the reply angry (+1.5 SD); over the reply none.' in answer
  assert 'however large' not in answer


def test_a_trace_of_no_impossible_task_has_a_figure():
  groups = {
      'impossible': [],
      'twin': behaviour_artefacts.pressure(('calm',))['traces']['twin'],
  }
  figure = pressure_figures.trace(groups, 'calm', ['task', 'reply 1'], None)
  assert [t.name for t in figure.data if t.name] == ['solvable twins']
