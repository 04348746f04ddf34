"""The processes of a run: each does the same, and the first one's files count.

Every process computes the whole run on the same numbers, and keeps its files in
a folder; those of the first are the results. So the code of an experiment never
asks which process it is in.
"""

from collections.abc import Callable, Iterator
import contextlib
import json
import os
import signal
import tempfile
from typing import Any

import jax
from jax.experimental import multihost_utils
import numpy as np

from emojax import errors
from emojax import files

Path = files.Path

_stop_asked = False


def start(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> None:
  """Joins the processes of this run into one set of devices.

  Args:
    coordinator: HOST:PORT of the first process. None on a Cloud TPU, where all
      three are known.
    processes: how many there are.
    process: which one this is, from 0.

  Raises:
    InputError: they do not find each other.
  """
  try:
    jax.distributed.initialize(coordinator, processes, process)
  except (RuntimeError, ValueError, TypeError) as error:
    first = str(error).strip().splitlines()[0]
    raise errors.InputError(
        f'The processes did not find each other ({first}); outside Cloud TPU,'
        ' give each --coordinator=HOST:PORT --processes=N --process=I.'
    ) from error


def is_first() -> bool:
  """Whether this process speaks for the run."""
  return jax.process_index() == 0


@contextlib.contextmanager
def folder(workdir: Path) -> Iterator[Path]:
  """Yields where this process keeps its files.

  The first process works in `workdir`. The others begin with a copy of what is
  there, in a temporary folder, so that a run goes on where it stopped even if
  the machines share no disk.
  """
  if jax.process_count() == 1:
    yield workdir
    return
  with contextlib.ExitStack() as stack:
    own = workdir
    if not is_first():
      own = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    _copy(workdir, own)
    yield own
    # The first may still be needed by the others.
    multihost_utils.sync_global_devices('end of the run')


def _copy(workdir: Path, own: Path) -> None:
  paths = []
  if is_first():
    # What begins with a dot is half-written and will never be read; an array
    # in a folder is written by the first alone.
    paths = [
        path
        for path in files.find(workdir)
        if not path.name.startswith('.')
        and not any(part.endswith('.zarr') for part in path.parts)
    ]
  for i in range(int(_from_first(np.int64(len(paths))))):
    here = is_first()
    name = _bytes_from_first(
        os.fsencode(paths[i].relative_to(workdir)) if here else b''
    )
    data = _bytes_from_first(files.read_bytes(paths[i]) if here else b'')
    if not here:
      files.write_bytes(own / os.fsdecode(name), data)


def _from_first(x: Any) -> Any:
  return multihost_utils.broadcast_one_to_all(x)


def _bytes_from_first(data: bytes) -> bytes:
  size = int(_from_first(np.int64(len(data))))
  if not size:
    return b''
  buffer = np.zeros(size, np.uint8)
  if is_first():
    buffer[:] = np.frombuffer(data, np.uint8)
  return np.asarray(_from_first(buffer)).astype(np.uint8).tobytes()


def from_first(make: Callable[[], Any]) -> Any:
  """What the first process makes, as JSON has it; the others do not make it.

  For what may differ between processes, such as how long a program took.
  """
  if jax.process_count() == 1:
    return make()
  data = json.dumps(make()).encode() if is_first() else b''
  return json.loads(_bytes_from_first(data))


def fetch(tree: Any) -> Any:
  """Brings arrays to every host: a tree of numpy arrays."""

  def whole(x: Any) -> Any:
    if not isinstance(x, jax.Array) or x.is_fully_addressable:
      return x
    if not x.is_fully_replicated:
      everywhere = jax.sharding.NamedSharding(x.sharding.mesh, jax.P())
      x = _identity(everywhere)(x)
    return x.addressable_data(0)

  return jax.device_get(jax.tree.map(whole, tree))


_identities: dict[Any, Any] = {}


def _identity(sharding: jax.sharding.Sharding) -> Any:
  """One function for each place, so that a shape compiles once."""
  if sharding not in _identities:
    _identities[sharding] = jax.jit(lambda x: x, out_shardings=sharding)
  return _identities[sharding]


def watch_for_stop() -> None:
  """Notes SIGTERM, which announces that a machine will be taken away."""

  def note(number: int, frame: Any) -> None:
    del number, frame
    global _stop_asked
    _stop_asked = True

  signal.signal(signal.SIGTERM, note)


def stop_if_asked() -> None:
  """Stops all processes if one was told to; call it when all is saved.

  Raises:
    Stopped: SIGTERM came.
  """
  asked = _stop_asked
  if jax.process_count() > 1:
    asked = multihost_utils.process_allgather(np.array(asked)).any()
  if asked:
    raise errors.Stopped(
        'Told to stop (SIGTERM): all that was computed is saved; the same'
        ' command goes on from here.'
    )
