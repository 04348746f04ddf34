"""Writes report.html of a steering sweep from its workdir's artefacts.

Reads files only and needs no jax:

python -m emojax.report.sweep_page WORKDIR
"""

from collections.abc import Mapping, Sequence
import sys
from typing import Any

from emojax import files
from emojax.report import dose_figures
from emojax.report import figures
from emojax.report import page
from emojax.report import sections

_UNITS = {'word_delta': 'nats', 'expressed': 'SD'}
_KINDS = {
    'emotion': 'emotion vectors',
    'random': 'random directions',
    'shuffled': 'shuffled labels',
    'unsteered': 'unsteered',
}


def write(workdir: files.Path) -> files.Path:
  """Writes `workdir`/report.html and returns its path.

  Raises:
    InputError: as `page.publish` does; dose.json must be there.
  """
  return page.publish(workdir, 'dose.json', _SECTIONS, 'sweep_page.html.j2')


def _dose(data: sections.View) -> sections.View:
  rules = {layer['positions'] for layer in data['layers']}
  layers = [_layer(i, x, len(rules) > 1) for i, x in enumerate(data['layers'])]
  drawn = {'windows': dose_figures.windows(layers)}
  for layer in layers:
    drawn |= _layer_figures(layer, data['coherence']['share'])
  return {
      **data,
      'layers': layers,
      'units': _UNITS,
      'kinds': _KINDS,
      'names': figures.NAMES,
      'figures': drawn,
  }


def _layer(i: int, layer: Mapping[str, Any], say_rule: bool) -> sections.View:
  name = sections.layers_name(layer['layers'])
  title = f'Layer{"s" if len(layer["layers"]) > 1 else ""} {name}'
  if say_rule:
    title += f', positions {layer["positions"]}'
  measures = [measure for measure in _UNITS if layer[measure]]
  return {**layer, 'id': i, 'title': title, 'measures': measures}


def _layer_figures(layer: sections.View, share: float) -> dict[str, Any]:
  """The figures of one layer, by their ids on the page."""
  i = layer['id']
  drawn = {
      f'divergence-{i}': figures.divergence(layer['kl']),
      f'coherence-{i}': dose_figures.coherence(layer['coherent'], share),
  }
  for measure in layer['measures']:
    of = layer[measure]
    drawn[f'{measure}-{i}'] = figures.dose(of['curves'], measure=measure)
    drawn[f'matched-{measure}-{i}'] = dose_figures.matched(
        of['matched_dose'], _UNITS[measure]
    )
  return drawn


_SECTIONS: page.Sections = {
    'dose': ('dose.json', _dose),
    'sweep': ('sweep.jsonl', sections.texts),
    'provenance': ('config.json', sections.provenance),
}


def main(arguments: Sequence[str] | None = None) -> int:
  """Writes the report of the workdir on the command line."""
  return page.command('emojax.report.sweep_page', write, arguments)


if __name__ == '__main__':
  sys.exit(main())
