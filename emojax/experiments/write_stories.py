"""A model writes its own corpus: stories, neutral and two-speaker dialogues."""

from collections.abc import Callable, Sequence
import functools
import hashlib
import math

from absl import logging
import jax
import ml_collections
import numpy as np

from emojax import chunks
from emojax import errors
from emojax import files
from emojax import runs
from emojax.data import story_checks
from emojax.data import story_prompts
from emojax.experiments import chunked_rows
from emojax.experiments import compare_corpora
from emojax.experiments import corpus_cells
from emojax.experiments import corpus_rows
from emojax.experiments import limits
from emojax.models import engine
from emojax.models import load
from emojax.models import prompts
from emojax.models import sampling
from emojax.models import sharding
from emojax.report import corpus_page

NAME = 'completions.jsonl'
YIELDS = 'yields.json'
REPORT = 'report.html'
# Cells that lack pieces are asked for more and more of them at once.
_MOST_AT_ONCE = 8
# The least that each can be.
_LEAST = {
    'topics': story_checks.MIN_TOPICS,
    'stories': 0,
    'neutral': 0,
    'dialogues': 0,
    'pieces': 1,
    'rounds': 1,
    'new_tokens': 1,
    'batch': 1,
    'chunk': 1,
    'least_words': 1,
    'repetition': 0,
}

# What is asked for, and which attempt at its cell it is.
Asked = tuple[story_prompts.Request, int]


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Writes the corpus, what became of each completion, and the comparison."""
  check(config)
  reference = compare_corpora.load_reference(config)
  cells = corpus_cells.plan(config, reference and reference.stories)
  mesh = sharding.make_mesh(**config.mesh)
  lm = load.load(config.model, config.dtype, mesh)
  longest = corpus_cells.check_room(config, lm, cells)
  made_from = lm.identity()
  if reference is not None:
    # Hours before it is needed, what is wrong with it would be found too late.
    compare_corpora.encode_stories(config, lm, reference.stories, reference)
    made_from |= reference.identity()
  runs.open_workdir(workdir, config.to_dict(), made_from)
  artefact = workdir / NAME
  if not files.exists(artefact):
    engine.log_memory(lm, _settings(config, lm), longest)
    written = write(config, artefact, lm, cells)
    judged = corpus_rows.judge(config, written)
    corpora = corpus_rows.write_corpora(
        config, workdir, lm, cells, written, judged
    )
    files.write_json(
        workdir / YIELDS,
        {'kinds': corpus_rows.yields(judged), 'corpora': corpora},
    )
    # The last, since nothing is written again when it is there.
    files.write_jsonl(artefact, corpus_rows.completion_rows(written, judged))
  chunks.clear(artefact)
  if reference is not None:
    compare_corpora.run(config, workdir, lm, reference)
  if not files.exists(workdir / REPORT):
    corpus_page.write(workdir)
  logging.info('report: %s', workdir / REPORT)


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses settings that nothing can be written with."""
  limits.check(config, _LEAST)
  limits.check_seed(config)
  limits.check_sampling(config)
  if config.least_words > config.most_words:
    raise errors.InputError(
        f'config.least_words={config.least_words} is above'
        f' config.most_words={config.most_words}.'
    )
  if config.topics > len(story_prompts.topics()):
    raise errors.InputError(
        f'config.topics={config.topics}: there are'
        f' {len(story_prompts.topics())}.'
    )
  if config.reference:
    compare_corpora.check(config)


def write(
    config: ml_collections.ConfigDict,
    artefact: files.Path,
    lm: load.LanguageModel,
    cells: Sequence[corpus_cells.Cell],
) -> list[corpus_rows.Completion]:
  """Asks for pieces, round by round, until every cell has what it should.

  What a round asks for follows from what the rounds before it gave, so that a
  run that is killed asks for the same again.

  Returns:
    All completions, in the order in which they were asked for.
  """
  written: list[corpus_rows.Completion] = []
  attempts = [0] * len(cells)
  for number in range(config.rounds):
    kept = corpus_rows.kept(corpus_rows.judge(config, written))
    asked: list[Asked] = []
    for i, cell in enumerate(cells):
      lacking = max(cell.wanted - kept.get(cell.key, 0), 0)
      pieces = lacking * min(2**number, _MOST_AT_ONCE)
      more = math.ceil(pieces / corpus_cells.pieces_of(config, cell.kind))
      for attempt in range(attempts[i], attempts[i] + more):
        request = corpus_cells.request_of(config, cell, attempt)
        asked.append((request, attempt))
      attempts[i] += more
    if not asked:
      break
    texts = chunked_rows.run(
        artefact,
        asked,
        config.chunk,
        f'Round {number + 1}',
        functools.partial(_texts, config, lm),
    )
    written += [
        corpus_rows.Completion(*each, *text)
        for each, text in zip(asked, texts, strict=True)
    ]
  return written


def _texts(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    asked: Sequence[Asked],
    tick: Callable[[int, int], None],
) -> list[tuple[str, bool]]:
  """Samples completions: the text, and whether the model ended it itself."""
  requests = [
      prompts.Request(
          corpus_cells.encode(config, lm, request),
          _key(config, request, attempt),
      )
      for request, attempt in asked
  ]
  settings = _settings(config, lm)
  written = engine.write(lm, None, requests, settings, tick=tick)
  out = []
  for (request, _), text in zip(asked, written, strict=True):
    if not text.finite:
      raise errors.InputError(
          f'{lm.uri}: activations are not finite in {lm.dtype}; give another'
          ' config.dtype.'
      )
    stop = settings.stop
    ended = bool(text.tokens) and text.tokens[-1] in stop
    said = lm.tokenizer.decode([t for t in text.tokens if t not in stop])
    out.append((corpus_cells.prefix_of(config, request) + said, ended))
  return out


def _settings(
    config: ml_collections.ConfigDict, lm: load.LanguageModel
) -> engine.Settings:
  return engine.Settings(
      config.batch,
      config.new_tokens,
      sampling.Sampling(config.temperature, config.top_k, config.top_p),
      lm.tokenizer.stop,
  )


def _key(
    config: ml_collections.ConfigDict,
    request: story_prompts.Request,
    attempt: int,
) -> np.ndarray:
  """[2] uint32: a hash of what is asked for, the seed and the attempt."""
  text = repr((request, attempt)).encode()
  number = int(hashlib.sha256(text).hexdigest()[:8], 16)
  key = jax.random.fold_in(jax.random.key(config.seed), number)
  return np.asarray(jax.random.key_data(key))
