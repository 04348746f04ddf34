"""Correlations and tests of ladders -> reported numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emojax import statistics
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib
from emojax.experiments.measures import ladder_rows
from emojax.experiments.measures import prompt_readings

_MATCHED = 'the same numbers where they mean nothing'
_FOLLOW = 'Readings before the reply follow the number'

# By place, then part, then kind: [L, M] of M expectations; [K, L, M].
Signed = Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]


def numbers(
    study: study_lib.Study,
    ladders: Sequence[ladder_rows.Texts],
    signed: Signed,
    words: np.ndarray,
    tests: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[numbers_lib.Number]:
  """Returns what is reported.

  Args:
    study: whose layer and seed are used.
    ladders: of `ladder_rows.texts_of`.
    signed: of `ladder_rows.signed`.
    words: [M], the same of token embeddings.
    tests: by part, of `ladder_rows.tests`.
  """
  (meant, matched), (in_message, in_matched) = (
      [
          {
              kind: x[..., study.layer, :]
              for kind, x in signed[place][part].items()
          }
          for part in ladder_rows.PARTS
      ]
      for place in ('response', 'message')
  )
  emotions = [e for each in ladders for e in each.emotions]
  paper = [e for e in study.config.ladders.emotions if e in emotions]
  among = np.isin(emotions, paper)
  excess = {kind: x - matched[kind] for kind, x in meant.items()}
  only, only_matched = (
      {kind: np.where(among, x, np.nan) for kind, x in values.items()}
      for values in (meant, matched)
  )
  plain = (prompt_readings.WORDS, words)
  own = lambda values: (_MATCHED, values['emotions'])
  rows = (
      ('rho', _FOLLOW, meant, [own(matched), plain]),
      ('excess', f'The same, minus that of {_MATCHED}', excess, []),
      (
          'rho_paper',
          f'{_FOLLOW}: {", ".join(paper)}',
          only,
          [own(only_matched)],
      ),
      (
          'rho_message',
          'Readings of the message follow the number',
          in_message,
          [own(in_matched), plain],
      ),
  )
  mean = lambda x: ladder_rows.mean(ladders, x, study.config.seed)
  return [
      *(number for row in rows for number in _mean(mean, *row)),
      _share_of_ladders(ladders, {'meant': meant, 'matched': matched}),
      _share_of_tests(tests),
  ]


def _mean(mean, name, label, values, controls) -> list[numbers_lib.Number]:
  """A mean over expectations; none if no reading is known.

  Args:
    mean: of [M], or None.
    name: of the number.
    label: in words.
    values: by kind, [M] or [K, M].
    controls: labels and [M].
  """
  estimate = mean(values['emotions'])
  if estimate is None:
    return []
  found = [(name, mean(x)) for name, x in controls]
  known = np.isfinite(values['emotions'])
  bands = {
      kind: values[kind][:, known].mean(axis=-1)
      for kind in prompt_readings.CONTROLS
  }
  return [
      numbers_lib.number(
          f'ladders_{name}',
          label,
          estimate,
          'mean rank correlation, positive if as expected',
          '95 % BCa bootstrap over ladders',
          [
              *(numbers_lib.control(name, x) for name, x in found if x),
              *prompt_readings.bands(bands),
          ],
          side=1,
      )
  ]


def _share_of_ladders(ladders, parts) -> numbers_lib.Number:
  """How many ladders go as expected on average over their emotions."""
  shares = {}
  for part, values in parts.items():
    x = ladder_rows.by_ladder(ladders, values['emotions'])
    x = x[np.isfinite(x)]
    if len(x):
      shares[part] = statistics.wilson(int((x > 0).sum()), len(x))
  return numbers_lib.number(
      'ladders_signs',
      'Ladders that go as expected on average over emotions, before the reply',
      shares.pop('meant'),
      'fraction of ladders',
      '95 % Wilson',
      [
          numbers_lib.exactly('chance', 0.5, len(ladders)),
          *(numbers_lib.control(_MATCHED, each) for each in shares.values()),
      ],
      side=1,
  )


def _share_of_tests(tests) -> numbers_lib.Number:
  """How many expectations of ladders hold beyond chance."""
  shares = {
      part: statistics.wilson(
          sum(row['found'] == row['expected'] for row in rows), len(rows)
      )
      for part, rows in tests.items()
      if rows
  }
  n = len(tests['meant'])
  return numbers_lib.number(
      'ladders_holm',
      'Expectations that hold in an exact permutation test, after Holm',
      shares.pop('meant'),
      'fraction of ladders times emotions',
      '95 % Wilson',
      [
          numbers_lib.exactly('chance, at most', ladder_rows.ALPHA, n),
          *(numbers_lib.control(_MATCHED, each) for each in shares.values()),
      ],
      'Tests of one ladder depend on each other: the interval is too narrow.',
      side=1,
  )
