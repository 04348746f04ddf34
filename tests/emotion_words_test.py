"""Words after "I feel": a planted effect is found, nothing else is."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import question_fixtures
import safetensors.numpy
import tiny_model

from emojax import errors
from emojax.experiments.questions import emotion_words
from emojax.report.questions import emotion_words as shown

L = tiny_model.LAYERS
PROMPTS = (('How do you feel?', 'I feel'), ('How does he do?', 'I feel'))
LABELS = [' / '.join(pair) for pair in PROMPTS]
# A letter that is in this emotion's name and in none of the others.
LETTERS = {'happy': 'h', 'proud': 'u', 'angry': 'g', 'bored': 'b'}
FIELDS = {
    'emotions': ('proud', 'serene', 'happy', 'angry', 'bored'),
    'prompts': PROMPTS,
    'strengths': (0.25, 0.5),
    'layers': (L - 1,),
    'new_tokens': 4,
}


@pytest.fixture(scope='module')
def study(tmp_path_factory):
  """Vectors that raise one letter of their emotion's word each."""
  folder = tmp_path_factory.mktemp('emotion_words')
  config = question_fixtures.config(folder, emotion_words=FIELDS)
  study = question_fixtures.study(folder, config)
  path = pathlib.Path(study.config.model) / 'model.safetensors'
  table = safetensors.numpy.load_file(path)['model.embed_tokens.weight']
  vectors = study.arrays['vectors'].copy()
  for e, name in enumerate(study.emotions):
    (letter,) = study.lm.tokenizer.encode(LETTERS[name], bos=False).ids
    vectors[e, L - 1] = table[letter]
  return dataclasses.replace(study, arrays=study.arrays | {'vectors': vectors})


def prepare(study, **fields):
  config = study.config.copy_and_resolve_references()
  config.emotion_words.update(fields)
  own = dataclasses.replace(study, config=config)
  return own, emotion_words.prepare(config, study.lm, study.emotions)


@pytest.fixture(scope='module')
def found(study):
  own, prepared = prepare(study)
  return emotion_words.run(own, prepared)


def by_id(found):
  return {
      row['id'].removeprefix('emotion_words_'): row for row in found['numbers']
  }


def test_a_planted_effect_is_found_on_every_prompt(found):
  for place, label in enumerate(LABELS):
    delta = np.array(found['deltas'][label])
    assert np.all(np.diag(delta) > 0)
    others = delta[~np.eye(len(delta), dtype=bool)]
    assert np.diag(delta).min() > others.max()
    row = by_id(found)[f'{place}_difference']
    own = (np.diag(delta) - (delta.sum(axis=1) - np.diag(delta)) / 3).mean()
    assert row['value'] == pytest.approx(own) and row['value'] > 0.5
    by_name = {control['label']: control for control in row['controls']}
    for kind in ('random directions', 'shuffled labels'):
      assert abs(by_name[f'{kind} for vectors']['value']) < row['value'] / 2


def test_strength_is_the_dose(found):
  for label in LABELS:
    curve = found['curves'][label]['difference']
    assert [point['strength'] for point in curve] == [0.25, 0.5]
    assert 0 < curve[0]['value'] < curve[1]['value']


def test_emotions_without_a_vector_are_left_out_and_named(found):
  assert found['emotions'] == ['proud', 'happy', 'angry', 'bored']
  assert found['left_out'] == ['serene']
  # One token a byte.
  assert found['multi_token_words'] == found['emotions']
  assert found['layers'] == [L - 1]


def test_every_prompt_has_three_numbers_with_their_controls(found):
  numbers = by_id(found)
  assert list(numbers) == [
      f'{place}_{name}'
      for place in (0, 1)
      for name in ('difference', 'matched', 'unmatched')
  ]
  for id_, row in numbers.items():
    assert row['unit'] == 'nats' and row['n'] == 4
    assert row['low'] <= row['value'] <= row['high']
    assert len(row['controls']) == (3 if 'difference' in id_ else 2)
    assert 'strength 0.5' in row['label']
  json.dumps(found, allow_nan=False)


def test_texts_are_of_nothing_every_emotion_and_a_control_of_each_kind(found):
  names = ['none', *found['emotions'], 'random_0', 'shuffled_0']
  for label in LABELS:
    texts = [row for row in found['texts'] if row['prompt'] == label]
    assert [row['direction'] for row in texts] == names
    assert all(row['finite'] for row in texts)


def test_the_page_shows_each_prompt_and_the_map(found):
  view = shown.view(found)
  expected = [*(f'emotion_words-{i}' for i in (0, 1)), 'emotion_words-map']
  assert list(view['figures']) == list(view['captions']) == expected
  heatmap = view['figures']['emotion_words-map'].data[0]
  assert list(heatmap.x) == list(heatmap.y) == found['emotions']
  np.testing.assert_allclose(
      np.array(heatmap.z, float), found['deltas'][LABELS[0]]
  )
  assert 'serene' in view['method'] and f'layer {L - 1}' in view['method']
  assert view['shows'].startswith('On ')


@pytest.mark.parametrize(
    ('fields', 'parts'),
    [
        ({'strengths': ()}, ('strengths=()', 'distinct numbers above 0')),
        ({'strengths': (0.5, 0.5)}, ('(0.5, 0.5)', 'distinct numbers')),
        ({'strengths': (-0.5,)}, ('(-0.5,)', 'above 0')),
        ({'strengths': (float('nan'),)}, ('nan', 'above 0')),
        ({'layers': (L,)}, (f'Layer {L} is out of range',)),
        ({'new_tokens': 0}, ('emotion_words.new_tokens=0', '1 or more')),
        ({'prompts': ()}, ('prompts=()', 'pairs of a message')),
        ({'prompts': (('Hm?',),)}, ("('Hm?',)", 'pairs of a message')),
        ({'prompts': (('', 'I'),)}, ("('', 'I')", 'pairs of a message')),
        ({'prompts': (('Hm?', 5),)}, ("('Hm?', 5)", 'pairs of a message')),
        ({'prompts': (('<|im_end|>', ''),)}, ('.prompts: ', 'take it out')),
        ({'prompts': (('x' * 3000, ''),)}, ('2048', 'shorten')),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else '',
)
def test_a_setting_that_cannot_work_is_named(study, fields, parts):
  with pytest.raises(errors.InputError) as caught:
    prepare(study, **fields)
  for part in parts:
    assert part in str(caught.value)
  assert '\n' not in str(caught.value)


def test_too_few_emotions_leave_the_question_out(study):
  own, prepared = prepare(study, emotions=('happy', 'proud', 'happy', 'smug'))
  found = emotion_words.run(own, prepared)
  assert set(found) == {'absent'}
  assert 'config.emotion_words.emotions' in found['absent']


def test_a_strength_that_breaks_the_arithmetic_leaves_it_out(study):
  own, prepared = prepare(study, strengths=(0.25, 1e38))
  norms = {'resid_norm': own.arrays['resid_norm'] * 1e3}  # As of a real model.
  own = dataclasses.replace(own, arrays=own.arrays | norms)
  found = emotion_words.run(own, prepared)
  assert set(found) == {'absent'} and 'not finite' in found['absent']
