"""Where arrays lie: one mesh, one table of axis letter -> mesh axes."""

from collections.abc import Callable, Sequence
import math
from typing import Any

import flax.linen as nn
import jax
from jax.experimental import mesh_utils
import jax.numpy as jnp
import numpy as np

from emojax import errors

# Letters that are not here lie whole on every device. A matrix is cut along the
# axis that it does not share with the residual stream, so that a block needs
# one sum over `model` after attention and one after the mlp.
RULES = {
    'B': ('data', 'fsdp'),
    'D': ('fsdp',),
    'K': ('model',),
    'F': ('model',),
    'V': ('model',),
    # Of probes: the layers, which know nothing of each other, and the examples.
    'P': ('model',),
    'N': ('data', 'fsdp'),
}

_AXES = ('data', 'fsdp', 'model')


def one_device() -> jax.sharding.Mesh:
  """The mesh of this process's first device alone."""
  return _mesh(np.array(jax.local_devices()[:1]).reshape(1, 1, 1))


def make_mesh(
    data: int,
    model: int,
    fsdp: int = 1,
    devices: Sequence[Any] | None = None,
) -> jax.sharding.Mesh:
  """Arranges devices: data x fsdp x model.

  Args:
    data: copies of the model, each with its own rows of a batch.
    model: devices that share the heads, the mlp and the vocabulary.
    fsdp: devices that share what is left of the weights and split the rows.
      One size can be -1: the devices that the others leave.
    devices: all of this run if None.

  Raises:
    InputError: the sizes do not multiply to the number of devices.
  """
  devices = jax.devices() if devices is None else devices
  sizes = _mesh_sizes(len(devices), data, model, fsdp)
  # jax.make_mesh refuses 8 x 8 on a v5p-128 and 32 x 2 on 64 chips of v6e:
  # their wires are no such grid unless a physical axis is split.
  grid = mesh_utils.create_device_mesh(
      tuple(sizes.values()), devices, allow_split_physical_axes=True
  )
  return _mesh(grid)


