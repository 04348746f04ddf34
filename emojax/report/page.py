"""Writes report.html, one self-contained page, from a workdir's artefacts.

Reads files only and needs no jax, so that it can be run on an old workdir:

python -m emojax.report.page WORKDIR
"""

import argparse
import base64
from collections.abc import Callable, Sequence
import hashlib
import json
import pathlib
import sys
from typing import Any

import jinja2
import numpy as np
import plotly.offline

from emojax import errors
from emojax import files
from emojax.report import curves
from emojax.report import figures
from emojax.report import templates

Path = files.Path
View = dict[str, Any]

_HERE = pathlib.Path(__file__).parent
_SUPERSCRIPT = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')
_KINDS = ('unsteered', 'emotion', 'random')


def write(workdir: Path) -> Path:
  """Writes `workdir`/report.html and returns its path.

  A section whose artefact is absent is left out, and the page says so. The
  same artefacts always give the same bytes.

  Raises:
    InputError: there is no summary.json, or an artefact is not as emojax
      writes it. Nothing is written then.
  """
  workdir = Path(workdir)
  if not files.exists(workdir / 'summary.json'):
    raise errors.InputError(
        f'{workdir / "summary.json"}: no such file; a report needs the workdir'
        ' of a finished run.'
    )
  # Every artefact is read before anything is written.
  views = {
      name: _view(workdir / file, build)
      for name, (file, build) in _SECTIONS.items()
  }
  path = workdir / 'report.html'
  try:
    page = _render(views)
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


def _summary(data: View) -> View:
  # A block holds about 12 D^2 weights; below 7e9 a model is called small.
  parameters = 12 * data['model']['layers'] * data['model']['width'] ** 2
  return {**data, 'small': parameters < 7e9}


def _heldout(data: View) -> View:
  return {
      **data,
      'figures': {
          f'heldout-{measure}': figures.accuracy(data, measure)
          for measure in ('top1', 'top5')
      },
  }


def _geometry(data: View) -> View:
  groups: dict[int, list[str]] = {}
  for index in data['order']:
    groups.setdefault(data['clusters'][index], []).append(
        data['emotions'][index]
    )
  return {
      **data,
      'groups': list(groups.values()),
      'figures': {
          'cosine-map': figures.cosine_map(data),
          'components': figures.scatter(data),
      },
  }


def _readings(rows: Sequence[View]) -> View:
  whole = [row for row in rows if 'cosine' in row and 'score' in row]
  if not whole:
    return {'absent': 'readings.jsonl holds no values token by token.'}
  return {'layer': whole[0]['layer'], 'chats': [chat(row) for row in whole]}


def chat(row: View) -> View:
  """Returns one chat to be shown, with the value that gets full colour."""
  shape = len(row['tokens']), len(row['emotions'])
  view = {key: row[key] for key in ('tokens', 'roles', 'emotions')}
  view.update(title=str(row.get('title') or row['id']), scale={})
  if not all(shape) or len(row['roles']) != shape[0]:
    raise ValueError(f'chat {row["id"]}: no tokens, or not one role for each')
  response = row['response_index']
  if response is not None and not 0 <= response < shape[0]:
    raise ValueError(f'chat {row["id"]}: response_index {response}')
  view['response'] = response
  for key in ('cosine', 'score'):
    values = np.asarray(row[key], dtype=float)
    if values.shape != shape:
      raise ValueError(f'chat {row["id"]}: {key} is not {shape}')
    view[key] = values.tolist()
    view['scale'][key] = float(np.nanpercentile(np.abs(values), 99))
  return view


def _sweep(rows: Sequence[View]) -> View:
  texts = [row for row in rows if 'text' in row]
  if not texts:
    return {'absent': 'sweep.jsonl holds no texts.'}
  texts.sort(
      key=lambda row: (
          _KINDS.index(row['kind']),
          str(row['direction']),
          row['strength'],
          row['seed'],
      )
  )
  steered = [row for row in texts if row['kind'] != 'unsteered']
  prompts = dict.fromkeys(row['prompt'] for row in rows if 'text' in row)
  return {
      'layer': rows[0]['layer'],
      'emotions': list(
          dict.fromkeys(
              row['direction'] for row in rows if row['kind'] == 'emotion'
          )
      ),
      'strengths': sorted({row['strength'] for row in steered}),
      'prompts': [
          (prompt, [row for row in texts if row['prompt'] == prompt])
          for prompt in prompts
      ],
  }


def _dose(data: View) -> View:
  emotions, responses = data['emotions'], data['curves']
  span = curves.value_span(
      [points for each in emotions.values() for points in each.values()]
  )
  names = {
      'matched': 'the emotion’s own word',
      'unmatched': 'other emotions’ words',
      'random': 'random directions',
  }
  return {
      **data,
      'tables': [(name, responses.get(key, [])) for key, name in names.items()],
      'by_emotion': [
          (name, figures.dose(each, span)) for name, each in emotions.items()
      ],
      'figures': {
          'dose': figures.dose(responses),
          'divergence': figures.divergence(data['kl']),
      },
  }


def _provenance(data: View) -> View:
  return {**data, 'text': json.dumps(data['config'], indent=2, sort_keys=True)}


# The order of the page; the summary is first, since nothing goes without it.
_SECTIONS: dict[str, tuple[str, Callable[[Any], View]]] = {
    'summary': ('summary.json', _summary),
    'heldout': ('heldout.json', _heldout),
    'geometry': ('geometry.json', _geometry),
    'readings': ('readings.jsonl', _readings),
    'dose': ('dose.json', _dose),
    'sweep': ('sweep.jsonl', _sweep),
    'provenance': ('config.json', _provenance),
}


def _render(views: dict[str, View]) -> str:
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
          for name, figure in views['dose'].get('by_emotion', [])
      ],
      'chats': views['readings'].get('chats', []),
  }
  return environment.get_template('page.html.j2').render(
      **views,
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
  parser = argparse.ArgumentParser(
      prog='python -m emojax.report.page', description='Writes report.html.'
  )
  parser.add_argument('workdir', help='the workdir of a run')
  try:
    print(write(files.locate(parser.parse_args(arguments).workdir)))
  except errors.InputError as error:
    print(f'emojax: {error}', file=sys.stderr)
    return 2
  return 0


if __name__ == '__main__':
  sys.exit(main())
