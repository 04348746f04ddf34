"""Writes report.html of a corpus that a model wrote, from its workdir.

Reads files only and needs no jax:

python -m emojax.report.corpus_page WORKDIR
"""

from collections.abc import Mapping, Sequence
import sys
from typing import Any

from emojax import files
from emojax import statistics
from emojax.report import corpus_figures
from emojax.report import overview
from emojax.report import page
from emojax.report import sections

KINDS = {
    'story': 'stories',
    'neutral': 'neutral dialogues',
    'dialogue': 'dialogues of two emotions',
}
# Texts on the page, of each kind: kept, and refused for one reason.
_KEPT, _REFUSED = 12, 3


def write(workdir: files.Path) -> files.Path:
  """Writes `workdir`/report.html and returns its path.

  Raises:
    InputError: as `page.publish` does; yields.json must be there.
  """
  return page.publish(workdir, 'yields.json', _SECTIONS, 'corpus_page.html.j2')


def _yields(data: sections.View) -> sections.View:
  kinds = {
      KINDS[kind]: {**each, 'reasons': _reasons(each)}
      for kind, each in data['kinds'].items()
  }
  stories = data['kinds'].get('story', {'emotions': {}})['emotions']
  # The best first; of equals in the order of the alphabet.
  ranked = sorted(
      stories.items(), key=lambda item: (-item[1]['kept']['value'], item[0])
  )
  return {
      'kinds': kinds,
      'corpora': data['corpora'],
      'stories': data['corpora'].get('stories.jsonl'),
      'rest': data['corpora'].get(
          'stories_of_incomplete_emotions.jsonl', {'rows': 0}
      ),
      'emotions': ranked,
      'figures': {'yields': corpus_figures.yields(ranked)} if ranked else {},
  }


def _reasons(kind: Mapping[str, Any]) -> list[dict[str, Any]]:
  """Why pieces are not in the corpus: a row a reason, a cell a wording.

  Of a refused piece the share of those asked for, with Wilson's interval. What
  was dropped is text and may be more or less than a piece: only a count.
  """
  groups = [*kind['prompts'].values(), kind['total']]
  rows = []
  for part in ('refused', 'dropped'):
    for why in kind['total'][part]:
      counts = [group[part][why] for group in groups]
      if counts[-1]:
        shares = [
            statistics.wilson(count, group['asked'])
            if part == 'refused'
            else None
            for count, group in zip(counts, groups, strict=True)
        ]
        cells = list(zip(counts, shares, strict=True))
        rows.append({'why': why, 'part': part, 'cells': cells})
  return sorted(
      rows, key=lambda row: (row['part'] == 'dropped', -row['cells'][-1][0])
  )


def _comparison(data: sections.View) -> sections.View:
  layer = data['chosen_layer']
  ways = {}
  for way, layers in data['transfer'].items():
    (row,) = (each for each in layers if each['layer'] == layer)
    ways[way] = {**row, 'nested': data['nested'][way]}
  (cosine,) = (row for row in data['cosine'] if row['layer'] == layer)
  emotions = sorted(data['emotions'], key=lambda row: -row['same']['value'])
  return {
      **data,
      'ways': ways,
      'at_layer': cosine,
      'emotions': emotions,
      'findings': _findings(data, cosine),
      'figures': {
          'cosine': corpus_figures.cosine(data['cosine'], layer),
          'cosine-emotions': corpus_figures.by_emotion(emotions),
          'from-written': corpus_figures.transfer(data, 'written'),
          'from-reference': corpus_figures.transfer(data, 'reference'),
      },
  }


def _findings(
    data: Mapping[str, Any], cosine: Mapping[str, Any]
) -> dict[str, bool]:
  """What intervals that do not overlap say; no more is said in words.

  The best of many layers is above its controls where there is nothing, too.
  So a chosen layer stands beside the best of shuffled labels, and accuracies
  are at layers that were chosen without the topic.
  """

  def above(a, *others):
    known = [a['low'], *(b['high'] for b in others)]
    return None not in known and known[0] > max(known[1:])

  nested = data['nested']
  carried = {
      way: above(each['top1'], each['shuffled_top1'])
      for way, each in nested.items()
  }
  to_written, within = 'reference to written', 'reference to reference'
  return {
      'alike': above(
          cosine['same'], cosine['different'], data['shuffled_best']
      ),
      'written_carries': carried['written to reference'],
      'written_is_read': carried[to_written],
      'poorer': above(nested[within]['top1'], nested[to_written]['top1']),
  }


