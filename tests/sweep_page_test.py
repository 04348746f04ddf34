"""The page of a sweep: whole, escaped, and no larger than can be read."""

import copy
import functools
import json
import pathlib

import pages
import pytest
import report_fixtures
import sweep_fixtures

from emojax import errors
from emojax.experiments import summarise_sweep
from emojax.report import dose_figures
from emojax.report import sections
from emojax.report import sweep_page

HOSTILE = '</script><img src=x onerror=alert(1)>\u2028"\'&{{ 7*7 }}'


@functools.cache
def _artefacts():
  rows = sweep_fixtures.rows(strengths=(-0.4, 0.2, 0.4, 0.8))
  both = [
      row | {'direction': 'happy+calm', 'emotion': None}
      for row in rows
      if row['direction'] == 'happy' and row['strength'] == 0.2
  ]
  rows += copy.deepcopy(both)
  return {
      'sweep.jsonl': rows,
      'dose.json': summarise_sweep.summarise(sweep_fixtures.EMOTIONS, rows, 0),
      'config.json': report_fixtures.artefacts()['config.json'],
  }


def _write(folder: pathlib.Path, contents=None) -> str:
  report_fixtures.write(folder, contents or _artefacts())
  return sweep_page.write(folder).read_text(encoding='utf-8')


def test_every_layer_and_figure_is_on_the_page(tmp_path):
  text = _write(tmp_path)
  ids = [attrs['id'] for _, attrs in pages.tags(text) if 'id' in attrs]
  assert len(ids) == len(set(ids))
  sections_ = {'usable', 'layer-0', 'layer-1', 'texts', 'methods', 'provenance'}
  assert sections_ <= set(ids)
  assert 'Left out' not in text and 'Layer 3' in text
  shown = {
      attrs['data-figure']
      for _, attrs in pages.tags(text)
      if 'data-figure' in attrs
  }
  # One of windows; by layer two of costs, and two of either measure.
  assert shown == set(pages.data(text)['figures']) and len(shown) == 1 + 2 * 6
  for said in ('0.2 to 0.4 can be used (64 texts)', 'no: incoherent'):
    assert said in text
  assert 'happy+calm' in text and 'say nothing about whether' in text


def test_page_asks_nothing_of_a_network(tmp_path):
  pages.assert_asks_nothing_of_a_network(_write(tmp_path))


def test_hostile_strings_stay_text(tmp_path):
  contents = copy.deepcopy(_artefacts())
  calm = [tag for tag, _ in pages.tags(_write(tmp_path, contents))]
  for row in contents['sweep.jsonl']:
    row['text'] = row['prompt'] = HOSTILE
  contents['config.json']['made_from']['model'] = HOSTILE
  for layer in contents['dose.json']['layers']:
    layer['positions'] = HOSTILE + str(layer['layers'])
    layer['others'][0]['direction'] = HOSTILE
  text = _write(tmp_path, contents)
  tags = [tag for tag, _ in pages.tags(text)]
  # Two prompts have become one, whose heading is a row less.
  assert tags.count('tbody') == calm.count('tbody') - 1
  assert set(tags) == set(calm) and 'img' not in tags
  assert '<img' not in pages.without_plotly(text)
  assert '<img' not in json.dumps(pages.data(text)['figures'])
  assert '49' not in text.split('<title>')[1].split('</title>')[0]


def test_same_artefacts_give_the_same_bytes(tmp_path):
  first = _write(tmp_path / 'a')
  assert first == _write(tmp_path / 'b') and str(tmp_path) not in first


@pytest.mark.parametrize('name', ['sweep.jsonl', 'config.json'])
def test_absent_artefact_leaves_one_line_in_its_place(tmp_path, name):
  contents = {k: v for k, v in _artefacts().items() if k != name}
  assert f'Left out: {name} is not in this workdir.' in _write(
      tmp_path, contents
  )


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda contents: contents.pop('dose.json'), 'dose.json: no such file'),
        (lambda contents: contents['dose.json'].pop('layers'), "'layers'"),
        (
            lambda contents: contents['sweep.jsonl'][5].pop('direction'),
            "sweep.jsonl: .*'direction'",
        ),
        (
            lambda contents: contents['dose.json']['layers'][0].pop('counts'),
            'lacks what the report shows',
        ),
    ],
)
def test_damaged_artefact_is_one_clear_line(tmp_path, damage, message):
  contents = copy.deepcopy(_artefacts())
  damage(contents)
  with pytest.raises(errors.InputError, match=message) as caught:
    _write(tmp_path, contents)
  assert '\n' not in str(caught.value)
  assert not (tmp_path / 'report.html').exists()


