"""The report: self-contained, escaped, deterministic, whole or absent."""

import json
import pathlib

import numpy as np
import pages
import pytest
import report_fixtures

from emojax import errors
from emojax.report import page

HOSTILE = '</script><img src=x onerror=alert(1)>\u2028"\'&{{ 7*7 }}'
SECTIONS = (
    'numbers',
    'heldout',
    'map',
    'components-section',
    'readings',
    'dose-section',
    'texts',
    'methods',
    'provenance',
)


def _write(folder: pathlib.Path, contents=None) -> str:
  report_fixtures.write(folder, contents or report_fixtures.artefacts())
  return page.write(folder).read_text(encoding='utf-8')


def test_every_section_and_figure_is_on_the_page(tmp_path):
  text = _write(tmp_path)
  ids = [attrs['id'] for _, attrs in pages.tags(text) if 'id' in attrs]
  assert len(ids) == len(set(ids))
  assert set(SECTIONS) <= set(ids)
  assert 'Left out' not in text
  shown = {
      attrs['data-figure']
      for _, attrs in pages.tags(text)
      if 'data-figure' in attrs
  }
  data = pages.data(text)
  assert shown == set(data['figures']) and len(shown) == 8
  picked = data['picked']['dose-one']['options']
  assert len(picked) == report_fixtures.SIZE
  assert len(data['reader']['chats']) == 4
  assert 'say nothing about whether anything is felt' in text
  assert 'no interval' in text


def test_page_asks_nothing_of_a_network(tmp_path):
  pages.assert_asks_nothing_of_a_network(_write(tmp_path))


def test_hostile_strings_stay_text(tmp_path):
  contents = report_fixtures.artefacts()
  calm = [tag for tag, _ in pages.tags(_write(tmp_path, contents))]
  contents['summary.json']['model']['name'] = HOSTILE
  contents['config.json']['config']['note'] = HOSTILE
  geometry = contents['geometry.json']
  geometry['emotions'][0] = geometry['valence']['missing'][0] = HOSTILE
  for row in contents['readings.jsonl']:
    row['title'] = row['tokens'][5] = row['roles'][5] = HOSTILE
    row['emotions'][0] = HOSTILE
  dose = contents['dose.json']
  dose['emotions'] = {HOSTILE + name: c for name, c in dose['emotions'].items()}
  for row in contents['sweep.jsonl']:
    row['text'] = row['direction'] = HOSTILE
  text = _write(tmp_path, contents)
  tags = [tag for tag, _ in pages.tags(text)]
  # One direction is left of 24, so 23 of the filter's options go.
  gone = report_fixtures.SIZE - 1
  assert tags.count('option') == calm.count('option') - gone
  for seen in (tags, calm):
    seen[:] = [tag for tag in seen if tag != 'option']
  assert tags == calm
  data = pages.data(text)
  assert data['reader']['chats'][0]['tokens'][5] == HOSTILE
  assert '<img' not in pages.without_plotly(text)
  # plotly reads markup in labels, so that its names are escaped once more.
  assert '<img' not in json.dumps(data['figures'])
  assert '49' not in text.split('<title>')[1].split('</title>')[0]


def test_lone_surrogate_does_not_stop_the_page(tmp_path):
  _write(tmp_path)
  path = tmp_path / 'sweep.jsonl'
  old = path.read_text(encoding='utf-8')
  path.write_text(old.replace('"text": " none', '"text": "\\ud83d none', 1))
  assert '? none today' in page.write(tmp_path).read_text(encoding='utf-8')


def test_same_artefacts_give_the_same_bytes(tmp_path):
  first = _write(tmp_path / 'a')
  assert first == _write(tmp_path / 'b')
  assert str(tmp_path) not in first


