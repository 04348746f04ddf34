"""What a file, a folder or hidden states hold, as vectors of some layers."""

from collections.abc import Sequence
import dataclasses
import re
from typing import Any

import ml_collections
import numpy as np

from emojax import errors
from emojax import files
from emojax import vectors as vectors_lib
from emojax.data import rows as rows_lib
from emojax.experiments import hidden_states
from emojax.experiments import inputs
from emojax.interop import directions as directions_lib
from emojax.interop import names as names_lib
from emojax.interop import read as read_lib
from emojax.models import load

# The controls that our own exports come with, and what is beside them.
_CONTROL = re.compile(r'(random|shuffled)_[0-9]{1,4}')
_BESIDE = ('manifest.json', 'config.json', 'h_norms.json')


@dataclasses.dataclass(frozen=True)
class Source:
  """Directions of a set, and where they are from.

  Attributes:
    form: the format.
    sha256: of what was read.
    names: E.
    layers: N, rising; each has a direction of every name.
    vectors: [E, N, D] float32.
    mean: [N, D] float32, that was taken away; 0 if the file does not say.
    shuffled: [S, N, D] float32, vectors of shuffled labels; S is 0 for a file.
    facts: what else the metadata say.
  """

  form: str
  sha256: str
  names: tuple[str, ...]
  layers: tuple[int, ...]
  vectors: np.ndarray
  mean: np.ndarray
  shuffled: np.ndarray
  facts: dict[str, Any] = dataclasses.field(default_factory=dict)

  def check_model(self, lm: load.LanguageModel) -> None:
    """Refuses a model that the directions cannot be of."""
    width, depth = self.vectors.shape[2], lm.config.num_layers
    if width != lm.config.width:
      raise errors.InputError(
          f'The directions have {width} numbers, and the residual stream of'
          f' {lm.uri} has {lm.config.width}; give the model that they were made'
          ' for.'
      )
    if self.layers[-1] >= depth:
      raise errors.InputError(
          f'The directions are of layers up to {self.layers[-1]}, and {lm.uri}'
          f' has layers 0 to {depth - 1}; give the model that they were made'
          ' for.'
      )

  def spread(self, x: np.ndarray, num_layers: int) -> np.ndarray:
    """Returns [.., N, D] as [.., L, D], 0 at the layers that are not there."""
    out = np.zeros((len(x), num_layers, x.shape[2]), np.float32)
    out[:, list(self.layers)] = x
    return out

  def own_layer(self, asked: int | None, num_layers: int) -> int:
    """Returns the layer that is read and steered if no other is named."""
    if asked is None:
      deep = 2 * (num_layers - 1) / 3  # Where the paper reads and steers.
      return min(self.layers, key=lambda layer: abs(layer - deep))
    return asked


def read(config: ml_collections.ConfigDict) -> Source:
  """Reads what the config names.

  Raises:
    InputError: it cannot be read, or its parts do not fit together.
  """
  source = _of_states(config) if config.hidden_states else _of_files(config)
  if config.layer is not None and config.layer not in source.layers:
    raise errors.InputError(
        f'config.layer={config.layer}: there are directions at layers'
        f' {", ".join(map(str, source.layers))}; give one of them.'
    )
  return source


def _of_files(config: ml_collections.ConfigDict) -> Source:
  """A file, or all of a folder; each is a direction, or a set of them."""
  paths = _paths(files.locate(config.source))
  forms, found = set(), []
  for path in paths:
    form, directions = read_lib.decode(str(path), files.read_bytes(path))
    forms.add(form)
    stem = path.name.partition('.')[0]
    found += [
        directions_lib.Direction(x.name or stem, x.layers, x.vectors)
        for x in directions
    ]
  found, shuffled = _without_controls(_joined(found), config.source)
  names = _names(config, [x.name for x in found])
  both = found + shuffled
  layers = sorted(set.intersection(*(set(x.layers) for x in both)))
  if not layers:
    raise errors.InputError(
        f'{config.source}: no layer has all directions; import those of each'
        ' layer by themselves.'
    )
  widths = {x.vectors.shape[1] for x in both}
  if len(widths) > 1:
    raise errors.InputError(
        f'{config.source}: directions of {min(widths)} and of {max(widths)}'
        ' numbers; give those of one model.'
    )
  rows = np.stack([x.at(layers).vectors for x in both])
  size, width = rows.shape[1:]
  return Source(
      form='+'.join(sorted(forms)),
      sha256=inputs.hash_of(config.source, None),
      names=names,
      layers=tuple(layers),
      vectors=rows[: len(found)],
      mean=np.zeros((size, width), np.float32),
      shuffled=rows[len(found) :],
  )


def _paths(source: files.Path) -> list[files.Path]:
  if files.exists(source):
    return [source]
  found = [
      source / name
      for name in files.sizes(source)
      if name.endswith(read_lib.SUFFIXES) and name not in _BESIDE
  ]
  if not found:
    raise errors.InputError(
        f'{source}: no such file, and no folder with'
        f' {", ".join(read_lib.SUFFIXES)}; give one of them.'
    )
  return found


