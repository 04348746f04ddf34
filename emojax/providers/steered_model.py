"""A model and how it is steered, from the arguments of a command line."""

from collections.abc import Mapping, Sequence
import dataclasses
import math
import pathlib
import re
import runpy
from typing import Any

import jax
import numpy as np

import emojax
from emojax import errors
from emojax import files
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.data import chats
from emojax.experiments import build_vectors
from emojax.experiments import sweep_grid
from emojax.models import decoding
from emojax.models import load as load_lib
from emojax.models import prompts
from emojax.models import sharding
from emojax.providers import arguments as arguments_lib

Path = pathlib.Path

Arguments = arguments_lib.Arguments
UNIT = arguments_lib.UNIT
_CONTROL = re.compile(r'(random|shuffled)_([0-9]{1,4})')


@dataclasses.dataclass(frozen=True)
class SteeredModel:
  """A model that is steered in one way, or in none.

  Attributes:
    lm: the model.
    row: how it is steered; its prompt and seed mean nothing.
    bank: [C, L, D] on the devices, the directions of the row, or None.
    probe: what is read of every written token, or None.
    emotions: E names, of what is read.
    facts: what is said of the steering in every output; None if there is none.
  """

  lm: load_lib.LanguageModel
  row: sweep_grid.Row
  bank: jax.Array | None
  probe: decoding.Probe | None
  emotions: tuple[str, ...]
  facts: dict[str, Any] | None

  def request(self, chat: chats.Chat, key: np.ndarray) -> prompts.Request:
    """What the engine is asked for; `key` is [2] uint32."""
    prompt = sweep_grid.Prompt('', chat.ids, chat.roles, chat.turn)
    index = {name: i for i, name in enumerate(self.row.direction.split('+'))}
    request = sweep_grid.request_of(
        self.row, prompt, index, self.lm.config.num_layers
    )
    return dataclasses.replace(request, key=key)

  def readings(self, read: np.ndarray) -> dict[str, Any] | None:
    """Means over tokens, [T, 1, E] -> what is said of them; None if T is 0."""
    if not len(read):
      return None
    mean = read[:, 0].mean(axis=0, dtype=np.float64)
    return {
        'layer': int(self.probe.layers[0]),
        'unit': UNIT,
        'mean': {
            name: round(float(x), 5) if math.isfinite(x) else None
            for name, x in zip(self.emotions, mean, strict=True)
        },
    }


def load(name: str, arguments: Arguments) -> SteeredModel:
  """Loads a model, and the vectors that steer it.

  Args:
    name: of a file in configs/ whose model is meant, or a model's URI.
    arguments: of `parse`.

  Raises:
    InputError: there is no such model, or the vectors are not for it.
  """
  uri, dtype = _model_of(name)
  metadata: dict[str, Any] = {}
  path = None
  if arguments.vectors:
    path = files.locate(arguments.vectors)
    _, metadata = build_vectors.read_vectors(path)
    _names(arguments, metadata['emotions'])
  dtype = arguments.dtype or metadata.get('dtype') or dtype or 'bfloat16'
  lm = load_lib.load(uri, dtype)
  unsteered = sweep_grid.Row('unsteered', 'none', '', (), 0.0, '', '', 0)
  plain = SteeredModel(lm, unsteered, None, None, (), None)
  if path is None:
    return plain
  arrays, metadata = build_vectors.read_vectors(path, lm)
  model = plain
  if arguments.emotion:
    row = _row(arguments, metadata, lm.config.num_layers)
    bank = _bank(row, arrays, metadata['emotions'], arguments.seed)
    said = ('kind', 'direction', 'operation', 'layers', 'strength', 'positions')
    model = dataclasses.replace(
        plain,
        row=row,
        bank=sharding.replicate(lm.mesh, bank),
        facts={name: row.place()[name] for name in said}
        | {'unit': UNIT, 'vectors_sha256': files.sha256(path)},
    )
  if arguments.read:
    model = _with_probe(model, arrays, metadata)
  return model


def _model_of(name: str) -> tuple[str, str]:
  """The URI and the dtype that a name stands for; '' for a dtype unknown."""
  if not re.fullmatch(r'[\w-]+', name):
    return name, ''
  checkout = Path(emojax.__file__).parents[1]
  for folder in (Path('configs'), checkout / 'configs'):
    path = folder / f'{name}.py'
    if path.is_file():
      return _of_config(path)
  if not Path(name).exists():
    raise errors.InputError(
        f'{name}: there is no configs/{name}.py, and no such file or folder;'
        ' give emojax/quickstart, or emojax/ and a model as configs name it.'
    )
  return name, ''


