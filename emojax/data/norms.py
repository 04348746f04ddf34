"""Human ratings of words in a file of the user's: valence, perhaps arousal.

Three forms are told apart by their header; none is in this package, as their
licences do not allow it.

  NRC-VAD (Mohammad): tab-separated `term`, `valence`, `arousal`, `dominance`,
    with or without a header; from 0 to 1 (version 1) or -1 to 1 (version 2);
  Warriner, Kuperman and Brysbaert 2013: comma-separated, `Word`, `V.Mean.Sum`,
    `A.Mean.Sum` and other columns; from 1 to 9;
  one's own: comma- or tab-separated `word`, `valence` and perhaps `arousal`, on
    any scale.
"""

from collections.abc import Mapping, Sequence
import csv
import dataclasses
import io
import math

from emojax import errors
from emojax import files
from emojax.data import rows

_WORDS = ('word', 'term', 'emotion')
_NRC = ('term', 'valence', 'arousal', 'dominance')
_LEAST = 4  # Rated words that a correlation has an interval for.


@dataclasses.dataclass(frozen=True)
class Norms:
  """Ratings of words.

  Attributes:
    source: what they are, and their scale.
    valence: by emotion, of those that are rated.
    arousal: likewise; None if the file has none.
    sha256: of the file; '' for the packaged ratings.
  """

  source: str
  valence: Mapping[str, float]
  arousal: Mapping[str, float] | None = None
  sha256: str = ''


@dataclasses.dataclass(frozen=True)
class _Form:
  """Which column has what, the bounds of ratings, how many rows are header."""

  name: str
  word: int
  valence: int
  arousal: int | None
  bounds: tuple[float, float]
  header: int = 1


def load_norms(path: files.Path, emotions: Sequence[str]) -> Norms:
  """Reads the ratings of emotions' words.

  An emotion is looked up as it is written; then in any case, with a space where
  the file or its name has a hyphen or an underscore.

  Args:
    path: of the file.
    emotions: whose words are looked up.

  Raises:
    InputError: `path:line: what is wrong; what to do`; or the file rates fewer
      than four of the emotions.
  """
  table = _table(path)
  form = _form(path, table)
  lines: dict[str, int] = {}
  found: dict[str, tuple[float, float | None]] = {}
  for line, row in table[form.header :]:
    where = f'{path}:{line}'
    word = _cell(where, row, form.word, 'word').strip()
    if not word:
      rows.refuse(where, 'the word is empty; write it, or delete the line.')
    rows.check_new(where, 'word', word, line, lines)
    valence = _rating(where, row, form.valence, 'valence', form)
    arousal = None
    if form.arousal is not None:
      arousal = _rating(where, row, form.arousal, 'arousal', form)
    found[word] = valence, arousal
  loose: dict[str, str] = {}
  for word in found:
    loose.setdefault(_loosely(word), word)
  own = {}
  for name in emotions:
    word = name if name in found else loose.get(_loosely(name))
    if word is not None:
      own[name] = found[word]
  if len(own) < _LEAST:
    raise errors.InputError(
        f'{path}: rates {len(own)} of the {len(emotions)} emotions; give'
        f' ratings of {_LEAST} or more of their words, as they are written.'
    )
  arousal = {name: value for name, (_, value) in own.items()}
  return Norms(
      source=_source(path, form, len(found)),
      valence={name: value for name, (value, _) in own.items()},
      arousal=None if form.arousal is None else arousal,
      sha256=files.sha256(path),
  )


def _table(path: files.Path) -> list[tuple[int, list[str]]]:
  """(line from 1, cells) of every row that is not blank."""
  try:
    text = files.read_bytes(path).decode('utf-8-sig')
  except UnicodeDecodeError as error:
    raise errors.InputError(
        f'{path}: not UTF-8 text ({error.reason}); save it as UTF-8.'
    ) from error
  except OSError as error:
    raise errors.InputError(
        f'{path}: {error.strerror}; give a file of ratings.'
    ) from error
  first = text.lstrip().partition('\n')[0]
  options = (
      {'delimiter': '\t', 'quoting': csv.QUOTE_NONE} if '\t' in first else {}
  )
  reader = csv.reader(io.StringIO(text, newline=''), **options)
  out = []
  try:
    for row in reader:
      if any(cell.strip() for cell in row):
        out.append((reader.line_num, row))
  except csv.Error as error:
    rows.refuse(f'{path}:{reader.line_num}', f'{error}; mend the quotes.')
  if not out:
    raise errors.InputError(f'{path}: no rows; give a file of ratings.')
  return out


def _form(path: files.Path, table: list[tuple[int, list[str]]]) -> _Form:
  """Tells the form of a file by its header."""
  line, first = table[0]
  names = [cell.strip().strip('"').lower() for cell in first]
  at = {name: i for i, name in reversed(list(enumerate(names)))}
  word = next((at[name] for name in _WORDS if name in at), None)
  if len(first) == len(_NRC) and all(_is_number(x) for x in first[1:]):
    return _nrc(path, table, dict(zip(_NRC, range(4))), 0, header=0)
  if word is not None and 'v.mean.sum' in at and 'a.mean.sum' in at:
    places = at['v.mean.sum'], at['a.mean.sum']
    return _Form('in the form of Warriner et al.', word, *places, (1, 9))
  if word is not None and 'valence' in at:
    if 'dominance' in at and 'arousal' in at:
      return _nrc(path, table, at, word, header=1)
    places = at['valence'], at.get('arousal')
    return _Form('of one’s own', word, *places, (-math.inf, math.inf))
  rows.refuse(
      f'{path}:{line}',
      f'no header that is known: {rows.listing(first)}; give columns word,'
      ' valence and perhaps arousal, or a file of NRC-VAD or of Warriner et'
      ' al. as it is published.',
  )


def _nrc(path, table, at, word: int, header: int) -> _Form:
  """NRC-VAD; any rating below 0 says that it goes from -1."""
  places = at['valence'], at['arousal']
  form = _Form('in the form of NRC-VAD', word, *places, (-1, 1), header)
  least = min(
      _rating(f'{path}:{line}', row, place, name, form)
      for line, row in table[header:]
      for name, place in zip(('valence', 'arousal'), places)
  )
  return dataclasses.replace(form, bounds=(-1 if least < 0 else 0, 1))


def _rating(
    where: str, row: Sequence[str], place: int, name: str, form: _Form
) -> float:
  text = _cell(where, row, place, name).strip()
  if not _is_number(text):
    rows.refuse(where, f'{name} is {rows.show(text)}; make it a number.')
  value, (low, high) = float(text), form.bounds
  if not low <= value <= high:
    rows.refuse(
        where,
        f'{name} is {text}, and ratings {form.name} go from {low:g} to'
        f' {high:g}; correct it.',
    )
  return value


def _cell(where: str, row: Sequence[str], place: int, name: str) -> str:
  if place >= len(row):
    rows.refuse(
        where,
        f'{len(row)} column(s), and {name} is column {place + 1}; fill the'
        ' line up, or delete it.',
    )
  return row[place]


def _is_number(text: str) -> bool:
  try:
    return math.isfinite(float(text))
  except ValueError:
    return False


def _loosely(word: str) -> str:
  return ' '.join(word.casefold().replace('-', ' ').replace('_', ' ').split())


def _source(path: files.Path, form: _Form, words: int) -> str:
  low, high = form.bounds
  scale = '' if math.isinf(low) else f', {low:g} to {high:g}'
  return f'{path.name} ({form.name}): ratings of {words} words{scale}'
