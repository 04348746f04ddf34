"""The page of a paper run: a section a question, each number beside others."""

import html
import itertools
import re
import shutil

import browser
import pages
import plotly.graph_objects as go
import pytest
import question_fixtures
import tiny_model

from emojax import errors
from emojax import files
from emojax.experiments import paper
from emojax.report import answers
from emojax.report import curves
from emojax.report import maps
from emojax.report import paper_page

ASKED = question_fixtures.QUESTIONS
HOSTILE = '</script><img src=x onerror=alert(1)>\u2028"\'&{{ 7*7 }}'


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  folder = tmp_path_factory.mktemp('paper_page')
  base = tiny_model.write(folder / 'base', seed=1)
  config = question_fixtures.two_questions(folder, str(base))
  paper.run(config, folder / 'run')
  return folder / 'run'


@pytest.fixture
def workdir(finished, tmp_path):
  """A copy of what the page is made of."""
  names = ('summary.json', 'config.json', *(f'{name}.json' for name in ASKED))
  for name in names:
    shutil.copy(finished / name, tmp_path / name)
  return tmp_path


def write(workdir, **changes):
  """Writes the page; changes replace or change artefacts."""
  for name, change in changes.items():
    path = workdir / f'{name}.json'
    data = files.read_json(path) if path.exists() else None
    files.write_json(path, change(data) or data)
  return paper_page.write(workdir).read_text(encoding='utf-8')


def section(text, name):
  found = re.findall(rf'<section id="{name}">.*?</section>', text, re.DOTALL)
  assert len(found) == 1, name
  return found[0]


def test_every_artefact_has_its_section_with_its_figures(workdir):
  text = write(workdir)
  tags = pages.tags(text)
  ids = [attrs['id'] for _, attrs in tags if 'id' in attrs]
  assert len(ids) == len(set(ids))
  assert {'glance', *ASKED, 'methods', 'provenance'} <= set(ids)
  shown = [attrs['data-figure'] for _, attrs in tags if 'data-figure' in attrs]
  assert len(shown) == len(set(shown))
  assert set(shown) == set(pages.data(text)['figures'])
  links = [attrs['href'] for tag, attrs in tags if tag == 'a']
  for name in ASKED:
    assert f'#{name}' in links
    assert any(figure.startswith(name) for figure in shown)
  assert 'nothing about whether anything is felt' in ' '.join(text.split())


def test_the_page_draws_on_a_phone_and_begins_with_its_overview(
    chromium, workdir
):
  write(workdir)
  size = {'width': 400, 'height': 800}
  with browser.page(chromium, viewport=size, offline=True) as page:
    page.goto((workdir / 'report.html').as_uri())
    assert page.locator('.plot .main-svg').count()
    assert page.locator('.plot:not(:has(.main-svg))').count() == 0
    assert page.locator('h2').first.inner_text() == 'Overview'
    said = page.locator('#overview .absent').inner_text()
    assert said.startswith('Not measured in this run: ')
    assert page.evaluate('document.documentElement.scrollWidth') <= 400
    for caption in page.locator('figcaption').all_inner_texts():
      for word in (' n ', 'interval', 'control'):
        assert word in caption.lower(), caption


def test_what_was_not_asked_or_left_out_says_why(workdir):
  reason = 'it needs <more> of them; give some.'
  text = write(workdir, post_training=lambda _: {'absent': reason})
  glance = section(text, 'glance')
  assert f'Left out: {html.escape(reason)}' in glance
  others = [name for name in paper_page.QUESTIONS if name not in ASKED]
  assert others
  for name in others:
    assert f'Left out: {name}.json is not in this workdir.' in glance
  gone = {*others, 'post_training'}
  for tag, attrs in pages.tags(text):
    assert attrs.get('href', '#')[1:] not in gone
    assert tag != 'section' or attrs['id'] not in gone


def test_every_number_stands_beside_its_controls_and_what_was_published(
    workdir,
):
  text = write(workdir)
  known = 0
  for name in ASKED:
    body = html.unescape(section(text, name))
    rows = files.read_json(workdir / f'{name}.json')['numbers']
    table = body[body.index('Beyond controls') :]
    parts = table.split('<tr><th scope="row">')[1 : len(rows) + 1]
    for row, part in zip(rows, parts, strict=True):
      assert row['label'] in part and row['unit'] in part
      for control in row['controls']:
        assert control['label'] in part
        assert f'n {control["n"]}' in part
      said = {True: 'yes', False: 'no', None: '–'}[row['beyond']]
      assert f'<td>{said}</td>' in part
      if 'published' in row:
        known += 1
        for value in row['published'].values():
          assert value is None or value in part
    first = html.unescape(section(text, 'glance'))
    assert rows[0]['label'] in first
  assert known >= 8


