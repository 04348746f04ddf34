"""Makes the picture of a quickstart's report that the README begins with.

python -m tests.picture WORKDIR docs/quickstart.png
"""

import argparse
from collections.abc import Sequence
import pathlib
import sys
import tempfile

from emojax import files
from emojax.report import page
from tests import browser

_SIZE = {'width': 1200, 'height': 900}
# The overview, and below it what its first and its last number come from.
_KEPT = """() => {
  const kept = ['overview', 'heldout', 'dose-section'];
  for (const part of document.querySelectorAll('main > *')) {
    if (!kept.includes(part.id) && part.tagName !== 'HEADER') part.remove();
  }
  const gone = (selector) => {
    for (const part of document.querySelectorAll(selector)) part.remove();
  };
  gone('header .lead, header .statement, header nav, .what, .beside, .csv');
  gone('section > p, section > details, section > .scroll, figcaption, h2, h3');
  const pair = document.createElement('section');
  const row = document.createElement('div');
  row.className = 'pair';
  for (const id of ['heldout-top1', 'dose']) {
    const plot = document.getElementById(id);
    const figure = plot.closest('figure');
    for (const part of figure.querySelectorAll('.picker')) part.remove();
    const title = document.createElement('p');
    title.className = 'picker';
    title.textContent = plot.dataset.label.replace(', with controls', '');
    figure.prepend(title);
    row.append(figure);
  }
  pair.append(row);
  for (const id of kept.slice(1)) document.getElementById(id).remove();
  document.querySelector('main').append(pair);
  const style = document.createElement('style');
  style.textContent = 'header { padding-top: 2rem }' +
    'main { padding-bottom: 1rem }' +
    'header > .kicker, header > h1 { grid-column: 2 / 5 }' +
    'section { padding-top: .6rem } .five { margin-bottom: 0 }';
  document.head.append(style);
  dispatchEvent(new Event('resize'));
}"""


def take(workdir: pathlib.Path, out: pathlib.Path) -> None:
  """Writes a PNG of what tells most of a run.

  Args:
    workdir: of a quickstart; it is read only.
    out: the picture.
  """
  with tempfile.TemporaryDirectory() as folder:
    here = pathlib.Path(folder)
    for path in workdir.iterdir():
      if path.suffix in ('.json', '.jsonl'):
        (here / path.name).write_bytes(path.read_bytes())
    report = page.write(files.Path(here))
    with (
        browser.opened() as opened,
        browser.page(
            opened, viewport=_SIZE, color_scheme='light', offline=True
        ) as shown,
    ):
      shown.goto(f'file://{report}')
      # What is still being unpacked would miss its place on the page.
      shown.locator('[aria-busy=true]').wait_for(state='detached')
      shown.evaluate(_KEPT)
      shown.wait_for_timeout(1000)  # The figures are drawn once more.
      shown.screenshot(path=out, full_page=True)


def main(arguments: Sequence[str] | None = None) -> int:
  parser = argparse.ArgumentParser(prog='python -m tests.picture')
  parser.add_argument('workdir', type=pathlib.Path)
  parser.add_argument('out', type=pathlib.Path)
  given = parser.parse_args(arguments)
  take(given.workdir, given.out)
  print(f'{given.out}: {given.out.stat().st_size} bytes')
  return 0


if __name__ == '__main__':
  sys.exit(main())
