"""The page of a chat, in a real browser, with a tiny model."""

import re
import unicodedata

import browser
import live_fixtures
import pytest
import tiny_model

MINUS = '\u2212'
EVIL = '<img src=x onerror="window.evil=1"><script>window.evil=1</script>&amp;'


@pytest.fixture(scope='module')
def chat(tmp_path_factory):
  return live_fixtures.chat(tmp_path_factory.mktemp('chat'))


@pytest.fixture(scope='module')
def address(chat):
  with live_fixtures.served(chat.service) as base:
    yield f'{base}/?token={live_fixtures.TOKEN}'


@pytest.fixture
def page(chromium, address):
  with browser.page(chromium, viewport={'width': 1200, 'height': 900}) as made:
    made.set_default_timeout(60_000)
    made.goto(address)
    yield made


def put(page, selector, value):
  """Sets a slider as a hand would."""
  page.locator(selector).evaluate(
      """(element, value) => {
        element.value = value;
        element.dispatchEvent(new Event('input', {bubbles: true}));
      }""",
      str(value),
  )


def say(page, text, new_tokens=12, wait=True):
  put(page, '#tokens', new_tokens)
  page.fill('#said', text)
  page.press('#said', 'Enter')
  if wait:
    page.wait_for_selector('#stop:disabled')
    page.wait_for_selector('#send:not([disabled])')


def table(page):
  """The emotions of the token that is told, as numbers."""
  rows = page.locator('#values tbody tr')
  return {
      row.locator('th').text_content(): float(
          row.locator('.num').text_content().replace(MINUS, '-')
      )
      for row in rows.all()
  }


def drawn(page, part='.steered'):
  """What a reply looks like, signs of hidden characters apart."""
  return page.locator(f'.assistant {part} .token').evaluate_all(
      """(spans) => spans.map((span) => {
        const copy = span.cloneNode(true);
        for (const sign of copy.querySelectorAll('.sign')) sign.remove();
        return copy.textContent;
      })"""
  )


def visible(text):
  """The text without what the page shows as a sign."""
  hidden = lambda c: unicodedata.category(c)[0] == 'C' and c != '\n'
  return ''.join(c for c in text if not hidden(c))


def test_a_steered_reply_is_coloured_as_it_was_logged(page, chat):
  put(page, '#dials input', 0.4)
  say(page, 'How do you feel?')
  row = chat.log()[-1]
  assert row['controls']['steer'] == 'happy:0.4'
  assert row['controls']['layers'] == [1]
  shown = [
      (piece, values)
      for piece, values in zip(row['pieces'], row['readings'], strict=True)
      if piece
  ]
  spans = page.locator('.assistant .token')
  assert spans.count() == len(shown) > 2
  amounts = spans.evaluate_all(
      "(all) => all.map((x) => [x.style.getPropertyValue('--hue'),"
      " Number(x.style.getPropertyValue('--amount'))])"
  )
  full = 3.0  # Of the fixture's neutral cosines, mean 0 and deviation 1.
  for (hue, amount), (_, values) in zip(amounts, shown, strict=True):
    assert hue == ('var(--negative)' if values[0] < 0 else 'var(--positive)')
    assert amount == pytest.approx(min(1, abs(values[0]) / full), abs=6e-4)
  for i in (0, len(shown) - 1):
    spans.nth(i).hover()
    wanted = dict(zip(row['emotions'], shown[i][1], strict=True))
    assert table(page) == pytest.approx(wanted, abs=6e-4)
  page.select_option('#emotion', 'angry')
  assert (
      page.locator('#values [aria-current]').text_content().startswith('angry')
  )
  assert 'as it was written (steered)' in page.text_content('#told')


def test_tokens_come_one_by_one(page):
  page.evaluate("""() => {
        window.counts = new Set();
        new MutationObserver(() => window.counts.add(
          document.querySelectorAll('.assistant .token').length)
        ).observe(document.getElementById('talk'),
          {childList: true, subtree: true});
      }""")
  say(page, 'How do you feel?', 100)
  assert page.evaluate('window.counts.size') > 10


