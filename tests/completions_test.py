"""What a model writes is parsed strictly, counted, and never trusted."""

import itertools
import json
import random
import time

import pytest

from emojax.data import completions
from emojax.data import stories
from emojax.data import story_prompts

STORIES = ('He sat. "Why?" he said.', 'I ran, and ran!', 'So it went…')
TALK = (
    {'role': 'user', 'content': 'How?'},
    {'role': 'assistant', 'content': 'In two steps:\n\n1. This: so.\n* That.'},
    {'role': 'user', 'content': 'And then?'},
    {'role': 'assistant', 'content': 'AI is not needed for it.'},
)
DIALOGUES = (TALK, TALK[:2], TALK[2:])


def request(kind='story', count=3):
  emotions = ('sad', 'calm')[: story_prompts.KINDS[kind]]
  return story_prompts.Request(f'{kind}-1', emotions, 'a lost dog', count)


def parse(text, kind='story', count=3, finished=True, least_words=1):
  return completions.parse(request(kind, count), text, finished, least_words)


def render(pieces, kind='story'):
  """What an obedient model writes."""
  texts = []
  names = {'user': 'Person', 'assistant': 'AI'}
  if kind == 'dialogue':
    names['assistant'] = 'Assistant'
  for piece in pieces:
    if kind != 'story':
      turns = [f'{names[m["role"]]}: {m["content"]}' for m in piece]
      piece = '\n\n'.join(turns)
    texts.append(f'{request(kind).tag}\n{piece}\n')
  return '\n'.join(texts)


@pytest.mark.parametrize('kind', story_prompts.KINDS)
def test_what_is_written_as_asked_is_parsed_as_written(kind):
  pieces = STORIES if kind == 'story' else DIALOGUES
  text = render(pieces, kind)
  assert parse(text, kind) == completions.Parsed(pieces, ())
  alone = text.split('\n\n[')[0].partition('\n')[2]
  assert parse(alone, kind, count=1) == completions.Parsed(pieces[:1], ())


def test_tags_may_be_numbered_emphasised_and_closed():
  text = '**[STORY 1]**\nA.\n[/story]\n---\n## [Story 2]\n\nB.\n\n***\n'
  assert parse(text) == completions.Parsed(('A.', 'B.'), ())


def test_a_tag_within_a_line_is_none():
  assert parse('[story]\nThe [story] ends.').pieces == ('The [story] ends.',)
  assert parse('[story] A.\n[story 1234]\n') == completions.Parsed(
      (), ('chatter',)
  )


@pytest.mark.parametrize('chatter', ['Sure!', 'Here you are:\n\nThree of them'])
def test_what_is_before_the_first_tag_is_dropped_and_counted(chatter):
  text = f'{chatter}\n\n{render(STORIES)}'
  assert parse(text) == completions.Parsed(STORIES, ('chatter',))


def test_several_pieces_without_tags_are_chatter():
  assert parse('\n\n'.join(STORIES)) == completions.Parsed((), ('chatter',))
  assert parse('') == completions.Parsed((), ())


def test_pieces_beyond_the_count_are_extra():
  parsed = parse(render(STORIES), count=2)
  assert parsed == completions.Parsed(STORIES[:2], ('extra',))
  assert parse(render(STORIES), count=1).dropped == ('extra', 'extra')


def test_an_empty_piece_is_left_to_the_filters():
  assert parse('[story]\n[story]\nA.').pieces == ('', 'A.')


def test_a_story_is_one_paragraph():
  assert parse('A  b.\n\n \tC.\r\nD.', count=1).pieces == ('A b. C. D.',)


@pytest.mark.parametrize(
    'title', ['# The Dog', 'Title: The Dog', '**Title:** Dog', '**The Dog**']
)
def test_a_title_is_removed_if_a_story_follows(title):
  assert parse(f'{title}\n\nHe sat.', count=1).pieces == ('He sat.',)
  assert parse(f'[story]\n{title}\nHe sat.').pieces == ('He sat.',)
  assert parse(title, count=1).pieces == (title,)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('"He sat."', 'He sat.'),
        ('“He sat.”', 'He sat.'),
        ('"Sit," he said. "Now."', '"Sit," he said. "Now."'),
        ('"', '"'),
        ('""', ''),
        ('"He sat.', '"He sat.'),
    ],
)
def test_quotes_around_all_of_a_story_are_removed(text, expected):
  assert parse(text, count=1).pieces == (expected,)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('One two. Three fo', 'One two.'),
        ('One two. Three four.', 'One two. Three four.'),
        ('He said, "Go!" She we', 'He said, "Go!"'),
        ('One two… “Why?” no', 'One two… “Why?”'),
        ('It was 3.5 km. At 4.7', 'It was 3.5 km.'),
        ('One two. Mr. Ba', 'One two.'),
    ],
)
def test_a_story_that_was_cut_off_ends_with_its_last_whole_sentence(
    text, expected
):
  least = len(expected.split())
  for count in (1, 3):
    tagged = f'[story]\nA b c.\n[story]\n{text}' if count == 3 else text
    cut = parse(tagged, count=count, finished=False, least_words=least)
    assert cut.pieces[-1] == expected and cut.dropped == ()
    short = parse(tagged, count=count, finished=False, least_words=least + 1)
    assert short.dropped == ('cut off',)
    assert short.pieces == ('A b c.',) * (count == 3)
    whole = parse(tagged, count=count, finished=True, least_words=99)
    assert whole.pieces[-1] == text


