"""Why a piece that a model wrote is kept out of the corpus.

A piece has the first reason of `REASONS` that holds for it, or none. Synonyms
of the emotion are a reason, while `story_checks` allows them: who writes a
story by hand can weigh a word, and the packaged stories have none, but a model
that may not say "afraid" says "terrified". In a replication of the paper 8 to
27 % of the stories leaked their label so, and a vector that is made from them
may be one of those tokens.
"""

from collections.abc import Iterable, Sequence
import dataclasses
import functools
import importlib.resources
import json
import re
from typing import TypedDict
import unicodedata

import py3langid

from emojax import statistics
from emojax.data import completions
from emojax.data import story_checks
from emojax.data import story_prompts
from emojax.data import word_families

_MAX_FOREIGN = 0.02  # Of the letters: a name may have one, a sentence has more.

# With bounded repeats only: the text may be made to be slow.
_MARKUP = re.compile(
    r'<\|[^<>]{0,40}\|>|<\w{0,20}_of_\w{0,20}>|</?(?:s|bos|eos|pad|unk|think)>'
    r'|\[/?INST\]|\[/?(?:story|dialogue)\b[^\]]{0,10}\]',
    re.IGNORECASE,
)
# An assistant who declines, or talks about the text. Only what people in a
# story do not say: they too may be sure, and cannot go on.
_ASSISTANT = re.compile(
    r'\A(?:sure|certainly|absolutely|of course)[!,]'
    r'|\bas an? (?:ai|artificial intelligence|assistant)\b|\blanguage model\b'
    r"|\bi(?:'m| am) (?:just |only )?an ai\b"
    r"|\bi (?:cannot|can't|can not|will not|won't|am unable to|am not able to)"
    r' (?:create|generate|fulfill?|comply|assist'
    r'|write (?:an?|this|that|such|about)\b)'
    r"|\bhere(?: is|'s| are) (?:[\w-]{1,20} ){0,5}"
    r'(?:story|stories|paragraphs?|scenes?|dialogues?)\b'
    r'|\bin this (?:story|paragraph|scene|dialogue)\b'
    r'|\b(?:story|paragraph|scene|dialogue)'
    r' (?:shows|conveys|describes|captures|illustrates|depicts|explores)\b'
    r'|\bi hope (?:this (?:helps|meets|story)|you (?:like|enjoy) th(?:is|e)\b)'
    r"|\blet me know if you(?:'d| would) like|\bwould you like me to\b"
    r'|\bword count\b|\(\d{1,4} words\)',
    re.IGNORECASE,
)
_WORD = re.compile(r'\w+')


@dataclasses.dataclass(frozen=True)
class Limits:
  """What a piece may be.

  Attributes:
    least_words: a vector is read from the 50th token on.
    most_words: a piece is one paragraph, or a few turns.
    repetition: the most of its word trigrams that it may have had before. The
      packaged stories have up to 0.05, the neutral dialogues up to 0.13.
  """

  least_words: int = 80
  most_words: int = 300
  repetition: float = 0.15


@dataclasses.dataclass(frozen=True)
class Judged:
  """A completion, and of each of its pieces the reason or None."""

  request: story_prompts.Request
  parsed: completions.Parsed
  reasons: tuple[str | None, ...]


class Yield(TypedDict):
  """What became of the pieces that were asked for.

  `kept` is a fraction of those asked. Its interval takes pieces as independent,
  though those of one completion are alike: it is narrow rather than wide.
  """

  asked: int
  completions: int
  parsed: int
  kept: statistics.Estimate
  dropped: dict[str, int]  # By why: text, not always a piece.
  refused: dict[str, int]  # By reason: pieces.


def judge(
    written: Sequence[tuple[story_prompts.Request, completions.Parsed]],
    limits: Limits,
) -> list[Judged]:
  """Returns the completions with the reasons of their pieces.

  A piece is a near duplicate of one that is kept and stands before it, in
  whichever completion; so the order of the completions is part of the result.
  """
  pieces = [
      (completions.spoken(piece), request.emotions)
      for request, parsed in written
      for piece in parsed.pieces
  ]
  found = [reason(text, emotions, limits) for text, emotions in pieces]
  sound = [i for i, why in enumerate(found) if why is None]
  for i, _, _ in story_checks.near_duplicates(pieces[i][0] for i in sound):
    found[sound[i]] = 'near duplicate'
  rest = iter(found)
  return [
      Judged(request, parsed, tuple(next(rest) for _ in parsed.pieces))
      for request, parsed in written
  ]


