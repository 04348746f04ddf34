"""Weights from a checkpoint onto the devices, part by part, and back again."""

from collections.abc import Iterator, Mapping
import dataclasses
import functools
import math
from typing import Any

import einops
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from emojax import errors
from emojax import progress
from emojax.models import checkpoint as checkpoint_lib
from emojax.models import config as config_lib
from emojax.models import quantise
from emojax.models import sharding
from emojax.models import tables
from emojax.models import transformer

# The host never holds a whole large tensor and its copy in our axes.
_CHUNK_BYTES = 16 << 20
_FLOATS = {'F16', 'BF16', 'F32', 'F64'}
# A file may repeat the embedding that it ties under this name.
_REPEATED = 'lm_head.weight'


def load_params(
    checkpoint: checkpoint_lib.Checkpoint,
    dtype: Any,
    mesh: jax.sharding.Mesh | None = None,
    int8: bool = False,
) -> dict[str, Any]:
  """Reads all weights in `dtype`, norms in float32, each where it belongs.

  The table is strict both ways: every tensor of the model is in the file, and
  every tensor of the file is used. From safetensors a process reads only what
  its own devices hold.

  Args:
    checkpoint: an opened one.
    dtype: of the matrices.
    mesh: that they lie on; the first device alone if None.
    int8: whether the matrices of the blocks are rounded as they are read, a
      layer at a time, so that the whole model is never there in floats.

  Returns:
    The params of `transformer.Transformer`.

  Raises:
    InputError: a tensor is missing, unknown, of a wrong shape, quantised, or
      has a number that is not finite.
  """
  config = dataclasses.replace(checkpoint.config, dtype=dtype, int8=int8)
  model = transformer.Transformer(config)
  abstract = sharding.abstract_params(model, mesh)
  targets = flax.traverse_util.flatten_dict(abstract['params'], sep='/')
  rounded = quantise.contracted(model)
  rows = _rows(checkpoint.family, config)
  _check_tensors(checkpoint, rows)
  flat = {}
  for row in progress.over(rows, 'Weights', 'tensors'):
    part = functools.partial(_part, checkpoint, row)
    target = targets[row.path]
    if '{i}' not in row.hf:
      flat[row.path] = _on_devices(functools.partial(part, 0), target)
    elif row.path not in rounded:
      flat[row.path] = _stack(_layers(part, target, target.dtype), target)
    else:
      scale = f'{row.path}_scale'
      flat[row.path], flat[scale] = _stack(
          (
              quantise.matrix(w, rounded[row.path])
              for w in _layers(part, target, dtype)
          ),
          (target, targets[scale]),
      )
  return {'params': flax.traverse_util.unflatten_dict(flat, sep='/')}


def to_hugging_face(
    params: Mapping[str, Any],
    family: str,
    config: config_lib.TransformerConfig,
    dtype: Any,
) -> Iterator[tuple[str, np.ndarray]]:
  """Reads the table from right to left: our params -> their tensors.

  Args:
    params: of `transformer.Transformer(config)`.
    family: whose names and axes are wanted.
    config: of the model.
    dtype: of the tensors. What was loaded from them in any dtype that holds
      their values comes back bit by bit.

  Yields:
    Name and tensor, one at a time.
  """
  flat = flax.traverse_util.flatten_dict(params['params'], sep='/')
  for row in _rows(family, config):
    theirs, ours = row.axes.split(' -> ')
    names = _names(row, row.hf, config)
    for i, name in enumerate(names):
      x = flat[row.path][i] if '{i}' in row.hf else flat[row.path]
      x = np.asarray(x).astype(dtype)
      sizes = config.sizes(''.join(ours.split()))
      x = einops.rearrange(x, f'{ours} -> {theirs}', **sizes)
      yield name, np.ascontiguousarray(x)


def _rows(
    family: str, config: config_lib.TransformerConfig
) -> list[tables.Row]:
  return [
      row
      for row in tables.TABLES[family]
      if not (row.path == 'unembedding' and config.tied_embeddings)
  ]


def _names(
    row: tables.Row, name: str, config: config_lib.TransformerConfig
) -> list[str]:
  layers = range(config.num_layers) if '{i}' in row.hf else (0,)
  return [name.format(i=i) for i in layers]


def _layers(
    part, target: jax.ShapeDtypeStruct, dtype: Any
) -> Iterator[jax.Array]:
  """Reads what becomes [L, ...], one layer at a time."""
  where = target.sharding
  if isinstance(where, jax.sharding.NamedSharding):
    where = jax.sharding.NamedSharding(where.mesh, jax.P(*where.spec[1:]))
  layer = jax.ShapeDtypeStruct(target.shape[1:], dtype, sharding=where)
  for i in range(target.shape[0]):
    yield _on_devices(functools.partial(part, i), layer)


def _stack(layers: Iterator[Any], target: Any) -> Any:
  """Fills [L, ...] layer by layer on the devices; one array or several."""
  out = jax.tree.map(
      lambda x: jnp.zeros(x.shape, x.dtype, device=x.sharding), target
  )
  for i, layer in enumerate(layers):
    out = _put_layer(out, layer, np.int32(i))
  return out


