"""A converted model on disk: an Orbax store, and model.json, its warrant.

FOLDER/params is restored straight onto any mesh, in any floating-point type.
FOLDER/model.json is written last: a folder without it is not a model.
"""

from collections.abc import Callable, Iterator
from concurrent import futures
import contextlib
import pathlib
import tempfile
from typing import Any

from absl import logging
import jax
from jax.experimental import multihost_utils
from orbax.checkpoint import v1 as ocp

from emojax import errors
from emojax import files

Path = files.Path
NAME = 'model.json'
TOKENIZER = 'tokenizer'
_PARAMS = 'params'
# Lies in the folder while it is filled: what is there beside it can be deleted.
_MARK = '.converting'


def save(
    folder: Path,
    params: Any,
    facts: dict[str, Any],
    write_tokenizer: Callable[[pathlib.Path], None],
) -> None:
  """Writes a converted model.

  What an interrupted call has left is removed first. With several processes,
  all of them call this with one folder that all can see.

  Args:
    folder: not there yet, empty, or left by an interrupted call.
    params: a tree of dictionaries of jax arrays, on any mesh.
    facts: whatever else is needed to use them, as JSON.
    write_tokenizer: puts the tokenizer's files into the folder it is given.

  Raises:
    InputError: the folder holds a finished model or something else, cannot be
      written, or its disk is too full.
  """
  folder = files.absolute(folder)
  check_free(folder)
  multihost_utils.sync_global_devices('emojax looked')
  if jax.process_index() == 0:
    _empty(folder, sum(x.nbytes for x in jax.tree.leaves(params)))
  multihost_utils.sync_global_devices('emojax emptied')
  with files.reaching(folder), _quiet(), _context(params):
    ocp.save(folder / _PARAMS, params)
  if jax.process_index() == 0:
    with tempfile.TemporaryDirectory() as scratch:
      write_tokenizer(pathlib.Path(scratch))
      for path in files.find(scratch):
        files.write_bytes(
            folder / TOKENIZER / path.name, files.read_bytes(path)
        )
    found = _sizes(folder)
    record = {
        'facts': facts,
        'shapes': _shapes(params),
        'bytes': found,
        'sha256': _hashes(folder, found),
    }
    files.write_json(folder / NAME, record)
    files.remove(folder / _MARK)
  multihost_utils.sync_global_devices('emojax saved')


def read_facts(folder: Path) -> dict[str, Any]:
  """Returns what `save` was told, if the folder is what `save` wrote.

  Every file is read and hashed: about a second for 2 GB and core.

  Raises:
    InputError: no converted model, an unfinished or a damaged one.
  """
  record = _record(folder)
  found = _sizes(folder)
  # Sizes first: a hash takes long, and most damage is a copy cut short.
  _compare(folder, found, record['bytes'])
  _compare(folder, _hashes(folder, found), record['sha256'])
  return record['facts']


def restore(folder: Path, abstract: Any) -> Any:
  """Reads the parameters of a folder that `read_facts` has checked.

  Args:
    folder: of `save`.
    abstract: a tree of jax.ShapeDtypeStruct with shardings, as from
      `sharding.abstract_params`: each device reads what it is to hold.

  Returns:
    A tree of arrays with those dtypes and shardings.

  Raises:
    InputError: the store is of a model with other parameters.
  """
  folder = files.absolute(folder)
  stored, wanted = _record(folder)['shapes'], _shapes(abstract)
  for name in sorted(stored.keys() | wanted.keys()):
    if stored.get(name) != wanted.get(name):
      raise errors.InputError(
          f'{folder}: {name} is {stored.get(name, "not there")} in the store'
          f' and {wanted.get(name, "not there")} in the model; convert the'
          ' model again.'
      )
  with files.reaching(folder), _quiet(), _context(abstract):
    return ocp.load(folder / _PARAMS, abstract)


