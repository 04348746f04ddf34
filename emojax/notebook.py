"""What a notebook calls: a run of the quickstart, and objects that it shows.

  from emojax import notebook

  run = notebook.quickstart('runs/quickstart')
  run.read('I can hear someone on the stairs.', 'afraid')
  run.steer('How do you feel?', happy=0.4)

All work is done by the experiments of the command line, with the configs of the
checkout and in workdirs of the same form. What is there is not done again, and
the model that reads and steers is loaded once.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import hashlib
import json
import numbers
import runpy
from types import ModuleType
from typing import Any

import ml_collections
import plotly.graph_objects as go

import emojax
from emojax import errors
from emojax import files
from emojax.experiments import build_vectors
from emojax.experiments import map_geometry
from emojax.experiments import quickstart as quickstart_lib
from emojax.experiments import read as read_lib
from emojax.experiments import summarise
from emojax.experiments import sweep as sweep_lib
from emojax.report import figures
from emojax.report import notebook as views
from emojax.report import shown

Message = Mapping[str, str]

_CONFIGS = files.Path(emojax.__file__).parents[1] / 'configs'
# Controls of a text that is steered in a notebook.
_RANDOM = 5


def quickstart(workdir: str | files.Path, **fields: Any) -> 'Run':
  """Runs `configs/quickstart.py`, as far as it has not been run.

  Args:
    workdir: of the run; made if it is not there.
    **fields: of the config that get other values.

  Raises:
    InputError: a field that the config does not have, or whatever the command
      refuses.
  """
  place = files.absolute(files.locate(str(workdir)))
  files.check_reachable(place)
  config = _config('quickstart', fields)
  read_lib.loaded.cache_clear()  # There may be room for one model only.
  quickstart_lib.run(config, place)
  return Run(place)


@dataclasses.dataclass(frozen=True, repr=False)
class Run:
  """A finished run of the quickstart.

  Attributes:
    workdir: that it wrote.
  """

  workdir: files.Path

  def __post_init__(self) -> None:
    place = files.absolute(files.locate(str(self.workdir)))
    object.__setattr__(self, 'workdir', place)
    if not files.exists(place / summarise.NAME):
      raise errors.InputError(
          f'{place / summarise.NAME}: no such file; give the workdir of a'
          ' finished quickstart, or run notebook.quickstart.'
      )

  def __repr__(self) -> str:
    summary = self.summary
    return (
        f'Run({summary["model"]["name"]}, layer {summary["layer"]},'
        f' {summary["counts"]["emotions"]} emotions, {self.workdir})'
    )

  def _repr_html_(self) -> str:
    return views.overview(self.summary)

  @property
  def summary(self) -> dict[str, Any]:
    """The contents of summary.json."""
    return files.read_json(self.workdir / summarise.NAME)

  @property
  def heldout(self) -> shown.Picture:
    """Accuracy on topics that the vectors were not fitted on, by layer."""
    held_out = files.read_json(self.workdir / build_vectors.HELD_OUT)
    return self._picture(
        figures.accuracy(held_out, 'top1'), 'heldout_top1_nested'
    )

  @property
  def cosine_map(self) -> shown.Picture:
    """Cosines between the vectors."""
    return self._picture(figures.cosine_map(self._geometry()))

  @property
  def components(self) -> shown.Picture:
    """The two directions in which the vectors differ most, and valence."""
    return self._picture(figures.scatter(self._geometry()), 'valence_pc*')

  @property
  def dose(self) -> shown.Picture:
    """What steering does to the emotions' words, by strength."""
    dose = files.read_json(self.workdir / summarise.DOSE)
    return self._picture(figures.dose(dose['curves']), 'steer_difference_*')

  @property
  def vectors(self) -> shown.Vectors:
    """The vectors themselves: `run.vectors['happy']` is one, [D]."""
    path = self.workdir / build_vectors.NAME
    arrays, metadata = build_vectors.read_vectors(path)
    accuracy = views.chosen(self.summary, ['heldout_top1_nested'])
    return shown.Vectors(path, arrays, metadata, accuracy)

  @property
  def report(self) -> shown.Page:
    """The report, in a frame."""
    return shown.Page(self.workdir / quickstart_lib.REPORT)

  def read(
      self, text: str | Sequence[Message], emotion: str = ''
  ) -> shown.Reading:
    """Reads a text, token by token.

    Args:
      text: one message of a user, or messages with `role` and `content`.
      emotion: that its tokens are compared with; if empty, the one that stands
        highest on average.

    Raises:
      InputError: there is no such vector, or the text cannot be read.
    """
    if emotion:
      shown.check_emotion(emotion, self._emotions())
    given = 'text' if isinstance(text, str) else 'messages'
    row = {given: text if given == 'text' else [dict(m) for m in text]}
    folder = self.workdir / 'read'
    texts = folder / f'{_digest(row)}.jsonl'
    files.write_jsonl(texts, [row])
    place = self._more('read', read_lib, {'texts': str(texts)})
    ((_, answer),) = files.read_jsonl(place / read_lib.NAME)
    return shown.Reading(answer, place, emotion)

  def steer(
      self,
      prompt: str,
      begin: str = 'I feel',
      samples: int = 4,
      layers: Sequence[int] = (),
      positions: str = 'assistant',
      **strengths: float,
  ) -> shown.Texts:
    """Writes with each of some emotions, unsteered and in random directions.

    Args:
      prompt: what the user says.
      begin: how the reply begins.
      samples: texts of every direction, each of its own seed.
      layers: where vectors are added; the vectors' own layer if empty.
      positions: which tokens are steered, a rule as in configs/sweep.py.
      **strengths: by emotion, in mean residual norms, such as happy=0.4.

    Raises:
      InputError: no emotion is given, or something that a sweep refuses.
    """
    if not strengths:
      raise errors.InputError(
          'Nothing to steer with; give an emotion and a strength: happy=0.4.'
      )
    for emotion, strength in strengths.items():
      shown.check_emotion(emotion, self._emotions())
      if not isinstance(strength, numbers.Real):
        raise errors.InputError(
            f'{emotion}={strength!r}: give one number, a fraction of the mean'
            ' residual norm, such as 0.4.'
        )
    fields = {
        'prompts': (prompt,),
        'reply_prefix': begin,
        'directions': tuple(strengths),
        'strengths': tuple(dict.fromkeys(strengths.values())),
        'opposite': False,
        'layers': tuple(layers),
        'positions': (positions,),
        'samples': samples,
        'random_directions': _RANDOM,
        'shuffled_directions': 0,
        'words': False,  # Texts are what is looked at here.
        'new_tokens': 24,
    }
    place = self._more('sweep', sweep_lib, fields)
    rows = [row for _, row in files.read_jsonl(place / sweep_lib.NAME)]
    dose = files.read_json(place / sweep_lib.DOSE)
    return shown.Texts(rows, dose, dict(strengths), place)

  def _picture(self, drawn: go.Figure, *ids: str) -> shown.Picture:
    return shown.Picture(views.figure(drawn), views.chosen(self.summary, ids))

  def _geometry(self) -> dict[str, Any]:
    return files.read_json(self.workdir / map_geometry.NAME)

  def _emotions(self) -> list[str]:
    return self.vectors.metadata['emotions']

  def _more(
      self, name: str, experiment: ModuleType, fields: dict[str, Any]
  ) -> files.Path:
    """Runs an experiment on the vectors; other settings, another folder."""
    settings = files.read_json(self.workdir / 'config.json')['config']
    fields = fields | {
        'vectors': str(self.workdir / build_vectors.NAME),
        'mesh': settings['mesh'],
    }
    config = _config(name, fields)
    place = self.workdir / name / _digest(config.to_dict())
    experiment.run(config, place)
    return place


def _config(name: str, fields: dict[str, Any]) -> ml_collections.ConfigDict:
  """Returns the config of a file in configs/ with other values in it."""
  path = _CONFIGS / f'{name}.py'
  if not files.exists(path):
    raise errors.InputError(
        f'{path}: no such file; put a checkout of emojax first in sys.path, as'
        ' configs/ is in no wheel.'
    )
  config = runpy.run_path(str(path))['get_config']()
  config.lock()
  for field, value in fields.items():
    if field not in config:
      raise errors.InputError(
          f'configs/{name}.py has no field {field!r}'
          f'{errors.did_you_mean(field, config)}; its file has the fields.'
      )
    try:
      config.update({field: value})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
      raise errors.InputError(
          f'{field}={value!r} cannot be set in configs/{name}.py'
          f' ({" ".join(str(error).split())}); give the kind of value that it'
          ' has there.'
      ) from error
  return config


def _digest(value: Any) -> str:
  """A short name that other contents do not have."""
  text = json.dumps(value, sort_keys=True)
  return hashlib.sha256(text.encode('utf-8')).hexdigest()[:12]
