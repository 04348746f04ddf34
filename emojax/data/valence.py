"""Human ratings of valence for single words.

The ratings are those of the VADER lexicon: Hutto and Gilbert, "VADER: A
parsimonious rule-based model for sentiment analysis of social media text",
ICWSM 2014, in the package vaderSentiment under the MIT licence. A word's
valence is the mean of ten raters, from -4 (extremely negative) to 4 (extremely
positive). Words of mean 0, and those on which the raters disagreed (standard
deviation of 2.5 or more), were left out of it, so an absent word is not a word
of valence 0. Of the 24 emotions of the packaged corpus, "afraid" and "content"
are absent. Arousal was not rated.
"""

from collections.abc import Sequence
import functools
import importlib.resources

SOURCE = (
    'VADER lexicon (Hutto and Gilbert, 2014; MIT licence): mean of ten human'
    ' ratings, -4 to 4'
)


def valence(words: Sequence[str]) -> dict[str, float]:
  """Returns the valence of each word that was rated, in the order given.

  Args:
    words: words or emotions' names, in any case.
  """
  lexicon = _lexicon()
  rated = [word for word in words if word.lower() in lexicon]
  return {word: lexicon[word.lower()] for word in rated}


@functools.lru_cache
def _lexicon() -> dict[str, float]:
  """Returns the mean rating of every token of the lexicon."""
  # The package's __init__ is empty: this imports nothing of its code.
  file = importlib.resources.files('vaderSentiment') / 'vader_lexicon.txt'
  ratings = {}  # 14 tokens have two rows; the last counts, as in VADER itself.
  for line in file.read_text(encoding='utf-8').splitlines():
    token, mean, *_ = line.split('\t')
    ratings[token] = float(mean)
  return ratings