def _kept(data: sections.View) -> sections.View:
  """The overview's number of yields.json: a count, which has no control."""
  return overview.all_of(
      [
          (
              'How many of the stories asked for can be used?',
              {
                  **data['kinds']['story']['total']['kept'],
                  'id': 'kept',
                  'label': 'Stories kept',
                  'unit': 'share of those asked for',
                  'interval': '95 % Wilson',
                  'controls': [],
              },
          )
      ]
      if 'story' in data['kinds']
      else []
  )


_CARRIED = {
    'written to reference': 'Do its vectors tell the reference’s stories?',
    'reference to written': 'Do the reference’s vectors tell its stories?',
    'written to written': 'Do its vectors tell its own stories?',
}


def _compared(data: sections.View) -> sections.View:
  """The overview's numbers of comparison.json."""
  layer = data['chosen_layer']
  (row,) = (row for row in data['cosine'] if row['layer'] == layer)
  alike = {
      **row['same'],
      'id': 'cosine',
      'label': f'Cosine of an emotion’s two vectors, layer {layer}',
      'unit': 'cosine, mean over emotions',
      'interval': '95 % bootstrap over emotions',
      'controls': [
          {'label': 'different emotions', **row['different']},
          {'label': 'shuffled labels, best layer', **data['shuffled_best']},
      ],
  }
  carried = [
      (
          question,
          {
              **data['nested'][way]['top1'],
              'id': way,
              'label': 'Held-out top-1, layer chosen without the topic',
              'unit': 'fraction of stories',
              'interval': '95 % bootstrap over topics',
              'controls': [
                  {
                      'label': 'shuffled labels',
                      **data['nested'][way]['shuffled_top1'],
                  }
              ],
          },
      )
      for way, question in _CARRIED.items()
  ]
  return overview.all_of(
      [('Are both corpora’s vectors of an emotion alike?', alike), *carried]
  )


def _samples(rows: Sequence[sections.View]) -> sections.View:
  """Some texts of every kind: kept ones, and some for each reason."""
  groups: dict[str, dict[str, list[sections.View]]] = {}
  for row in rows:
    outcomes = [why or 'kept' for why in row['reasons']] + row['dropped']
    shown = {**row, 'outcomes': outcomes, 'about': _about(row)}
    first = 'kept' if 'kept' in outcomes else (outcomes or ['empty'])[0]
    groups.setdefault(KINDS[row['kind']], {}).setdefault(first, []).append(
        shown
    )
  kinds = []
  for kind, outcomes in groups.items():
    # Those kept first, then what is most often wrong.
    order = sorted(outcomes, key=lambda w: (w != 'kept', -len(outcomes[w]), w))
    some = [
        (why, len(outcomes[why]), _spread(outcomes[why], why)) for why in order
    ]
    kinds.append((kind, some))
  return {
      'kinds': kinds,
      'shown': sum(len(some) for _, each in kinds for _, _, some in each),
      'total': len(rows),
  }


def _spread(rows: list[sections.View], why: str) -> list[sections.View]:
  """Some of them, at even distances: they are in order of topics."""
  most = _KEPT if why == 'kept' else _REFUSED
  step = len(rows) / min(len(rows), most)
  return [rows[int(i * step)] for i in range(min(len(rows), most))]


def _about(row: sections.View) -> str:
  return ', '.join(row['emotions']) or 'no emotion'


_SECTIONS: page.Sections = {
    'kept': ('yields.json', _kept),
    'compared': ('comparison.json', _compared),
    'yields': ('yields.json', _yields),
    'comparison': ('comparison.json', _comparison),
    'completions': ('completions.jsonl', _samples),
    'provenance': ('config.json', sections.provenance),
}


def main(arguments: Sequence[str] | None = None) -> int:
  """Writes the report of the workdir on the command line."""
  return page.command('emojax.report.corpus_page', write, arguments)


if __name__ == '__main__':
  sys.exit(main())