@pytest.mark.parametrize(
    'name, section',
    [
        ('heldout.json', 'heldout'),
        ('geometry.json', 'map'),
        ('readings.jsonl', 'readings'),
        ('dose.json', 'dose-section'),
        ('sweep.jsonl', 'texts'),
        ('config.json', 'provenance'),
    ],
)
def test_absent_artefact_leaves_one_line_in_its_place(tmp_path, name, section):
  contents = report_fixtures.artefacts()
  del contents[name]
  text = _write(tmp_path, contents)
  body = text.split(f'<section id="{section}">')[1].split('</section>')[0]
  assert f'Left out: {name} is not in this workdir.' in body
  assert 'data-figure' not in body
  ids = [attrs.get('id') for _, attrs in pages.tags(text)]
  assert set(SECTIONS) <= set(ids)


def test_no_summary_is_an_input_error_and_writes_nothing(tmp_path):
  contents = report_fixtures.artefacts()
  del contents['summary.json']
  with pytest.raises(errors.InputError, match='summary.json: no such file'):
    _write(tmp_path, contents)
  assert not (tmp_path / 'report.html').exists()


def _lose_cosine_row(contents):
  contents['readings.jsonl'][1]['cosine'].pop()


def _lose_order(contents):
  del contents['geometry.json']['order']


def _lose_nested(contents):
  del contents['heldout.json']['nested']


def _move_response(contents):
  contents['readings.jsonl'][0]['response_index'] = 10_000


@pytest.mark.parametrize(
    'damage, message',
    [
        (_lose_cosine_row, r'readings.jsonl: .*chat-1: cosine is not'),
        (_lose_order, r"geometry.json: .*'order'"),
        (_lose_nested, r"lacks what the report shows \(.*'nested'"),
        (_move_response, r'readings.jsonl: .*response_index 10000'),
    ],
)
def test_damaged_artefact_is_one_clear_line(tmp_path, damage, message):
  contents = report_fixtures.artefacts()
  damage(contents)
  with pytest.raises(errors.InputError, match=message) as caught:
    _write(tmp_path, contents)
  assert '\n' not in str(caught.value)
  assert not (tmp_path / 'report.html').exists()


def test_readings_without_tokens_are_left_out(tmp_path):
  contents = report_fixtures.artefacts()
  for row in contents['readings.jsonl'][1:]:
    del row['score']
  assert len(pages.data(_write(tmp_path, contents))['reader']['chats']) == 1
  del contents['readings.jsonl'][0]['cosine']
  text = _write(tmp_path, contents)
  assert 'readings.jsonl holds no values token by token.' in text
  assert pages.data(text)['reader'] is None


def test_full_colour_is_the_99th_percentile_over_all_emotions(tmp_path):
  contents = report_fixtures.artefacts()
  reader = pages.data(_write(tmp_path, contents))['reader']
  scales = reader['scales'][str(reader['layer'])]
  for key in ('cosine', 'score'):
    values = np.abs(contents['readings.jsonl'][0][key])
    # Values on the page have 5 digits.
    expected = np.percentile(values, 99)
    np.testing.assert_allclose(scales[key][0], expected, rtol=1e-4)


def test_command_writes_the_page_without_jax(tmp_path):
  report_fixtures.write(tmp_path, report_fixtures.artefacts())
  run = lambda folder: pages.write_without_jax('emojax.report.page', folder)
  done = run(tmp_path)
  assert done.returncode == 0, done.stderr
  assert done.stdout.strip() == str(tmp_path / 'report.html')
  failed = run(tmp_path / 'nowhere')
  assert failed.returncode == 2
  assert failed.stderr.count('\n') == 1 and 'summary.json' in failed.stderr


@pytest.mark.parametrize(
    'value, text',
    [
        (0.8, '0.800'),
        (-0.0417, '−0.042'),
        (12.34, '12.3'),
        (288, '288'),
        (0.0, '0'),
        (8.2e-6, '8.2 × 10⁻⁶'),
        (1234.5, '1,234'),
        (None, '–'),
        (float('nan'), '–'),
    ],
)
def test_number_has_three_digits_at_most(value, text):
  assert page.number(value) == text
