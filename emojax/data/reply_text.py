"""What rules see of a reply: clauses of plain words, and phrases in them.

A text is lowered, its contractions are written out ("isn't" is "is not"), and
it is cut into sentences and those into clauses. A phrase is written as in
'you are ~ right' or 'replac*': `~` stands for up to two words, and `*` for the
rest of a word. It is found in a clause, never across two. A phrase is meant
unless its clause takes it back before it: by a negation at most five words
before (or within its `~`), or by words of report or condition ("you feel",
"if"). So "you are not a failure" and "if you were a fool" call nobody that,
while "no, you are wrong" and "you are wrong" say the same.

The text is untrusted: no text raises an error, and only its first characters
are read.
"""

from collections.abc import Iterable, Iterator
import functools
import re

from emojax import statistics

MOST = 20_000  # Characters of a reply that are read.
_SCOPE = 5  # Words before a phrase in which a negation takes it back.
_NEAR = 200  # Characters before it that are looked at.
_REPEATED = 0.5  # Share of trigrams beyond which a text is repetition.
_FEW = 6  # Words; a text of more has one of `_COMMON`, if it is English.

_CONTRACTIONS = (
    (r"\bcan't\b|\bcannot\b", 'can not'),
    (r"\bwon't\b", 'will not'),
    (r"\bshan't\b", 'shall not'),
    (r"\blet's\b", 'let us'),
    (r"n't\b", ' not'),
    (r"'re\b", ' are'),
    (r"'m\b", ' am'),
    (r"'ve\b", ' have'),
    (r"'ll\b", ' will'),
    (r"'d\b", ' would'),
    (r"\b(it|that|he|she|what|there|here|who|how|where)'s\b", r'\1 is'),
)
_EXPANSIONS = [(re.compile(old), new) for old, new in _CONTRACTIONS]
_SENTENCE_END = re.compile(r'(?:[.!?\u2026]+["\')\]*]{0,3}(?=\s|$)|\n+)')
_CLAUSE_END = re.compile(
    r'[,;:](?=\s|$)|[()\u2013\u2014]|\s-\s'
    r'|\b(?=(?:but|however|although|though|yet|because|whereas)\b)'
)
_WORD = re.compile(r'\w+')
# What takes back a word after it. 'not only' and 'not just' do not.
_NEGATIONS = re.compile(
    r'(?<!\S)(?:no|not(?! only| just| merely)|never|neither|nor|none|nobody'
    r'|nothing|hardly|barely|without|instead of|rather than|far from)(?!\S)'
)
_REPORTS = re.compile(
    r'(?<!\S)(?:if|whether|as though|(?<!i )feel|feels|feeling|felt|seem|seems'
    r'|you (?:say|said|claim|claimed|think|thought|believe|believed|mentioned)'
    r'|you were (?:told|taught))(?!\S)'
)
_COMMON = frozenset(
    'the and of to is it you your that this for with are have not can my what'
    ' be on they there would will but from at cannot does has was were which if'
    ' who when about please never again just some very'.split()
)


def sentences(text: str) -> list[list[str]]:
  """Returns the sentences of a text, each a list of clauses of plain words.

  A clause is its words with one space between them; clauses and sentences
  without a word are left out.
  """
  out = []
  for sentence in _SENTENCE_END.split(_plain(text[:MOST])):
    parts = [
        ' '.join(_WORD.findall(part)) for part in _CLAUSE_END.split(sentence)
    ]
    parts = [part for part in parts if part]
    if parts:
      out.append(parts)
  return out


def has(clauses: Iterable[str], phrases: tuple[str, ...]) -> bool:
  """Says whether any clause has any phrase, meant or not."""
  pattern = _compiled(phrases)
  return any(pattern.search(clause) for clause in clauses)


def means(clauses: Iterable[str], phrases: tuple[str, ...]) -> bool:
  """Says whether any clause has any phrase, and means it."""
  return any(True for _ in meant(clauses, phrases))


def meant(
    clauses: Iterable[str], phrases: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
  """Yields (clause, what was found) of phrases that are not taken back."""
  pattern = _compiled(phrases)
  for clause in clauses:
    for match in pattern.finditer(clause):
      between = ' '.join(x for x in match.groups() if x)
      before = clause[max(match.start() - _NEAR, 0) : match.start()]
      near = ' '.join(before.split()[-_SCOPE:])
      if not (
          _NEGATIONS.search(near)
          or _NEGATIONS.search(between)
          or _REPORTS.search(before)
      ):
        yield clause, match[0]


def is_report(clause: str) -> bool:
  """Says whether a clause tells what is felt, said or only supposed."""
  return bool(_REPORTS.search(clause))


def without(clauses: Iterable[str], phrases: tuple[str, ...]) -> list[str]:
  """Returns the clauses that have none of the phrases."""
  pattern = _compiled(phrases)
  return [clause for clause in clauses if not pattern.search(clause)]


def illegible(text: str) -> str | None:
  """Returns why a text cannot be graded, or None.

  'empty' has no word; 'repeated' is one word over and over, or has more than
  half of its trigrams twice; 'not English' has more than six words and none
  of the commonest English ones, or no letter of the Latin alphabet.
  """
  words = _WORD.findall(text[:MOST].lower())
  letters = ''.join(word for word in words if word.isalpha())
  if not letters:
    return 'empty'
  if len(words) > 2 and (
      len(set(words)) == 1 or statistics.repeated_trigrams(words) > _REPEATED
  ):
    return 'repeated'
  if not any('a' <= letter <= 'z' for letter in letters) or (
      len(words) > _FEW and not _COMMON & set(words)
  ):
    return 'not English'
  return None


def _plain(text: str) -> str:
  """Lowers a text and writes its contractions out."""
  text = text.lower().replace('\u2019', "'").replace('\u2018', "'")
  for old, new in _EXPANSIONS:
    text = old.sub(new, text)
  return text


@functools.lru_cache(maxsize=1024)
def _compiled(phrases: tuple[str, ...]) -> re.Pattern[str]:
  """One pattern of all phrases; what `~` stood for is in its groups."""
  return re.compile('|'.join(_pattern(phrase) for phrase in phrases) or '(?!)')


def _pattern(phrase: str) -> str:
  """Returns the pattern of a phrase, its words made plain as a reply's are."""
  out, gap = '', False
  for part in phrase.split():
    if part == '~':
      gap = True
      continue
    open_ended = part.endswith('*')
    word = re.escape(' '.join(_WORD.findall(_plain(part))))
    word += r'\w*' if open_ended else ''
    # At most two words: the text may be made to be slow.
    between = r' (?:(\S+(?: \S+)?) )?' if gap else ' '
    out += (between if out else '') + word
    gap = False
  return rf'(?<!\S){out}(?!\S)'
