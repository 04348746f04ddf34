"""A family has a word's inflections and derivations, and no other words."""

import pytest

from emojax.data import word_families

MEMBERS = """
happy: happy happier happily happiness unhappy unhappiness
excited: excite exciting excitedly excitement excitable
proud: proudly prouder pride prided
loving: love loved lovingly lover lovable lovely beloved unloved
grateful: gratefully gratitude ungrateful ingratitude
hopeful: hope hoped hoping hopes hopefully hopeless hopelessness
amused: amuse amusing amusement unamused
calm: calmer calmed calming calmly calmness becalmed
content: content contented contentedly contentment contents discontent
relieved: relieve relieving relief
surprised: surprise surprising surprisingly unsurprised
inspired: inspire inspiration uninspired
afraid: unafraid
anxious: anxiety anxieties anxiously
desperate: desperately desperation despair despairing despaired
angry: angrier angrily anger angered
frustrated: frustrate frustrating frustration
disgusted: disgust disgusting disgustedly
sad: sadder sadly sadness sadden saddened
lonely: lone loner lonelier loneliness lonesome
guilty: guilt guiltily guiltless
ashamed: unashamed shame shamed shameful shamelessly
envious: enviously envy envied envying unenvied enviable
bored: bore bores boring boredom
curious: curiously curiosity
scared: scare scary scaring
sympathetic: sympathy sympathize
satisfied: satisfy satisfaction dissatisfied
patient: patience impatient impatiently
sadness: sad saddened
anxiety: anxious
anger: angry
secure: insecure insecurity
mature: immature
fit: unfit
at ease: ease uneasy
"""

STRANGERS = """
happy: happen happened hapless glad
excited: exit
loving: glove clover
grateful: grate grated grating gratify
hopeful: hop hopped hopper
amused: muse music bemused
calm: calamity clam
content: contest contain contention continent
relieved: believed
afraid: fear fearful frail
anxious: obnoxious
desperate: separate disparate
angry: hungry
sad: saddle sadist said
lonely: alone along
guilty: quilt
ashamed: sham shampoo
envious: envision previous
bored: board born border
scared: scar scarred
mad: made madam
tired: entire retire attire
bitter: bit bitten
restless: rest rested
weary: wear wearing
tense: intense intensity ten
playful: play played display
patient: patio
curious: cure
numb: number
sad: unsaddle
at ease: disease easy
"""


def triples(table: str) -> list[tuple[str, str]]:
  lines = (line.split(': ') for line in table.strip().splitlines())
  return [(label, word) for label, words in lines for word in words.split()]


@pytest.mark.parametrize(('label', 'word'), triples(MEMBERS))
def test_inflections_and_derivations_are_of_the_family(label, word):
  assert word_families.find(label, f'It was {word}, she said.') == word


@pytest.mark.parametrize(('label', 'word'), triples(STRANGERS))
def test_words_that_only_look_alike_are_not(label, word):
  assert word_families.find(label, f'It was {word}, she said.') is None


def test_a_word_is_found_in_any_case_and_beside_any_mark():
  for text in ('SAD!', 'sad-eyed', '_sad_', '"Sadly,"', 'sad\u2019s', 'a\nsad'):
    assert word_families.find('sad', text).lower().startswith('sad')
    assert word_families.find('Sad', text)


def test_the_first_of_several_words_is_returned_as_it_stands():
  assert word_families.find('envious', 'No. Envied, envy, envious') == 'Envied'


def test_words_of_a_label_count_in_a_row_only():
  assert word_families.find('on edge', 'He was on edge.') == 'on edge'
  assert word_families.find('worn out', 'It wore her out; it wore out.') == (
      'wore out'
  )
  assert (
      word_families.find('on edge', 'on the edge of a chair, edge on') is None
  )


def test_a_part_of_a_label_counts_alone_where_the_table_says_so():
  assert word_families.find('grief-stricken', 'Her grief.') == 'grief'
  assert word_families.find('self-conscious', 'He was conscious.') is None


def test_a_label_without_letters_is_looked_for_as_it_is():
  assert word_families.find('\U0001f600', 'Well \U0001f600') == '\U0001f600'
  assert word_families.find('\U0001f600', 'Well') is None
