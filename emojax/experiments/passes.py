"""Passes of the model over many texts, batch by batch."""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
import concurrent.futures
from typing import Any

import jax
import numpy as np

from emojax import progress
from emojax.data import batches
from emojax.data import pipeline
from emojax.models import capture
from emojax.models import load
from emojax.models import sharding
from emojax.models import taps


def plan(
    lm: load.LanguageModel, ids: Sequence[Sequence[int]], size: int
) -> list[tuple[np.ndarray, int]]:
  """Plans the batches: about `size` rows, as many as the mesh can split."""
  size = sharding.round_up_rows(lm.mesh, size)
  return batches.plan([len(row) for row in ids], size)


def over(
    lm: load.LanguageModel,
    ids: Sequence[Sequence[int]],
    pools: Sequence[np.ndarray] | None,
    planned: Sequence[tuple[np.ndarray, int]],
    sites: Sequence[str],
    label: str,
    directions: jax.Array | None = None,
) -> Iterator[tuple[batches.Batch, dict[str, jax.Array]]]:
  """Captures a plan's batches one by one.

  Args:
    lm: the model.
    ids: N texts.
    pools: of each the weights of its tokens in a mean, [T]; all 1 if None.
    planned: of `plan`.
    sites: of `capture.capture`.
    label: of the progress bar.
    directions: [E, L, D] on the devices, for `resid_post/project`.

  Yields:
    Each batch, in order, and what was captured, on the devices.
  """
  if not planned:
    return
  own = sharding.rows_of_process(lm.mesh, len(planned[0][0]))
  dataset = pipeline.dataset(ids, pools, planned, own)

  def compute(batch: batches.Batch) -> dict[str, jax.Array]:
    def put(x):
      return sharding.put(lm.mesh, ('B', 'T'), x, own, len(batch.rows))

    return capture.capture(
        lm.model,
        lm.params,
        put(batch.tokens),
        put(batch.valid),
        taps.Readout(put(batch.pool), directions),
        tuple(sites),
    )

  def counts(rows: np.ndarray) -> tuple[int, int]:
    sizes = [len(ids[i]) for i in rows if i >= 0]
    return len(sizes), sum(sizes)

  every = np.array([counts(rows) for rows, _ in planned]).sum(axis=0).tolist()
  ahead = _in_threads if lm.mesh.size == 1 else _in_order
  with progress.begun(label, 'texts', *every) as tick:
    for batch, got in ahead(compute, dataset):
      yield batch, got
      tick(*counts(batch.rows))


def _in_threads(
    compute: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[tuple[Any, Any]]:
  """Computes two at a time.

  While one batch is in a part of the program that keeps one core busy, the
  other keeps the rest busy: a seventh less time on two cores.
  """
  pool = concurrent.futures.ThreadPoolExecutor(2)
  ready = lambda item: jax.block_until_ready(compute(item))
  waiting = collections.deque()
  try:
    for item in items:
      waiting.append((item, pool.submit(ready, item)))
      if len(waiting) == 2:
        item, future = waiting.popleft()
        yield item, future.result()
    for item, future in waiting:
      yield item, future.result()
  finally:
    pool.shutdown(cancel_futures=True)


def _in_order(
    compute: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[tuple[Any, Any]]:
  """Dispatches the next before the last is used.

  In one thread: all processes must start their collectives in one order.
  """
  last = None
  for item in items:
    following = item, compute(item)
    if last is not None:
      yield last
    last = following
  if last is not None:
    yield last
