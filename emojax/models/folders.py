"""What a folder of a model must hold, and what it must not."""

import fnmatch
import os
import pathlib

from emojax import errors
from emojax import files

Path = pathlib.Path

# Weights that cannot run code, and text. Pickles (*.bin, *.pt) stay away.
FILES = ('*.safetensors', '*.json', '*.jinja', '*.txt', 'tokenizer.model')


def check(folder: Path, uri: str) -> None:
  """Refuses a folder that lacks files, or whose files are not what they seem.

  Raises:
    InputError: no config or no whole set of weights, weights that can run code,
      or a link to a file somewhere else.
  """
  try:
    _check_links(folder, uri)
    _check_files(folder, uri)
  except OSError as error:
    raise errors.InputError(
        f'{error.filename or uri}: {error.strerror}.'
    ) from error


def _check_links(folder: Path, uri: str) -> None:
  """Refuses links that lead away: a stranger's folder could name any file."""
  here = Path(os.path.realpath(folder))
  homes = [here]
  if here.match('models--*/snapshots/*'):
    # The hub's cache: files are links to the model's blobs, and newer ones
    # from there to blobs that all models share.
    homes += [here.parents[1] / 'blobs', here.parents[2] / 'blobs']
  for path in sorted(folder.iterdir()):
    target = Path(os.path.realpath(path))
    if any(
        fnmatch.fnmatch(path.name, pattern) for pattern in FILES
    ) and not any(target.is_relative_to(home) for home in homes):
      raise errors.InputError(
          f'{uri}: {path.name} is a link to {target}, outside the folder; put'
          ' the file itself there.'
      )


def _check_files(folder: Path, uri: str) -> None:
  if not (folder / 'config.json').is_file():
    raise errors.InputError(
        f'{uri}: the folder has no config.json; give a folder as the hub has'
        ' them, or the path of a .gguf file.'
    )
  weights = sorted(folder.glob('*.safetensors'))
  if not weights:
    raise errors.InputError(
        f'{uri}: no *.safetensors in it; emojax reads no other weights'
        ' (a pickled *.bin can run code): give a model that has them.'
    )
  for path in weights:
    _check_weights(path, uri)
  index = folder / 'model.safetensors.index.json'
  if index.is_file():
    _check_shards(index, uri)


def _check_weights(path: Path, uri: str) -> None:
  """Refuses a pickle, or PyTorch's zip of pickles, under another name."""
  with open(path, 'rb') as file:
    start = file.read(9)
  # The length of a genuine file's header can begin like a pickle, but then the
  # header itself follows, which is JSON.
  if start.startswith((b'\x80', b'PK')) and start[8:] != b'{':
    raise errors.InputError(
        f'{uri}: {path.name} is a pickle, which can run code, and no'
        ' safetensors file; give a model that has them.'
    )


def _check_shards(index: Path, uri: str) -> None:
  """Refuses an index whose shards are not all there, beside it."""
  content = files.read_json(index)
  weights = content.get('weight_map') if isinstance(content, dict) else None
  shards = weights.values() if isinstance(weights, dict) else ()
  names = {x for x in shards if isinstance(x, str) and Path(x).name == x}
  if not names or names != set(map(str, shards)):
    raise errors.InputError(
        f'{uri}: {index.name} does not map weights to files beside it; fetch'
        ' the model again.'
    )
  others = sorted(x for x in names if not x.endswith('.safetensors'))
  if others:
    raise errors.InputError(
        f'{uri}: {index.name} names {others[0]}; emojax reads no weights but'
        ' *.safetensors (a pickled *.bin can run code).'
    )
  missing = sorted(x for x in names if not (index.parent / x).is_file())
  if missing:
    raise errors.InputError(
        f'{uri}: {len(missing)} of {len(names)} shards are missing, first'
        f' {missing[0]}; fetch the model again.'
    )
