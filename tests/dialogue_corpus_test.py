"""The packaged dialogues keep their design."""

import collections
import itertools

from emojax.data import dialogues
from emojax.data import piece_filters
from emojax.data import story_checks
from emojax.data import word_families

SPOKEN = 'afraid angry calm guilty happy loving proud sad'.split()
HIDDEN = 'afraid angry desperate guilty happy sad'.split()


def words(text: str) -> int:
  return len(text.split())


def contents(dialogue) -> list[str]:
  return [message['content'] for message in dialogue.messages]


def named(emotions, texts) -> list[str]:
  """Returns the words of the emotions' families that the texts have."""
  found = (word_families.find(e, text) for e in emotions for text in texts)
  return [word for word in found if word]


def synonyms(*emotions: str) -> list[str]:
  return [s for e in emotions for s in piece_filters.synonyms()[e]]


def test_two_speakers_have_every_ordered_pair_once():
  pairs = [
      (d.user_emotion, d.assistant_emotion)
      for d in dialogues.load_two_speakers()
  ]
  assert sorted(pairs) == sorted(itertools.permutations(SPOKEN, 2))


def test_no_topic_tells_the_emotion_of_either_speaker():
  loaded = dialogues.load_two_speakers()
  topics = {d.topic for d in loaded}
  assert len(topics) == 8
  assert set(collections.Counter(d.topic for d in loaded).values()) == {7}
  for role in ('user_emotion', 'assistant_emotion'):
    cells = collections.Counter((getattr(d, role), d.topic) for d in loaded)
    assert set(cells.values()) == {1}  # 7 of the 8 topics, each once.
    for emotion in SPOKEN:
      assert len([t for t in topics if (emotion, t) in cells]) == 7


def test_two_speakers_have_three_exchanges_of_alike_lengths():
  lengths = collections.defaultdict(list)
  for dialogue in dialogues.load_two_speakers():
    assert len(dialogue.messages) == 6
    for i, text in enumerate(contents(dialogue)):
      assert 18 <= words(text) <= 35, (dialogue.id, i)
      emotions = (dialogue.user_emotion, dialogue.assistant_emotion)
      lengths[emotions[i % 2]].append(words(text))
  means = {e: sum(values) / len(values) for e, values in lengths.items()}
  assert max(means.values()) - min(means.values()) < 5, means


def test_two_speakers_name_none_of_the_emotions_nor_synonyms_of_theirs():
  for dialogue in dialogues.load_two_speakers():
    own = synonyms(dialogue.user_emotion, dialogue.assistant_emotion)
    assert not named(SPOKEN + own, contents(dialogue)), dialogue.id


def test_deflections_have_every_ordered_pair_once():
  pairs = [(d.target, d.displayed) for d in dialogues.load_deflections()]
  assert sorted(pairs) == sorted(itertools.permutations(HIDDEN, 2))


def test_either_speaker_hides_each_emotion_about_as_often():
  loaded = dialogues.load_deflections()
  speakers = collections.Counter(d.speaker for d in loaded)
  assert speakers == {'user': 15, 'assistant': 15}
  for role in ('target', 'displayed'):
    counts = collections.Counter((getattr(d, role), d.speaker) for d in loaded)
    assert {counts[e, s] for e in HIDDEN for s in speakers} == {2, 3}


def test_a_deflection_states_the_target_first_and_then_names_nothing():
  for deflection in dialogues.load_deflections():
    texts = contents(deflection)
    assert len(texts) == 4
    assert all(15 <= words(text) <= 30 for text in texts), deflection.id
    scenario = deflection.scenario
    assert scenario.startswith(f'The {deflection.speaker}, ')
    assert named([deflection.target], [scenario]), deflection.id
    assert not named(set(HIDDEN) - {deflection.target}, [scenario])
    own = synonyms(deflection.target, deflection.displayed)
    assert not named(HIDDEN + own, texts), deflection.id


def test_scenarios_name_their_emotion_and_no_other():
  loaded = dialogues.load_scenarios()
  counts = collections.Counter(scenario.emotion for scenario in loaded)
  assert counts == dict.fromkeys(HIDDEN, 8)
  for scenario in loaded:
    assert named([scenario.emotion], [scenario.text]), scenario
    assert not named(set(HIDDEN) - {scenario.emotion}, [scenario.text])


def test_asides_have_their_forms_and_name_no_emotion():
  loaded = dialogues.load_asides()
  counts = collections.Counter(aside.condition for aside in loaded)
  assert counts == dict.fromkeys(dialogues.CONDITIONS, 12)
  seen = {}  # Words, each once.
  for aside in loaded:
    texts = contents(aside)
    if aside.condition == 'story_writing':
      assert len(texts) == 2
      assert 60 <= words(texts[1]) <= 90, texts[0]
    else:
      assert len(texts) == 4
      texts[0] = texts[0].replace(dialogues.PLACE, 'there')
    seen |= dict.fromkeys(' '.join(texts).split())
  assert not named(piece_filters.synonyms(), [' '.join(seen)])


def test_no_message_is_nearly_another_of_any_file():
  texts = [
      text
      for load in (
          dialogues.load_two_speakers,
          dialogues.load_deflections,
          dialogues.load_asides,
      )
      for dialogue in load()
      for text in contents(dialogue)
  ]
  texts += [scenario.text for scenario in dialogues.load_scenarios()]
  texts += [d.scenario for d in dialogues.load_deflections()]
  assert not list(story_checks.near_duplicates(texts))
