"""Batches that are built ahead of their use, and go on where they stopped."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emojax.data import batches


def dataset(
    sequences: Sequence[Sequence[int]],
    pools: Sequence[np.ndarray] | None,
    plan: Sequence[tuple[np.ndarray, int]],
    own: np.ndarray | None = None,
) -> Any:
  """Makes the Grain dataset of a plan's batches.

  Args:
    sequences: N lists of ids.
    pools: of each the weights of its tokens; all 1 if None.
    plan: of `batches.plan`.
    own: which rows of a batch this process needs; all if None.

  Returns:
    A `grain.IterDataset` of `batches.Batch`, in order. The state of its
    iterator, a small dictionary, can be got and set.
  """
  # Here, because Grain takes a second to import and most commands do without.
  import grain

  source = grain.MapDataset.source(plan).map(
      lambda entry: batches.assemble(sequences, pools, *entry, own)
  )
  return source.to_iter_dataset(
      grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)
  )