def check_free(folder: Path) -> None:
  """Refuses a folder with anything but what an interrupted `save` has left."""
  if files.exists(folder / NAME):
    raise errors.InputError(
        f'{folder} holds a converted model already; delete it or give another'
        ' folder.'
    )
  if files.exists(folder):
    raise errors.InputError(f'{folder} is not a folder; give another.')
  if not files.exists(folder / _MARK) and files.sizes(folder):
    raise errors.InputError(
        f'{folder} holds other files; give a folder for this model alone.'
    )


def _empty(folder: Path, needed: int) -> None:
  """Makes the folder, marks it, removes leftovers and looks for room."""
  try:
    files.write_bytes(folder / _MARK, b'')
    left = files.sizes(folder).keys() - {_MARK}
    for name in left:
      files.remove(folder / name)
    for name in {name.partition('/')[0] for name in left} | {_PARAMS}:
      files.remove_folder(folder / name)  # On a disk, they are empty by now.
    free = files.free(folder)
  except OSError as error:
    raise errors.InputError(
        f'{folder}: cannot be written ({error.strerror}).'
    ) from error
  if free < needed:
    raise errors.InputError(
        f'{folder}: the model takes {needed / 1e9:.1f} GB and the disk has'
        f' {free / 1e9:.1f} GB free; make room or give another folder.'
    )


def _record(folder: Path) -> dict[str, Any]:
  """Reads model.json."""
  if not files.exists(folder / NAME):
    raise errors.InputError(
        f'{folder}: no {NAME}: not a converted model, the only kind that a'
        ' bucket can hold, or one whose conversion was interrupted; convert it'
        ' again.'
    )
  record = files.read_json(folder / NAME)
  parts = ('facts', 'shapes', 'bytes', 'sha256')
  if not isinstance(record, dict) or not all(
      isinstance(record.get(part), dict) for part in parts
  ):
    raise errors.InputError(
        f'{folder / NAME}: not of a converted model; convert it again.'
    )
  return record


def _sizes(folder: Path) -> dict[str, int]:
  """The bytes of every file, by its path within the folder."""
  return {
      name: size
      for name, size in files.sizes(folder).items()
      if name.partition('/')[0] in (_PARAMS, TOKENIZER)
  }


def _hashes(folder: Path, names: dict[str, int]) -> dict[str, str]:
  with futures.ThreadPoolExecutor() as pool:  # hashlib lets go of the GIL.
    hashes = pool.map(files.sha256, (folder / name for name in names))
    return dict(zip(names, hashes))


def _compare(folder: Path, found: dict, recorded: dict) -> None:
  """Refuses a store whose files are not those that model.json records."""
  for name in sorted(found.keys() | recorded.keys()):
    if name not in found:
      fault = 'is missing'
    elif name not in recorded:
      fault = 'does not belong there'
    elif found[name] != recorded[name]:
      fault = 'was cut short or changed'
    else:
      continue
    raise errors.InputError(
        f'{folder}: {name} {fault}; copy the folder or convert the model again.'
    )


def _shapes(tree: Any) -> dict[str, list[int]]:
  leaves, _ = jax.tree.flatten_with_path(tree)
  name = lambda path: jax.tree_util.keystr(path, simple=True, separator='/')
  return {name(path): list(x.shape) for path, x in leaves}


def _context(tree: Any) -> ocp.Context:
  """Options with which the host holds about one array more than its own."""
  largest = 1 + max(4 * x.size for x in jax.tree.leaves(tree))  # In float32.
  context = ocp.Context()
  context.memory.read_concurrent_bytes = largest
  context.memory.transfer_concurrent_bytes = largest
  # Both keep a second copy of everything until the end.
  context.array.saving.use_compression = False
  context.array.saving.use_replica_parallel = False
  return context


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Orbax tells of some twenty steps a call at the level that we use, too."""
  before = logging.get_verbosity()
  logging.set_verbosity(logging.WARNING)
  try:
    yield
  finally:
    logging.set_verbosity(before)
