"""A real browser without a screen, and what it complained of."""

from collections.abc import Iterator
import contextlib
import shutil

from playwright import sync_api
import pytest

_NAMES = ('chromium', 'chromium-browser', 'google-chrome')
_OPTIONS = ('--disable-gpu', '--disable-dev-shm-usage')


def find() -> str:
  """Returns the path of a Chromium; the test is skipped if there is none."""
  for name in _NAMES:
    if path := shutil.which(name):
      return path
  pytest.skip('no Chromium here (Debian, Ubuntu: apt install chromium)')


@contextlib.contextmanager
def opened() -> Iterator[sync_api.Browser]:
  """Starts the browser; it ends with the block."""
  path = find()
  with sync_api.sync_playwright() as playwright:
    # Its own sandbox does not start as root, nor does it in a container.
    browser = playwright.chromium.launch(
        executable_path=path, chromium_sandbox=False, args=list(_OPTIONS)
    )
    try:
      yield browser
    finally:
      browser.close()


@contextlib.contextmanager
def page(browser: sync_api.Browser, **context) -> Iterator[sync_api.Page]:
  """Opens an empty page; at the end it must have had nothing to complain of.

  Args:
    browser: of `opened`.
    **context: of Playwright's new_context: viewport, color_scheme, offline.
  """
  with browser.new_context(**context) as made:
    opened_page = made.new_page()
    complaints: list[str] = []
    opened_page.on('pageerror', lambda error: complaints.append(str(error)))
    opened_page.on(
        'console',
        lambda message: complaints.append(message.text)
        if message.type in ('error', 'warning')
        else None,
    )
    yield opened_page
    assert complaints == []
