"""Each reason refuses what it should, and leaves good stories alone."""

import collections
import json
import time

import pytest

from emojax.data import completions
from emojax.data import piece_filters
from emojax.data import stories
from emojax.data import story_prompts
from emojax.data import word_families

EMOTIONS = story_prompts.emotions()
PACKAGED = stories.load_stories().stories
GOOD = PACKAGED[0].text  # A happy story.


def reason(text, *emotions):
  return piece_filters.reason(text, emotions or ('happy',))


def test_packaged_stories_pass_every_filter():
  found = [reason(story.text, story.emotion) for story in PACKAGED]
  assert collections.Counter(found) == {None: len(PACKAGED)}


def test_packaged_dialogues_pass_every_filter_of_a_text():
  for dialogue in stories.load_dialogues():
    text = completions.spoken(dialogue.messages)
    assert piece_filters.reason(text, ()) is None, text


# In the order in which they are looked for.
BAD = {
    'empty': '\u200b "..."',
    'too short': ' '.join(GOOD.split()[:79]),
    'too long': ' '.join([GOOD] * 3),
    'markup': f'{GOOD} <|im_end|>',
    'language': (
        'Elle resta longtemps assise sur le quai, les jambes ballantes, et le'
        ' monde lui plaisait comme jamais. '
    )
    * 6,
    'refusal': f'Sure! {GOOD}',
    'own word': f'{GOOD} She was happily asleep.',
    'synonym': f'{GOOD} She was glad.',
    'repetition': f'{GOOD} {"On and on and on it went. " * 6}',
    'near duplicate': GOOD,
}


def test_the_reasons_are_these_in_this_order():
  assert piece_filters.REASONS == tuple(BAD)


@pytest.mark.parametrize('why', [why for why in BAD if why != 'near duplicate'])
def test_a_text_that_is_bad_in_one_way_is_refused_for_it(why):
  assert reason(BAD[why]) == why


def test_the_first_reason_wins():
  faults = {
      'markup': '<|im_end|>',
      'refusal': 'As an AI I have none.',
      'own word': 'Happily!',
      'synonym': 'Gladly!',
      'repetition': 'on ' * 40,
  }
  while faults:
    assert reason(' '.join([GOOD, *faults.values()])) == next(iter(faults))
    del faults[next(iter(faults))]


def test_lengths_are_of_words_and_limits_are_within():
  limits = piece_filters.Limits(least_words=3, most_words=4, repetition=1.0)
  words = ['The', 'man', 'went', 'home', 'early']
  found = [
      piece_filters.reason(' '.join(words[:n]), ('sad',), limits)
      for n in range(6)
  ]
  assert found == ['empty', 'too short', 'too short', None, None, 'too long']


@pytest.mark.parametrize(
    'text',
    [
        '<|endoftext|>',
        '<start_of_turn>user',
        '</s>',
        '[/INST]',
        '<think>',
        '[story 2]',
        '[/dialogue]',
    ],
)
def test_control_tokens_and_tags_are_markup(text):
  assert reason(f'{GOOD} {text}') == 'markup'


def test_comparisons_brackets_and_html_are_no_markup():
  assert reason(f'{GOOD} 3 < 4 > 2 [he said] <div> | a |') is None


def test_a_slip_into_another_script_is_refused_and_a_name_is_not():
  assert reason(f'{GOOD} Sæunn and Þóra and Zoë ran, Ω said.') is None
  assert (
      reason(f'{GOOD} 她站在站台上，阳光照在她的脸上。她笑了。') == 'language'
  )


@pytest.mark.parametrize(
    'text',
    [
        'As an AI language model, no.',
        'I cannot write this story.',
        "I'm sorry, but I can’t create that.",
        "Here's a short one-paragraph story:",
        'In this story, he waits.',
        'The story conveys it by acts.',
        'I hope you enjoy this.',
        "Let me know if you'd like another!",
        '(118 words)',
    ],
)
def test_an_assistant_that_speaks_of_its_text_is_refused_anywhere(text):
  for whole in (f'{text} {GOOD}', f'{GOOD} {text}'):
    assert reason(whole) == 'refusal'


def test_people_in_a_story_may_be_sure_and_cannot_go_on():
  text = (
      '"Sure!" he said. "I cannot write any more. Here is the key. I can’t'
      ' believe the scene. Of course, let me know. The story was old."'
  )
  assert reason(f'{GOOD} {text}') is None


def test_of_two_emotions_each_may_be_the_reason():
  assert reason(f'{GOOD} Calmly.', 'sad', 'calm') == 'own word'
  assert reason(f'{GOOD} Serenely.', 'sad', 'calm') == 'synonym'
  assert reason(f'{GOOD} Serenely.', 'sad', 'bored') is None


def test_every_emotion_has_synonyms_of_another_family():
  table = piece_filters.synonyms()
  assert tuple(table) == EMOTIONS
  for emotion, synonyms in table.items():
    assert len(synonyms) == len(set(synonyms)) >= 2, emotion
    for synonym in synonyms:
      assert word_families.find(emotion, synonym) is None, (emotion, synonym)
      assert word_families.find(synonym, emotion) is None, (emotion, synonym)
      assert piece_filters.synonym_in(emotion, f'So {synonym}!'), synonym


