"""Writes report.html, one self-contained page, from a workdir's artefacts.

Reads files only and needs no jax, so that it can be run on an old workdir:

python -m emojax.report.page WORKDIR
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
import functools
import sys
from typing import Any

import jinja2
import numpy as np
import plotly.graph_objects as go
import plotly.offline

from emojax import errors
from emojax import files
from emojax.report import alternatives
from emojax.report import figures
from emojax.report import overview
from emojax.report import reader
from emojax.report import reader_files
from emojax.report import sections
from emojax.report import templates

Path = files.Path
View = sections.View
# By name: the artefact, and what is shown of its contents.
Sections = Mapping[str, tuple[str, Callable[[Any], View]]]

_SCRIPTS = ('figures.js', 'reader.js', 'page.js')
_SUPERSCRIPT = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')


def write(workdir: Path) -> Path:
  """Writes `workdir`/report.html and returns its path.

  Raises:
    InputError: as `publish` does; the summary must be there.
  """
  chats = functools.partial(reader_files.of_rows, Path(workdir))
  shown = {**_SECTIONS, 'readings': ('readings.jsonl', chats)}
  return publish(workdir, 'summary.json', shown, 'page.html.j2')


def publish(workdir: Path, needed: str, shown: Sections, template: str) -> Path:
  """Writes `workdir`/report.html and returns its path.

  A section whose artefact is absent is left out, and the page says so. The
  same artefacts always give the same bytes.

  Args:
    workdir: of a run.
    needed: the artefact that nothing goes without.
    shown: the sections.
    template: that they go into.

  Raises:
    InputError: what is needed is not there, or an artefact is not as emojax
      writes it. Nothing is written then.
  """
  workdir = Path(workdir)
  if not files.exists(workdir / needed):
    raise errors.InputError(
        f'{workdir / needed}: no such file; a report needs the workdir of a'
        ' finished run.'
    )
  # Every artefact is read before anything is written.
  views = {
      name: _view(workdir / file, build)
      for name, (file, build) in shown.items()
  }
  path = workdir / 'report.html'
  try:
    page = _render(views, template)
  except (TypeError, ValueError, jinja2.UndefinedError) as error:
    raise errors.InputError(
        f'{workdir}: an artefact lacks what the report shows ({error}).'
    ) from error
  # A lone surrogate (JSON can hold one) has no UTF-8 form.
  files.write_text(path, page.encode('utf-8', 'replace').decode('utf-8'))
  return path


def _view(path: Path, build: Callable[[Any], View]) -> View:
  """Returns what a section shows, or under 'absent' why it shows nothing."""
  if not files.exists(path):
    return {'absent': f'{path.name} is not in this workdir.'}
  if path.suffix == '.jsonl':
    data = [row for _, row in files.read_jsonl(path)]
  else:
    data = files.read_json(path)
  try:
    return build(data)
  except (AttributeError, LookupError, TypeError, ValueError) as error:
    raise errors.InputError(
        f'{path}: not as emojax writes it ({type(error).__name__}: {error});'
        ' write it again, or remove it to leave its section out.'
    ) from error


# The order of the page; the summary is first, since nothing goes without it.
_SECTIONS: Sections = {
    'summary': ('summary.json', sections.summary),
    'overview': ('summary.json', overview.of_numbers(overview.QUICKSTART)),
    'heldout': ('heldout.json', sections.heldout),
    'geometry': ('geometry.json', sections.geometry),
    'readings': ('readings.jsonl', reader.view),
    'dose': ('dose.json', sections.dose),
    'sweep': ('sweep.jsonl', sections.texts),
    'provenance': ('config.json', sections.provenance),
}


def _render(views: dict[str, View], template: str) -> str:
  """Returns the page, with the figures of all sections and a reader."""
  drawn, picked = (_joined(views, key) for key in ('figures', 'picked'))
  shown = drawn | {name: options[0][1] for name, options in picked.items()}
  readings = views.get('readings', {})
  data = {
      'figures': {
          name: figure.to_plotly_json() for name, figure in drawn.items()
      },
      'picked': {name: _options(options) for name, options in picked.items()},
      'reader': readings if 'chats' in readings else None,
  }
  return templates.fill(
      template,
      ('page.css', 'reader.css'),
      (plotly.offline.get_plotlyjs(), ''.join(map(templates.part, _SCRIPTS))),
      _rounded(data),
      {'number': number},
      # What macros say of a figure by its id.
      {
          'said': {id_: alternatives.of(each) for id_, each in shown.items()},
          'facts': {
              id_: alternatives.facts(each) for id_, each in shown.items()
          },
      },
      **views,
      views=views,
  )


def _joined(views: Mapping[str, View], key: str) -> dict[str, Any]:
  """What all views have under a key, by the ids of figures."""
  return {
      id_: each
      for view in views.values()
      for id_, each in view.get(key, {}).items()
  }


def _options(options: Sequence[tuple[str, go.Figure]]) -> View:
  """Figures of which one is drawn at a time, in the layout of the first."""
  return {
      'layout': options[0][1].layout.to_plotly_json(),
      'options': [
          {
              # Escaped, as all labels of figures are.
              'name': figures.plain(name),
              'said': figures.plain(alternatives.of(figure)),
              'data': [trace.to_plotly_json() for trace in figure.data],
          }
          for name, figure in options
      ],
  }


def number(value: float | None) -> str:
  """Returns a value to 3 significant digits, a dash where there is none."""
  if value is None or not np.isfinite(value):
    return '\N{EN DASH}'
  if isinstance(value, int) or value == 0:
    text = f'{value:,.0f}'
  elif 1e-3 <= abs(value) < 1e5:
    places = 2 - int(np.floor(np.log10(abs(value))))
    text = f'{value:,.{min(max(places, 0), 3)}f}'
  else:
    digits, power = f'{value:.1e}'.split('e')
    text = f'{digits} × 10{str(int(power)).translate(_SUPERSCRIPT)}'
  return text.replace('-', '\N{MINUS SIGN}')


def _rounded(value: Any) -> Any:
  """Returns the same structure with floats of 5 digits, None for no number."""
  if isinstance(value, dict):
    return {key: _rounded(item) for key, item in value.items()}
  if isinstance(value, (list, tuple)):
    return [_rounded(item) for item in value]
  if isinstance(value, float):
    return float(f'{value:.5g}') if np.isfinite(value) else None
  return value


def main(arguments: Sequence[str] | None = None) -> int:
  """Writes the report of the workdir on the command line."""
  return command('emojax.report.page', write, arguments)


def command(
    module: str,
    writer: Callable[[Path], Path],
    arguments: Sequence[str] | None = None,
    name: str = 'report.html',
) -> int:
  """Runs a writer of pages on the command line's workdir; an exit status."""
  parser = argparse.ArgumentParser(
      prog=f'python -m {module}', description=f'Writes {name}.'
  )
  parser.add_argument('workdir', help='the workdir of a run')
  try:
    print(writer(files.locate(parser.parse_args(arguments).workdir)))
  except errors.InputError as error:
    print(f'emojax: {error}', file=sys.stderr)
    return 2
  return 0


if __name__ == '__main__':
  sys.exit(main())
