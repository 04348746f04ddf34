"""Objects in a bucket of Google Cloud Storage: gs://BUCKET/PATH.

Only `files` and `growing` use this; everything else asks them, who know disks.
Whatever goes wrong here is an `InputError`: one line that names the path.
"""

from collections.abc import Iterator
import contextlib
import functools
import logging
import os
import re
from typing import Any

from emojax import errors

PathLike = str | os.PathLike

COPY = '`gcloud storage cp --recursive`'

_SCHEME = 'gs://'
_ROLE = 'roles/storage.objectUser'


def holds(path: PathLike) -> bool:
  """Whether a path is of a bucket."""
  return os.fspath(path).startswith(_SCHEME)


def check_name(name: str) -> None:
  """Refuses a URI of another store, and what is no place in a bucket.

  gcsfs takes some characters for patterns, of which it would delete them all.
  """
  scheme = re.match(r'[A-Za-z][\w+.-]*://', name)
  if not scheme:
    return
  if scheme[0] != _SCHEME or not all(_split(name)) or set(name) & {*'*?[]#'}:
    raise errors.InputError(
        f'{name}: give a path of this machine, or gs://BUCKET/PATH without any'
        ' of *?[]#.'
    )


def check(path: PathLike) -> None:
  """Refuses a path whose bucket is not there or cannot be listed."""
  bucket, _ = _split(path)
  with reaching(path):
    try:
      client().call('GET', 'b/{}/o', bucket, maxResults=1)
    except FileNotFoundError as error:
      raise errors.InputError(
          f'{path}: there is no bucket {bucket!r}; make it, with `gcloud'
          f' storage buckets create gs://{bucket}`, or name another.'
      ) from error


def read(path: PathLike) -> bytes:
  """Returns an object's bytes."""
  with reaching(path):
    return client().cat_file(os.fspath(path))


def download(path: PathLike, target: str) -> None:
  """Writes an object into a local file, without holding it in memory."""
  with reaching(path):
    client().get_file(os.fspath(path), target)


def stream(path: PathLike, mode: str) -> Any:
  """Opens an object as `open` does, of which a part at a time is in memory."""
  with reaching(path):
    return client().open(os.fspath(path), mode, block_size=1 << 25)


def write(path: PathLike, data: bytes) -> None:
  """Writes an object, which nobody sees before all of it has come."""
  with reaching(path):
    client().pipe_file(os.fspath(path), data)


def exists(path: PathLike) -> bool:
  """Whether there is an object of this name."""
  with reaching(path):
    try:
      # One request; gcsfs would also look for a folder, and take any error for
      # a no.
      client().call('GET', 'b/{}/o/{}', *_split(path), fields='name')
    except FileNotFoundError:
      return False
  return True


def sizes(folder: PathLike, prefix: str = '') -> dict[str, int]:
  """Returns the bytes of objects by their names in a folder.

  Args:
    folder: a path.
    prefix: of their names; one request lists a thousand that have it.
  """
  bucket, key = _split(folder)
  query = {
      'prefix': f'{key}/{prefix}',
      'fields': 'items(name,size),nextPageToken',
  }
  found = {}
  while 'pageToken' not in query or query['pageToken']:
    with reaching(folder):
      page = client().call('GET', 'b/{}/o', bucket, json_out=True, **query)
    for item in page.get('items', ()):
      found[item['name'].removeprefix(f'{key}/')] = int(item['size'])
    query['pageToken'] = page.get('nextPageToken')
  # Consoles mark what they show as a folder by an empty object.
  return {name: x for name, x in found.items() if name[-1:] not in ('', '/')}


def remove(path: PathLike) -> None:
  """Deletes an object."""
  with reaching(path):
    client().rm_file(os.fspath(path))


def remove_all(folder: PathLike) -> None:
  """Deletes all objects below a folder, if there are any."""
  with reaching(folder):
    try:
      client().rm(os.fspath(folder), recursive=True)
    except FileNotFoundError:
      pass


def kvstore(path: PathLike) -> dict[str, str]:
  """Returns how TensorStore names a folder of a bucket."""
  bucket, key = _split(path)
  return {'driver': 'gcs', 'bucket': bucket, 'path': key}


@contextlib.contextmanager
def reaching(path: PathLike) -> Iterator[None]:
  """Turns whatever a client of the store raises into one line.

  What happens to a path of a disk is left as it is.
  """
  try:
    yield
  except (errors.InputError, errors.Stopped):
    raise
  # Those of gcsfs, of the libraries under it, and of TensorStore.
  except Exception as error:
    if not holds(path):
      raise
    raise errors.InputError(f'{path}: {_said(path, error)}') from error


def _said(path: PathLike, error: Exception) -> str:
  """Says what went wrong and what to do, for the commonest reasons."""
  text = next(iter(str(error).strip().splitlines()), '')[:200]
  code = getattr(error, 'code', None)
  kinds = {kind.__module__.partition('.')[0] for kind in type(error).__mro__}
  if isinstance(error, FileNotFoundError) or 'NOT_FOUND' in text:
    return 'no such object, or no such bucket.'
  if code == 401 or 'UNAUTHENTICATED' in text or 'google' in kinds:
    return (
        f'no valid credentials ({text}); log in with `gcloud auth'
        ' application-default login`, or name a key file in'
        ' GOOGLE_APPLICATION_CREDENTIALS.'
    )
  if code == 403 or 'Forbidden' in text or 'PERMISSION_DENIED' in text:
    bucket, _ = _split(path)
    return (
        f'permission denied; the account that is logged in needs {_ROLE} on'
        f' gs://{bucket}.'
    )
  name = type(error).__name__
  return f'Google Cloud Storage could not do this ({name}: {text}).'


def _split(path: PathLike) -> tuple[str, str]:
  """Returns the bucket and the object of gs://BUCKET/OBJECT."""
  bucket, _, key = os.fspath(path).removeprefix(_SCHEME).partition('/')
  return bucket, key.strip('/')


@functools.cache
def client() -> Any:
  """The client, made when the first path needs it."""
  try:
    from gcsfs import core
  except ImportError as error:
    raise errors.InputError(
        f"gs:// needs gcsfs ({error}): pip install 'emojax[gcs]'."
    ) from error
  # It logs tracebacks of what is raised all the same.
  logging.getLogger('gcsfs').setLevel(logging.CRITICAL)
  # Of `core`, as its heir asks by gRPC what kind each bucket is. Without a
  # cache of listings, as TensorStore and other processes write too.
  return core.GCSFileSystem(use_listings_cache=False)