def reason(
    text: str, emotions: Sequence[str], limits: Limits = Limits()
) -> str | None:
  """Returns the first reason for which a text alone is refused, or None.

  Args:
    text: of a story, or all that is said in a dialogue.
    emotions: those that the text is to show and not to name.
    limits: of length and repetition.
  """
  tests = (test(text, emotions, limits) for test in _TESTS.values())
  return next((why for why, holds in zip(_TESTS, tests) if holds), None)


def synonym_in(emotion: str, text: str) -> str | None:
  """Returns the first direct synonym of an emotion that a text has, or None.

  Synonyms are found in all the forms that `word_families` knows. An emotion
  that is not one of the paper's has none.
  """
  found = (word_families.find(s, text) for s in synonyms().get(emotion, ()))
  return next(filter(None, found), None)


def repeated_trigrams(text: str) -> float:
  """Returns the fraction of word trigrams that the text had before: 0 to 1."""
  return statistics.repeated_trigrams(_WORD.findall(text.lower()))


def yields(judged: Iterable[Judged]) -> dict[str, Yield]:
  """Returns what was asked, parsed and kept for each emotion.

  Two emotions of a dialogue are one key, 'sad, calm'; without any it is
  'neutral'. Keys are in the order of their first appearance.
  """
  groups = {}
  for each in judged:
    key = ', '.join(each.request.emotions) or 'neutral'
    groups.setdefault(key, []).append(each)
  return {key: total(group) for key, group in groups.items()}


@functools.cache
def synonyms() -> dict[str, tuple[str, ...]]:
  """Returns direct synonyms of each of the paper's emotions.

  Words that mostly mean something else (down, lost, moved) are left out, and so
  are those whose family has such words (watchful, lively, thoughtful).
  """
  file = importlib.resources.files('emojax.data') / 'synonyms.json'
  table = json.loads(file.read_text(encoding='utf-8'))
  return {emotion: tuple(words) for emotion, words in table.items()}


def total(group: Sequence[Judged]) -> Yield:
  """Returns what was asked, parsed and kept in all of a group."""
  asked = sum(each.request.count for each in group)
  reasons = [why for each in group for why in each.reasons]
  dropped = [why for each in group for why in each.parsed.dropped]
  return Yield(
      asked=asked,
      completions=len(group),
      parsed=len(reasons),
      kept=statistics.wilson(reasons.count(None), asked),
      dropped={why: dropped.count(why) for why in completions.DROPS},
      refused={why: reasons.count(why) for why in REASONS},
  )


def _is_foreign(text: str) -> bool:
  """Says whether a text is not in English, or slips into another script."""
  letters = [c for c in text if c.isalpha()]
  foreign = sum(
      not unicodedata.name(c, '').startswith('LATIN') for c in letters
  )
  if foreign > _MAX_FOREIGN * len(letters):
    return True
  return py3langid.classify(text)[0] != 'en'


def _is_assistant(text: str) -> bool:
  return bool(_ASSISTANT.search(text.replace('’', "'")))


# Cheap ones first, and words of emotions only in what is a text at all.
_TESTS = {
    'empty': lambda text, _, __: not _WORD.search(text),
    'too short': lambda text, _, limits: (
        len(text.split()) < limits.least_words
    ),
    'too long': lambda text, _, limits: len(text.split()) > limits.most_words,
    'markup': lambda text, _, __: bool(_MARKUP.search(text)),
    'language': lambda text, _, __: _is_foreign(text),
    'refusal': lambda text, _, __: _is_assistant(text),
    'own word': lambda text, emotions, _: any(
        word_families.find(emotion, text) for emotion in emotions
    ),
    'synonym': lambda text, emotions, _: any(
        synonym_in(emotion, text) for emotion in emotions
    ),
    'repetition': lambda text, _, limits: (
        repeated_trigrams(text) > limits.repetition
    ),
}
REASONS = (*_TESTS, 'near duplicate')
