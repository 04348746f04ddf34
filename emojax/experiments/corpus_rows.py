"""Completions -> files of a corpus, and what became of each completion."""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses
from typing import Any

import ml_collections

from emojax import files
from emojax.data import completions
from emojax.data import piece_filters
from emojax.data import story_prompts
from emojax.models import load

# Kind -> its file.
FILES = {
    'story': 'stories.jsonl',
    'neutral': 'neutral.jsonl',
    'dialogue': 'dialogues.jsonl',
}
REST = 'stories_of_incomplete_emotions.jsonl'


def write_corpora(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    lm: load.LanguageModel,
    written: Sequence[tuple],
    judged: Sequence[piece_filters.Judged],
) -> None:
  """Writes a file a kind, each cell's pieces in the order of their writing.

  A corpus of stories has every emotion on every topic. Those of emotions or
  topics that lack one are in a file of their own.
  """
  wanted = {
      'story': config.stories,
      'neutral': config.neutral,
      'dialogue': config.dialogues,
  }
  rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in FILES}
  taken: dict[tuple, int] = {}
  for (request, attempt, _, _), each in zip(written, judged, strict=True):
    cell = request.kind, request.emotions, request.topic
    for i, (piece, why) in enumerate(
        zip(each.parsed.pieces, each.reasons, strict=True)
    ):
      if why is None and taken.get(cell, 0) < wanted[request.kind]:
        taken[cell] = taken.get(cell, 0) + 1
        provenance = {
            'source': 'written by the model itself',
            'model': lm.uri,
            'seed': config.seed,
            'index': attempt * request.count + i,
        }
        rows[request.kind].append(completions.row(request, piece, provenance))
  complete = crossed({(r['emotion'], r['topic']) for r in rows['story']})
  order = {name: i for i, name in enumerate(story_prompts.topics())}
  rows['story'].sort(key=lambda r: (r['emotion'], order[r['topic']]))
  inside = lambda r: (r['emotion'], r['topic']) in complete
  rest = [r for r in rows['story'] if not inside(r)]
  rows['story'] = [r for r in rows['story'] if inside(r)]
  for kind, name in FILES.items():
    if wanted[kind]:
      files.write_jsonl(workdir / name, rows[kind])
  if rest:
    files.write_jsonl(workdir / REST, rest)


def crossed(cells: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
  """Leaves out emotions and topics until every emotion has every topic.

  Whatever lacks the largest share of its cells goes first; of equals the last
  in the alphabet.
  """
  left = set(cells)
  while left:
    emotions, topics = ({cell[i] for cell in left} for i in (0, 1))
    lacking = []
    for i, others in ((0, topics), (1, emotions)):
      for name in (emotions, topics)[i]:
        own = sum(cell[i] == name for cell in left)
        lacking.append((1 - own / len(others), i, name))
    share, i, name = max(lacking)
    if share == 0:
      break
    left = {cell for cell in left if cell[i] != name}
  return left


def yields(
    config: ml_collections.ConfigDict, judged: Sequence[piece_filters.Judged]
) -> dict[str, Any]:
  """The contents of `yields.json`: by kind, emotion and prompt."""
  del config
  out = {}
  for kind in story_prompts.KINDS:
    own = [each for each in judged if each.request.kind == kind]
    if own:
      by_prompt = {
          prompt: piece_filters.total(
              [each for each in own if each.request.prompt_id == prompt]
          )
          for prompt in dict.fromkeys(each.request.prompt_id for each in own)
      }
      out[kind] = {
          'total': piece_filters.total(own),
          'prompts': by_prompt,
          'emotions': piece_filters.yields(own),
      }
  return out


def completion_rows(
    written: Sequence[tuple], judged: Sequence[piece_filters.Judged]
) -> Iterator[dict[str, Any]]:
  """Yields a line a completion: what was asked, said and made of it."""
  for (request, attempt, text, ended), each in zip(
      written, judged, strict=True
  ):
    yield {
        **dataclasses.asdict(request),
        'emotions': list(request.emotions),
        'attempt': attempt,
        'ended': ended,
        'text': text,
        'reasons': list(each.reasons),
        'dropped': list(each.parsed.dropped),
    }
