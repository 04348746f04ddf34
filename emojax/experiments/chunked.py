"""A pass over many texts, cut into chunks that outlive the process."""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

import jax
import ml_collections
import numpy as np

from emojax import chunks
from emojax import errors
from emojax import files
from emojax import hosts
from emojax.data import batches
from emojax.experiments import passes
from emojax.models import capture
from emojax.models import load

Path = files.Path
Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Sums:
  """What a pass adds up on the devices.

  Attributes:
    start: the sums before the first batch, a `flax.struct` dataclass.
    add: (sums, what was captured, batch) -> sums.
  """

  start: Any
  add: Callable[[Any, dict[str, jax.Array], batches.Batch], Any]


def run(
    config: ml_collections.ConfigDict,
    artefact: Path,
    lm: load.LanguageModel,
    ids: Sequence[Sequence[int]],
    pools: Sequence[np.ndarray],
    keep: Sequence[str],
    label: str,
    sums: Sums | None = None,
    write: Callable[[int, dict[str, jax.Array]], None] | None = None,
) -> tuple[Arrays, Arrays]:
  """Captures texts, and saves every `config.chunk` batches.

  Args:
    config: `batch` and `chunk`.
    artefact: that this is a part of; chunks lie beside it.
    lm: the model.
    ids: N texts.
    pools: of each the weights of its tokens in a mean.
    keep: sites that are kept of every text; see `_kept`.
    label: of the progress bar; also tells this pass from others.
    sums: what is added up on the devices; nothing if None.
    write: is given each batch's number and what was captured, if not None. The
      batches since the last chunk come again after a kill.

  Returns:
    What was kept, in the order of the texts, and the fields of the sums.

  Raises:
    InputError: the model gives NaN or infinity.
    Stopped: the run was told to stop; the chunk is saved.
  """
  planned = passes.plan(lm, ids, config.batch)
  parts = _parts(config, artefact, lm, planned, label)
  size = config.chunk
  done, state = _resumed(parts, sums)
  sites = {*keep} | ({*capture.MEANS} if sums or write else set())
  rows = []
  work = passes.over(
      lm, ids, pools, planned[done * size :], sorted(sites), label
  )
  for i, (batch, got) in enumerate(work, start=done * size + 1):
    if sums:
      state = sums.add(state, got, batch)
    if write:
      write(i - 1, got)
    rows.append(_kept(lm, keep, got, batch, ids))
    if i % size and i < len(planned):
      continue
    number = (i - 1) // size
    if sums:
      _save_sums(parts, number, lm, state)
    chunks.put(parts, _ROWS, number, files.pack(_joined(rows), {}))
    rows = []
    hosts.stop_if_asked()
  return _all_rows(parts, -(-len(planned) // size), keep), _fields(state)


_ROWS, _SUMS = 'rows', 'sums'


def _parts(config, artefact, lm, planned, label) -> Path:
  """The folder of these chunks: nothing else can have made what is in it."""
  key = [label, config.chunk, sorted(lm.mesh.shape.items())]
  key += [(rows.tolist(), width) for rows, width in planned]
  return chunks.folder(artefact, repr(key).encode())


def _resumed(parts: Path, sums: Sums | None) -> tuple[int, Any]:
  """How many chunks are done, and the sums after them."""
  done = chunks.count(parts, _ROWS)
  if sums is None:
    return done, None
  # The last but one is there too, if the last is damaged.
  for last in range(done, max(done - 2, 0), -1):
    data = chunks.get(parts, _SUMS, last - 1)
    if data is not None:
      return last, _restored(sums.start, files.unpack(data))
  return 0, sums.start


def _restored(start: Any, fields: Arrays) -> Any:
  return start.replace(
      **{
          name: jax.make_array_from_callback(
              x.shape, x.sharding, lambda index, name=name: fields[name][index]
          )
          for name, x in _named(start).items()
      }
  )


def _named(state: Any) -> dict[str, jax.Array]:
  return {
      field.name: getattr(state, field.name)
      for field in dataclasses.fields(state)
  }


def _save_sums(
    parts: Path, number: int, lm: load.LanguageModel, state: Any
) -> None:
  fields = _fields(state)
  for x in fields.values():
    _check_finite(lm, x)
  chunks.put(parts, _SUMS, number, files.pack(fields, {}))
  chunks.drop(parts, _SUMS, number - 2)


def _fields(state: Any) -> Arrays:
  if state is None:
    return {}
  return hosts.fetch(_named(state))


def _kept(
    lm: load.LanguageModel,
    keep: Sequence[str],
    got: dict[str, jax.Array],
    batch: batches.Batch,
    ids: Sequence[Sequence[int]],
) -> Arrays:
  """What is kept of a batch: a row a text, fillers left out.

  Of `resid_post/norm` a row a token, [tokens, L], without those at position 0;
  of means [texts, L, D] or [texts, D].
  """
  real = batch.rows >= 0
  out = {'text': batch.rows[real]}
  for site in keep:
    x = hosts.fetch(got[site])
    if site.endswith('/norm'):
      lengths = np.array([len(ids[i]) if i >= 0 else 0 for i in batch.rows])
      position = np.arange(x.shape[2])
      inner = (position > 0) & (position < lengths[:, None])
      out[site] = x[:, inner].T
    else:
      out[site] = (x if x.ndim == 2 else x.swapaxes(0, 1))[real]
    _check_finite(lm, out[site])
  return out


def _check_finite(lm: load.LanguageModel, x: np.ndarray) -> None:
  if not np.isfinite(x).all():
    raise errors.InputError(
        f'{lm.uri}: activations are not finite in {lm.dtype}; the weights are'
        ' damaged, or it wants another config.dtype.'
    )


def _joined(rows: list[Arrays]) -> Arrays:
  return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _all_rows(parts: Path, count: int, keep: Sequence[str]) -> Arrays:
  """Joins the chunks and brings texts into their order."""
  rows = []
  for number in range(count):
    data = chunks.get(parts, _ROWS, number)
    if data is None:
      raise errors.InputError(
          f'{parts}: chunk {number} was damaged after it had been written;'
          ' start the same command again.'
      )
    rows.append(files.unpack(data))
  joined = _joined(rows)
  order = np.argsort(joined.pop('text'))
  return {
      site: x if site.endswith('/norm') else x[order]
      for site, x in joined.items()
  }
