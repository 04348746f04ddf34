"""Writes report.html, one self-contained page, from a workdir's artefacts.

Reads files only and needs no jax, so that it can be run on an old workdir:

python -m emojax.report.page WORKDIR
"""

import argparse
import base64
from collections.abc import Callable, Mapping, Sequence
import hashlib
import pathlib
import sys
from typing import Any

import jinja2
import numpy as np
import plotly.offline

from emojax import errors
from emojax import files
from emojax.report import sections
from emojax.report import templates

Path = files.Path
View = sections.View
# By name: the artefact, and what is shown of its contents.
Sections = Mapping[str, tuple[str, Callable[[Any], View]]]

_HERE = pathlib.Path(__file__).parent
_SUPERSCRIPT = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')


def write(workdir: Path) -> Path:
  """Writes `workdir`/report.html and returns its path.

  Raises:
    InputError: as `publish` does; the summary must be there.
  """
  return publish(workdir, 'summary.json', _SECTIONS, 'page.html.j2')


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
    'heldout': ('heldout.json', sections.heldout),
    'geometry': ('geometry.json', sections.geometry),
    'readings': ('readings.jsonl', sections.readings),
    'dose': ('dose.json', sections.dose),
    'sweep': ('sweep.jsonl', sections.texts),
    'provenance': ('config.json', sections.provenance),
}


def _render(views: dict[str, View], template: str) -> str:
  """Returns the page; only its own scripts may run, known by their hashes."""
  scripts = [plotly.offline.get_plotlyjs(), _part('page.js')]
  environment = templates.environment()
  # tojson escapes <, >, & and quotes, and json.dumps all that is not ASCII.
  environment.policies['json.dumps_kwargs'] = {
      'allow_nan': False,
      'separators': (',', ':'),
  }
  environment.filters['number'] = number
  drawn = {
      name: figure.to_plotly_json()
      for view in views.values()
      for name, figure in view.get('figures', {}).items()
  }
  data = {
      'figures': drawn,
      'emotions': [
          {'name': name, 'figure': figure.to_plotly_json()}
          for name, figure in views.get('dose', {}).get('by_emotion', [])
      ],
      'chats': views.get('readings', {}).get('chats', []),
  }
  return environment.get_template(template).render(
      **views,
      views=views,
      data=_rounded(data),
      css=_part('page.css'),
      scripts=scripts,
      hashes=[_csp_hash(script) for script in scripts],
  )


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


def _part(name: str) -> str:
  return (_HERE / name).read_text(encoding='utf-8')


def _csp_hash(script: str) -> str:
  digest = hashlib.sha256(script.encode('utf-8')).digest()
  return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def main(arguments: Sequence[str] | None = None) -> int:
  """Writes the report of the workdir on the command line."""
  return command('emojax.report.page', write, arguments)


def command(
    module: str,
    writer: Callable[[Path], Path],
    arguments: Sequence[str] | None = None,
) -> int:
  """Runs a writer of pages on the command line's workdir; an exit status."""
  parser = argparse.ArgumentParser(
      prog=f'python -m {module}', description='Writes report.html.'
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