def test_no_question_goes_without_numbers(workdir):
  def without(data):
    data['numbers'] = []

  with pytest.raises(errors.InputError, match='lacks what the report shows'):
    write(workdir, wild=without)
  assert not (workdir / 'report.html').exists()


@pytest.mark.parametrize(
    ('name', 'key'),
    [
        ('wild', 'roles'),
        ('wild', 'peaks'),
        ('post_training', 'by_layer'),
        ('post_training', 'table'),
    ],
)
def test_a_damaged_artefact_is_one_clear_line(workdir, name, key):
  def lose(data):
    del data[key]

  with pytest.raises(
      errors.InputError, match=f'{name}.json: .*{key}'
  ) as caught:
    write(workdir, **{name: lose})
  assert '\n' not in str(caught.value)
  assert not (workdir / 'report.html').exists()


def test_no_summary_is_an_input_error(workdir):
  (workdir / 'summary.json').unlink()
  with pytest.raises(errors.InputError, match='summary.json: no such file'):
    write(workdir)


@pytest.mark.parametrize(('count', 'named'), [(4, True), (5, False)])
def test_numbers_within_their_controls_are_counted_and_few_are_named(
    workdir, count, named
):
  def judge(data):
    row = data['numbers'][0]
    data['numbers'] = [
        row | {'label': f'number {i}', 'beyond': i >= count} for i in range(7)
    ]

  body = section(write(workdir, wild=judge), 'wild')
  total = f'In this model {7 - count} of 7 numbers lie beyond their controls'
  labels = '; '.join(f'number {i}' for i in range(count))
  end = f'; these do not: {labels}.' if named else '.'
  assert f'<p>{total}{end}</p>' in body


def test_the_page_asks_nothing_of_a_network(workdir):
  pages.assert_asks_nothing_of_a_network(write(workdir))


def test_hostile_strings_stay_text(workdir):
  calm = [tag for tag, _ in pages.tags(write(workdir))]

  def number(row):
    for key in ('label', 'unit', 'interval', 'note'):
      row[key] = row[key] and HOSTILE
    for control in row['controls']:
      control['label'] = HOSTILE
    if 'published' in row:
      row['published'] = {
          key: value and HOSTILE for key, value in row['published'].items()
      }

  def change(data):
    for row in data['numbers']:
      number(row)
    for row in data.get('table', []):
      row['emotion'] = HOSTILE
    for key in ('base', 'post'):
      if key in data:
        data[key] = HOSTILE

  def rename(data):
    data['model'] |= {'name': HOSTILE, 'uri': HOSTILE}

  text = write(workdir, wild=change, post_training=change, summary=rename)
  assert [tag for tag, _ in pages.tags(text)] == calm
  assert '<img' not in pages.without_plotly(text)
  assert '49' not in text.split('<title>')[1].split('</title>')[0]


def test_the_command_writes_the_page_without_jax(workdir, finished):
  done = pages.write_without_jax('emojax.report.paper_page', workdir)
  assert done.returncode == 0, done.stderr
  same = (finished / 'report.html').read_bytes()
  assert (workdir / 'report.html').read_bytes() == same


def test_figures_are_two_in_a_row_but_for_maps_and_what_is_left():
  line, heat = curves.empty('x', 'y'), maps.wide([[1.0]], ['a'], ['b'], 'nats')
  square = maps.square([[None]], ['a'], ['b'], 'nats')
  both = {'l': line, 'h': heat, 's': square}
  for kinds, expected in (
      ('', []),
      ('l', ['l']),
      ('ll', ['ll']),
      ('lll', ['ll', 'l']),
      ('lhl', ['l', 'h', 'l']),
      ('hll', ['h', 'll']),
      ('llslls', ['ll', 's', 'll', 's']),
  ):
    figures = {f'{kind}{i}': both[kind] for i, kind in enumerate(kinds)}
    rows = answers.in_rows(figures)
    assert list(itertools.chain(*rows)) == list(figures)
    assert [''.join(name[0] for name in row) for row in rows] == expected
  assert isinstance(heat, go.Figure)
