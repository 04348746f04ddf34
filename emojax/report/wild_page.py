"""Writes report.html of transcripts that were read.

python -m emojax.report.wild_page WORKDIR
"""

from collections.abc import Sequence
import sys

from emojax import files
from emojax.report import answers
from emojax.report import overview
from emojax.report import page
from emojax.report import sections

REPORT = 'report.html'
_SECTIONS = {
    'overview': ('wild.json', overview.of_numbers(overview.WILD)),
    'wild': ('wild.json', answers.view_of('wild')),
    'provenance': ('config.json', sections.provenance),
}


def write(workdir: files.Path) -> files.Path:
  """Writes `workdir`/report.html and returns its path.

  Raises:
    InputError: as `page.publish` does; wild.json must be there.
  """
  return page.publish(workdir, 'wild.json', _SECTIONS, 'wild_page.html.j2')


def main(arguments: Sequence[str] | None = None) -> int:
  """Writes the report of the workdir on the command line."""
  return page.command('emojax.report.wild_page', write, arguments)


if __name__ == '__main__':
  sys.exit(main())
