"""Writes report.html of a steering sweep from its workdir's artefacts.

Reads files only and needs no jax:

python -m emojax.report.sweep_page WORKDIR
"""

from collections.abc import Mapping, Sequence
import sys
from typing import Any

from emojax import files
from emojax.report import conditions
from emojax.report import dose_figures
from emojax.report import figures
from emojax.report import overview
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


_ASKED = {
    'word_delta': 'Do vectors favour their own words, strength {}?',
    'expressed': 'Do texts express the emotion steered with, strength {}?',
}
_UNDER = {
    'permuted': 'dealt out at random (central 95 %)',
    'random_difference': 'random directions for vectors (central 95 %)',
    'shuffled_difference': 'shuffled labels for vectors (central 95 %)',
}


def numbers(data: Mapping[str, Any]) -> sections.View:
  """Returns the overview: of the layer and strength in the middle of all.

  Those are set by what was tried and not by what was found.

  Args:
    data: the contents of dose.json.
  """
  rows = []
  for layer in _middle(data['layers']):
    rows += _of_layer(_layer(0, layer, False))
  return overview.all_of(rows[:5])


def _of_layer(layer: sections.View) -> list[tuple[str, dict[str, Any]]]:
  rows = [
      (_ASKED[measure].format(conditions.signed(row['strength'])), row)
      for measure in layer['measures']
      for sign, window in layer[measure]['window'].items()
      if window
      for row in _middle(sorted(window['table'], key=_size))
      if row['difference']  # Not if no text at that strength was finite.
      for row in [_effect(layer, measure, sign, row)]
  ]
  for measure in layer['measures'][:1]:
    rows += [
        ('Does a vector turned round do the opposite?', _both(layer, row))
        for row in _middle(layer[measure]['opposite'])
        if row['both']
    ]
  return rows


def _middle(rows: Sequence[Any]) -> Sequence[Any]:
  half = len(rows) // 2
  return rows[half : half + 1]


def _size(row: Mapping[str, Any]) -> float:
  return abs(row['strength'])


def _effect(layer, measure, sign, row) -> dict[str, Any]:
  # At a negative strength the words are to fall: the interval is turned.
  turned = sign == 'negative'
  turn = _turned if turned else dict
  return {
      'id': f'{measure}_{sign}',
      'label': (
          f'Own minus others{", turned round" * turned},'
          f' {layer["title"].lower()}'
      ),
      'unit': _UNITS[measure],
      'interval': '95 % bootstrap over emotions',
      'controls': [
          {'label': label, **turn(row[key])}
          for key, label in _UNDER.items()
          if row[key]
      ],
      **turn(row['difference']),
      'strength': row['strength'],
  }


def _turned(point: Mapping[str, Any]) -> dict[str, Any]:
  value, low, high = (
      None if x is None else -x
      for x in (point['value'], point['high'], point['low'])
  )
  return {**point, 'value': value, 'low': low, 'high': high}


def _both(layer: sections.View, row: Mapping[str, Any]) -> dict[str, Any]:
  return {
      'id': 'opposite',
      'label': f'Raised at +, lowered at −, {layer["title"].lower()}, ±'
      f' {row["strength"]:g}',
      'unit': 'share of emotions',
      'interval': '95 % Wilson',
      'controls': [
          {'label': 'words dealt out (central 95 %)', **control}
          for control in [row['both_permuted']]
          if control
      ],
      **row['both'],
  }


_SECTIONS: page.Sections = {
    'overview': ('dose.json', numbers),
    'dose': ('dose.json', _dose),
    'sweep': ('sweep.jsonl', sections.texts),
    'provenance': ('config.json', sections.provenance),
}


def main(arguments: Sequence[str] | None = None) -> int:
  """Writes the report of the workdir on the command line."""
  return page.command('emojax.report.sweep_page', write, arguments)


if __name__ == '__main__':
  sys.exit(main())
