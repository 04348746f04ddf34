"""Writes report.html of a behaviour run from its workdir's artefacts.

Reads files only and needs no jax:

python -m emojax.report.behaviour_page WORKDIR
"""

from collections.abc import Sequence
import functools
import sys

from emojax import files
from emojax.report import behaviour_views
from emojax.report import episode_views
from emojax.report import overview
from emojax.report import page
from emojax.report import pressure_views
from emojax.report import sections

REPORT = 'report.html'
_NEEDED = 'behaviour.json'


def write(workdir: files.Path) -> files.Path:
  """Writes `workdir`/report.html and returns its path.

  Raises:
    InputError: as `page.publish` does; behaviour.json must be there.
  """
  labels = _outcomes(files.Path(workdir) / _NEEDED)
  shown = {
      'summary': ('summary.json', sections.summary),
      'changes': (_NEEDED, overview.of_numbers(overview.BEHAVIOUR)),
      'readings': (
          'pressure.json',
          overview.of_numbers(overview.PRESSURE),
      ),
      'behaviour': (_NEEDED, behaviour_views.view),
      **{
          name: (
              f'{name}.jsonl',
              functools.partial(episode_views.view, name, labels.get(name, ())),
          )
          for name in behaviour_views.QUESTIONS
      },
      'pressure': ('pressure.json', pressure_views.view),
      'provenance': ('config.json', sections.provenance),
  }
  return page.publish(workdir, _NEEDED, shown, 'behaviour_page.html.j2')


def _outcomes(path: files.Path) -> dict[str, tuple[str, ...]]:
  """The labels of each behaviour; {} where `publish` says what is wrong."""
  if not files.exists(path):
    return {}
  try:
    found = files.read_json(path)['behaviours'].items()
    return {name: tuple(each['outcomes']) for name, each in found}
  except (AttributeError, LookupError, TypeError):
    return {}


def main(arguments: Sequence[str] | None = None) -> int:
  """Writes the report of the workdir on the command line."""
  return page.command('emojax.report.behaviour_page', write, arguments)


if __name__ == '__main__':
  sys.exit(main())
