"""Stories are crossed, apart, and without their emotion's word."""

import itertools

import pytest

from emojax import errors
from emojax.data import story_checks

EMOTIONS = ('sad', 'calm', 'proud')
TOPICS = ('rain', 'soup', 'a bus')
CELLS = list(itertools.product(EMOTIONS, TOPICS))


def crossing(cells) -> str:
  """Returns what is wrong with stories on lines 10, 11, ..."""
  emotions, topics = zip(*cells, strict=True)
  lines = range(10, 10 + len(cells))
  with pytest.raises(errors.InputError) as info:
    story_checks.check_crossed('f', lines, emotions, topics)
  return str(info.value)


@pytest.mark.parametrize('cells', [CELLS, CELLS[::-1], CELLS + CELLS[:2]])
def test_a_crossed_set_passes_in_any_order_and_with_more_than_one_a_cell(cells):
  emotions, topics = zip(*cells, strict=True)
  lines = range(len(cells))
  story_checks.check_crossed('f', lines, emotions, topics)


@pytest.mark.parametrize('i', range(len(CELLS)))
def test_any_missing_cell_is_named_at_the_first_line_of_its_emotion(i):
  emotion, topic = CELLS[i]
  cells = CELLS[:i] + CELLS[i + 1 :]
  line = 10 + [e for e, _ in cells].index(emotion)
  assert crossing(cells).startswith(
      f'f:{line}: the emotion {emotion!r} (first on this line) has no story on'
      f' {topic!r}; '
  )


def test_of_several_gaps_the_emotion_with_most_is_named():
  cells = [c for c in CELLS if c not in (CELLS[1], CELLS[3], CELLS[5])]
  assert "'calm' (first on this line) has no story on 'rain', 'a bus'; " in (
      crossing(cells)
  )


def test_a_topic_that_few_have_is_named_at_its_first_line():
  cells = CELLS + [('calm', 'snow')]
  assert crossing(cells).startswith(
      "f:19: the topic 'snow' has no story of 'sad', 'proud'; "
  )


def test_one_emotion_or_two_topics_are_too_few():
  one = [c for c in CELLS if c[0] == 'sad']
  told = ', and a story of every emotion on every topic.'
  assert crossing(one) == f"f: 1 emotion(s): 'sad'; have at least 2{told}"
  two = [c for c in CELLS if c[1] != 'rain']
  assert (
      crossing(two) == f"f: 2 topic(s): 'soup', 'a bus'; have at least 3{told}"
  )


def test_a_word_is_own_to_its_emotion_only():
  texts = ['Proudly she slept.', 'Sadly she slept.', 'Calmly she slept.']
  story_checks.check_own_words('f', [4, 5, 6], EMOTIONS, texts)
  with pytest.raises(
      errors.InputError, match="^f:5: .* 'proud' says 'Proudly'"
  ):
    story_checks.check_own_words(
        'f', [4, 5], ['calm', 'proud'], [''] + texts[:1]
    )


def test_texts_are_near_duplicates_from_half_of_their_five_grams_on():
  words = [f'w{i}' for i in range(64)]
  text = ' '.join(words)  # 60 runs of five words.
  at = ' '.join(words[20:] + [f'v{i}' for i in range(20)])  # 40 of 80 shared.
  below = ' '.join(words[21:] + [f'v{i}' for i in range(21)])  # 39 of 81.
  story_checks.check_near_duplicates('f', [1, 7], [text, below])
  with pytest.raises(errors.InputError, match='^f:7: .* line 1 .*index 0.50'):
    story_checks.check_near_duplicates('f', [1, 7], [text, at])


def test_short_texts_are_duplicates_if_their_words_are_the_same():
  story_checks.check_near_duplicates('f', [1, 2, 3], ['So it is.', 'So', '...'])
  with pytest.raises(errors.InputError, match='^f:3: .* line 2 .*index 1.00'):
    story_checks.check_near_duplicates('f', [1, 2, 3], ['a', 'So it.', 'so it'])
