"""The reader in a browser: what it shows is what the files say."""

import json

import browser
import numpy as np
import pytest
import reader_fixtures
import tiny_model

from emojax import files
from emojax.experiments import read
from emojax.report import reader_page

CHATS = (
    {'id': 'keys', 'title': 'Lost keys', 'text': 'I lost my keys in the snow.'},
    {
        'id': 'markup',
        'title': '<i>markup</i>',
        'text': '<img src=x onerror=alert(1)>\u202e\tand\u00a0\nsnow',
    },
)
STEER = 'happy:0.5,angry:-0.25'
READY = '#reader[aria-busy=false]'


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A finished run of a tiny model, with two replies to each chat."""
  folder = tmp_path_factory.mktemp('reader')
  model = tiny_model.write(folder / 'model')
  tiny_model.write_vectors(folder / 'vectors.safetensors', model)
  tiny_model.write_rows(folder / 'texts.jsonl', CHATS)
  config = tiny_model.config(
      'read',
      vectors=str(folder / 'vectors.safetensors'),
      texts=str(folder / 'texts.jsonl'),
  )
  config.reply.steer = STEER
  config.reply.new_tokens = 6
  read.run(config, folder / 'out')
  return folder / 'out'


@pytest.fixture(scope='module')
def rows(run):
  return [row for _, row in files.read_jsonl(run / 'readings.jsonl')]


@pytest.fixture
def page(chromium, run):
  with browser.page(
      chromium, offline=True, viewport={'width': 1200, 'height': 900}
  ) as opened:
    opened.goto((run / 'reader.html').as_uri())
    opened.wait_for_selector(READY)
    yield opened


def _tokens(page, pane=0):
  return page.locator('.pane').nth(pane).locator('.token')


def _colours(page):
  return page.evaluate(
      "[...document.querySelectorAll('.token')].map("
      '(token) => getComputedStyle(token).backgroundColor)'
  )


def _listed(page, name):
  """Emotion and number of each line of a list beside the text."""
  found = {}
  for button in page.locator(f'#{name} button').all():
    number = button.locator('data')
    found[button.locator('span').first.inner_text()] = (
        float(number.get_attribute('value')),
        number.inner_text(),
    )
  return found


def _go(page, layer):
  page.locator('#layer').fill(str(layer))
  page.wait_for_selector(f'#reader[data-layer="{layer}"]')


def test_another_emotion_is_another_colouring(page, rows):
  before = _colours(page)
  names = rows[0]['emotions']
  chosen = page.locator('#emotion').input_value()
  other = next(name for name in names if name != chosen)
  page.select_option('#emotion', other)
  after = _colours(page)
  assert len(set(after)) > 5
  assert sum(a != b for a, b in zip(before, after, strict=True)) > 10
  # The sign is the hue: blue below 0, orange above.
  t = names.index(other)
  scores = [row['score'] for row in rows[:2]]
  values = [token[t] for row in scores for token in row]
  red, _, blue = np.array([_channels(colour) for colour in after]).T
  strong = np.abs(values) > 0.3 * max(map(abs, values))
  assert np.array_equal(
      red[strong] > blue[strong], np.array(values)[strong] > 0
  )


def _channels(colour):
  """Red, green and blue of 'color(srgb r g b / a)' or 'rgba(...)'."""
  words = colour[colour.index('(') + 1 : -1].replace(',', ' ').split()
  return [float(word) for word in words if word not in ('srgb', '/')][:3]


@pytest.mark.parametrize('kind', ['score', 'cosine'])
def test_the_table_at_a_token_has_the_numbers_of_the_file(page, rows, kind):
  page.check(f'input[value={kind}]')
  for pane, t in ((0, 3), (1, 12), (1, rows[1]['response_index'])):
    _tokens(page, pane).nth(t).hover()
    row = rows[pane]
    expected = dict(zip(row['emotions'], row[kind][t], strict=True))
    seen = _listed(page, 'top') | _listed(page, 'bottom')
    assert {name: value for name, (value, _) in seen.items()} == expected
    digits = 2 if kind == 'score' else 3
    for name, (value, shown) in seen.items():
      assert shown.replace('\u2212', '-') == f'{value:+.{digits}f}', name
    top = [value for value, _ in _listed(page, 'top').values()]
    assert top == sorted(expected.values(), reverse=True)[: len(top)]
    assert f'token {t} of {len(row["tokens"])}' in page.inner_text('#detail')


def test_the_slider_goes_through_the_layers_of_the_cosines(page, run, rows):
  arrays, _ = files.read_arrays(run / 'cosines.safetensors')
  page.check('input[value=cosine]')
  at = int(arrays['starts'][1]) + 7  # The eighth token of the second row.
  shown = {}
  for layer in (0, 2, 1):
    _go(page, layer)
    _tokens(page, 1).nth(7).hover()
    seen = _listed(page, 'top') | _listed(page, 'bottom')
    shown[layer] = [seen[name][0] for name in rows[0]['emotions']]
    own = arrays['cosines'][at, layer]
    exact = layer == rows[0]['layer']
    half = 0.5e-5 if exact else 0.5e-4
    np.testing.assert_allclose(shown[layer], own, rtol=0, atol=1.01 * half)
    assert f'at layer {layer};' in page.inner_text('#scale-note')
  assert not np.allclose(shown[0], shown[2], atol=1e-2)


def test_standardised_values_of_other_layers_have_their_own_baselines(chromium):
  made, arrays = reader_fixtures.made((30, 25), layers=4, layer=1)
  with browser.page(chromium, offline=True) as page:
    page.set_content(reader_page.render(made, arrays))
    page.wait_for_selector(READY)
    page.select_option('#chat', index=1)
    _go(page, 3)
    own = arrays['cosines'][30:, 3].astype(float)
    expected = reader_fixtures.standardised(arrays, own, 3, 12)
    for t in (4, 12):  # The second is the template's last before the reply.
      _tokens(page).nth(t).hover()
      seen = _listed(page, 'top') | _listed(page, 'bottom')
      values = [seen[name][0] for name in made[0]['emotions']]
      # Half a step of a cosine, over the least deviation there is.
      np.testing.assert_allclose(values, expected[t], atol=0.6e-4 / 0.02)


def test_a_second_emotion_is_a_line_with_a_legend(page, rows):
  line = (
      "[...document.querySelectorAll('.token')].map("
      '(token) => getComputedStyle(token).backgroundImage)'
  )
  assert page.is_hidden('#second-scale')
  assert set(page.evaluate(line)) == {'none'}
  name = rows[0]['emotions'][2]
  before = _colours(page)
  page.select_option('#second', name)
  lines = page.evaluate(line)
  assert _colours(page) == before
  values = [token[2] for row in rows[:2] for token in row['score']]
  for value, drawn in zip(values, lines, strict=True):
    if abs(value) > 0.5:
      assert drawn.startswith('repeating') == (value < 0)
  assert page.is_visible('#second-scale')
  assert page.inner_text('#second-name') == name
  _tokens(page).nth(2).hover()
  value = rows[0]['score'][2][2]
  assert page.locator('#detail data').nth(1).get_attribute('value') == str(
      value
  )
  page.select_option('#second', '')
  assert set(page.evaluate(line)) == {'none'}


def test_the_two_replies_stand_side_by_side(page, rows):
  assert page.locator('#chat option').count() == len(CHATS)
  panes = page.locator('.pane')
  assert panes.count() == 2
  boxes = [panes.nth(i).bounding_box() for i in range(2)]
  assert boxes[0]['y'] == boxes[1]['y'] and boxes[0]['x'] < boxes[1]['x']
  titles = page.locator('.pane h4').all_inner_texts()
  assert titles[0] == 'Reply of the unsteered model'
  assert titles[1] == f'Reply steered with {STEER} at layer 1'
  for i in range(2):
    assert _tokens(page, i).count() == len(rows[i]['tokens'])
  assert 'Both texts are read without steering' in page.inner_text('main')


def test_markup_is_text_and_what_is_hidden_is_a_sign(page, rows):
  page.select_option('#chat', index=1)
  assert page.locator('#chat option').nth(1).inner_text() == CHATS[1]['title']
  assert page.locator('img, #tokens i').count() == 0
  text = page.locator('.pane').first.inner_text()
  assert '<img' in text.replace('\n', '')
  for sign in ('[U+202E]', '\u21e5', '[U+00A0]', '\u23ce'):
    assert sign in text
  assert '\u202e' not in text and '\u00a0' not in text
  assert len(rows[2]['tokens']) == _tokens(page).count()


def test_search_goes_through_all_texts_across_tokens(page, rows):
  page.keyboard.press('/')
  page.keyboard.type('SNOW')  # A tiny model's tokens are of one letter.
  count = sum(''.join(row['tokens']).count('snow') for row in rows)
  assert count >= 4
  assert page.inner_text('#found').startswith(f'{count} found')
  tokens = rows[0]['tokens']
  start = next(t for t in range(99) if tokens[t : t + 4] == list('snow'))
  for i in range(count):
    page.keyboard.press('Enter')
    assert page.inner_text('#found').startswith(f'{i + 1} of {count}')
    assert page.locator('.token.now').count() == 4
    if i == 0:
      marked = page.locator('.token.now').first
      assert marked.get_attribute('data-index') == str(start)
      assert marked.get_attribute('aria-selected') == 'true'
  assert page.locator('#chat').input_value() == '1'  # It went to the next text.
  page.keyboard.press('Shift+Enter')
  assert page.inner_text('#found').startswith(f'{count - 1} of {count}')
  page.fill('#search', 'no such words.*')
  assert page.inner_text('#found') == 'not found'
  page.keyboard.press('Escape')
  assert page.inner_text('#found') == ''
  assert page.locator('.token.match').count() == 0


def test_keys_move_among_tokens_and_each_is_announced(page, rows):
  _tokens(page).nth(4).focus()
  index = lambda: page.evaluate('document.activeElement.dataset.index')
  for key, expected in (
      ('ArrowRight', 5),
      ('ArrowDown', 6),
      ('ArrowLeft', 5),
      ('ArrowUp', 4),
      ('Home', 0),
      ('ArrowLeft', 0),
      ('End', len(rows[0]['tokens']) - 1),
  ):
    page.keyboard.press(key)
    assert index() == str(expected), key
    assert f'token {expected} of' in page.inner_text('#detail')
  assert page.locator('#detail').get_attribute('aria-live') == 'polite'
  # One token of each text is reached by tab.
  assert page.locator('.token[tabindex="0"]').count() == 2
  named = page.get_by_role('listbox')
  assert named.count() == 2
  assert named.first.get_by_role('group').count() >= 3
  for role, name in (
      ('combobox', 'Chat'),
      ('combobox', 'Emotion'),
      ('combobox', 'Second emotion'),
      ('slider', 'Layer'),
      ('searchbox', 'Search'),
      ('button', 'Next match'),
  ):
    assert page.get_by_role(role, name=name, exact=True).count() == 1, name


def test_an_emotion_of_the_table_can_be_chosen(page):
  _tokens(page).nth(4).click()
  button = page.locator('#top button').nth(1)
  name = button.locator('span').first.inner_text()
  button.click()
  assert page.locator('#emotion').input_value() == name
  assert page.locator('#top [aria-pressed=true]').inner_text().startswith(name)


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_a_narrow_window_is_not_scrolled_sideways(chromium, run, scheme):
  with browser.page(
      chromium,
      offline=True,
      viewport={'width': 360, 'height': 700},
      color_scheme=scheme,
  ) as page:
    page.goto((run / 'reader.html').as_uri())
    page.wait_for_selector(READY)
    page.select_option('#second', index=2)
    assert page.evaluate('document.documentElement.scrollWidth') <= 360
    panes = [page.locator('.pane').nth(i).bounding_box() for i in range(2)]
    assert panes[0]['y'] < panes[1]['y'] and panes[0]['x'] == panes[1]['x']


def test_a_printed_page_keeps_its_colours_and_drops_its_search(page):
  page.emulate_media(media='print')
  assert page.is_hidden('#search')
  token = _tokens(page).first
  kept = token.evaluate('(e) => getComputedStyle(e).printColorAdjust')
  assert kept == 'exact'


def test_a_large_text_has_few_styles(chromium):
  # Of thousands of tokens, each with a style of its own, none is quick.
  made, arrays = reader_fixtures.made((1500,), 24, 3)
  with browser.page(chromium, offline=True) as page:
    page.set_content(reader_page.render(made, arrays))
    page.wait_for_selector(READY)
    page.select_option('#second', index=3)
    styles = page.evaluate(
        "[...document.querySelectorAll('.token')].map((token) => "
        "[token.getAttribute('style'), token.dataset.first, "
        'token.dataset.second])'
    )
    assert len(styles) == 1500
    assert {style for style, _, _ in styles} == {None}
    assert len({first for _, first, _ in styles}) <= 65
    assert len({second for _, _, second in styles}) <= 17


def test_a_browser_that_cannot_unpack_says_so(chromium, run):
  with browser.page(chromium, offline=True) as page:
    page.add_init_script('delete window.DecompressionStream')
    page.goto((run / 'reader.html').as_uri())
    page.wait_for_selector('#trouble:visible')
    assert 'cannot show the readings' in page.inner_text('#trouble')


def test_the_page_says_what_it_was_made_from(page, run):
  about = json.loads((run / 'config.json').read_text())
  text = page.inner_text('#provenance')
  assert about['made_from']['vectors'] in text
