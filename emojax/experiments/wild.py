"""Chats of any source -> the passages in which each emotion is most active."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from absl import logging
import ml_collections
import numpy as np

from emojax import errors
from emojax import files
from emojax import hosts
from emojax import passages
from emojax import readings
from emojax import runs
from emojax import steering
from emojax import vectors as vectors_lib
from emojax.data import chats
from emojax.data import stories as stories_lib
from emojax.data import transcripts as transcripts_lib
from emojax.experiments import build_vectors
from emojax.experiments import encode as encode_lib
from emojax.experiments import inputs
from emojax.experiments import limits
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import passes
from emojax.experiments import read as read_lib
from emojax.experiments.measures import most_active
from emojax.experiments.measures import summarise_wild
from emojax.models import load
from emojax.models import sharding
from emojax.report import wild_page

NAME = 'wild.json'
ROLES = ('user', 'assistant')
_SITES = ('resid_post/norm', 'resid_post/project')
_LEAST = {'batch': 1, 'window': 1, 'top': 1, 'random_directions': 2}


@dataclasses.dataclass(frozen=True)
class Found:
  """What all transcripts have given.

  Attributes:
    places: N, where each transcript is from.
    implies: N, the emotion that each is said to be about, or None.
    top: by emotion, the best passages of different transcripts, best first.
    means: [N, 2, A], mean cosines over the tokens of the user and of the
      assistant; NaN without such tokens. A: emotions, then random directions.
    structural: by 'raw' and 'guarded', [A] bool: whether the highest token of
      all transcripts is one of no word.
    peaks: likewise [A] pieces of text.
    lengths: tokens that were read.
  """

  places: list[str]
  implies: list[str | None]
  top: dict[str, list[dict[str, Any]]]
  means: np.ndarray
  structural: dict[str, np.ndarray]
  peaks: dict[str, list[str]]
  lengths: int


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Reads `config.transcripts` with `config.vectors`; writes `wild.json`."""
  if not config.vectors or not config.transcripts:
    raise errors.InputError(
        'Give --config.vectors=FILE and --config.transcripts=FILE or FOLDER.'
    )
  limits.check(config, _LEAST)
  limits.check_seed(config)
  path = files.locate(config.vectors)
  arrays, metadata = build_vectors.read_vectors(path)
  layer = metadata['layer'] if config.layer is None else config.layer
  steering.check_layer(layer, arrays['vectors'].shape[1])
  transcripts = load_transcripts(config.transcripts)
  lm = read_lib.load_model(config, metadata)
  arrays, metadata = build_vectors.read_vectors(path, lm)
  steering.check_directed(arrays['vectors'], [layer])
  encoded = encode(lm, transcripts)
  runs.open_workdir(
      workdir,
      config.to_dict(),
      lm.identity()
      | {
          'vectors': files.sha256(path),
          'transcripts': inputs.hash_of(config.transcripts, 'chats'),
      },
  )
  if not files.exists(workdir / NAME):
    found = collect(
        lm,
        arrays,
        metadata['emotions'],
        layer,
        encoded,
        (config.window, config.top, config.batch),
        steering.random_directions(
            config.seed, config.random_directions, *arrays['mean'].shape
        ),
    )
    contents = summarise_wild.summarise(
        found, metadata['emotions'], layer, encoded.left_out, config.seed
    )
    contents['numbers'] = numbers_lib.with_published(
        summarise_wild.NAME, contents['numbers']
    )
    files.write_json(workdir / NAME, contents)
  if not files.exists(workdir / wild_page.REPORT):
    wild_page.write(workdir)
  logging.info('report: %s', workdir / wild_page.REPORT)


@dataclasses.dataclass(frozen=True)
class Encoded:
  """Transcripts that the model can read.

  Attributes:
    transcripts: N of them; a place is within the file's folder, or the folder.
    chats: tokenised.
    left_out: why others were not, by place.
  """

  transcripts: list[transcripts_lib.Transcript]
  chats: list[chats.Chat]
  left_out: dict[str, str]