def _mesh_sizes(
    devices: int, data: int, model: int, fsdp: int
) -> dict[str, int]:
  """Puts in what -1 stands for, or refuses as `make_mesh` says."""
  sizes = dict(zip(_AXES, (data, fsdp, model), strict=True))
  given = math.prod(size for size in sizes.values() if size != -1)
  free = [name for name, size in sizes.items() if size == -1]
  if len(free) > 1 or given < 1 or min(sizes.values()) < -1:
    raise errors.InputError(
        f'A mesh of {_written(sizes)}: the sizes are above 0, and one of them'
        ' can be -1.'
    )
  if devices % given if free else devices != given:
    raise errors.InputError(
        f'A mesh of {_written(sizes)} does not fit {devices} devices: the sizes'
        ' multiply to their number, and one of them can be -1.'
    )
  return sizes | {name: devices // given for name in free}


def _mesh(grid: np.ndarray) -> jax.sharding.Mesh:
  auto = (jax.sharding.AxisType.Auto,) * len(_AXES)  # Linen needs it.
  return jax.sharding.Mesh(grid, _AXES, axis_types=auto)


def place(
    mesh: jax.sharding.Mesh, axes: tuple[str, ...], shape: tuple[int, ...]
) -> jax.sharding.NamedSharding:
  """Says where an array lies.

  An axis that its devices do not divide is not cut: one key-value head lies
  whole on each of four devices.

  Args:
    mesh: some of its axes have the names of `RULES`.
    axes: a letter an axis of the array.
    shape: its size.
  """
  spec = []
  for letter, size in zip(axes, shape, strict=True):
    names = [n for n in RULES.get(letter, ()) if mesh.shape.get(n, 1) > 1]
    devices = math.prod(mesh.shape[name] for name in names)
    spec.append(tuple(names) if names and size % devices == 0 else None)
  return jax.sharding.NamedSharding(mesh, jax.P(*spec))


def place_widely(
    mesh: jax.sharding.Mesh, axis: int, shape: tuple[int, ...]
) -> jax.sharding.NamedSharding:
  """Cuts one axis over as many of all devices as divide it.

  For sums that belong to no row: each device keeps its part of every sum, and
  of a batch it needs that part only.

  Args:
    mesh: the mesh.
    axis: which axis of the array.
    shape: its size.
  """
  names, share = [], 1
  for name, size in mesh.shape.items():
    if size > 1 and shape[axis] % (share * size) == 0:
      names.append(name)
      share *= size
  spec = [None] * len(shape)
  spec[axis] = tuple(names) or None
  return jax.sharding.NamedSharding(mesh, jax.P(*spec))


def round_up_rows(mesh: jax.sharding.Mesh, size: int) -> int:
  """Returns the least size, `size` or more, that its devices can split."""
  return divisible(mesh, ('B',), (size,))[0]


def divisible(
    mesh: jax.sharding.Mesh, axes: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[int, ...]:
  """Returns the least shape, `shape` or more, that its devices can split."""
  out = []
  for letter, size in zip(axes, shape, strict=True):
    names = RULES.get(letter, ())
    shards = math.prod(mesh.shape.get(name, 1) for name in names)
    out.append(-(-size // shards) * shards)
  return tuple(out)


def rows_of_process(
    mesh: jax.sharding.Mesh, size: int, process: int | None = None
) -> np.ndarray:
  """Says which rows of a batch a process must have.

  Not the process's share of the batch: where the devices of several processes
  hold one copy of the model, they all need the same rows.

  Args:
    mesh: the mesh.
    size: rows of the batch, B.
    process: its index; this one if None.

  Returns:
    Indices, ascending.
  """
  process = jax.process_index() if process is None else process
  where = place(mesh, ('B',), (size,)).devices_indices_map((size,))
  own = np.zeros(size, bool)
  for device, (rows,) in where.items():
    if device.process_index == process:
      own[rows] = True
  return np.flatnonzero(own)


def put(
    mesh: jax.sharding.Mesh,
    axes: tuple[str, ...],
    x: np.ndarray,
    rows: np.ndarray | None = None,
    size: int | None = None,
) -> jax.Array:
  """Puts an array where it belongs.

  Args:
    mesh: the mesh.
    axes: a letter an axis of the array, see `RULES`.
    x: the array; the same on every process, or `rows` of it.
    rows: which entries of the first axis `x` has, ascending; all if None.
    size: of the whole first axis, if `rows` are given.
  """
  shape = x.shape if rows is None else (size, *x.shape[1:])

  def part(index: tuple[slice, ...]) -> np.ndarray:
    if rows is None:
      return x[index]
    first, last, _ = index[0].indices(shape[0])
    at = np.searchsorted(rows, np.arange(first, last))
    return x[at][(slice(None), *index[1:])]

  return jax.make_array_from_callback(shape, place(mesh, axes, shape), part)


def put_repeating(
    mesh: jax.sharding.Mesh, axes: tuple[str, ...], x: np.ndarray
) -> jax.Array:
  """Puts an array where it belongs, filled up to a `divisible` shape.

  What fills it up is the array again, from its beginning: ordinary numbers, to
  be given no weight, or to be cut off.

  Args:
    mesh: the mesh.
    axes: a letter an axis of the array, see `RULES`.
    x: the array, the same on every process.
  """
  shape = divisible(mesh, axes, x.shape)

  def part(index: tuple[slice, ...]) -> np.ndarray:
    out = x
    for axis, where in enumerate(index):
      if shape[axis] == x.shape[axis]:
        out = out[(slice(None),) * axis + (where,)]
      else:
        rows = np.arange(*where.indices(shape[axis])) % x.shape[axis]
        out = out.take(rows, axis)
    return out

  return jax.make_array_from_callback(shape, place(mesh, axes, shape), part)


def zeros(
    mesh: jax.sharding.Mesh,
) -> Callable[[str, tuple[int, ...], Any], jax.Array]:
  """Returns what makes an array of zeros where it belongs.

  Its arguments are a letter an axis, see `RULES`, the shape and the dtype.
  """
  return lambda axes, shape, dtype: jnp.zeros(
      shape, dtype, device=place(mesh, tuple(axes), shape)
  )


def replicate(mesh: jax.sharding.Mesh, x: np.ndarray) -> jax.Array:
  """Puts a whole copy of an array on every device."""
  return put(mesh, ('',) * x.ndim, x)


def abstract_params(model: nn.Module, mesh: jax.sharding.Mesh | None) -> Any:
  """Returns what `model.init` would: shapes, dtypes and places, no numbers.

  Args:
    model: a `Transformer`.
    mesh: that the parameters lie on; the first device alone if None.

  Returns:
    {'params': tree of jax.ShapeDtypeStruct}.
  """
  boxed = jax.eval_shape(
      model.init, jax.random.key(0), jnp.zeros((1, 1), jnp.int32)
  )
  if mesh is None:
    alone = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    where = lambda axes, x: alone
  else:
    where = lambda axes, x: place(mesh, axes, x.shape)
  return jax.tree.map(
      lambda axes, x: jax.ShapeDtypeStruct(
          x.shape, x.dtype, sharding=where(axes, x)
      ),
      nn.get_partition_spec(boxed),
      nn.unbox(boxed),
  )


def _written(sizes: dict[str, int]) -> str:
  return ' x '.join(f'{name}={size}' for name, size in sizes.items())
