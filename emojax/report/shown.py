"""Objects that a notebook shows: pictures, readings, texts, vectors, pages."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np
import plotly.graph_objects as go

from emojax import errors
from emojax import files
from emojax.report import notebook
from emojax.report import reader_page

View = Mapping[str, Any]

_HIGHEST = 3  # Emotions whose mean over a text is told.


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Picture:
  """A figure, and the numbers that say how sure it is.

  Attributes:
    figure: of the report, with the page's colours in it.
    numbers: rows of summary.json.
  """

  figure: go.Figure
  numbers: tuple[View, ...] = ()

  def __repr__(self) -> str:
    said = [f'{x["label"]}: {x["value"]:.3g}' for x in self.numbers]
    return f'Picture({"; ".join(said)})'

  def _repr_html_(self) -> str:
    return notebook.render('numbers', self.numbers)

  def _ipython_display_(self) -> None:
    from IPython import display  # Whatever calls this has it.

    if self.numbers:
      display.display(display.HTML(self._repr_html_()))
    display.display(self.figure)


@dataclasses.dataclass(frozen=True, repr=False)
class Page:
  """A whole page, in a frame of its own.

  Attributes:
    path: of its file.
    height: of the frame, in pixels.
  """

  path: files.Path
  height: int = 720

  def __repr__(self) -> str:
    return f'Page({self.path})'

  def _repr_html_(self) -> str:
    text = files.read_bytes(self.path).decode('utf-8')
    return notebook.render('frame', self, text)


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Reading:
  """A chat, coloured token by token: how far each lies along a vector.

  Attributes:
    row: a line of readings.jsonl.
    workdir: where that lies, beside the reader's page.
    emotion: whose vector; if empty, the one that is highest on average.
  """

  row: View
  workdir: files.Path
  emotion: str = ''

  def __post_init__(self) -> None:
    mean = self.row['mean_score']
    emotion = self.emotion or max(mean, key=mean.__getitem__)
    check_emotion(emotion, list(mean))
    object.__setattr__(self, 'emotion', emotion)

  @property
  def tokens(self) -> int:
    """How many tokens of messages there are, those of the template left out."""
    return sum(role != 'template' for role in self.row['roles'])

  def by(self, emotion: str) -> 'Reading':
    """Returns the same chat in the colours of another emotion."""
    return Reading(self.row, self.workdir, emotion)

  def reader(self) -> Page:
    """Returns the page on which emotions and layers are chosen."""
    return Page(self.workdir / reader_page.NAME)

  def __repr__(self) -> str:
    mean = self.row['mean_score'][self.emotion]
    return (
        f'Reading({self.emotion}: {mean:.2f} SD on average over'
        f' {self.tokens} tokens, layer {self.row["layer"]})'
    )

  def _repr_html_(self) -> str:
    row, mean = self.row, self.row['mean_score']
    score = np.asarray(row['score'], dtype=float)
    scale = float(np.nanpercentile(np.abs(score), 99)) or 1.0
    values = score[:, row['emotions'].index(self.emotion)].tolist()
    highest = sorted(mean, key=mean.__getitem__, reverse=True)[:_HIGHEST]
    names = dict.fromkeys([*highest, self.emotion])
    tokens = zip(row['tokens'], row['roles'], values, strict=True)
    return notebook.render(
        'reading',
        self,
        scale,
        [(name, mean[name]) for name in names],
        [
            {
                'text': text,
                'role': role,
                'value': value,
                'amount': round(min(1.0, abs(value) / scale), 3),
                'response': i == row['response_index'],
            }
            for i, (text, role, value) in enumerate(tokens)
        ],
    )


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Texts:
  """What a model wrote steered, unsteered, and in random directions.

  Attributes:
    rows: of sweep.jsonl.
    dose: the contents of dose.json, of one choice of layers.
    strengths: that were asked for, by direction.
    workdir: where all texts are.
  """

  rows: Sequence[View]
  dose: View
  strengths: Mapping[str, float]
  workdir: files.Path

  def first(self) -> list[View]:
    """Of each direction the first text, and of the first random one."""
    seed, doses = self.rows[0]['seed'], set(self.strengths.values())

    def is_shown(row: View) -> bool:
      if row['kind'] == 'unsteered':
        return True
      if row['direction'] == 'random_0':
        return row['strength'] in doses
      return self.strengths.get(row['direction']) == row['strength']

    return [r for r in self.rows if r['seed'] == seed and is_shown(r)]

  def numbers(self) -> list[View]:
    """What the texts express and how many are coherent, beside controls."""
    (layer,) = self.dose['layers']
    expressed = [
        _expressed(layer, name, strength)
        for name, strength in self.strengths.items()
    ]
    doses = dict.fromkeys(self.strengths.values())
    return expressed + [_coherent(layer, strength) for strength in doses]

  def __repr__(self) -> str:
    said = ', '.join(f'{name}={x:g}' for name, x in self.strengths.items())
    return f'Texts({said}: {len(self.rows)} texts in {self.workdir})'

  def _repr_html_(self) -> str:
    return notebook.render('texts', self, self.first(), self.numbers())


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Vectors:
  """The vectors of a run; `vectors['happy']` is one of them.

  Attributes:
    path: of vectors.safetensors.
    arrays: in it.
    metadata: in it.
    accuracy: the numbers that say how well they hold.
  """

  path: files.Path
  arrays: Mapping[str, np.ndarray]
  metadata: View
  accuracy: tuple[View, ...]

  def __getitem__(self, emotion: str) -> np.ndarray:
    """[D]: the vector of an emotion, at the layer that the run chose."""
    names = self.metadata['emotions']
    check_emotion(emotion, names)
    return self.arrays['vectors'][names.index(emotion), self.metadata['layer']]

  def __repr__(self) -> str:
    size, layers, width = self.arrays['vectors'].shape
    return (
        f'Vectors({size} emotions, layer {self.metadata["layer"]} of {layers},'
        f' width {width}, {self.path})'
    )

  def _repr_html_(self) -> str:
    layer = self.metadata['layer']
    norm = self.arrays['resid_norm'][layer]
    own, control = (
        np.linalg.norm(self.arrays[name][:, layer], axis=-1) / norm
        for name in ('vectors', 'shuffled')
    )
    names, stories = self.metadata['emotions'], self.metadata['stories']
    rows = [
        (name, stories[name], length)
        for name, length in zip(names, own.tolist(), strict=True)
    ]
    return notebook.render('vectors', self, rows, control.tolist())


def check_emotion(emotion: str, emotions: Sequence[str]) -> None:
  """Refuses an emotion that there is no vector of."""
  if emotion not in emotions:
    raise errors.InputError(
        f'There is no vector of {emotion!r}'
        f'{errors.did_you_mean(emotion, emotions)}; give one of'
        f' {", ".join(emotions)}.'
    )


def _number(
    label: str, unit: str, own: View | None, controls: Mapping[str, View | None]
) -> View:
  """A number as summary.json has them; dashes if nothing was measured."""
  nothing = {'value': None, 'low': None, 'high': None, 'n': 0}
  return {
      'label': label,
      'unit': unit,
      **(own or nothing),
      'interval': '',
      'controls': [
          {'label': name, **point} for name, point in controls.items() if point
      ],
      'note': '',
  }


def _expressed(layer: View, emotion: str, strength: float) -> View:
  """How far texts lie along the emotion that they were steered with."""
  curves = (layer['expressed'] or {}).get('emotions', {}).get(emotion, {})
  own, random = (
      _at(curves.get(kind, ()), strength) for kind in ('matched', 'random')
  )
  return _number(
      f'What the texts express of {emotion}, strength {strength:g}',
      'standard deviations of neutral text above the unsteered texts; read'
      ' without steering; 95 % Student over texts',
      own,
      {'random directions (central 95 % of texts)': random},
  )


def _coherent(layer: View, strength: float) -> View:
  """The share of steered texts that do not break down."""
  shares = layer['coherent']
  return _number(
      f'Coherent texts, strength {strength:g}',
      'fraction of steered texts; 95 % Wilson',
      _at(shares['emotion'], strength),
      {
          'random directions': _at(shares['random'], strength),
          'unsteered': _at(shares['unsteered'], 0.0),
      },
  )


def _at(points: Sequence[View], strength: float) -> View | None:
  return next((p for p in points if p['strength'] == strength), None)
