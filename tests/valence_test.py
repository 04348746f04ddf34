"""Ratings are those of the lexicon, and of no word that it lacks."""

import subprocess
import sys

from emojax.data import stories
from emojax.data import valence


def test_covered_words_have_their_published_rating_in_the_order_given():
  ratings = valence.valence(['sad', 'happy', 'bored'])
  expected = [('sad', -2.1), ('happy', 2.7), ('bored', -1.1)]
  assert list(ratings.items()) == expected


def test_words_that_were_not_rated_are_left_out():
  assert valence.valence(['xylophone', 'at ease']) == {}


def test_of_the_packaged_emotions_only_afraid_and_content_are_unrated():
  emotions = stories.load_stories().emotions
  rated = valence.valence(emotions)
  assert [e for e in emotions if e not in rated] == ['content', 'afraid']


def test_case_does_not_matter_and_the_key_is_the_word_given():
  assert valence.valence(['Happy']) == {'Happy': 2.7}


def test_ratings_are_on_the_scale_that_the_source_states():
  assert '-4 to 4' in valence.SOURCE
  ratings = valence.valence(['catastrophe', 'magnificently', 'happiest', 'sad'])
  assert len(ratings) == 4
  assert all(-4 <= rating <= 4 for rating in ratings.values())


def test_reading_the_lexicon_runs_none_of_its_package():
  code = (
      'import sys\n'
      'from emojax.data import valence\n'
      "assert valence.valence(['happy'])\n"
      "assert 'vaderSentiment.vaderSentiment' not in sys.modules\n"
      "assert 'requests' not in sys.modules\n"
  )
  subprocess.run([sys.executable, '-c', code], check=True)