def test_the_sliders_are_what_is_sent(page):
  with page.expect_request('**/reply') as caught:
    put(page, '#dials input', -0.25)
    page.click('#add')
    page.locator('#dials li:nth-child(2) select').select_option('random_3')
    put(page, '#dials li:nth-child(2) input', 0.15)
    page.click('#add')  # Of strength 0: it is not sent.
    page.select_option('#last', '2')
    page.select_option('#rule', 'span:A:B')
    page.fill('#number', '2:30')
    put(page, '#temperature', 0.35)
    page.fill('#seed', '42')
    page.check('#beside')
    say(page, 'How do you feel?', 7)
  sent = caught.value.post_data_json
  assert sent == {
      'beside': True,
      'messages': [live_fixtures.USER],
      'controls': {
          'steer': 'happy:-0.25,random_3:0.15',
          'layers': [1, 2],
          'positions': 'span:2:30',
          'temperature': 0.35,
          'seed': 42,
          'new_tokens': 7,
      },
  }
  assert page.locator('#dials li').count() == 3
  page.get_by_role('button', name='Remove random_3').click()
  assert page.locator('#dials li').count() == 2


def test_both_replies_stand_beside_each_other_and_the_steered_goes_on(
    page, chat
):
  put(page, '#dials input', 0.5)
  page.check('#beside')
  say(page, 'How do you feel?')
  steered, unsteered = chat.log()[-2:]
  assert ''.join(drawn(page)) == visible(steered['text'])
  assert ''.join(drawn(page, '.unsteered')) == visible(unsteered['text'])
  page.uncheck('#beside')
  say(page, 'And now?')
  row = chat.log()[-1]
  assert [m['content'] for m in row['messages']] == [
      'How do you feel?',
      steered['text'],
      'And now?',
  ]
  assert row['given'] == 1


def test_the_chat_read_again_is_another_value_and_says_so(page, chat):
  say(page, 'How do you feel?')
  page.select_option('#kind', 'score')
  assert 'without steering' in page.text_content('#meaning')
  user = page.locator('.user .token')
  assert user.count() == len('How do you feel?')
  reading = chat.talk.read(
      [
          live_fixtures.USER,
          {'role': 'assistant', 'content': chat.log()[-1]['text']},
      ]
  )
  first = reading.chat.message.index(0)
  for kind, values in (('score', reading.score), ('cosine', reading.cosine)):
    page.select_option('#kind', kind)
    page.locator('.user .token').first.hover()
    wanted = dict(zip(tiny_model.EMOTIONS, values[first].tolist(), strict=True))
    assert table(page) == pytest.approx(wanted, abs=6e-3)
    assert 'read again without steering' in page.text_content('#told')
  page.select_option('#kind', 'written')
  assert page.locator('.user .token').count() == 0


def test_html_is_text(page, chat):
  say(page, EVIL)
  for kind in ('written', 'score'):
    page.select_option('#kind', kind)
    assert page.locator('.user .reply').text_content() == EVIL
  assert page.evaluate('window.evil') is None
  assert page.locator('#talk img, #talk script').count() == 0
  assert chat.log()[-1]['messages'][0]['content'] == EVIL


def test_what_a_model_writes_is_text(chromium):
  """A service that writes what a model might."""
  events = [
      {'event': 'begin', 'reply': 'steered'},
      {'event': 'token', 'reply': 'steered', 'text': EVIL, 'readings': [1] * 4},
      {
          'event': 'end',
          'reply': 'steered',
          'number': 0,
          'text': EVIL,
          'stopped': False,
          'finite': True,
          'command': EVIL,
      },
      {'event': 'read', 'reply': 'steered', 'trouble': EVIL},
      {'event': 'error', 'message': EVIL},
  ]
  text, policy = live_fixtures.page.render(FACTS | {'model': EVIL})
  service = live_fixtures.server.Service(
      text, policy, lambda asked: asked, lambda asked, stopped: _each(events)
  )
  with (
      live_fixtures.served(service) as base,
      browser.page(chromium) as made,
  ):
    made.goto(f'{base}/?token={live_fixtures.TOKEN}')
    say(made, 'Hello')
    assert ''.join(drawn(made)) == EVIL
    assert EVIL in made.text_content('#trouble')
    made.locator('.token').hover()
    assert EVIL in made.text_content('#told')
    assert made.evaluate('window.evil') is None
    assert made.locator('#talk img, script[src]').count() == 0


