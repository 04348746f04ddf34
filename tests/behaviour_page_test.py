"""The page of a behaviour run: whole, escaped, and honest where power lacks."""

import html
import json
import pathlib
import re

import behaviour_artefacts
import pages
import pytest
import report_fixtures
import simulated_episodes

from emojax import errors
from emojax.experiments import behaviour
from emojax.experiments import numbers as numbers_lib
from emojax.report import behaviour_page
from emojax.report import behaviour_views
from emojax.report import page
from emojax.report import pressure_views

HOSTILE = '</details><script>alert(1)</script>\u2028"\'&{{ 7*7 }}\u202e\ud800'


def _write(folder: pathlib.Path, contents=None) -> str:
  """Writes the page; what no file of ours can hold goes through JSON's \\u."""
  for name, value in (contents or behaviour_artefacts.artefacts()).items():
    rows = value if name.endswith('.jsonl') else [value]
    text = ''.join(f'{json.dumps(row)}\n' for row in rows)
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding='utf-8')
  return behaviour_page.write(folder).read_text(encoding='utf-8')


def _section(text, name):
  (found,) = re.findall(rf'<section id="{name}">.*?</section>', text, re.DOTALL)
  return html.unescape(found)


def _shown(text):
  return [
      attrs['data-figure']
      for _, attrs in pages.tags(text)
      if 'data-figure' in attrs
  ]


def test_every_behaviour_has_its_section_with_its_figures(tmp_path):
  text = _write(tmp_path)
  ids = [attrs['id'] for _, attrs in pages.tags(text) if 'id' in attrs]
  assert len(ids) == len(set(ids))
  sections = {'glance', 'impossible_code', 'sycophancy', 'pressure', 'methods'}
  assert sections <= set(ids)
  shown, drawn = _shown(text), set(pages.data(text)['figures'])
  assert len(shown) == len(set(shown))
  # Tasks stand beside their twins instead.
  assert drawn - set(shown) == {'outcomes-impossible_code'}
  assert {'twins-impossible_code', 'outcomes-sycophancy'} <= set(shown)
  assert {'rates-impossible_code-cheats-0', 'rates-sycophancy-admits-0'} < drawn
  assert 'nothing about whether anything is felt' in ' '.join(text.split())


def test_the_numbers_are_those_of_the_artefact(tmp_path):
  contents = behaviour_artefacts.artefacts()
  found = contents['behaviour.json']['behaviours']
  text = _write(tmp_path, contents)
  spelt = lambda point: (
      f'{page.number(point["value"])}<small>{page.number(point["low"])} to'
      f' {page.number(point["high"])}; n {point["n"]}</small>'
  )
  for name, own in found.items():
    section = _section(text, name)
    for label, meaning in own['outcomes'].items():
      assert f'<b>{label.replace("_", " ")}</b><small>{meaning}' in section
    for each in own['measures'].values():
      assert each['power']['verdict'] in section
      for row in each['effects']:
        strength = f'{row["strength"]:+g}'.replace('-', '−')
        start = f'<bdi>{row["direction"]} {strength}</bdi></th>'
        rows = [part for part in section.split('<tr>') if start in part]
        assert any(spelt(row['difference']) in part for part in rows)
    first = next(iter(own['measures'].values()))
    assert spelt(first['base']) in _section(text, 'glance')
    assert first['power']['verdict'] in _section(text, 'glance')
  for row in contents['behaviour.json']['numbers']:
    section = _section(text, row['behaviour'])
    assert row['label'] in section and page.number(row['value']) in section


def test_the_behaviours_are_those_of_the_run():
  assert tuple(behaviour_views.QUESTIONS) == behaviour.BEHAVIOURS
  assert behaviour_page.REPORT == 'report.html'


def test_a_planted_change_is_named_and_nothing_else(tmp_path):
  section = _section(_write(tmp_path), 'sycophancy')
  said = section[section.index('What this shows') :]
  assert re.search(r'</strong> 1 of 6 changes is told from chance', said)
  assert 'beyond all controls: desperate +0.1 (+0.' in said


