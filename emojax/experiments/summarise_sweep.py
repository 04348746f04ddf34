"""Rows of `sweep.jsonl` -> `dose.json`: curves, doses and windows by layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emojax import doses
from emojax import matched_doses
from emojax import statistics
from emojax import windows
from emojax.experiments import sweep_columns

Columns = sweep_columns.Columns

_KINDS = ('unsteered', 'emotion', *doses.CONTROLS)
_SIGNS = {'positive': 1, 'negative': -1}


def summarise(
    emotions: Sequence[str],
    rows: Sequence[sweep_columns.Row],
    seed: int,
    limits: windows.Limits = windows.LIMITS,
    share: float = 0.8,
) -> dict[str, Any]:
  """Returns the contents of `dose.json`.

  A row that is not finite enters no mean; it is counted, and as a text that is
  not coherent. 'expressed' is taken against the mean of the unsteered texts on
  the same prompt. A point that nothing was measured at is not there, and an
  interval that cannot be had is None.

  Args:
    emotions: the E names whose measures the rows have.
    rows: of `sweep.jsonl`.
    seed: of bootstraps and permutations.
    limits: of a coherent text.
    share: of texts that must be coherent at a strength that can be used.
  """
  columns = sweep_columns.columns_of(emotions, rows, limits)
  unsteered = columns['kind'] == 'unsteered'
  keys = [(row['layers'], row['positions']) for row in rows]
  places = []
  for i in np.flatnonzero(~unsteered):
    if keys[i] not in places:
      places.append(keys[i])
  return {
      'unit': 'fraction of the mean residual norm at that layer',
      'words': list(emotions),
      'prompts': sorted({row['prompt'] for row in rows}),
      'seeds': sorted({row['seed'] for row in rows}),
      'coherence': {**limits._asdict(), 'share': share},
      'layers': [
          {'layers': layers, 'positions': positions}
          | _layer(
              emotions,
              sweep_columns.where(
                  columns,
                  ~unsteered
                  & np.array([key == (layers, positions) for key in keys]),
              ),
              sweep_columns.where(columns, unsteered),
              seed,
              share,
          )
          for layers, positions in sorted(places)
      ],
  }


def only_layer(dose: dict[str, Any]) -> dict[str, Any]:
  """Returns what `summarise` says of a sweep of one layer, without nesting.

  The layer's entries, and those of its words, stand beside the sweep's own.
  """
  (layer,) = dose['layers']
  words = layer['word_delta'] or {}
  flat = {**dose, **layer, **words}
  return {name: flat[name] for name in flat if name != 'word_delta'}


def _layer(
    emotions: Sequence[str],
    steered: Columns,
    unsteered: Columns,
    seed: int,
    share: float,
) -> dict[str, Any]:
  """What `dose.json` says of one choice of layers and positions."""
  one = (steered['emotion'] >= 0) | np.isin(steered['kind'], doses.CONTROLS)
  one &= steered['operation'] == 'add'
  single = sweep_columns.where(steered, one)
  both = {
      name: np.concatenate([unsteered[name], single[name]]) for name in single
  }
  # Unsteered rows have no directions: their prompts are what varies.
  cluster = np.where(
      both['kind'] == 'unsteered', both['prompt'], both['direction']
  )
  by_kind = {kind: both['kind'] == kind for kind in _KINDS}

  def means(name: str) -> dict[str, list[doses.Point]]:
    known = sweep_columns.known(both[name])
    return {
        kind: doses.means_by_strength(
            both[name][mask & known],
            cluster[mask & known],
            both['strength'][mask & known],
            seed,
        )
        for kind, mask in by_kind.items()
    }

  coherence = {
      kind: windows.shares_by_strength(
          both['coherent'][mask], both['strength'][mask]
      )
      for kind, mask in by_kind.items()
  }
  return {
      'strengths': np.unique(single['strength']).tolist(),
      'counts': {
          kind: _counts(sweep_columns.where(both, mask))
          for kind, mask in by_kind.items()
      }
      | {'other': _counts(sweep_columns.where(steered, ~one))},
      'coherent': coherence,
      **{name: means(name) for name in ('kl', 'repetition', 'log_perplexity')},
      **{
          name: _measure(
              emotions, single, name, coherence['emotion'], seed, share
          )
          for name in sweep_columns.MEASURES
      },
      'others': _others(emotions, steered, ~one),
  }


def _counts(columns: Columns) -> dict[str, int]:
  """How many rows, how many of them are left out, and of what."""
  finite = columns['finite']
  return {
      'rows': len(finite),
      'directions': len(np.unique(columns['direction'])),
      'not_finite': int((~finite).sum()),
      'incoherent': int((finite & ~columns['coherent']).sum()),
      **{
          f'without_{name}': int(
              (finite & ~sweep_columns.known(columns[name])).sum()
          )
          for name in ('kl', 'log_perplexity', *sweep_columns.MEASURES)
      },
  }


def _measure(
    emotions: Sequence[str],
    single: Columns,
    name: str,
    coherence: Sequence[doses.Point],
    seed: int,
    share: float,
) -> dict[str, Any] | None:
  """Curves of one measure, and what follows from them; None if it has none."""
  names = ('emotion', 'kind', 'direction', 'strength', 'kl')
  rows = doses.Steered(
      delta=single[name], **{field: single[field] for field in names}
  ).where(sweep_columns.known(single[name]))
  rows = doses.mirror_controls(rows)
  if not (rows.emotion >= 0).any():
    return None
  curves = doses.curves(rows, seed)
  return {
      'curves': curves,
      'emotions': {
          e: doses.emotion_curves(rows, i)
          for i, e in enumerate(emotions)
          if (rows.emotion == i).any()
      },
      'matched_dose': {
          word: matched_doses.at_equal_kl(rows, sign, seed)
          for word, sign in _SIGNS.items()
      },
      'opposite': matched_doses.opposite_signs(rows, seed),
      'window': {
          word: windows.usable(curves, coherence, sign, share)
          for word, sign in _SIGNS.items()
      },
  }


def _others(
    emotions: Sequence[str], steered: Columns, others: np.ndarray
) -> list[dict[str, Any]]:
  """Ablations and several directions at once, each with its own means.

  'own' is the mean over the emotions that the direction's name puts together,
  'other' that over the rest, with Student's intervals over rows; 'random' is
  the band of what each random direction does to all emotions under the same
  operation at the same strength.
  """
  names = ('operation', 'strength', 'kind', 'direction')
  groups: dict[tuple[Any, ...], list[int]] = {}
  for i, key in enumerate(
      zip(*(steered[n].tolist() for n in names), strict=True)
  ):
    groups.setdefault(key, []).append(i)
  out = []
  for key in sorted({key for key, at in groups.items() if others[at].all()}):
    rows = sweep_columns.where(steered, np.array(groups[key]))
    random = [
        i
        for k, at in groups.items()
        if k[:3] == (*key[:2], 'random')
        for i in at
    ]
    controls = sweep_columns.where(steered, np.array(random, int))
    own = np.isin(emotions, key[3].split('+')) & (key[2] == 'emotion')
    out.append(
        dict(zip(names, key, strict=True))
        | {'counts': _counts(rows)}
        | {name: _student(rows[name][:, None]) for name in ('kl', 'repetition')}
        | {
            'coherent': statistics.wilson(
                int(rows['coherent'].sum()), len(rows['coherent'])
            )
        }
        | {
            name: {
                'own': _student(rows[name][:, own]),
                'other': _student(rows[name][:, ~own]),
                'random': _random_band(controls, name),
            }
            for name in sweep_columns.MEASURES
        }
    )
  return out


def _student(values: np.ndarray) -> statistics.Estimate | None:
  """Student's mean over the known rows of [N, K], each the mean of its K."""
  values = values[sweep_columns.known(values)]
  return statistics.student_mean(values.mean(axis=1)) if values.size else None


def _random_band(controls: Columns, name: str) -> statistics.Estimate | None:
  """The band, over random directions, of the mean over emotions."""
  rows = sweep_columns.where(controls, sweep_columns.known(controls[name]))
  means = [
      rows[name][rows['direction'] == direction].mean()
      for direction in np.unique(rows['direction'])
  ]
  return statistics.band(np.array(means)) if len(means) > 1 else None