def _joined(
    found: Sequence[directions_lib.Direction],
) -> list[directions_lib.Direction]:
  """Puts files of one name together, each of which has other layers."""
  by_name: dict[str, dict[int, np.ndarray]] = {}
  for direction in found:
    layers = by_name.setdefault(direction.name, {})
    for layer, vector in zip(direction.layers, direction.vectors, strict=True):
      if layer in layers:
        raise errors.InputError(
            f'{direction.name!r} is there twice at layer {layer}; leave one'
            ' out, or name the files apart.'
        )
      layers[layer] = vector
  return [
      directions_lib.of_layers(name, layers, repr(name))
      for name, layers in by_name.items()
  ]


def _without_controls(
    found: Sequence[directions_lib.Direction], source: str
) -> tuple[list[directions_lib.Direction], list[directions_lib.Direction]]:
  """Tells emotions from the controls that our exports come with.

  Random directions are drawn anew wherever they are needed.
  """
  sorted_out: dict[str, list[directions_lib.Direction]] = {}
  for direction in found:
    kind = _CONTROL.fullmatch(direction.name)
    sorted_out.setdefault(kind[1] if kind else '', []).append(direction)
  if '' not in sorted_out:
    raise errors.InputError(
        f'{source}: random_N and shuffled_N are names of controls; give a'
        ' direction of an emotion, too, or another name.'
    )
  return sorted_out[''], sorted_out.get('shuffled', [])


def _names(
    config: ml_collections.ConfigDict, found: Sequence[str]
) -> tuple[str, ...]:
  names = tuple(config.names) or tuple(found)
  good = all(
      isinstance(x, str) and x.strip() and '+' not in x and x.isprintable()
      for x in names
  )
  if not good or len(names) != len(found) or len(set(names)) < len(names):
    raise errors.InputError(
        f'config.names={names}: give {len(found)} distinct names without "+",'
        f' in the place of {", ".join(map(repr, found))}.'
    )
  return names


def _of_states(config: ml_collections.ConfigDict) -> Source:
  """Means of labelled files of hidden states, as stories are made vectors."""
  at = hidden_states.check(config)
  known = [i for i, layer in enumerate(at) if layer != names_lib.EMBEDDING]
  known.sort(key=lambda i: at[i])
  if not config.labels or not known:
    raise errors.InputError(
        'Give --config.labels=FILE, JSON lines with file, emotion and topic,'
        ' and one or more of config.layer_ids above 0 (0 is the embedding).'
    )
  chosen, emotion, topic = _labels(config)
  pooled = []
  for name, tokens, states in hidden_states.over(config, chosen, None):
    if len(tokens) <= config.start:
      raise errors.InputError(
          f'{name}: {len(tokens)} tokens, none at config.start={config.start};'
          ' lower it, or take the file out of the labels.'
      )
    pooled.append(states[config.start :, known].mean(axis=0))
    if pooled[-1].shape != pooled[0].shape:
      raise errors.InputError(
          f'{name}: {pooled[-1].shape[1]} numbers a token, others have'
          f' {pooled[0].shape[1]}; give files of one model.'
      )
  pooled = np.stack(pooled)
  emotions = sorted(set(emotion))
  index = np.array([emotions.index(x) for x in emotion])
  topics = np.unique(topic, return_inverse=True)[1].reshape(-1)
  vectors, mean = vectors_lib.emotion_vectors(pooled, index, len(emotions))
  nothing = np.zeros((len(known), 1, pooled.shape[2]), np.float32)
  return Source(
      form='vllm-hidden-states',
      sha256=inputs.hash_of(config.hidden_states, None),
      names=_names(config, emotions),
      layers=tuple(at[i] for i in known),
      vectors=vectors,
      mean=mean,
      shuffled=vectors_lib.shuffled_vectors(
          pooled,
          index,
          topics,
          nothing,
          config.shuffled_directions,
          config.seed,
      ),
      facts={
          'start': config.start,
          'labels': files.sha256(config.labels),
          'stories': {e: emotion.count(e) for e in emotions},
          'topics': len(set(topic)),
      },
  )


def _labels(
    config: ml_collections.ConfigDict,
) -> tuple[list[str], list[str], list[str]]:
  """Returns the file, emotion and topic of each line, each file once."""
  present = set(hidden_states.names(config))
  first: dict[Any, int] = {}
  columns: tuple[list[str], ...] = ([], [], [])
  for where, line, row in rows_lib.read(files.locate(config.labels)):
    rows_lib.check_fields(where, row, ('file', 'emotion', 'topic'), ())
    name = rows_lib.string(where, row, 'file')
    if name not in present:
      rows_lib.refuse(
          where, f'{name!r} is no file of {config.hidden_states}; correct it.'
      )
    rows_lib.check_new(where, 'file', name, line, first)
    labels = (rows_lib.label(where, row, x) for x in ('emotion', 'topic'))
    for column, value in zip(columns, (name, *labels), strict=True):
      column.append(value)
  if len(set(columns[1])) < 2:
    raise errors.InputError(
        f'{config.labels}: files of one emotion; a vector is the mean of one'
        ' emotion minus the mean over emotions: give two or more.'
    )
  return columns
