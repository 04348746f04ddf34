"""Every report in a browser: drawn, read aloud, printed, and its data taken."""

import csv
import html
import json

import behaviour_artefacts
import browser
import corpus_artefacts
import numpy as np
import plotly.graph_objects as go
import pytest
import report_fixtures
import sweep_fixtures

from emojax.experiments import summarise_sweep
from emojax.report import alternatives
from emojax.report import behaviour_page
from emojax.report import corpus_page
from emojax.report import page as page_lib
from emojax.report import sweep_page
from emojax.report import wild_page

PAGES = ('quickstart', 'sweep', 'behaviour', 'corpus', 'wild')
PHONE = {'width': 400, 'height': 800}
WIDE = {'width': 1200, 'height': 900}
HOSTILE = '</script><img src=x onerror=alert(1)>\u2028"\'&{{ 7*7 }}'
FORMULA = ('=1+1', '+1', '-1', '@sum', ' =1')
LIMIT = 8e6  # Bytes of a report.


def _sweep():
  rows = sweep_fixtures.rows(strengths=(-0.4, 0.2, 0.4, 0.8))
  dose = summarise_sweep.summarise(sweep_fixtures.EMOTIONS, rows, 0)
  config = report_fixtures.artefacts()['config.json']
  return {'sweep.jsonl': rows, 'dose.json': dose, 'config.json': config}


def _wild():
  """Of 3 emotions in 2 transcripts."""
  names = ('happy', 'sad', 'afraid')
  point = behaviour_artefacts.point
  passage = {
      'transcript': 0,
      'window': [1, 3],
      'score': 2.5,
      'tokens': [' one', ' two', ' three', ' four'],
      'roles': ['user'] * 4,
      'shown': [0.1, 0.9, 0.8, -0.2],
  }
  number = {
      'id': 'wild_retrieval',
      'label': 'Best passage is of a transcript about it',
      **point(0.9),
      'unit': 'fraction of emotions',
      'interval': '95 % Wilson',
      'controls': [{'label': 'chance', **point(0.1)}],
      'beyond': True,
      'note': '',
  }
  return {
      'config.json': report_fixtures.artefacts()['config.json'],
      'wild.json': {
          'emotions': list(names),
          'transcripts': 2,
          'tokens': 90,
          'layer': 3,
          'left_out': {},
          'places': ['a.jsonl:1', 'a.jsonl:2'],
          'roles': [
              {'emotion': name, 'user': point(0.1 * i), 'assistant': point(0.0)}
              for i, name in enumerate(names)
          ],
          'top': {name: [passage] for name in names},
          'peaks': {'raw': [' a'] * 3, 'guarded': [' b'] * 3},
          'numbers': [number],
      },
  }


MADE = {
    'quickstart': (report_fixtures.artefacts, page_lib.write),
    'sweep': (_sweep, sweep_page.write),
    'behaviour': (behaviour_artefacts.artefacts, behaviour_page.write),
    'corpus': (corpus_artefacts.artefacts, corpus_page.write),
    'wild': (_wild, wild_page.write),
}


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  """Paths of the pages by name, and what they were made of."""
  out = {}
  for name, (make, write) in MADE.items():
    folder, contents = tmp_path_factory.mktemp(name), make()
    report_fixtures.write(folder, contents)
    out[name] = write(folder), contents
  return out


def show(page, path):
  page.goto(path.as_uri())
  page.locator('.plot .main-svg').first.wait_for()
  assert page.locator('.plot:not(:has(.main-svg))').count() == 0


def data_of(page, id_, press=False):
  """Returns the rows of what a figure's button saves, and the file's name."""
  button = page.locator(f'figure:has(#{id_}) .csv')
  with page.expect_download() as caught:
    if press:
      button.focus()
      page.keyboard.press('Enter')
    else:
      button.click()
  text = caught.value.path().read_bytes().decode('utf-8')
  assert text.endswith('\r\n')
  return (
      list(csv.DictReader(text.splitlines())),
      caught.value.suggested_filename,
  )


def series(rows, name):
  return [row for row in rows if row['series'] == name]


def floats(rows, *names):
  return np.array([[float(row[name]) for name in names] for row in rows])


@pytest.mark.parametrize('name', PAGES)
@pytest.mark.parametrize(
    ('viewport', 'scheme'), [(WIDE, 'light'), (PHONE, 'dark')]
)
def test_every_page_opens_without_a_network_and_fits(
    chromium, written, name, viewport, scheme
):
  with browser.page(
      chromium, viewport=viewport, color_scheme=scheme, offline=True
  ) as page:
    show(page, written[name][0])
    wide, inner = page.evaluate(
        '[document.documentElement.scrollWidth, innerWidth]'
    )
    assert wide <= inner == viewport['width']
    plots = page.locator('.plot').all()
    assert plots
    colour = page.evaluate('getComputedStyle(document.body).backgroundColor')
    dark = sum(int(x) for x in colour[4:-1].split(',')) < 300
    assert dark == (scheme == 'dark')
    for plot in plots:
      assert plot.bounding_box()['width'] <= viewport['width']


