"""Finds an emotion's own word, inflected or derived, in a text.

A vector made from stories that say "happy" may be a vector of that token, so a
story may not contain the family of its emotion's word: inflections (envied),
derivations (envious, enviously) and negations (unenvied). Synonyms are allowed:
"fear" is not of the family of "afraid", nor "alone" of that of "lonely".

Two words are of one family if their Snowball stems meet after the removal of
suffixes and a negating prefix that the stemmer leaves. `word_families.json`
has what spelling cannot show: a family's irregular `words` (proud, pride) and
the words that look like members and are `not` (grateful, grate). Homographs are
refused in every sense (content, bore, kind), since a token has no sense; the
two exceptions are the polite "please" and the theatre's "play".
"""

from collections.abc import Iterator
import dataclasses
import functools
import importlib.resources
import json
import re

import snowballstemmer

# What the stemmer leaves on a story's word, and what is taken off a label. The
# label loses less: "restless" is not of the family of "rest", nor "bitter" of
# that of "bit".
_SUFFIXES = (
    'ability able acy al ance ancy ant ate ation cation dom ed en ence ency ent'
    ' eous er ery est etic ety ful hood ia ibility ible ic ical ify ing ion'
    ' ious ise ish ism ist istic ition ity ive ize less ly ment ness or osity'
    ' ous some th uous y'
).split()
_LABEL_SUFFIXES = (
    'able al ance ant dom ence ent etic ety ful ic ious ish ity ive ly ment'
    ' ness osity ous some uous y'
).split()
_PREFIXES = 'be dis im in mal non over un'.split()
_MIN_BASE = 3  # sad-ly, un-fit.
_MIN_LABEL_BASE = 4  # lone-ly; three letters would make "env" of "envious".
_MAX_SUFFIXES = 3  # hope-less-ness-es.

_WORD = re.compile(r'[^\W\d_]+')  # Runs of letters: a hyphen parts words.
_STEMMER = snowballstemmer.stemmer('english')


def find(label: str, text: str) -> str | None:
  """Returns the first words of `text` that are of the family of `label`.

  Args:
    label: an emotion, in one word or more ('on edge': these words in a row).
    text: any text.

  Returns:
    The words as they stand in the text, or None if there are none.
  """
  families = [_family(part) for part in _words(label)]
  if not families:  # A label without letters, such as an emoji.
    return label if label in text else None
  words = _words(text)
  for start in range(len(words) - len(families) + 1):
    found = words[start : start + len(families)]
    if all(map(_Family.has, families, found)):
      return ' '.join(found)
  return _find_single(label, words) if len(families) > 1 else None


@dataclasses.dataclass(frozen=True)
class _Family:
  """Stems of the members; words and stems that only look like members."""

  stems: frozenset[str]
  foreign_words: frozenset[str]
  foreign_stems: frozenset[str]

  def has(self, word: str) -> bool:
    """Says whether the word is a member."""
    return _has(self, word.lower())


@functools.lru_cache(maxsize=1 << 16)
def _has(family: _Family, word: str) -> bool:
  # The quick way out of most words: a member shares two letters with a stem.
  if word in family.foreign_words or not any(
      stem[:2] in word for stem in family.stems
  ):
    return False
  for stem in _stems(word):  # The stem nearest to the word decides.
    if stem in family.foreign_stems:
      return False
    if stem in family.stems:
      return True
  return False


@functools.lru_cache
def _family(label: str) -> _Family:
  """Returns the family of a label of one word."""
  label = label.lower()
  own = {_stem(label)}
  derived = {
      _stem(base) for base in _bases(label, _LABEL_SUFFIXES, _MIN_LABEL_BASE)
  }
  foreign_words = set()
  for row in _table():
    members = {_stem(word) for word in row['words']}
    if own & members:
      own |= members
      foreign_words |= set(row['not'])
  foreign_stems = {_stem(word) for word in foreign_words} - own
  return _Family(
      stems=frozenset(own | (derived - foreign_stems)),
      foreign_words=frozenset(foreign_words),
      foreign_stems=frozenset(foreign_stems),
  )


def _find_single(label: str, words: list[str]) -> str | None:
  """Looks for the single words that the table has for a label of several."""
  family = _family(label)
  return next((word for word in words if family.has(word)), None)


@functools.lru_cache
def _table() -> list[dict[str, list[str]]]:
  file = importlib.resources.files('emojax.data') / 'word_families.json'
  return json.loads(file.read_text(encoding='utf-8'))


@functools.lru_cache(maxsize=1 << 16)
def _stems(word: str) -> tuple[str, ...]:
  """Returns the stem of the word, then stems ever further from it."""
  stems = _stems_without_suffixes(word)
  for prefix in _PREFIXES:
    rest = word.removeprefix(prefix)
    if rest != word and len(rest) >= _MIN_BASE:
      stems += _stems_without_suffixes(rest)
  return tuple(dict.fromkeys(stems))


def _stems_without_suffixes(word: str) -> list[str]:
  stems, bases = [], {word: None}
  for _ in range(_MAX_SUFFIXES + 1):
    nearest = [_stem(base) for base in bases]
    stems += nearest
    # From the stem too: frighten(ed) loses -en only after the stemmer's -ed.
    bases = {
        base: None
        for longer in dict.fromkeys([*nearest, *_with_y(nearest), *bases])
        for base in _bases(longer, _SUFFIXES, _MIN_BASE)
    }
  return stems


def _with_y(stems: list[str]) -> list[str]:
  return [stem[:-1] + 'y' for stem in stems if stem.endswith('i')]  # anxieti


def _bases(word: str, suffixes: list[str], least: int) -> Iterator[str]:
  """Yields what a word may be made from by adding one suffix."""
  for suffix in suffixes:
    base = word.removesuffix(suffix)
    if base == word or len(base) < least:
      continue
    yield base
    yield base + 'e'  # excit(e)-ement
    if base[-1] == base[-2]:
      yield base[:-1]  # sad(d)-en
    if base[-1] == 'i':
      yield base[:-1] + 'y'  # lonel(y)i-ness


@functools.lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
  return _STEMMER.stemWord(word)


def _words(text: str) -> list[str]:
  return _WORD.findall(text)
