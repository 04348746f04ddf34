"""Requests say what is wanted, in several wordings, without any synonym."""

import re

import pytest

from emojax import errors
from emojax.data import piece_filters
from emojax.data import stories
from emojax.data import story_prompts
from emojax.data import word_families

IDS = tuple(story_prompts.PROMPTS)
COUNTS = (1, 12)


def request(prompt_id, count=12, topic='a lost dog', emotion='sad'):
  emotions = (emotion, 'calm' if emotion == 'sad' else 'sad')
  kind = prompt_id.split('-')[0]
  return story_prompts.Request(
      prompt_id=prompt_id,
      emotions=emotions[: story_prompts.KINDS[kind]],
      topic=topic,
      count=count,
  )


def content(asked):
  (message,) = story_prompts.messages(asked)
  return message['content']


def test_there_are_several_wordings_of_every_kind():
  kinds = [prompt_id.split('-')[0] for prompt_id in IDS]
  assert kinds.count('story') >= 3
  assert kinds.count('neutral') >= 2
  assert kinds.count('dialogue') >= 2
  assert set(kinds) == set(story_prompts.KINDS)
  texts = {content(request(i, n)) for i in IDS for n in COUNTS}
  assert len(texts) == len(IDS) * len(COUNTS)


@pytest.mark.parametrize('prompt_id', IDS)
@pytest.mark.parametrize('count', COUNTS)
def test_a_request_is_one_message_of_the_user(prompt_id, count):
  (message,) = story_prompts.messages(request(prompt_id, count))
  assert message['role'] == 'user'
  assert message['content'] == message['content'].strip()
  assert not re.search(r'[{}]|  ', message['content'])


@pytest.mark.parametrize('prompt_id', IDS)
@pytest.mark.parametrize('count', COUNTS)
def test_topic_and_emotions_are_in_it_as_they_are_given(prompt_id, count):
  # Braces of a user's own topic are not fields.
  asked = request(prompt_id, count, topic='the {tag} of {0}', emotion='hope')
  text = content(asked)
  assert 'the {tag} of {0}' in text
  for emotion in asked.emotions:
    assert text.count(f'"{emotion}"') >= 1  # Where it is forbidden.
    assert text.count(emotion) >= 2


@pytest.mark.parametrize('prompt_id', IDS)
def test_only_several_pieces_need_a_tag_and_a_number(prompt_id):
  several, single = (content(request(prompt_id, n)) for n in (12, 1))
  tag = request(prompt_id).tag
  assert tag in several and re.search(r'\b12\b', several)
  assert '[' not in single
  assert len(single) < len(several)


@pytest.mark.parametrize('emotion', story_prompts.emotions())
def test_nothing_but_the_emotion_itself_gives_it_away(emotion):
  for prompt_id in IDS:
    for count in COUNTS:
      asked = request(prompt_id, count, emotion=emotion)
      text = content(asked)
      for other in asked.emotions:
        text = re.sub(rf'\b{other}\b', '', text)
      for other in asked.emotions:
        assert word_families.find(other, text) is None
        assert piece_filters.synonym_in(other, text) is None


def test_a_reply_begins_with_the_form_that_is_asked_for():
  starts = {i: story_prompts.reply_prefix(request(i)) for i in IDS}
  assert all(starts[i] == request(i).tag + '\n' for i in IDS)
  for prompt_id in IDS:
    asked = request(prompt_id, 1)
    start = story_prompts.reply_prefix(asked)
    assert start == '' if asked.kind == 'story' else start in content(asked)


@pytest.mark.parametrize(
    'prompt_id, emotions, count, message',
    [
        ('story-9', ('sad',), 1, "no prompt 'story-9'; choose among story-1, "),
        ('story-1', (), 1, r'given 0 emotion\(s\); give it 1.'),
        ('neutral-1', ('sad',), 1, r'given 1 emotion\(s\); give it 0.'),
        ('dialogue-1', ('sad',), 1, r'given 1 emotion\(s\); give it 2.'),
        ('story-1', ('sad',), 0, 'ask for 1 or more'),
    ],
)
def test_an_impossible_request_is_refused(prompt_id, emotions, count, message):
  with pytest.raises(errors.InputError, match=message):
    story_prompts.Request(prompt_id, emotions, 'rain', count)


def test_there_are_100_different_topics_and_the_packaged_ones_come_first():
  topics = story_prompts.topics()
  assert len(topics) == len({topic.lower() for topic in topics}) == 100
  assert topics[:12] == stories.load_stories().topics
  assert all(topic == ' '.join(topic.split()) for topic in topics)


def test_a_topic_leans_to_no_emotion():
  for topic in story_prompts.topics():
    for emotion in story_prompts.emotions():
      assert word_families.find(emotion, topic) is None, topic
      assert piece_filters.synonym_in(emotion, topic) is None, topic


def test_the_emotions_are_171_and_have_those_of_the_packaged_stories():
  emotions = story_prompts.emotions()
  assert len(emotions) == len(set(emotions)) == 171
  assert set(stories.load_stories().emotions) <= set(emotions)
