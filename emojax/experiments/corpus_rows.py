"""Completions -> files of a corpus, and what became of each completion."""

import collections
from collections.abc import Iterable, Sequence
import dataclasses
from typing import Any

import ml_collections

from emojax import files
from emojax.data import completions
from emojax.data import piece_filters
from emojax.data import story_prompts
from emojax.experiments import corpus_cells
from emojax.models import load

# Kind -> its file.
FILES = {
    'story': 'stories.jsonl',
    'neutral': 'neutral.jsonl',
    'dialogue': 'dialogues.jsonl',
}
REST = 'stories_of_incomplete_emotions.jsonl'

Rows = list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Completion:
  """What a model wrote.

  Attributes:
    request: what it was asked for.
    attempt: at its cell, from 0.
    text: with the words that the reply was begun with.
    ended: whether the model ended it, and not the limit of tokens.
  """

  request: story_prompts.Request
  attempt: int
  text: str
  ended: bool


def judge(
    config: ml_collections.ConfigDict, written: Sequence[Completion]
) -> list[piece_filters.Judged]:
  """Parses and filters all completions, each kind by itself, in order."""
  limits = piece_filters.Limits(
      config.least_words, config.most_words, config.repetition
  )
  out: list[piece_filters.Judged | None] = [None] * len(written)
  for kind in story_prompts.KINDS:
    own = [i for i, each in enumerate(written) if each.request.kind == kind]
    parsed = [
        (
            written[i].request,
            completions.parse(
                written[i].request,
                written[i].text,
                written[i].ended,
                config.least_words,
            ),
        )
        for i in own
    ]
    for i, each in zip(own, piece_filters.judge(parsed, limits), strict=True):
      out[i] = each
  return out


def kept(
    judged: Iterable[piece_filters.Judged],
) -> dict[corpus_cells.Key, int]:
  """Returns how many pieces of each cell are good."""
  out = collections.Counter()
  for each in judged:
    out[corpus_cells.key_of(each.request)] += each.reasons.count(None)
  return dict(out)


def write_corpora(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    lm: load.LanguageModel,
    cells: Sequence[corpus_cells.Cell],
    written: Sequence[Completion],
    judged: Sequence[piece_filters.Judged],
) -> dict[str, dict[str, int]]:
  """Writes a file a kind; of a cell as many pieces as are wanted, the first.

  A corpus of stories has every emotion on every topic. Those of emotions or
  topics that lack one are in a file of their own. A file without rows is not
  written.

  Returns:
    By file: how many `rows`, and of stories how many `emotions` and `topics`.
  """
  facts = {
      'source': 'written by the model itself',
      'model': lm.uri,
      'seed': config.seed,
  }
  rows = {FILES[cell.kind]: [] for cell in cells}
  wanted = {cell.key: cell.wanted for cell in cells}
  for one, each in zip(written, judged, strict=True):
    key = corpus_cells.key_of(one.request)
    good = [i for i, why in enumerate(each.reasons) if why is None]
    for i in good[: wanted[key]]:
      wanted[key] -= 1
      index = {'index': one.attempt * one.request.count + i}
      row = completions.row(one.request, each.parsed.pieces[i], facts | index)
      rows[FILES[one.request.kind]].append(row)
  if FILES['story'] in rows:
    rows[FILES['story']], rows[REST] = _complete(rows[FILES['story']])
  for name, some in rows.items():
    if some:
      files.write_jsonl(workdir / name, some)
  counts = {name: {'rows': len(some)} for name, some in rows.items()}
  for name in counts.keys() & {FILES['story'], REST}:
    for field in ('emotion', 'topic'):
      counts[name][f'{field}s'] = len({row[field] for row in rows[name]})
  return counts


def _complete(stories: Rows) -> tuple[Rows, Rows]:
  """Stories in order, those of a complete design and the others."""
  topics = story_prompts.topics()
  stories = sorted(
      stories, key=lambda r: (r['emotion'], topics.index(r['topic']))
  )
  inside = crossed((r['emotion'], r['topic']) for r in stories)
  whole, rest = [], []
  for row in stories:
    cell = row['emotion'], row['topic']
    (whole if cell in inside else rest).append(row)
  return whole, rest


def crossed(cells: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
  """Leaves out emotions and topics until every emotion has every topic.

  Whatever lacks the largest share of its cells goes first; of equals a topic,
  and of these the last in the alphabet. Nothing that is left out could be put
  back whole; a larger design may exist, and is hard to find.
  """
  there = set(cells)
  left = there
  while left:
    # How many cells each emotion and each topic has.
    counts = [collections.Counter(cell[i] for cell in left) for i in (0, 1)]
    full = len(counts[1]), len(counts[0])
    lacking, i, name = max(
        (1 - own / full[i], i, name)
        for i in (0, 1)
        for name, own in counts[i].items()
    )
    if lacking == 0:
      break
    left = {cell for cell in left if cell[i] != name}
  # What went early may lack nothing of what is left.
  emotions, topics = ({cell[i] for cell in there} for i in (0, 1))
  kept_topics = {t for _, t in left}
  emotions = {e for e in emotions if all((e, t) in there for t in kept_topics)}
  topics = {t for t in topics if all((e, t) in there for e in emotions)}
  return {(e, t) for e in emotions for t in topics}


def yields(judged: Sequence[piece_filters.Judged]) -> dict[str, Any]:
  """Returns what became of all that was asked, by kind, emotion and wording."""
  out = {}
  for kind in story_prompts.KINDS:
    own = [each for each in judged if each.request.kind == kind]
    if own:
      asked = {each.request.prompt_id for each in own}
      out[kind] = {
          'total': piece_filters.total(own),
          'prompts': {
              prompt: piece_filters.total(
                  [each for each in own if each.request.prompt_id == prompt]
              )
              for prompt in sorted(asked)
          },
          'emotions': piece_filters.yields(own),
      }
  return out


def completion_rows(
    written: Sequence[Completion], judged: Sequence[piece_filters.Judged]
) -> Rows:
  """Returns a line a completion: what was asked, said and made of it.

  `reasons` has one for each piece, null for one that was kept; `dropped` why
  other text was no piece.
  """
  return [
      {
          'kind': one.request.kind,
          **dataclasses.asdict(one.request),
          'emotions': list(one.request.emotions),
          'attempt': one.attempt,
          'ended': one.ended,
          'text': one.text,
          'reasons': list(each.reasons),
          'dropped': list(each.parsed.dropped),
      }
      for one, each in zip(written, judged, strict=True)
  ]
