"""Cosines of every token with every vector at every layer, in one file."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import safetensors

from emojax import errors
from emojax import files
from emojax import growing
from emojax import vectors as vectors_lib
from emojax.experiments import build_vectors
from emojax.models import load

NAME = 'cosines.safetensors'
# Which tensors, all of whose last axis is that of the emotions or layers.
_BASELINES = (
    'neutral_cosine_mean',
    'neutral_cosine_std',
    'neutral_response_mean',
    'neutral_response_std',
)


def write(
    path: files.Path,
    lm: load.LanguageModel,
    vectors: tuple[dict[str, np.ndarray], dict[str, Any]],
    ids: Sequence[Sequence[int]],
    batch_size: int,
    layer: int | None,
) -> None:
  """Reads texts and writes their cosines, a batch in memory at a time.

  `cosines` is [T, L, E], the tokens of all texts in order; `starts` [N + 1] is
  where each text begins and the last one ends; `layers` [L] are those that are
  in it; the baselines of standardised values are [E, L].

  Args:
    path: of the file.
    lm: the model.
    vectors: of `build_vectors.read_vectors`.
    ids: N texts.
    batch_size: rows a batch.
    layer: the only one that is wanted; all if None.

  Raises:
    InputError: the model gives NaN or infinity.
  """
  arrays, metadata = vectors
  layers = range(lm.config.num_layers) if layer is None else [layer]
  starts = np.cumsum([0, *map(len, ids)])
  row = len(layers) * len(metadata['emotions'])
  facts = {name: metadata[name] for name in ('model', 'weights', 'emotions')}
  with growing.file(path) as file:
    begin = growing.begin_arrays(
        file,
        {
            'layers': np.array(layers, np.int32),
            'starts': starts.astype(np.int32),
            **{name: arrays[name][:, list(layers)] for name in _BASELINES},
        },
        (int(starts[-1]), len(layers), len(metadata['emotions'])),
        'cosines',
        facts,
    )
    for i, cosine in build_vectors.read_cosines(
        lm,
        ids,
        vectors_lib.unit(arrays['vectors']),
        batch_size,
        'Readings',
        layer,
    ):
      if not np.isfinite(cosine).all():
        raise errors.InputError(
            f'{lm.uri}: activations are not finite in {lm.dtype}; the weights'
            ' are damaged, or it wants another config.dtype.'
        )
      file.seek(begin + 4 * row * int(starts[i]))
      file.write(cosine.swapaxes(0, 1).astype('<f4').tobytes())


def each(path: files.Path, layer: int) -> Iterator[np.ndarray]:
  """Yields the cosines [T, E] of every text at one layer, in order.

  Raises:
    InputError: the file is damaged or lacks the layer.
  """
  with files.on_disk(path) as here:
    try:
      with safetensors.safe_open(here, framework='numpy') as file:
        at = file.get_tensor('layers').tolist().index(layer)
        starts = file.get_tensor('starts').tolist()
        whole = file.get_slice('cosines')
        for start, end in zip(starts, starts[1:]):
          yield whole[start:end, at]
    except (safetensors.SafetensorError, ValueError) as error:
      raise errors.InputError(
          f'{path}: not whole, or of another layer ({error}); delete it and'
          ' start the same command again.'
      ) from error
