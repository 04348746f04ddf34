"""Scenarios before dialogues, whatever a template makes of them."""

import dataclasses
import types

import numpy as np
import pytest
import tiny_model

from emojax import errors
from emojax.experiments.measures import scenes
from emojax.models import load

MESSAGES = [
    {'role': 'user', 'content': 'Where is the lamp?'},
    {'role': 'assistant', 'content': 'Under the stairs.'},
    {'role': 'user', 'content': 'The lamp, or the key?'},
    {'role': 'assistant', 'content': 'Both of them.'},
]
SCENARIO = 'Ada is sad. The lamp was her father’s.'
# Refuses a system message, as Gemma 2 does.
REFUSES = (
    "{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('no system') }}{% endif %}"
)
# Puts a system message before the last message of the user, as Mistral does.
_LAST = (
    "{% for m in messages %}{% if m['role'] != 'system' %}"
    "{{ '<|im_start|>' + m['role'] + '\\n' }}"
    '{% if loop.index == messages | length - 1'
    " and messages[0]['role'] == 'system' %}"
    "{{ messages[0]['content'] + '\\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>' + '\\n' }}"
    '{% endif %}{% endfor %}'
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@pytest.fixture(scope='module')
def lm(tmp_path_factory):
  folder = tmp_path_factory.mktemp('scenes')
  return load.load(str(tiny_model.write(folder / 'model')), 'float32')


def _with_template(lm, change):
  tokenizer = dataclasses.replace(
      lm.tokenizer, template=change(lm.tokenizer.template)
  )
  return dataclasses.replace(lm, tokenizer=tokenizer)


def _words(lm, scene, mask):
  """What the tokens of a mask say; they are one byte each."""
  letters = {i: piece for i, piece in enumerate(_pieces(lm, scene.ids))}
  return ''.join(letters[i] for i in np.flatnonzero(mask))


def _pieces(lm, ids):
  return [
      bytes([_byte(lm.tokenizer.backend.id_to_token(i))]).decode('latin1')
      if len(lm.tokenizer.backend.id_to_token(i)) == 1
      else ''
      for i in ids
  ]


def _byte(letter):
  """Undoes the byte-level alphabet."""
  plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
  rest = [b for b in range(256) if b not in plain]
  table = {chr(b): b for b in plain}
  table |= {chr(256 + i): b for i, b in enumerate(rest)}
  return table[letter]


SAID = {
    role: ''.join(m['content'] for m in MESSAGES if m['role'] == role)
    for role in ('user', 'assistant')
}


@pytest.mark.parametrize('scenario', ['', SCENARIO])
@pytest.mark.parametrize('system', [True, False])
def test_only_what_the_speakers_say_is_theirs(lm, scenario, system):
  got = scenes.scene(lm, MESSAGES, 'here', scenario, system)
  assert _words(lm, got, got.user) == SAID['user']
  assert _words(lm, got, got.assistant) == SAID['assistant']
  assert got.said.sum() == len(SAID['user']) + len(SAID['assistant'])
  for role in SAID:
    np.testing.assert_array_equal(got.said_by(role), getattr(got, role))


@pytest.mark.parametrize('system', [True, False])
def test_the_scenario_comes_before_everything_that_is_said(lm, system):
  got = scenes.scene(lm, MESSAGES, 'here', SCENARIO, system)
  first = int(np.flatnonzero(got.said)[0])
  before = ''.join(_pieces(lm, got.ids[:first])).encode('latin1').decode()
  assert f'Scenario: {SCENARIO}' in before
  alone = scenes.scene(lm, MESSAGES, 'here')
  assert len(alone.ids) < len(got.ids)


def test_templates_that_do_not_begin_with_the_system_are_told(lm):
  assert scenes.takes_system(lm.tokenizer)
  for change in (lambda old: REFUSES + old, lambda old: _LAST):
    other = _with_template(lm, change)
    assert not scenes.takes_system(other.tokenizer)
    got = scenes.scene(other, MESSAGES, 'here', SCENARIO, system=False)
    assert _words(other, got, got.user) == SAID['user']


def test_a_control_token_is_refused_with_its_place(lm):
  with pytest.raises(errors.InputError, match='^here: A message contains'):
    scenes.scene(lm, MESSAGES, 'here', 'Ada is <|im_end|> sad.')


def _rows(*pairs):
  return [types.SimpleNamespace(a=a, b=b) for a, b in pairs]


def test_rows_of_unknown_emotions_are_left_out():
  rows = _rows(('x', 'y'), ('y', 'x'), ('x', 'y'), ('y', 'x'), ('x', 'q'))
  kept, names, labels = scenes.labelled(rows, ('a', 'b'), ('z', 'y', 'x'))
  assert kept == rows[:4]
  assert names == ['y', 'x']
  assert labels.tolist() == [[1, 0, 1, 0], [0, 1, 0, 1]]


def test_an_emotion_that_is_left_once_takes_its_rows_with_it():
  # Without z, w is there once, and without w all but x and y are gone.
  rows = _rows(*[('x', 'y'), ('y', 'x')] * 2, ('w', 'z'), ('w', 'x'))
  kept, names, _ = scenes.labelled(rows, ('a', 'b'), ('w', 'x', 'y', 'z'))
  assert names == ['x', 'y'] and len(kept) == 4


def test_nothing_is_left_of_rows_without_known_emotions():
  kept, names, labels = scenes.labelled(_rows(('x', 'y')), ('a', 'b'), ('z',))
  assert (kept, names, labels.shape) == ([], [], (2, 0))