def test_synonyms_are_found_in_every_form_and_only_of_the_emotion():
  assert piece_filters.synonym_in('afraid', 'He was scared.') == 'scared'
  assert piece_filters.synonym_in('afraid', 'What a scary noise') == 'scary'
  assert piece_filters.synonym_in('nervous', 'He was on edge.') == 'on edge'
  assert piece_filters.synonym_in('sad', 'He was scared.') is None
  assert piece_filters.synonym_in('sonder', 'He was scared.') is None


def test_synonyms_seldom_meet_a_story_of_another_emotion():
  found = [
      piece_filters.synonym_in(emotion, story.text)
      for story in PACKAGED[::13]  # Of every topic, in some 2 s.
      for emotion in EMOTIONS
      if emotion != story.emotion
  ]
  # 0.2 %; most are 'stuck', of a key or a door.
  assert sum(f is not None for f in found) / len(found) < 0.005


def test_repeated_trigrams_are_counted_after_their_first_time():
  assert piece_filters.repeated_trigrams('a b c d e') == 0.0
  assert piece_filters.repeated_trigrams('A b, c! a b c') == 0.25
  assert piece_filters.repeated_trigrams('a a') == 0.0


def request(count, emotion='sad'):
  return story_prompts.Request('story-1', (emotion,), 'rain', count)


def judge(*groups, emotion='sad', dropped=()):
  written = [
      (request(3, emotion), completions.Parsed(tuple(group), dropped))
      for group in groups
  ]
  return piece_filters.judge(written, piece_filters.Limits(5, 300, 0.5))


def words(*numbers):
  """A text of English words in which any two runs of five differ."""
  text = GOOD.split()
  return ' '.join(text[n] for n in numbers)


def test_the_first_of_near_duplicates_is_kept_in_whichever_completion():
  a, b = words(*range(40)), words(*range(40, 80))
  near = words(*range(38))
  found = [judged.reasons for judged in judge([a, b], [], [near, a])]
  assert found == [(None, None), (), ('near duplicate', 'near duplicate')]
  found = [judged.reasons for judged in judge([near], [a, b])]
  assert found == [(None,), ('near duplicate', None)]


def test_a_refused_piece_makes_no_duplicate_of_a_good_one():
  good = words(*range(40))
  (judged,) = judge([f'{good} Sad.', good, good])
  assert judged.reasons == ('own word', None, 'near duplicate')


def test_near_duplicates_are_of_kept_pieces_only():
  # The second is near the first, and the third near the second alone.
  a, b, c = (words(*range(start, start + 40)) for start in (0, 10, 20))
  (judged,) = judge([a, b, c])
  assert judged.reasons == (None, 'near duplicate', None)


def test_yields_count_every_piece_once():
  judged = judge(
      [words(*range(40)), 'Too short.', words(*range(40))], [GOOD + ' Sad.']
  ) + judge(['', GOOD], emotion='calm', dropped=('chatter', 'cut off'))
  table = piece_filters.yields(judged)
  assert list(table) == ['sad', 'calm']
  sad, calm = table['sad'], table['calm']
  assert (sad['asked'], sad['completions'], sad['parsed']) == (6, 2, 4)
  assert {k: n for k, n in sad['refused'].items() if n} == {
      'too short': 1,
      'own word': 1,
      'near duplicate': 1,
  }
  assert tuple(sad['refused']) == piece_filters.REASONS
  assert not any(sad['dropped'].values())
  assert calm['dropped'] == {
      'chatter': 1,
      'malformed': 0,
      'cut off': 1,
      'extra': 0,
  }
  for each in table.values():
    kept = each['parsed'] - sum(each['refused'].values())
    assert each['kept']['value'] == pytest.approx(kept / each['asked'])
    assert each['kept']['n'] == each['asked']
    assert 0 <= each['kept']['low'] < each['kept']['value']
    assert each['kept']['value'] < each['kept']['high'] <= 1
  json.dumps(table)


def test_kinds_without_one_emotion_have_a_key_of_their_own():
  empty = completions.Parsed((), ())
  requests = [
      story_prompts.Request('neutral-1', (), 'rain', 1),
      story_prompts.Request('dialogue-1', ('sad', 'calm'), 'rain', 1),
  ]
  written = [(each, empty) for each in requests]
  judged = piece_filters.judge(written, piece_filters.Limits())
  table = piece_filters.yields(judged)
  assert list(table) == ['neutral', 'sad, calm']
  assert table['neutral']['kept']['value'] == 0.0


@pytest.mark.parametrize(
    'unit',
    ['<', '<|', '<a_of_', '[story', 'here is a ', 'I am ', '\ud800', '(1'],
)
def test_judging_takes_a_time_linear_in_the_text(unit):
  limits = piece_filters.Limits(0, 10**9, 1.0)
  text = 'a ' + unit * (200_000 // len(unit))
  start = time.process_time()
  assert piece_filters.reason(text, ('sad',), limits) in (None, 'language')
  for pattern in (piece_filters._MARKUP, piece_filters._ASSISTANT):
    assert pattern.search(text) is None
  # About 0.3 s; a quadratic pattern would take hours.
  assert time.process_time() - start < 20