def test_nothing_is_left_of_a_first_sentence_that_was_cut_off():
  for text in ('', 'One two', '[story]\n', '[story]\nOne two'):
    assert parse(text, count=1, finished=False, least_words=0) == (
        completions.Parsed((), ('cut off',))
    )


def test_a_dialogue_that_was_cut_off_ends_with_its_last_whole_exchange():
  text = render([TALK], 'neutral').strip()
  for end in (text.index('And'), len(text) - 1, len(text)):
    parsed = parse(text[:end], 'neutral', finished=False)
    assert parsed == completions.Parsed((TALK[:2],), ())
  assert parse(text, 'neutral', finished=False, least_words=99) == (
      completions.Parsed((), ('cut off',))
  )
  for end in (text.index('In two'), text.index('1.'), 0):
    parsed = parse(text[:end], 'neutral', finished=False)
    assert parsed.pieces == () and set(parsed.dropped) <= {'cut off'}


@pytest.mark.parametrize(
    'roles', list(itertools.product(('Person', 'AI'), repeat=4))
)
def test_person_and_assistant_take_turns_from_first_to_last(roles):
  text = '\n'.join(f'{role}: So.' for role in roles)
  parsed = parse(text, 'neutral', count=1)
  if roles == ('Person', 'AI') * 2:
    assert [m['role'] for m in parsed.pieces[0]] == ['user', 'assistant'] * 2
  else:
    assert parsed == completions.Parsed((), ('malformed',))


@pytest.mark.parametrize(
    'text', ['', 'Person: A.', 'Hello.', 'Person: A.\nAI:']
)
def test_a_dialogue_without_an_exchange_is_malformed(text):
  assert parse(text, 'neutral', count=1).dropped == ('malformed',)


def test_a_malformed_dialogue_spoils_no_other():
  text = render(DIALOGUES, 'neutral').replace('AI: In', 'In', 1)
  parsed = parse(text, 'neutral')
  assert parsed == completions.Parsed(DIALOGUES[1:], ('malformed',))


def test_speakers_may_be_emphasised_and_headings_are_left_out():
  text = '# One\n**Person:** How?\n\n**AI**: *So.*\n'
  (piece,) = parse(text, 'neutral', count=1).pieces
  assert [m['content'] for m in piece] == ['How?', '*So.*']


def hostile():
  rng = random.Random(0)
  alphabet = [
      *'\x00\n\r\t :*#"”.\ud800\ue000\u2028\u202eıſK',
      *('[story]', '[/story]', '[dialogue]', 'Person:', 'AI:', '<|im_end|>'),
      *('perſon:', '{x}', '\\', '%s', 'word ', '. ', '\n'),
  ]
  for size in (0, 1, 2, 5, 20, 200) * 20:
    yield ''.join(rng.choices(alphabet, k=size))


@pytest.mark.parametrize('kind', story_prompts.KINDS)
def test_no_text_breaks_the_parser_or_gets_a_control_character_through(kind):
  for text in hostile():
    for count, finished in itertools.product((1, 3), (True, False)):
      parsed = parse(text, kind, count, finished)
      assert len(parsed.pieces) <= count
      assert set(parsed.dropped) <= set(completions.DROPS)
      for piece in parsed.pieces:
        spoken = completions.spoken(piece)
        assert not set(spoken) & set('\x00\r\ud800')
        spoken.encode('utf-8')


@pytest.mark.parametrize(
    'unit',
    ['."', '.', '*', '# ', '"', '[', '[story', 'Person', ' ', 'AI \t*', '\n'],
)
def test_parsing_takes_a_time_linear_in_the_text(unit):
  text = '[story]\nPerson: ' + unit * (400_000 // len(unit)) + 'x'
  start = time.process_time()
  for kind in story_prompts.KINDS:
    parse(text, kind, count=1, finished=False)
  # About 0.5 s; a quadratic pattern would take hours.
  assert time.process_time() - start < 20


def write(path, rows):
  lines = [json.dumps(row) for row in rows]
  path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
  return path


def provenance(index):
  return {
      'source': 'generated',
      'model': 'a-model',
      'seed': 0,
      'split': 'train',
      'index': index,
  }


def test_rows_of_stories_are_loaded(tmp_path):
  rows = []
  for emotion, topic in itertools.product(('sad', 'calm'), ('a', 'b', 'c')):
    asked = story_prompts.Request('story-2', (emotion,), topic, 2)
    for index in range(2):
      text = f'Number {index} about {topic} has {len(rows)}.'
      rows.append(completions.row(asked, text, provenance(index)))
  loaded = stories.load_stories(write(tmp_path / 'stories.jsonl', rows))
  assert [(s.emotion, s.topic, s.text) for s in loaded.stories] == [
      (row['emotion'], row['topic'], row['text']) for row in rows
  ]
  assert {row['prompt_id'] for row in rows} == {'story-2'}


def test_rows_of_neutral_dialogues_are_loaded(tmp_path):
  asked = request('neutral')
  rows = [
      completions.row(asked, piece, provenance(index))
      for index, piece in enumerate(DIALOGUES)
  ]
  loaded = stories.load_dialogues(write(tmp_path / 'neutral.jsonl', rows))
  assert tuple(dialogue.messages for dialogue in loaded) == DIALOGUES


def test_rows_of_dialogues_have_both_emotions_and_are_loaded(tmp_path):
  row = completions.row(request('dialogue'), TALK, provenance(0))
  assert row['emotions'] == ['sad', 'calm']
  assert row['topic'] == 'a lost dog'
  (text,) = stories.load_texts(write(tmp_path / 'talk.jsonl', [row]))
  assert text.messages == TALK
