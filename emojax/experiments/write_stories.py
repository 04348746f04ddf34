"""A model writes its own corpus: stories, neutral and two-speaker dialogues."""

from collections.abc import Iterator, Sequence
import hashlib
import itertools
import json
import math
from typing import Any

from absl import logging
import jax
import ml_collections
import numpy as np
import tqdm

from emojax import chunks
from emojax import errors
from emojax import files
from emojax import hosts
from emojax import runs
from emojax.data import chats
from emojax.data import completions
from emojax.data import piece_filters
from emojax.data import stories as stories_lib
from emojax.data import story_prompts
from emojax.experiments import compare_corpora
from emojax.experiments import corpus_rows
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
_LEAST = {
    'topics': 3,
    'stories': 0,
    'neutral': 0,
    'dialogues': 0,
    'pieces': 1,
    'rounds': 1,
    'new_tokens': 1,
    'batch': 1,
    'chunk': 1,
    'top_k': 0,
    'temperature': 0,
    'least_words': 1,
}

Request = story_prompts.Request
# A request, which attempt at its cell it is, the completion, whether it ended.
Completion = tuple[Request, int, str, bool]


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Writes the corpus, what became of each completion, and the comparison."""
  check(config)
  mesh = sharding.make_mesh(**config.mesh)
  reference = None
  if config.reference:
    reference = None if config.reference == 'packaged' else config.reference
    reference = stories_lib.load_stories(
        reference and files.locate(reference)
    )
  cells = list(cells_of(config, reference))
  lm = load.load(config.model, config.dtype, mesh)
  check_room(config, lm, cells)
  runs.open_workdir(
      workdir,
      config.to_dict(),
      lm.identity() | {'reference': reference and reference.sha256},
  )
  artefact = workdir / NAME
  if not files.exists(artefact):
    written = write(config, artefact, lm, cells)
    judged = judge(config, written)
    corpus_rows.write_corpora(config, workdir, lm, written, judged)
    files.write_json(workdir / YIELDS, corpus_rows.yields(config, judged))
    files.write_jsonl(
        artefact, corpus_rows.completion_rows(written, judged)
    )
  chunks.clear(artefact)
  if reference is not None:
    compare_corpora.run(config, workdir, lm, reference)
  if not files.exists(workdir / REPORT):
    corpus_page.write(workdir)
  logging.info('report: %s', workdir / REPORT)


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses settings that nothing can be written with."""
  for name, least in _LEAST.items():
    if not least <= config[name] < math.inf:
      raise errors.InputError(
          f'config.{name}={config[name]}: must be {least} or more, and finite.'
      )
  if not 0 < config.top_p <= 1:
    raise errors.InputError(
        f'config.top_p={config.top_p}: must be above 0, and 1 or less.'
    )
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


def cells_of(
    config: ml_collections.ConfigDict, reference: stories_lib.Stories | None
) -> Iterator[tuple[str, tuple[str, ...], str, int]]:
  """Yields what is wanted: kind, emotions, topic, and how many pieces."""
  emotions = tuple(config.emotions)
  if emotions == ('all',):
    emotions = story_prompts.emotions()
  elif not emotions:
    emotions = (reference or stories_lib.load_stories()).emotions
  for e in emotions:
    if e not in story_prompts.emotions():
      raise errors.InputError(
          f"config.emotions has {e!r}, which is none of the paper's 171; take"
          ' it out or correct its spelling.'
      )
  topics = story_prompts.topics()[: config.topics]
  pairs = [(a, b) for a in emotions for b in emotions if a != b]
  for topic in topics:
    for e in emotions:
      yield 'story', (e,), topic, config.stories
    yield 'neutral', (), topic, config.neutral
  # Pairs are taken in turn, so that few dialogues have many of them.
  turns = itertools.cycle(
      pairs[i] for i in np.random.default_rng(config.seed).permutation(
          len(pairs)
      )
  )
  for topic in topics:
    for pair in itertools.islice(turns, config.dialogues if pairs else 0):
      yield 'dialogue', pair, topic, 1


def check_room(config, lm: load.LanguageModel, cells) -> None:
  """Refuses a completion that the model's context has no room for."""
  longest = max(
      len(_encode(lm, config, _request(config, kind, emotions, topic, n)))
      for kind, emotions, topic, _ in cells
      for n in range(len(_wordings(kind)))
  )
  if longest + config.new_tokens > lm.config.context:
    raise errors.InputError(
        f'A prompt of {longest} tokens and config.new_tokens='
        f'{config.new_tokens} are more than the context of the model'
        f' ({lm.config.context}); lower config.new_tokens.'
    )


def _wordings(kind: str) -> list[str]:
  return [p for p in story_prompts.PROMPTS if p.split('-')[0] == kind]


def _request(config, kind, emotions, topic, attempt) -> Request:
  """The wordings of a kind take turns from attempt to attempt."""
  wordings = _wordings(kind)
  count = config.pieces if kind != 'dialogue' else 1
  return Request(wordings[attempt % len(wordings)], emotions, topic, count)


