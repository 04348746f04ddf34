"""What the sections of a page show, each out of its artefact."""

from collections.abc import Sequence
import json
import math
from typing import Any

from emojax.report import curves
from emojax.report import dose_figures
from emojax.report import figures

View = dict[str, Any]

_KINDS = ('unsteered', 'emotion', 'opposite', 'random', 'shuffled')


def summary(data: View) -> View:
  # A block holds about 12 D^2 weights; below 7e9 a model is called small.
  parameters = 12 * data['model']['layers'] * data['model']['width'] ** 2
  return {**data, 'small': parameters < 7e9}


def heldout(data: View) -> View:
  return {
      **data,
      'figures': {
          f'heldout-{measure}': figures.accuracy(data, measure)
          for measure in ('top1', 'top5')
      },
  }


def geometry(data: View) -> View:
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


def texts(rows: Sequence[View], limit: int = 600) -> View:
  """Returns texts to be read, grouped by prompt; a sample of a large sweep.

  Args:
    rows: of sweep.jsonl.
    limit: how many texts are shown at most, give or take a direction of each
      kind.
  """
  whole = [row for row in rows if 'text' in row]
  if not whole:
    return {'absent': 'sweep.jsonl holds no texts.'}
  shown = _sample(whole, limit)
  steered = [row for row in shown if row['kind'] != 'unsteered']
  names = {row['direction'] for row in steered}
  layers = {layers_name(row['layers']): row['layers'] for row in steered}
  return {
      'layers': sorted(layers, key=layers.__getitem__),
      'emotions': list(
          dict.fromkeys(
              row['direction']
              for row in whole
              if row['kind'] == 'emotion' and row['direction'] in names
          )
      ),
      'strengths': sorted({row['strength'] for row in steered}),
      'prompts': [
          (
              prompt,
              [
                  {**row, 'name': layers_name(row['layers'])}
                  for row in shown
                  if row['prompt'] == prompt
              ],
          )
          for prompt in dict.fromkeys(row['prompt'] for row in shown)
      ],
      'shown': len(shown),
      'total': len(whole),
  }


def _sample(rows: Sequence[View], limit: int) -> list[View]:
  """The rows of as many prompts and seeds as there is room for, in order.

  If there is none for all of one prompt, some directions of each kind.
  """
  blocks: dict[tuple[str, int], list[View]] = {}
  for row in rows:
    blocks.setdefault((row['prompt'], row['seed']), []).append(row)
  longest = max(map(len, blocks.values()))
  step = math.ceil(longest / limit)
  directions: dict[str, list[str]] = {}
  for row in rows:
    names = directions.setdefault(row['kind'], [])
    if row['direction'] not in names:
      names.append(row['direction'])
  kept = {
      (kind, n) for kind, names in directions.items() for n in names[::step]
  }
  some = list(blocks.values())[: max(1, limit // longest)]
  shown = [
      row
      for block in some
      for row in block
      if (row['kind'], row['direction']) in kept
  ]
  return sorted(
      shown,
      key=lambda row: (
          _KINDS.index(row['kind']),
          str(row['direction']),
          row['layers'],
          row['strength'],
          row['seed'],
      ),
  )


def layers_name(layers: Sequence[int]) -> str:
  """Returns '14', '10–12', '10, 12, 15', or '' of no layers."""
  band = list(range(layers[0], layers[-1] + 1)) if layers else []
  if len(layers) > 2 and list(layers) == band:
    return f'{band[0]}–{band[-1]}'
  return ', '.join(map(str, layers))


def dose(data: View) -> View:
  """Of a run that was steered at one layer: dose.json holds it flat."""
  emotions = data['emotions']
  span = curves.value_span(
      [points for each in emotions.values() for points in each.values()]
  )
  return {
      **data,
      'layers_name': layers_name(data['layers']),
      'names': figures.NAMES['word_delta'],
      'picked': {
          'dose-one': [
              (name, figures.dose(each, span))
              for name, each in emotions.items()
          ]
      }
      if emotions
      else {},
      'figures': {
          'dose': figures.dose(data['curves']),
          'divergence': figures.divergence(data['kl']),
          'coherence': dose_figures.coherence(
              data['coherent'], data['coherence']['share']
          ),
          'matched': dose_figures.matched(data['matched_dose'], 'nats'),
      },
  }


def provenance(data: View) -> View:
  return {**data, 'text': json.dumps(data['config'], indent=2, sort_keys=True)}