def load_transcripts(source: str) -> list[transcripts_lib.Transcript]:
  """Reads a file, or a folder of files, and names places within the folder.

  So that the same chats give the same answer anywhere.

  Raises:
    InputError: a malformed line, or there is none.
  """
  path = stories_lib.location(inputs.path_of(source), 'chats')
  folder = path.parent if files.exists(path) else path
  found = [
      dataclasses.replace(one, place=one.place.removeprefix(f'{folder}/'))
      for one in transcripts_lib.load_transcripts(path)
  ]
  if not found:
    raise errors.InputError(f'{path}: there is no transcript.')
  return found


def encode(
    lm: load.LanguageModel, transcripts: Sequence[transcripts_lib.Transcript]
) -> Encoded:
  """Tokenises transcripts; one that the model cannot read is left out.

  Of thousands of transcripts by others some are too long, or spell out a
  control token: that is no reason to read none.

  Raises:
    InputError: none can be read.
  """
  kept, encoded, left_out = [], [], {}
  for one in transcripts:
    try:
      encoded.append(encode_lib.chat(lm, one.text.messages, one.place))
    except errors.InputError as error:
      left_out[one.place] = str(error)
    else:
      kept.append(one)
  for reason in list(left_out.values())[:3]:
    logging.warning('left out: %s', reason)
  if not kept:
    raise errors.InputError(
        f'config.transcripts: of {len(transcripts)} {lm.uri} can read none; the'
        f' first: {next(iter(left_out.values()))}'
    )
  return Encoded(kept, encoded, left_out)


def collect(
    lm: load.LanguageModel,
    arrays: dict[str, np.ndarray],
    emotions: Sequence[str],
    layer: int,
    encoded: Encoded,
    sizes: tuple[int, int, int],
    random: np.ndarray,
) -> Found:
  """Reads transcripts, and keeps what is small of each.

  Args:
    lm: the model.
    arrays: of `vectors.safetensors`.
    emotions: E names.
    layer: that is read.
    encoded: N transcripts.
    sizes: tokens of a passage, passages of an emotion, rows a batch.
    random: [R, L, D] unit vectors, the control.
  """
  window, top, batch_size = sizes
  directions = np.concatenate([vectors_lib.unit(arrays['vectors']), random])
  neutral = [arrays[f'neutral_cosine_{x}'][:, layer] for x in ('mean', 'std')]
  size, total = len(emotions), len(directions)
  best = most_active.Passages(emotions, window, top)
  means = np.full((len(encoded.chats), len(ROLES), total), np.nan)
  peaks = {name: most_active.Peaks(total) for name in ('raw', 'guarded')}
  ids = [chat.ids for chat in encoded.chats]
  for i, norm, cosine in _read(lm, ids, directions, batch_size, layer):
    chat = encoded.chats[i]
    role = np.array(chat.roles)
    content = np.array(chat.message) >= 0
    counted = passages.ordinary_tokens(norm, content)
    peaks['raw'].offer(i, cosine, np.ones(len(norm), bool), chat)
    peaks['guarded'].offer(i, cosine, counted, chat)
    for r, name in enumerate(ROLES):
      own = counted & (role == name)
      if own.any():
        means[i, r] = cosine[own].mean(axis=0)
    own = cosine[:, :size]
    score = readings.standardised(own, *neutral)
    best.offer(i, own, score, counted, chat)
  return Found(
      places=[one.place for one in encoded.transcripts],
      implies=[one.text.implies for one in encoded.transcripts],
      top=best.ranked(),
      means=means,
      structural={name: each.structural for name, each in peaks.items()},
      peaks={name: each.pieces for name, each in peaks.items()},
      lengths=sum(map(len, ids)),
  )


def _read(lm, ids, directions, batch_size, layer):
  """Yields each text's index, [T] norms and [T, A] cosines at one layer."""
  planned = passes.plan(lm, ids, batch_size)
  bank = sharding.replicate(lm.mesh, directions)
  for batch, got in passes.over(lm, ids, None, planned, _SITES, 'Chats', bank):
    norm, project = hosts.fetch([got[site][layer] for site in _SITES])
    for row in np.flatnonzero(batch.rows >= 0):
      i = int(batch.rows[row])
      own = norm[row, : len(ids[i])]
      yield i, own, readings.cosines(project[row, : len(ids[i])], own)
