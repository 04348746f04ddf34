"""Writes reader.html, one self-contained page that shows readings by token.

Reads files only and needs no jax, so that it can be run on an old workdir:

python -m emojax.report.reader_page WORKDIR
"""

from collections.abc import Mapping, Sequence
import json
import sys
from typing import Any

import numpy as np

from emojax import errors
from emojax import files
from emojax.report import page
from emojax.report import reader
from emojax.report import reader_files
from emojax.report import templates

NAME = 'reader.html'


def write(workdir: files.Path) -> files.Path:
  """Writes `workdir`/reader.html and returns its path.

  Raises:
    InputError: readings.jsonl or cosines.safetensors is not as emojax writes
      it, or the first is not there. Nothing is written then.
  """
  workdir = files.Path(workdir)
  readings = workdir / reader_files.READINGS
  if not files.exists(readings):
    raise errors.InputError(
        f'{readings}: no such file; the reader needs the workdir of a run of'
        ' configs/read.py.'
    )
  try:
    view = reader_files.of_file(workdir)
    about = workdir / 'config.json'
    text = _page(view, files.read_json(about) if files.exists(about) else None)
  except (AttributeError, LookupError, TypeError, ValueError) as error:
    raise errors.InputError(
        f'{readings}: not as emojax writes it ({type(error).__name__}:'
        f' {error}); write it again.'
    ) from error
  # A lone surrogate (JSON can hold one) has no UTF-8 form.
  text = text.encode('utf-8', 'replace').decode('utf-8')
  files.write_text(workdir / NAME, text)
  return workdir / NAME


def render(
    rows: Sequence[reader.View], cosines: reader.Arrays | None = None
) -> str:
  """Returns the page of rows that are at hand, such as for a notebook.

  Args:
    rows: of readings.jsonl; the first that a page has room for are shown.
    cosines: the arrays of cosines.safetensors for these rows, see
      `reader.view`; without them there is no choice of layers.
  """
  sizes = [(len(row['tokens']), row.get('pair')) for row in rows]
  emotions = max((len(row['emotions']) for row in rows), default=1)
  kept = reader.fitting(sizes, emotions)
  if cosines is not None and kept:
    parts = reader.spans([size for size, _ in sizes], kept)
    own = np.concatenate([cosines['cosines'][part] for part in parts])
    cosines = {**cosines, 'cosines': own}
  view = reader.view([rows[i] for i in kept], cosines, total=len(rows))
  return _page(view, None)


def _page(view: reader.View, config: Mapping[str, Any] | None) -> str:
  """Fills the template in."""
  provenance = None
  if config is not None:
    text = json.dumps(config['config'], indent=2, sort_keys=True)
    provenance = {**config, 'text': text}
  return templates.fill(
      'reader_page.html.j2',
      ('page.css', 'reader.css'),
      [templates.part('reader.js')],
      {'reader': None if 'absent' in view else view},
      {'number': page.number},
      reader=view,
      steered=any(chat['label'] for chat in view.get('chats', ())),
      provenance=provenance,
      model=((config or {}).get('made_from') or {}).get('model'),
  )


def main(arguments: Sequence[str] | None = None) -> int:
  """Writes the reader of the workdir on the command line."""
  return page.command('emojax.report.reader_page', write, arguments, NAME)


if __name__ == '__main__':
  sys.exit(main())