@pytest.mark.parametrize('name', PAGES)
def test_every_page_can_be_read_aloud_and_used_by_keyboard(
    chromium, written, name
):
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    show(page, written[name][0])
    page.keyboard.press('Tab')
    assert page.evaluate('document.activeElement.className') == 'skip'
    page.keyboard.press('Enter')
    assert page.evaluate('document.activeElement.tagName') == 'MAIN'
    levels = [
        int(tag[1])
        for tag in page.evaluate(
            "Array.from(document.querySelectorAll('h1, h2, h3, h4, h5, h6'))"
            '.map((each) => each.tagName)'
        )
    ]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:]))
    assert page.locator('main').count() == 1
    assert page.locator('html[lang=en]').count() == 1
    assert page.locator('nav:not([aria-label])').count() == 0
    assert page.locator('table:not(:has(> caption))').count() == 0
    assert page.locator('th:not([scope])').count() == 0
    assert page.locator('.scroll:not([tabindex])').count() == 0
    nameless = page.evaluate(
        "Array.from(document.querySelectorAll('button, select, input'))"
        '.filter((each) => !(each.labels && each.labels.length) &&'
        " !each.getAttribute('aria-label') && !each.textContent.trim())"
        '.map((each) => each.outerHTML)'
    )
    assert nameless == []


@pytest.mark.parametrize('name', PAGES)
def test_every_figure_has_words_and_its_n_intervals_and_controls(
    chromium, written, name
):
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    show(page, written[name][0])
    for plot in page.locator('.plot').all():
      assert plot.get_attribute('role') == 'img'
      label = plot.get_attribute('aria-label')
      start = plot.get_attribute('data-label')
      assert label.startswith(start) and len(label) > len(start) + 5, label
    captions = page.locator('figcaption').all_inner_texts()
    assert len(captions) == page.locator('.plot').count()
    for caption in captions:
      assert ' n ' in caption, caption
      for word in ('interval', 'control'):
        assert word in caption.lower(), caption


@pytest.mark.parametrize('name', PAGES)
def test_every_figure_gives_its_data(chromium, written, name):
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    show(page, written[name][0])
    plots = page.locator('.plot').all()
    for i, id_ in enumerate([plot.get_attribute('id') for plot in plots]):
      if i % 8 == 7:  # Of too many from one visit Chromium asks a person.
        show(page, written[name][0])
      rows, file = data_of(page, id_)
      assert rows and file == f'{id_}.csv'
      assert None not in rows[0] and None not in rows[0].values()


def test_the_data_of_lines_is_that_of_the_artefact(chromium, written):
  path, contents = written['quickstart']
  layers = contents['heldout.json']['layers']
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    show(page, path)
    rows, _ = data_of(page, 'heldout-top1', press=True)
  x, y = 'layer (0-based block, its output)', 'fraction of stories'
  assert list(rows[0]) == ['series', x, y, 'low', 'high', 'n']
  for name, key in (('held out', 'top1'), ('shuffled labels', 'shuffled_top1')):
    got = floats(series(rows, name), x, y, 'low', 'high', 'n')
    expected = [
        [row['layer'], *(row[key][k] for k in ('value', 'low', 'high', 'n'))]
        for row in layers
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-4)
  assert len(series(rows, 'chance')) == len(layers)


def test_the_data_of_a_map_is_that_of_the_artefact(chromium, written):
  path, contents = written['quickstart']
  geometry = contents['geometry.json']
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    show(page, path)
    rows, _ = data_of(page, 'cosine-map')
  assert list(rows[0]) == ['row', 'column', 'cosine']
  names = geometry['emotions']
  assert len(rows) == len(names) ** 2
  for row in rows:
    i, j = names.index(row['row']), names.index(row['column'])
    expected = geometry['cosine'][i][j]
    np.testing.assert_allclose(float(row['cosine']), expected, rtol=1e-4)


def test_the_data_of_marks_is_that_of_the_artefact(chromium, written):
  path, contents = written['quickstart']
  geometry = contents['geometry.json']
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    show(page, path)
    rows, _ = data_of(page, 'components')
  words = geometry['valence']['words']
  assert {row['text'] for row in rows} == set(geometry['emotions'])
  _, x, y, *_ = rows[0]
  for row in rows:
    i = geometry['emotions'].index(row['text'])
    expected = geometry['pca']['scores'][i][:2]
    np.testing.assert_allclose(floats([row], x, y)[0], expected, rtol=1e-4)
    known = words.get(row['text'])
    assert (
        row['valence'] == ''
        if known is None
        else (float(row['valence']) == pytest.approx(known, rel=1e-4))
    )