def _encode(lm, config, request: Request) -> tuple[int, ...]:
  prefix = story_prompts.reply_prefix(request) if config.reply_prefix else ''
  return chats.encode_chat(
      lm.tokenizer, list(story_prompts.messages(request)), prefix
  ).ids


def write(
    config: ml_collections.ConfigDict,
    artefact: files.Path,
    lm: load.LanguageModel,
    cells: Sequence[tuple[str, tuple[str, ...], str, int]],
) -> list[Completion]:
  """Asks for pieces, round by round, until every cell has what it should.

  What a round asks for follows from what the rounds before it gave, so that a
  run that is killed asks for the same again.

  Returns:
    All completions, in the order in which they were asked for.
  """
  written: list[Completion] = []
  attempts = dict.fromkeys((cell[:3] for cell in cells), 0)
  for number in range(config.rounds):
    kept = _kept(judge(config, written))
    asked = []
    for *cell, wanted in cells:
      cell = tuple(cell)
      lacking = wanted - kept.get(cell, 0)
      at_once = min(2**number, _MOST_AT_ONCE)
      pieces = config.pieces if cell[0] != 'dialogue' else 1
      for _ in range(math.ceil(max(lacking, 0) * at_once / pieces)):
        asked.append((_request(config, *cell, attempts[cell]), attempts[cell]))
        attempts[cell] += 1
    if not asked:
      break
    written += _round(config, artefact, lm, asked, number)
  return written


def _kept(judged: Sequence[piece_filters.Judged]) -> dict[tuple, int]:
  """How many pieces of each cell are good."""
  out: dict[tuple, int] = {}
  for each in judged:
    cell = each.request.kind, each.request.emotions, each.request.topic
    out[cell] = out.get(cell, 0) + each.reasons.count(None)
  return out


def judge(
    config: ml_collections.ConfigDict, written: Sequence[Completion]
) -> list[piece_filters.Judged]:
  """Parses and filters all completions, each kind by itself, in order."""
  limits = piece_filters.Limits(
      config.least_words, config.most_words, config.repetition
  )
  out: list[Any] = [None] * len(written)
  for kind in story_prompts.KINDS:
    own = [i for i, w in enumerate(written) if w[0].kind == kind]
    parsed = [
        (
            written[i][0],
            completions.parse(
                written[i][0], written[i][2], written[i][3], config.least_words
            ),
        )
        for i in own
    ]
    for i, each in zip(own, piece_filters.judge(parsed, limits), strict=True):
      out[i] = each
  return out


def _round(config, artefact, lm, asked, number) -> list[Completion]:
  """Writes the completions of a round in chunks, each saved when done."""
  parts = chunks.folder(artefact, repr((config.chunk, asked)).encode())
  settings = engine.Settings(
      config.batch,
      config.new_tokens,
      sampling.Sampling(config.temperature, config.top_k, config.top_p),
      lm.tokenizer.stop,
  )
  out = []
  with tqdm.tqdm(
      total=len(asked),
      desc=f'Round {number + 1:<3}',
      leave=False,
      unit='text',
      disable=not hosts.is_first(),
  ) as bar:
    for i, start in enumerate(range(0, len(asked), config.chunk)):
      chunk = asked[start : start + config.chunk]
      data = chunks.get(parts, 'texts', i)
      if data is None:
        texts = _texts(config, lm, chunk, settings, bar.update)
        data = json.dumps(texts).encode()
        chunks.put(parts, 'texts', i, data)
        hosts.stop_if_asked()
      else:
        bar.update(len(chunk))
      for (request, attempt), (text, ended) in zip(
          chunk, json.loads(data), strict=True
      ):
        out.append((request, attempt, text, ended))
  return out


def _texts(config, lm, chunk, settings, tick) -> list[tuple[str, bool]]:
  """Samples completions: the text, and whether the model ended it itself."""
  requests = [
      prompts.Request(_encode(lm, config, request), _key(config, *each))
      for each in chunk
      for request in each[:1]
  ]
  out = []
  stop = lm.tokenizer.stop
  for (request, _), text in zip(
      chunk, engine.write(lm, None, requests, settings, tick=tick), strict=True
  ):
    if not text.finite:
      raise errors.InputError(
          f'{lm.uri}: activations are not finite in {lm.dtype}; give another'
          ' config.dtype.'
      )
    ended = bool(text.tokens) and text.tokens[-1] in stop
    ids = [t for t in text.tokens if t not in stop]
    prefix = story_prompts.reply_prefix(request) if config.reply_prefix else ''
    out.append((prefix + lm.tokenizer.decode(ids), ended))
  return out


def _key(config, request: Request, attempt: int) -> np.ndarray:
  """[2] uint32: a hash of what is asked for, the seed and the attempt."""
  text = repr((request, attempt)).encode()
  number = int(hashlib.sha256(text).hexdigest()[:8], 16)
  key = jax.random.fold_in(jax.random.key(config.seed), number)
  return np.asarray(jax.random.key_data(key))
