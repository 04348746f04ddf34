"""What a set of stories must be before vectors are made from it."""

from collections.abc import Iterable, Iterator, Sequence
import pathlib
import re

import datasketch

from emojax.data import rows
from emojax.data import word_families

Path = pathlib.Path

MIN_EMOTIONS = 2  # A vector is a difference from the mean of the emotions.
MIN_TOPICS = 3  # One is held out; of the rest, two show what they share.
NEAR_DUPLICATE = 0.5  # Jaccard index of two texts' sets of word 5-grams.

_WORD = re.compile(r'\w+')
_SHINGLE = 5  # Words.
# MinHash proposes pairs and the exact sets decide. Of pairs at the threshold,
# 64 bands of 2 rows miss one in 10^8.
_BANDS = (64, 2)
_PERMUTATIONS = 128


def check_crossed(
    path: str | Path,
    lines: Sequence[int],
    emotions: Sequence[str],
    topics: Sequence[str],
) -> None:
  """Refuses stories unless every emotion has every topic.

  Topics are held out one at a time, which is a test of the emotions only if no
  emotion can be told by its topics.

  Args:
    path: the file, for the message.
    lines: line of each of N stories.
    emotions: emotion of each.
    topics: topic of each.

  Raises:
    InputError: it names who lacks what.
  """
  emotion_lines = _first_lines(emotions, lines)
  topic_lines = _first_lines(topics, lines)
  _check_count(path, emotion_lines, 'emotion', MIN_EMOTIONS)
  _check_count(path, topic_lines, 'topic', MIN_TOPICS)
  cells = set(zip(emotions, topics, strict=True))
  for topic in topic_lines:
    lacking = [e for e in emotion_lines if (e, topic) not in cells]
    # Few have the topic: more likely a misspelt topic than so many gaps.
    if len(lacking) > len(emotion_lines) / 2:
      rows.refuse(
          f'{path}:{topic_lines[topic]}',
          f'the topic {rows.show(topic)} has no story of'
          f' {rows.listing(lacking)}; every emotion needs every topic: correct'
          ' the spelling, or write those stories.',
      )
  gaps = {
      emotion: [t for t in topic_lines if (emotion, t) not in cells]
      for emotion in emotion_lines
  }
  # Most gaps first: a misspelt emotion has more than the one it was taken from.
  emotion, lacking = max(gaps.items(), key=lambda item: len(item[1]))
  if lacking:
    rows.refuse(
        f'{path}:{emotion_lines[emotion]}',
        f'the emotion {rows.show(emotion)} (first on this line) has no story on'
        f' {rows.listing(lacking)}; every emotion needs every topic: write what'
        ' lacks, correct the spelling, or leave the emotion out.',
    )


def check_own_words(
    path: str | Path,
    lines: Sequence[int],
    emotions: Sequence[str],
    texts: Sequence[str],
) -> None:
  """Refuses a story that has a word of its emotion's family.

  Args:
    path: the file, for the message.
    lines: line of each of N stories.
    emotions: emotion of each.
    texts: text of each.

  Raises:
    InputError: it names the line and the word.
  """
  for line, emotion, text in zip(lines, emotions, texts, strict=True):
    found = word_families.find(emotion, text)
    if found:
      rows.refuse(
          f'{path}:{line}',
          f'a story of {rows.show(emotion)} says {rows.show(found)}; tell it'
          " without the emotion's own word, whose token a vector would follow.",
      )


def check_near_duplicates(
    path: str | Path, lines: Sequence[int], texts: Sequence[str]
) -> None:
  """Refuses two texts that share most of their word 5-grams.

  Args:
    path: the file, for the message.
    lines: line of each of N texts.
    texts: the texts.

  Raises:
    InputError: it names both lines.
  """
  for i, j, jaccard in near_duplicates(texts):
    rows.refuse(
        f'{path}:{lines[i]}',
        f'nearly the text of line {lines[j]} (Jaccard index {jaccard:.2f}'
        f' of word {_SHINGLE}-grams, {NEAR_DUPLICATE} or more); rewrite or'
        ' delete one of them.',
    )


def near_duplicates(
    texts: Iterable[str],
) -> Iterator[tuple[int, int, float]]:
  """Yields (i, j, Jaccard index) of texts that are nearly an earlier one.

  Of near duplicates the first is kept, and only texts that are kept count: j is
  the first of those that text i is near to.
  """
  kept = {}  # Index of a text -> its shingles.
  empty = datasketch.MinHash(num_perm=_PERMUTATIONS)
  index = datasketch.MinHashLSH(num_perm=_PERMUTATIONS, params=_BANDS)
  for i, text in enumerate(texts):
    shingles = _shingles(text)
    minhash = empty.copy()  # With its permutations, which take longest.
    minhash.update_batch([shingle.encode('utf-8') for shingle in shingles])
    for j in sorted(index.query(minhash)):
      shared = len(shingles & kept[j])
      jaccard = shared / (len(shingles) + len(kept[j]) - shared)
      if jaccard >= NEAR_DUPLICATE:
        yield i, j, jaccard
        break
    else:
      index.insert(i, minhash)
      kept[i] = shingles


def _first_lines(names: Sequence[str], lines: Sequence[int]) -> dict[str, int]:
  """Returns each name's first line, in order of first appearance."""
  first = {}
  for name, line in zip(names, lines, strict=True):
    first.setdefault(name, line)
  return first


def _check_count(
    path: str | Path, first_lines: dict[str, int], noun: str, least: int
) -> None:
  if len(first_lines) < least:
    rows.refuse(
        str(path),
        f'{len(first_lines)} {noun}(s): {rows.listing(first_lines)}; have at'
        f' least {least}, and a story of every emotion on every topic.',
    )


def _shingles(text: str) -> set[str]:
  """Returns the runs of five words; a shorter text is one run."""
  words = _WORD.findall(text.lower())
  if len(words) < _SHINGLE:
    return {' '.join(words) or text}
  starts = range(len(words) - _SHINGLE + 1)
  return {' '.join(words[i : i + _SHINGLE]) for i in starts}
