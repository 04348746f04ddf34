"""What a page begins with is picked by rule, and is judged as all else is."""

import pytest
import report_fixtures
import sweep_fixtures

from emojax.experiments import headlines
from emojax.experiments import summarise_sweep
from emojax.report import alternatives
from emojax.report import curves
from emojax.report import figures
from emojax.report import overview
from emojax.report import page
from emojax.report import sweep_page


def number(id_, value=0.5, half=0.1, controls=((0.0, 0.1),), **more):
  """A row of `numbers`; controls as (value, half), or a value alone."""
  span = lambda x, half: {
      'value': x,
      'low': None if half is None else x - half,
      'high': None if half is None else x + half,
      'n': 9,
  }
  return {
      'id': id_,
      'label': f'what {id_} is',
      'unit': 'share',
      'interval': '95 %',
      'note': '',
      **span(value, half),
      'controls': [
          {'label': f'control {i} (of 5)'} | span(*each)
          for i, each in enumerate(controls)
      ],
  } | more


def test_numbers_are_picked_by_id_in_the_order_wanted_whatever_they_are():
  wanted = [overview.Wanted(id_, f'Is it {id_}?') for id_ in 'cab']
  rows = [number('a', 0.0), number('b', 9.0), number('c'), number('d', 99.0)]
  found = overview.pick(rows, wanted)
  assert [row['id'] for row in found['rows']] == ['c', 'a', 'b']
  assert [row['seen'] for row in found['rows']] == [True, False, True]
  assert found['rows'][0]['question'] == 'Is it c?'
  assert not found['missing']


def test_what_was_not_measured_is_left_out_and_named():
  wanted = [overview.Wanted(id_, f'Is it {id_}?') for id_ in 'ab']
  found = overview.pick([number('b')], wanted)
  assert [row['id'] for row in found['rows']] == ['b']
  assert found['missing'] == ['Is it a?']
  assert overview.of_numbers(wanted)({'absent': 'why'})['rows'] == []


def test_of_several_strengths_the_highest_is_taken():
  rows = [number(f'steer_{strength}') for strength in (0.1, 0.2, 0.4)]
  of = lambda last: overview.pick(
      rows, [overview.Wanted('steer_*', 'Why?', last=last)]
  )['rows'][0]['id']
  assert of(True) == 'steer_0.4' and of(False) == 'steer_0.1'


@pytest.mark.parametrize(
    ('row', 'side', 'seen', 'said'),
    [
        (number('x'), 1, True, 'the whole interval lies beyond all controls'),
        (number('x', -0.5), 1, False, 'on the other side'),
        (number('x', -0.5), -1, True, 'beyond all controls'),
        (number('x', -0.5), 0, True, 'beyond all controls'),
        (number('x', 0.15), 1, False, 'meets that of control 0'),
        (
            number('x', controls=((0.0, 0.1), (0.45, None), (0.3, 0.15))),
            1,
            False,
            'meets that of control 1, control 2',
        ),
        (number('x', half=None), 1, None, 'no interval or no control'),
        (number('x', controls=()), 1, None, 'no interval or no control'),
    ],
)
def test_an_effect_is_seen_where_its_whole_interval_lies_beyond_all_controls(
    row, side, seen, said
):
  found, why = overview.judge(row, side)
  assert found is seen and why.endswith(said)


def test_marks_lie_in_the_order_of_their_numbers_within_the_picture():
  row = number('x', 0.5, 0.1, controls=((0.0, 0.2), (1.0, None)))
  (low, value, high), (a, b, c), (alone, _, _) = overview.marks(
      [row, *row['controls']]
  )
  assert 0 < a < b < c < low < value < high < alone < 100
  assert overview.marks([number('x', half=None)]) == [(2.0, 2.0, 2.0)]
  nothing = {'value': None, 'low': None, 'high': None}
  assert overview.marks([nothing]) == []


def test_the_quickstart_asks_for_numbers_that_a_run_has():
  contents = report_fixtures.artefacts()
  held_out = contents['heldout.json']
  for row in held_out['layers']:
    row['single_top1'] = row['single_top5'] = row['top1']
  rows = headlines.held_out_numbers(held_out, {'topics': 12})
  rows += headlines.geometry_numbers(contents['geometry.json'])
  rows += headlines.dose_numbers(contents['dose.json'])
  readings = contents['readings.jsonl']
  expected = {row['id']: report_fixtures.EMOTIONS[0] for row in readings}
  for row in readings:
    row['mean_score'] = row['mean']
  rows += headlines.reading_numbers(readings, expected)
  found = overview.pick(rows, overview.QUICKSTART)
  assert not found['missing'] and len(found['rows']) == 5
  highest = max(contents['dose.json']['strengths'])
  assert found['rows'][-1]['id'] == f'steer_difference_{highest:g}'
  assert all(row['controls'] for row in found['rows'])


def test_a_sweep_begins_with_the_middle_of_what_was_tried():
  rows = sweep_fixtures.rows(strengths=(-0.4, 0.1, 0.2, 0.4))
  dose = summarise_sweep.summarise(sweep_fixtures.EMOTIONS, rows, 0)
  found = sweep_page.numbers(dose)['rows']
  assert [row['id'] for row in found] == [
      'word_delta_positive',
      'word_delta_negative',
      'expressed_positive',
      'expressed_negative',
      'opposite',
  ]
  assert all('layer 5' in row['label'] for row in found)
  assert [row.get('strength') for row in found] == [0.2, -0.4, 0.2, -0.4, None]
  assert all(row['seen'] for row in found)  # As planted.
  # The words fall as far below 0 as they are said to lie above it.
  table = dose['layers'][1]['word_delta']['window']['negative']['table']
  assert found[1]['value'] == -table[0]['difference']['value'] > 0
  assert found[1]['low'] == -table[0]['difference']['high']


def test_every_figure_says_its_main_numbers_in_words():
  points = [
      {'strength': s, 'value': v, 'low': v - 0.1, 'high': v + 0.1, 'n': 24}
      for s, v in ((0.1, 0.5), (0.2, 1.25))
  ]
  control = [point | {'value': 0.0, 'n': 6} for point in points]
  figure = figures.dose({'matched': points, 'random': control})
  said = alternatives.of(figure)
  assert 'highest 1.25 at 0.2, lowest 0 at 0' in said
  assert 'random directions: 0 throughout' in said
  assert alternatives.facts(figure) == (
      'n 24; with intervals; control: random directions.'
  )
  bare = curves.empty('', '')
  assert alternatives.of(bare) == 'nothing to draw.'
  assert alternatives.facts(bare) == (
      'n 0 marks; no interval drawn; no control drawn.'
  )


def test_a_map_says_its_extremes_but_not_those_of_things_with_themselves():
  geometry = {
      'emotions': ['a<b', 'calm', 'sad'],
      'order': [0, 1, 2],
      'cosine': [[1, 0.1, -0.2], [0.1, 1, 0.3], [-0.2, 0.3, 1]],
  }
  said = alternatives.of(figures.cosine_map(geometry))
  assert said == (
      '3 by 3 cells: highest 0.3, calm and sad; lowest −0.2, a<b and sad.'
  )


def test_same_page_twice_begins_the_same(tmp_path):
  for name in 'ab':
    contents = report_fixtures.artefacts()
    (tmp_path / name).mkdir()
    report_fixtures.write(tmp_path / name, contents)
  first, second = (
      page.write(tmp_path / name).read_text(encoding='utf-8') for name in 'ab'
  )
  assert first == second
  begin = first.split('<section id="overview">')[1].split('</section>')[0]
  assert 'Not measured in this run: Do the vectors tell emotions' in begin
