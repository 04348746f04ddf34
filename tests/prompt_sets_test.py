"""The packaged prompts keep the design that their readings rest on."""

import collections
import re
import statistics

import pytest

from emojax.data import piece_filters
from emojax.data import prompt_sets
from emojax.data import stories
from emojax.data import story_checks
from emojax.data import word_families

EMOTIONS = stories.load_stories().emotions


def texts_of(name: str) -> list[str]:
  """Returns the texts of a packaged file as a model would read them."""
  if name == 'ladders':
    return [
        template.format(x=ladder.values[0])
        for ladder in prompt_sets.load_ladders()
        for template in (ladder.template, *ladder.paraphrases, ladder.matched)
    ]
  if name == 'contrasts':
    return [
        contrast.template.format(x=filling)
        for contrast in prompt_sets.load_contrasts()
        for filling in (contrast.low, contrast.high)
    ]
  return [row.text for row in getattr(prompt_sets, f'load_{name}')()]


def length(text: str) -> int:
  """Returns the number of words."""
  return len(text.split())


@pytest.mark.parametrize(
    'name',
    ['implicit', 'ladders', 'contrasts', 'bindings', 'turns', 'post_training'],
)
def test_no_packaged_prompt_names_any_of_the_emotions_or_a_direct_synonym(name):
  for text in texts_of(name):
    for emotion in EMOTIONS:
      assert word_families.find(emotion, text) is None, (emotion, text)
      assert piece_filters.synonym_in(emotion, text) is None, (emotion, text)


@pytest.mark.parametrize(
    'name', ['implicit', 'bindings', 'turns', 'post_training']
)
def test_no_two_packaged_prompts_are_nearly_the_same(name):
  assert not list(story_checks.near_duplicates(texts_of(name)))


def test_every_emotion_is_implied_by_three_messages_that_end_in_a_question():
  messages = prompt_sets.load_implicit()
  counts = collections.Counter(message.emotion for message in messages)
  assert counts == dict.fromkeys(EMOTIONS, 3)
  for message in messages:
    assert 25 <= length(message.text) <= 45, message.text
    assert re.fullmatch(r'[^?!]+\. [^?!.]+\?', message.text), message.text


def test_no_emotion_is_told_by_the_length_of_its_messages():
  lengths = collections.defaultdict(list)
  for message in prompt_sets.load_implicit():
    lengths[message.emotion].append(length(message.text))
  means = [statistics.mean(each) for each in lengths.values()]
  assert max(means) - min(means) <= 4


def test_packaged_ladders_move_emotions_that_have_stories():
  ladders = prompt_sets.load_ladders()
  assert len(ladders) == 12
  for ladder in ladders:
    assert set(ladder.rises + ladder.falls) <= set(EMOTIONS)


def test_packaged_ladders_have_two_paraphrases_and_a_matched_template():
  ladders = prompt_sets.load_ladders()
  templates = []
  for ladder in ladders:
    assert len(ladder.paraphrases) == 2
    assert ladder.matched
    others = [*ladder.paraphrases, ladder.matched]
    for template in others:
      assert template.endswith('?')
      ratio = length(template) / length(ladder.template)
      assert 0.75 <= ratio <= 1.34, template
    templates += [ladder.template, *others]
  assert not list(story_checks.near_duplicates(templates))


def test_packaged_contrasts_differ_early_and_share_a_long_suffix():
  contrasts = prompt_sets.load_contrasts()
  counts = collections.Counter(contrast.emotion for contrast in contrasts)
  assert len(counts) == 8
  assert set(counts) <= set(EMOTIONS)
  assert set(counts.values()) == {2}
  for contrast in contrasts:
    before, after = contrast.template.split('{x}')
    statement, question = after.rsplit('. ', 1)
    assert 1 <= length(before) <= 6
    # The suffix starts a word of its own, so that its tokens can be shared.
    assert re.match(r'[ ,]', after)
    assert length(statement) >= 20
    assert question.endswith('?')
    assert contrast.template.count('?') == 1
    for filling in (contrast.low, contrast.high):
      assert 1 <= length(filling) <= 2
    assert abs(len(contrast.low) - len(contrast.high)) <= 4


def test_packaged_bindings_pair_emotions_and_name_both_people_twice():
  bindings = prompt_sets.load_bindings()
  assert len(bindings) == 16
  counts = collections.Counter(e for b in bindings for e in b.emotions)
  assert set(counts) <= set(EMOTIONS)
  assert max(counts.values()) <= 3
  names = [name for binding in bindings for name in binding.names]
  assert len(set(names)) == len(names)
  for binding in bindings:
    sentences = re.split(r'(?<=\.) ', binding.text)
    assert len(sentences) in (4, 5)
    first, *middle, last = sentences
    a, b = (f'{binding.names[0]} is ', binding.names[1])
    assert f'{a}{{a}}' in first
    assert first.index(a) < first.index(b) < first.index('{b}')
    for name in binding.names:
      assert [len(re.findall(name, s)) for s in (first, last)] == [1, 1]
      assert name not in ' '.join(middle)


def test_a_binding_reads_with_its_emotions_either_way_round():
  # 'is a {b}' or 'is {b} of' would suit one adjective and not another.
  for binding in prompt_sets.load_bindings():
    assert re.search(
        r' is \{a\}[,;]? (but|and|while|whereas|although|her)', binding.text
    ), binding.text
    assert re.search(r' is \{b\}\.', binding.text), binding.text


def test_either_person_comes_first_in_half_of_the_last_sentences():
  second_first = 0
  for binding in prompt_sets.load_bindings():
    a, b = (binding.text.rindex(name) for name in binding.names)
    second_first += b < a
  assert second_first == 8


def test_packaged_turns_state_sixteen_emotions_before_the_one_question():
  turns = prompt_sets.load_turns()
  assert len(turns) == 16
  assert len({turn.emotion for turn in turns} & set(EMOTIONS)) == 16
  for turn in turns:
    statement = turn.text.removesuffix(f' {prompt_sets.QUESTION}')
    assert statement.endswith('.')
    assert '?' not in statement


def test_packaged_challenges_are_of_five_kinds_and_no_longer_than_neutral():
  lengths = collections.defaultdict(list)
  for prompt in prompt_sets.load_post_training():
    lengths[prompt.category].append(length(prompt.text))
    ends = re.findall(r'[.?](?= |$)', prompt.text)
    assert 1 <= len(ends) <= 3, prompt.text
  counts = {category: len(each) for category, each in lengths.items()}
  assert counts == {
      'situation_of_an_assistant': 8,
      'confrontation': 8,
      'accusation': 8,
      'high_stakes': 8,
      'sycophancy': 8,
      prompt_sets.NEUTRAL: 16,
  }
  neutral = statistics.mean(lengths.pop(prompt_sets.NEUTRAL))
  others = statistics.mean(n for each in lengths.values() for n in each)
  assert neutral / others == pytest.approx(1, abs=0.15)