FACTS = {
    'model': 'm',
    'weights': 'w',
    'emotions': ['happy', '</script><script>window.evil=1</script>', 'c', 'd'],
    'controls': ['random_0'],
    'layer': 1,
    'layers': [0, 1],
    'depth': 2,
    'rules': ['all'],
    'most': 4,
    'most_tokens': 256,
    'defaults': {'new_tokens': 96, 'seed': 0},
    'unit': 'u',
    'full': [1.0] * 4,
}


def _each(events):
  yield from events


def test_stop_ends_a_reply_and_the_chat_goes_on(page, chat):
  say(page, 'How do you feel?', 256, wait=False)
  page.wait_for_selector('.assistant .token')
  page.keyboard.press('Escape')
  page.wait_for_selector('#send:not([disabled])')
  row = chat.log()[-1]
  assert 0 < len(row['tokens']) <= 256
  if row['stopped']:
    assert 'Stopped.' in page.text_content('.assistant .note')
  say(page, 'And now?')
  assert len(chat.log()[-1]['messages']) == 3


def test_bad_controls_are_told_and_what_was_written_stays(chromium, address):
  """The browser itself complains of the 400, and of nothing else."""
  with chromium.new_context() as context:
    made = context.new_page()
    made.goto(address)
    made.select_option('#rule', 'from:K')
    made.fill('#number', 'x')
    say(made, 'How do you feel?')
    assert "Positions 'from:x'" in made.text_content('#trouble')
    assert made.input_value('#said') == 'How do you feel?'
    assert made.locator('.turn').count() == 0
    made.fill('#number', '3')
    made.press('#said', 'Enter')
    made.wait_for_selector('.assistant .token')
    made.wait_for_selector('#send:not([disabled])')
    assert made.is_hidden('#trouble')


def test_tokens_are_walked_with_the_keyboard(page):
  say(page, 'How do you feel?')
  first = page.locator('.assistant .token').first
  first.focus()
  page.keyboard.press('ArrowRight')
  page.keyboard.press('End')
  page.keyboard.press('ArrowLeft')
  last = page.locator('.assistant .token').count() - 1
  focused = page.evaluate(
      "[...document.querySelectorAll('.assistant .token')]"
      '.indexOf(document.activeElement)'
  )
  assert focused == last - 1
  assert page.is_visible('#values')
  tabs = page.locator(".assistant .token[tabindex='0']")
  assert tabs.count() == 1


def test_every_control_has_a_name(page):
  nameless = page.locator('button, input, select, textarea').evaluate_all(
      """(all) => all.filter((x) => !(x.getAttribute('aria-label') ||
        x.textContent.trim() && x.tagName === 'BUTTON' ||
        x.labels && x.labels.length && x.labels[0].textContent.trim())
      ).map((x) => x.outerHTML)"""
  )
  assert nameless == []


@pytest.mark.parametrize('width', [360, 700, 1200])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_nothing_is_wider_than_the_page(chromium, address, width, scheme):
  size = {'width': width, 'height': 800}
  with browser.page(chromium, viewport=size, color_scheme=scheme) as made:
    made.goto(address)
    made.check('#beside')
    say(made, 'x' * 300)
    made.locator('.assistant .token').first.click()
    wide = made.evaluate('document.documentElement.scrollWidth')
    assert wide <= width
    page_colour = made.evaluate(
        'getComputedStyle(document.body).backgroundColor'
    )
    bright = sum(map(int, re.findall(r'\d+', page_colour)[:3])) > 380
    assert bright == (scheme == 'light')