def _of_config(path: Path) -> tuple[str, str]:
  try:
    config = runpy.run_path(str(path))['get_config']()
    uri, dtype = config.get('model'), config.get('dtype')
  except Exception as error:  # A config file is Python and can raise anything.
    reason = str(error).partition('\n')[0]
    raise errors.InputError(
        f'{path}: not a config ({type(error).__name__}: {reason}); correct it.'
    ) from error
  if not isinstance(uri, str) or not uri:
    raise errors.InputError(
        f'{path}: its config names no model; give one that does, or emojax/ and'
        ' the model itself.'
    )
  return uri, dtype if isinstance(dtype, str) else ''


def _names(arguments: Arguments, emotions: Sequence[str]) -> list[str]:
  """The directions that are steered with, each of which there is."""
  if not arguments.emotion:
    return []
  names = arguments.emotion.split('+')
  control = len(names) == 1 and _CONTROL.fullmatch(names[0])
  for name in names:
    if (name not in emotions and not control) or names.count(name) > 1:
      raise errors.InputError(
          f'-M emotion={arguments.emotion}: must be one of'
          f' {", ".join(emotions)}, several distinct ones joined by "+", or a'
          ' control: random_0, shuffled_0.'
      )
  return names


def _row(
    arguments: Arguments, metadata: dict[str, Any], num_layers: int
) -> sweep_grid.Row:
  """How a row is steered."""
  layers = _layers(arguments, metadata['layer'])
  for layer in layers:
    steering.check_layer(layer, num_layers)
  ablates = arguments.operation == 'ablate'
  strength = 1.0 if ablates else float(arguments.strength)
  kind = 'emotion' if strength >= 0 else 'opposite'
  if control := _CONTROL.fullmatch(arguments.emotion):
    kind = control[1]
  return sweep_grid.Row(
      kind,
      arguments.emotion,
      arguments.operation,
      layers,
      strength,
      arguments.positions,
      '',
      0,
  )


def _layers(arguments: Arguments, own: int) -> tuple[int, ...]:
  if not arguments.layers:
    return (own if arguments.layer is None else arguments.layer,)
  band = re.fullmatch(r'([0-9]{1,4})-([0-9]{1,4})', arguments.layers)
  first, last = map(int, band.groups()) if band else (1, 0)
  if first > last:
    raise errors.InputError(
        f'-M layers={arguments.layers}: must be A-B, the first and the last'
        ' layer of a band, such as 10-14.'
    )
  return tuple(range(first, last + 1))


def _bank(
    row: sweep_grid.Row,
    arrays: Mapping[str, np.ndarray],
    emotions: Sequence[str],
    seed: int,
) -> np.ndarray:
  """The directions of a row, [C, L, D], as a sweep with this seed has them."""
  _, num_layers, width = arrays['vectors'].shape
  if row.kind in ('random', 'shuffled'):
    number = int(row.direction.rpartition('_')[2])
    if row.kind == 'random':
      x = steering.random_directions(seed, number + 1, num_layers, width)
    else:
      x = arrays['shuffled']
    if number >= len(x):
      raise errors.InputError(
          f'-M emotion={row.direction}: the file has {len(x)} vectors of'
          ' shuffled labels; give a lower number, or random_0.'
      )
    chosen = x[number : number + 1]
  else:
    names = row.direction.split('+')
    chosen = arrays['vectors'][[emotions.index(name) for name in names]]
  steering.check_directed(chosen, row.layers)
  return steering.scaled_directions(chosen, arrays['resid_norm'], row.layers)


def _with_probe(
    model: SteeredModel,
    arrays: Mapping[str, np.ndarray],
    metadata: dict[str, Any],
) -> SteeredModel:
  """The same, and every emotion is read at the vectors' own layer."""
  unit = vectors_lib.unit(arrays['vectors'])
  scaled = unit / arrays['resid_norm'][:, None]
  put = lambda x: sharding.replicate(model.lm.mesh, x)
  return dataclasses.replace(
      model,
      probe=decoding.Probe(put(scaled), put(np.array([metadata['layer']]))),
      emotions=tuple(metadata['emotions']),
  )