def test_the_data_of_rates_and_counts_is_that_of_the_artefact(
    chromium, written
):
  path, contents = written['behaviour']
  found = contents['behaviour.json']['behaviours']['sycophancy']
  measure, each = next(iter(found['measures'].items()))
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    show(page, path)
    rates, _ = data_of(page, f'rates-sycophancy-{measure}-0')
    bars, _ = data_of(page, 'outcomes-sycophancy')
  own = [row for row in each['rates'] if row['direction'] == 'desperate']
  got = [row for row in series(rates, 'desperate') if row['n']]
  got = floats(got, 'strength', 'share of episodes', 'low', 'high', 'n')
  expected = [
      [row[k] for k in ('strength', 'value', 'low', 'high', 'n')] for row in own
  ]
  np.testing.assert_allclose(got, sorted(expected), rtol=1e-4, atol=1e-9)
  unsteered = [row for row in bars if row['y'] == 'unsteered']
  (table,) = [
      row for row in found['table'] if row['condition']['kind'] == 'unsteered'
  ]
  assert {row['n'] for row in unsteered} == {str(table['n'])}
  counted = {row['series']: int(row['episodes']) for row in unsteered}
  for label, count in table['counts'].items():
    assert counted[label.replace('_', ' ')] == count


def test_what_a_spreadsheet_would_run_is_text(chromium, tmp_path):
  contents = report_fixtures.artefacts()
  geometry = contents['geometry.json']
  names = geometry['emotions']
  names[: len(FORMULA)] = FORMULA
  names[len(FORMULA)] = 'a "b", c\nd'
  names[len(FORMULA) + 1] = '<b>&amp;</b>'
  report_fixtures.write(tmp_path, contents)
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    show(page, page_lib.write(tmp_path))
    with page.expect_download() as caught:
      page.locator('figure:has(#cosine-map) .csv').click()
    with open(caught.value.path(), encoding='utf-8', newline='') as file:
      rows = list(csv.DictReader(file))
  seen = {row['row'] for row in rows}
  assert {f"'{name}" for name in FORMULA} <= seen and not seen & set(FORMULA)
  assert {'a "b", c\nd', '<b>&amp;</b>'} <= seen
  values = [row['cosine'] for row in rows]
  assert any(value.startswith('-') for value in values)
  assert not any(value.startswith("'") for value in values)


def test_pickers_draw_what_is_picked(chromium, written):
  for name, picker, ids in (
      ('quickstart', 'dose-emotion', ['dose-one']),
      (
          'behaviour',
          'pressure-emotion',
          ['pressure-one-before', 'pressure-one-message'],
      ),
  ):
    path, contents = written[name]
    with browser.page(chromium, viewport=WIDE, offline=True) as page:
      show(page, path)
      options = page.locator(f'#{picker} option').all_inner_texts()
      page.select_option(f'#{picker}', label=options[2])
      for id_ in ids:
        label = page.locator(f'#{id_}').get_attribute('aria-label')
        assert f': {options[2]}. ' in label
        rows, _ = data_of(page, id_)
        assert {row['picked'] for row in rows} == {options[2]}
    if name == 'quickstart':
      assert options == list(contents['dose.json']['emotions'])
      points = contents['dose.json']['emotions'][options[2]]['matched']
      line = 'the emotion’s own word', 'change in log-probability (nats)'
    else:
      assert options == contents['pressure.json']['emotions']
      points = [
          row['emotions'][options[2]]
          for row in contents['pressure.json']['traces']['impossible']
          if row['form'] == 'message'
      ]
      line = 'impossible tasks', 'SD over neutral dialogues'
    # The unsteered model, at strength 0, has no n.
    own = [row for row in series(rows, line[0]) if row['n']]
    np.testing.assert_allclose(
        floats(own, line[1], 'low', 'high', 'n'),
        [[p[k] for k in ('value', 'low', 'high', 'n')] for p in points],
        rtol=1e-4,
        atol=1e-9,
    )


@pytest.mark.parametrize('name', PAGES)
def test_on_paper_nothing_is_folded_and_figures_fit(chromium, written, name):
  with browser.page(
      chromium, viewport=WIDE, color_scheme='dark', offline=True
  ) as page:
    show(page, written[name][0])
    folded = page.locator('details:not([open])').count()
    assert folded
    page.emulate_media(media='print')
    page.locator('html.paper').wait_for()
    assert page.locator('details:not([open])').count() == 0
    for plot in page.locator('.plot').all():
      svg = plot.locator('.main-svg').first.bounding_box()
      assert svg['width'] <= 640
    ink = page.evaluate('getComputedStyle(document.body).color')
    assert sum(int(x) for x in ink[4:-1].split(',')) < 300  # Dark on white.
    page.emulate_media(media='screen')
    page.locator('html:not(.paper)').wait_for()
    assert page.locator('details:not([open])').count() == folded
    assert len(page.pdf(format='A4')) > 10_000


