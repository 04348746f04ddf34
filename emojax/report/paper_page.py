"""Writes report.html of a paper run: one section a question.

python -m emojax.report.paper_page WORKDIR
"""

from collections.abc import Sequence
import sys

from emojax import files
from emojax.report import answers
from emojax.report import overview
from emojax.report import page
from emojax.report import sections

REPORT = 'report.html'
# The modules of `report/questions`; an artefact is named as its question is.
QUESTIONS = (
    'layer_profile',
    'affect',
    'implicit',
    'ladders',
    'turns',
    'contrasts',
    'speakers',
    'preferences',
    'emotion_words',
    'deflection',
    'mixed_probe',
    'post_training',
    'wild',
)


def write(workdir: files.Path) -> files.Path:
  """Writes `workdir`/report.html and returns its path.

  Raises:
    InputError: the summary is missing, or an artefact is not as emojax writes
      it. Nothing is written then.
  """
  shown = {
      'summary': ('summary.json', sections.summary),
      'overview': ('summary.json', overview.of_numbers(overview.PAPER)),
      **{name: (f'{name}.json', answers.view_of(name)) for name in QUESTIONS},
      'provenance': ('config.json', sections.provenance),
  }
  return page.publish(workdir, 'summary.json', shown, 'paper_page.html.j2')


def main(arguments: Sequence[str] | None = None) -> int:
  """Writes the report of the workdir on the command line."""
  return page.command('emojax.report.paper_page', write, arguments)


if __name__ == '__main__':
  sys.exit(main())