def _on_devices(part, target: jax.ShapeDtypeStruct) -> jax.Array:
  read = {}

  def once(index):  # Devices that hold the same share one copy on the host.
    key = str(index)
    if key not in read:
      read[key] = part(index, target)
    return read[key]

  return jax.make_array_from_callback(target.shape, target.sharding, once)


@functools.partial(jax.jit, donate_argnums=0)
def _put_layer(stack, layer, i):
  put = jax.lax.dynamic_update_index_in_dim
  return jax.tree.map(lambda x, y: put(x, y, i, 0), stack, layer)


def _part(
    checkpoint: checkpoint_lib.Checkpoint,
    row: tables.Row,
    layer: int,
    index: tuple[slice, ...],
    target: jax.ShapeDtypeStruct,
) -> np.ndarray:
  """Returns the part `index` of one tensor, in our axes."""
  sizes = _sizes(checkpoint.config)
  if checkpoint.form == 'hf':
    name = row.hf.format(i=layer)
    return _read_slices(checkpoint, name, row.axes, index, target, sizes)
  name = row.gguf.format(i=layer)
  tensor = checkpoint.tensors[name]
  values = tensor.read(tuple(slice(size) for size in tensor.shape))
  _check_finite(checkpoint, name, values)
  axes = row.gguf_axes or row.axes
  used = {axis: sizes[axis] for axis in tables.letters(axes.split(' -> ')[0])}
  values = einops.rearrange(values, axes, **used)[index]
  return np.ascontiguousarray(values - row.gguf_offset, target.dtype)


def _read_slices(checkpoint, name, axes, index, target, sizes) -> np.ndarray:
  """Reads only what `index` needs, in chunks.

  An axis is cut where it is the outermost of its group, so that what is cut in
  our axes is a slice in theirs.
  """
  theirs, ours = axes.split(' -> ')
  groups, letters = tables.groups(theirs), ours.split()
  bounds = {
      letter: s.indices(sizes[letter])[:2]
      for letter, s in zip(letters, index, strict=True)
  }
  out = np.empty(
      [stop - start for start, stop in bounds.values()], target.dtype
  )
  outer = groups[0][0]
  first, last = bounds[outer]
  step = max(1, (last - first) * _CHUNK_BYTES // max(out.nbytes, 1))
  for start in range(first, last, step):
    cut = bounds | {outer: (start, min(start + step, last))}
    values = checkpoint.tensors[name].read(
        tuple(_slice(group, cut, sizes) for group in groups)
    )
    _check_finite(checkpoint, name, values)
    at = tuple(
        slice(start - first, cut[outer][1] - first)
        if a == outer
        else slice(None)
        for a in letters
    )
    used = {a: stop - begin for a, (begin, stop) in cut.items()}
    out[at] = einops.rearrange(values, axes, **used)
  return out


def _slice(
    group: list[str],
    bounds: Mapping[str, tuple[int, int]],
    sizes: Mapping[str, int],
) -> slice:
  inner = math.prod(sizes[letter] for letter in group[1:])
  start, stop = bounds[group[0]]
  return slice(start * inner, stop * inner)


def _sizes(config: config_lib.TransformerConfig) -> dict[str, int]:
  return config.sizes('LDFVKGH') | {'half': config.head_dim // 2, 'two': 2}


def _check_tensors(
    checkpoint: checkpoint_lib.Checkpoint, rows: list[tables.Row]
) -> None:
  """Compares names, shapes and kinds before anything is read."""
  c = checkpoint.config
  sizes = _sizes(c)
  unread = dict(checkpoint.tensors)
  if c.tied_embeddings:
    unread.pop(_REPEATED, None)
  for row in rows:
    gguf = checkpoint.form == 'gguf'
    axes = gguf and row.gguf_axes or row.axes
    theirs = axes.split(' -> ')[0]
    shape = tuple(
        math.prod(sizes[letter] for letter in group)
        for group in tables.groups(theirs)
    )
    for name in _names(row, row.gguf if gguf else row.hf, c):
      tensor = unread.pop(name, None)
      if tensor is None:
        raise errors.InputError(
            f'{checkpoint.path}: no tensor {name!r}: the checkpoint is not'
            ' whole; fetch it again.'
        )
      if tensor.dtype not in _FLOATS:
        raise errors.InputError(
            f'{checkpoint.path}: {name} is {tensor.dtype}: quantised'
            ' safetensors are not supported; give the unquantised model.'
        )
      if tensor.shape != shape:
        raise errors.InputError(
            f'{checkpoint.path}: {name} has shape {tensor.shape}, which does'
            f' not fit {theirs!r}, {shape} by the config.'
        )
  if unread:
    raise errors.InputError(
        f'{checkpoint.path}: tensors that a {checkpoint.family} model does not'
        f' have: {", ".join(sorted(unread)[:5])}.'
    )


def _check_finite(
    checkpoint: checkpoint_lib.Checkpoint, name: str, values: np.ndarray
) -> None:
  if not np.isfinite(values).all():
    raise errors.InputError(
        f'{checkpoint.path}: {name} has a number that is not finite: the'
        ' weights are damaged; fetch them again.'
    )
