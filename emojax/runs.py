"""The workdir of a run: its settings, and which stages are finished."""

from collections.abc import Mapping
import importlib.metadata
import json
import re
from typing import Any

import emojax
from emojax import errors
from emojax import files
from emojax import logs

Path = files.Path

# What `files.write_bytes` calls a file that is not whole yet.
_TEMPORARY = re.compile(r'\..+\.[a-z0-9_]{8}')
_VERSIONS = ('jax', 'jaxlib', 'flax', 'numpy', 'scipy', 'tokenizers', 'gguf')


def open_workdir(
    workdir: Path, config: Mapping[str, Any], made_from: Mapping[str, Any]
) -> None:
  """Writes `config.json`, or checks that it says the same; then logs go there.

  Args:
    workdir: made if it is not there.
    config: every setting of the run.
    made_from: hashes of what the run reads: weights, template, corpus.

  Raises:
    InputError: the workdir holds the results of other settings or inputs; the
      message names what differs.
  """
  new = json.loads(json.dumps({'config': config, 'made_from': made_from}))
  path = workdir / 'config.json'
  if files.exists(path):
    old = files.read_json(path)
    if not isinstance(old, dict):
      raise errors.InputError(f'{path}: not the settings of a run; delete it.')
    changed = _differences({key: old.get(key) for key in new}, new, prefix='')
    if changed:
      raise errors.InputError(
          f'{workdir} holds a run with other settings ({"; ".join(changed)});'
          ' give another --workdir or delete it.'
      )
    _remove_left_over(workdir)
    logs.open_in(workdir)
    return
  _remove_left_over(workdir)
  try:
    files.write_json(path, new | {'versions': versions()})
  except OSError as error:
    raise errors.InputError(
        f'{workdir}: cannot be written ({error.strerror}).'
    ) from error
  logs.open_in(workdir)


def _remove_left_over(workdir: Path) -> None:
  """Deletes what a run was killed at while it wrote it."""
  for path in files.find(workdir):
    if _TEMPORARY.fullmatch(path.name):
      files.remove(path)


def versions() -> dict[str, str]:
  """Returns the versions of this package and of what computes."""
  found = {name: importlib.metadata.version(name) for name in _VERSIONS}
  return {'emojax': emojax.__version__} | found


def _differences(old: Any, new: Any, prefix: str) -> list[str]:
  """Names the leaves in which two trees of JSON differ: 'a.b was 1, is 2'."""
  if isinstance(old, dict) and isinstance(new, dict):
    return [
        line
        for key in sorted(set(old) | set(new))
        for line in _differences(
            old.get(key), new.get(key), f'{prefix}.{key}'.lstrip('.')
        )
    ]
  if old == new:
    return []
  was, now = (json.dumps(value)[:60] for value in (old, new))
  return [f'{prefix} was {was}, is {now}']