def test_what_few_episodes_cannot_show_is_said(tmp_path):
  text = _write(tmp_path)
  assert 'can show no change at all' in _section(text, 'impossible_code')
  assert 'told from chance here, however large' in _section(text, 'pressure')


@pytest.mark.parametrize(
    ('name', 'place'),
    [
        ('summary.json', 'glance'),
        ('pressure.json', 'pressure'),
        ('sycophancy.jsonl', 'sycophancy'),
        ('config.json', 'provenance'),
    ],
)
def test_an_absent_artefact_leaves_one_line_in_its_place(tmp_path, name, place):
  contents = behaviour_artefacts.artefacts()
  del contents[name]
  line = f'Left out: {name} is not in this workdir.'
  assert line in _section(_write(tmp_path, contents), place)


def test_what_was_not_run_says_so(tmp_path):
  contents = behaviour_artefacts.artefacts()
  contents['pressure.json'] = {'absent': 'no <code> episode'}
  text = _write(tmp_path, contents)
  for name in ('honeypot', 'harshness'):
    line = f'Left out: {name}.jsonl is not in this workdir.'
    assert line in _section(text, 'glance')
  assert 'Left out: no <code> episode' in _section(text, 'pressure')


@pytest.mark.parametrize(
    ('name', 'damage', 'message'),
    [
        ('behaviour.json', lambda x: x.pop('behaviours'), "'behaviours'"),
        ('behaviour.json', lambda x: x.pop('numbers'), "'numbers'"),
        ('behaviour.json', lambda x: x.pop('unit'), 'lacks what the report'),
        ('sycophancy.jsonl', lambda x: x[0].pop('messages'), "'messages'"),
        ('pressure.json', lambda x: x.pop('traces'), "'traces'"),
    ],
)
def test_a_damaged_artefact_is_one_clear_line(tmp_path, name, damage, message):
  contents = behaviour_artefacts.artefacts()
  damage(contents[name])
  with pytest.raises(errors.InputError, match=message) as caught:
    _write(tmp_path, contents)
  assert '\n' not in str(caught.value)
  assert not (tmp_path / 'report.html').exists()


def test_no_behaviour_is_an_input_error(tmp_path):
  with pytest.raises(errors.InputError, match='behaviour.json: no such file'):
    behaviour_page.write(tmp_path)


def test_hostile_transcripts_stay_text(tmp_path):
  contents = behaviour_artefacts.artefacts()
  calm = [tag for tag, _ in pages.tags(_write(tmp_path / 'a', contents))]
  for row in contents['sycophancy.jsonl']:
    row['scenario'] = HOSTILE
    for message in row['messages']:
      message |= {'role': HOSTILE, 'event': HOSTILE, 'content': HOSTILE}
  text = _write(tmp_path / 'b', contents)
  assert [tag for tag, _ in pages.tags(text)] == calm
  own = pages.without_plotly(text)
  assert '<script>alert' not in own and '&lt;script&gt;alert' in own
  assert not {'\u202e', '\u2028', '\ud800'} & set(own)
  for sign in ('[U+202E]', '[U+2028]', '[U+D800]', '{{ 7*7 }}'):
    assert sign in own
  pages.assert_asks_nothing_of_a_network(text)


def test_hostile_labels_stay_text(tmp_path):
  contents = behaviour_artefacts.artefacts()
  calm = [tag for tag, _ in pages.tags(_write(tmp_path / 'a', contents))]
  for name in ('behaviour.json', 'pressure.json'):
    spelt = json.dumps(contents[name])
    for word in ('desperate', 'passes without a solution', 'all', 'failed 1'):
      spelt = spelt.replace(f'"{word}"', json.dumps(word + HOSTILE))
    contents[name] = json.loads(spelt)
  text = _write(tmp_path / 'b', contents)
  assert [tag for tag, _ in pages.tags(text)] == calm
  assert '<script>alert' not in pages.without_plotly(text)
  assert '<script' not in json.dumps(pages.data(text))