def test_a_sweep_of_little_has_a_page(tmp_path):
  rows = sweep_fixtures.rows(
      layers=((3,),), strengths=(0.2,), controls=0, seeds=(0,)
  )
  for row in rows:
    row |= {'expressed': None, 'kl': None}
  contents = {
      'sweep.jsonl': rows,
      'dose.json': summarise_sweep.summarise(sweep_fixtures.EMOTIONS, rows, 0),
  }
  text = _write(tmp_path, contents)
  assert 'no: fewer than two control directions' in text
  rows = [row for row in rows if row['kind'] == 'unsteered']
  contents['dose.json'] = summarise_sweep.summarise(
      sweep_fixtures.EMOTIONS, rows, 0
  )
  assert 'id="usable"' in _write(tmp_path, contents | {'sweep.jsonl': rows})


def test_a_large_sweep_shows_some_texts_of_every_kind():
  rows = _artefacts()['sweep.jsonl']
  whole = sections.texts(rows)
  assert whole['total'] == len(rows)
  # A prompt and seed have 1 + 2 * 20 * 4 + 2 rows: more than one fits in 350,
  # none in 50.
  for limit, prompts, seeds in ((350, 1, {0, 1}), (50, 1, {0})):
    view = sections.texts(rows, limit=limit)
    shown = [row for _, some in view['prompts'] for row in some]
    assert 0 < view['shown'] == len(shown) < 1.1 * limit
    assert view['total'] == len(rows)
    assert len(view['prompts']) == prompts
    assert {row['seed'] for row in shown} == seeds
    kinds = {'unsteered', 'emotion', 'random', 'shuffled'}
    assert {row['kind'] for row in shown} == kinds
    assert {row['strength'] for row in shown} == {0, -0.4, 0.2, 0.4, 0.8}
    steered = {row['direction'] for row in shown if row['kind'] == 'emotion'}
    assert set(view['emotions']) == steered


@pytest.mark.parametrize(
    ('layers', 'name'),
    [
        ([14], '14'),
        ([10, 11], '10, 11'),
        ([10, 11, 12], '10–12'),
        ([10, 12, 14], '10, 12, 14'),
        ([], ''),
    ],
)
def test_bands_have_short_names(layers, name):
  assert sections.layers_name(layers) == name


def test_windows_are_drawn_from_the_lowest_to_the_highest_strength():
  layer = _artefacts()['dose.json']['layers'][0] | {'title': '<b>3'}
  figure = dose_figures.windows([layer])
  bars = [trace for trace in figure.data if trace.mode == 'lines+markers']
  assert [list(trace.x) for trace in bars] == [[0.2, 0.4], [-0.4, -0.4]] * 2
  tried = [trace for trace in figure.data if trace.mode == 'markers']
  assert sorted(tried[0].x) == [-0.4, 0.2, 0.4, 0.8]
  assert set(tried[0].y) == {'&lt;b&gt;3, words'}


def test_coherence_goes_through_the_share_of_unsteered_texts():
  point = {'value': 0.5, 'low': 0.4, 'high': 0.6, 'n': 9}
  shares = dict.fromkeys(('random', 'shuffled'), [])
  shares |= {
      'unsteered': [point | {'strength': 0.0, 'value': 0.9, 'high': 1.0}],
      'emotion': [point | {'strength': s} for s in (-0.2, 0.2)],
  }
  _, line = dose_figures.coherence(shares, 0.8).data
  assert list(line.x) == [-0.2, 0, 0.2] and list(line.y) == [0.5, 0.9, 0.5]
  line = dose_figures.coherence(shares | {'unsteered': []}, 0.8).data[-1]
  assert list(line.y) == [0.5, None, 0.5]


def test_negative_strengths_lie_left_at_equal_damage():
  matched = _artefacts()['dose.json']['layers'][0]['word_delta']['matched_dose']
  line = dose_figures.matched(matched, 'nats').data[-1]
  assert list(line.x) == sorted(line.x) and line.x[0] < 0 < line.x[-1]
  assert line.y[0] < 0 < line.y[-1] and line.y[list(line.x).index(0)] == 0


def test_command_writes_the_page_without_jax(tmp_path):
  report_fixtures.write(tmp_path, _artefacts())
  done = pages.write_without_jax('emojax.report.sweep_page', tmp_path)
  assert done.returncode == 0, done.stderr
  assert done.stdout.strip() == str(tmp_path / 'report.html')