def test_motion_is_not_used_where_it_is_not_wanted(chromium, written):
  with browser.page(
      chromium, viewport=WIDE, reduced_motion='reduce', offline=True
  ) as page:
    show(page, written['quickstart'][0])
    moving = page.evaluate(
        "Array.from(document.querySelectorAll('body *')).filter((each) =>"
        " !each.closest('.plot') &&"
        " getComputedStyle(each).transitionDuration !== '0s').length"
    )
    assert moving == 0


def test_focus_is_seen(chromium, written):
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    show(page, written['quickstart'][0])
    page.locator('nav a').first.focus()
    page.keyboard.press('Tab')
    width = page.evaluate(
        'parseFloat(getComputedStyle(document.activeElement).outlineWidth)'
    )
    assert width >= 2


def test_hostile_strings_are_seen_as_text_and_run_nothing(chromium, tmp_path):
  contents = report_fixtures.artefacts()
  contents['summary.json']['model']['name'] = HOSTILE
  contents['summary.json']['numbers'][0] |= {
      'id': 'heldout_top1_nested',
      'label': HOSTILE,
      'note': HOSTILE,
  }
  contents['summary.json']['numbers'][0]['controls'][0]['label'] = HOSTILE
  contents['geometry.json']['emotions'][0] = HOSTILE
  dose = contents['dose.json']
  dose['emotions'] = {HOSTILE + n: c for n, c in dose['emotions'].items()}
  report_fixtures.write(tmp_path, contents)
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    asked = []
    page.on('dialog', lambda dialog: (asked.append(dialog), dialog.dismiss()))
    show(page, page_lib.write(tmp_path))
    page.select_option('#dose-emotion', index=3)
    assert page.locator('img').count() == 0 and not asked
    assert HOSTILE in page.locator('h1').text_content()
    assert HOSTILE in page.locator('#overview').text_content()
    label = page.locator('#dose-one').get_attribute('aria-label')
    assert HOSTILE in label
    rows, _ = data_of(page, 'dose-one')
    assert all(row['picked'].startswith(HOSTILE[:20]) for row in rows)


@pytest.fixture(scope='module')
def large(tmp_path_factory):
  """A run of 171 emotions and 60 layers, with 12 chats of 400 tokens."""
  with pytest.MonkeyPatch.context() as patch:
    names = tuple(
        f'{x} {y}' for x in report_fixtures.EMOTIONS for y in 'abcdefgh'
    )
    patch.setattr(report_fixtures, 'EMOTIONS', names[:171])
    patch.setattr(report_fixtures, 'SIZE', 171)
    patch.setattr(report_fixtures, 'LAYERS', 60)
    patch.setattr(report_fixtures, '_rows', report_fixtures._rows.__wrapped__)
    patch.setattr(report_fixtures, '_dose', report_fixtures._dose.__wrapped__)
    contents = report_fixtures.artefacts()
  rng = np.random.default_rng(0)
  row = contents['readings.jsonl'][0]
  size = (400, 171)
  contents['readings.jsonl'] = [
      row
      | {
          'id': f'chat-{i}',
          'title': f'Chat {i}',
          'tokens': [f' word{t}' for t in range(400)],
          'roles': ['user'] * 200 + ['template'] * 5 + ['assistant'] * 195,
          'response_index': 204,
          'cosine': np.round(rng.normal(0, 0.05, size), 5).tolist(),
          'score': np.round(rng.normal(0, 1, size), 5).tolist(),
      }
      for i in range(12)
  ]
  folder = tmp_path_factory.mktemp('large')
  report_fixtures.write(folder, contents)
  return page_lib.write(folder)


def test_a_large_run_has_a_page_that_can_be_sent(chromium, large):
  assert len(large.read_bytes()) < LIMIT
  with browser.page(chromium, viewport=WIDE, offline=True) as page:
    show(page, large)
    assert page.locator('#dose-emotion option').count() == 171
    rows, _ = data_of(page, 'cosine-map')
    assert len(rows) == 171**2
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(1500)  # Figures are drawn once a size has lasted.
    assert page.evaluate('document.documentElement.scrollWidth') <= 400


def test_labels_come_out_of_a_figure_as_they_went_in():
  figure = go.Figure()
  figure.add_scatter(x=[1], y=[2], name=html.escape('a<b&c', quote=False))
  assert 'a<b&c: 2 throughout' in alternatives.of(figure)
  assert json.dumps(alternatives.facts(figure))