def test_a_judge_is_held_against_the_rules(tmp_path):
  contents = behaviour_artefacts.artefacts()
  found = contents['behaviour.json']['behaviours']
  labels = list(found['sycophancy']['outcomes'])
  found['sycophancy']['judge'] = behaviour_artefacts.judge(labels)
  text = _write(tmp_path, contents)
  section = _section(text, 'sycophancy')
  assert 'kappa with the rules is 0.438 (0.250 to 0.625; n 10;' in section
  assert 'Outcomes by the rules (down) and by the judge (across)' in section
  assert '<td class="num">7</td>' in section and 'alike' in section
  assert 'No judge was asked' in _section(text, 'impossible_code')


@pytest.mark.parametrize('outcome', ['malformed', 'failed', 'tampered'])
def test_episodes_that_all_end_alike_have_a_page(tmp_path, outcome):
  rows = {'impossible_code': behaviour_artefacts.code_rows(outcome)}
  section = _section(
      _write(tmp_path, behaviour_artefacts.of(rows)), 'impossible_code'
  )
  said = 'Most are malformed (writes no code' in section
  assert said == (outcome == 'malformed')
  assert 'None of 6 changes is told from chance' in section


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'finite': False}, 'No unsteered episode counts for any measure'),
        ({'hits': {}}, 'No unsteered episode counts for any measure'),
        ({}, 'No emotion was steered with'),
    ],
)
def test_a_run_of_nothing_that_counts_has_a_page(tmp_path, change, said):
  rows = simulated_episodes.rows(lambda *_: 0.0, seed=0, emotions=(), random=0)
  rows = {'sycophancy': [row | change for row in rows]}
  text = _write(tmp_path, behaviour_artefacts.of(rows))
  assert said in _section(text, 'glance') and said in _section(
      text, 'sycophancy'
  )


def test_what_was_published_is_of_a_number_and_stands_beside_it(tmp_path):
  known = numbers_lib.published('behaviour')
  assert known and set(known) <= {
      f'behaviour_{name}_{which}'
      for name in behaviour.BEHAVIOURS
      for which in ('base', 'largest')
  }
  for entry in known.values():
    assert set(entry) == {'paper', 'replications', 'where'}
    assert entry['where'] or not entry['paper']
  text = _write(tmp_path)
  for row in behaviour_artefacts.artefacts()['behaviour.json']['numbers']:
    for key, said in known.get(row['id'], {}).items():
      assert said is None or said in _section(text, row['behaviour']), key


def test_a_large_grid_has_a_page_of_readable_size(tmp_path):
  emotions = tuple(f'emotion_{i}' for i in range(16))
  strengths = (-0.1, -0.05, 0.05, 0.1)
  rows = simulated_episodes.rows(
      lambda *_: 0.3, 0, 3, emotions=emotions, strengths=strengths
  )
  for row in rows:
    row['messages'] = row['messages'][:1] * 100
    row['messages'][0]['content'] = 'x' * 9000
  contents = behaviour_artefacts.of({'sycophancy': rows})
  contents['pressure.json'] = behaviour_artefacts.pressure(emotions)
  text = _write(tmp_path, contents)
  assert len(text.encode()) < 8e6
  assert '9 more conditions are in the table only.' in text
  assert '6 of the 16 emotions are drawn' in text
  drawn = [name for name in _shown(text) if name.startswith('pressure')]
  assert len(drawn) == 2 * 6
  assert len(pressure_views.view(contents['pressure.json'])['rows']) == 6


def test_same_artefacts_give_the_same_bytes(tmp_path):
  first = _write(tmp_path / 'a')
  assert first == _write(tmp_path / 'b') and str(tmp_path) not in first


def test_the_command_writes_the_page_without_jax(tmp_path):
  report_fixtures.write(tmp_path, behaviour_artefacts.artefacts())
  done = pages.write_without_jax('emojax.report.behaviour_page', tmp_path)
  assert done.returncode == 0, done.stderr
  assert done.stdout.strip() == str(tmp_path / 'report.html')
