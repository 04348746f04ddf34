"""Two checkpoints of one shape: read at one token, refused, or left out."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import question_fixtures
import safetensors.numpy

from emojax import errors
from emojax.experiments import build_vectors
from emojax.experiments.questions import post_training
from emojax.models import load
from emojax.report.questions import post_training as shown


def by_id(numbers):
  return {row['id'].removeprefix('post_training_'): row for row in numbers}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('post_training')


@pytest.fixture(scope='module')
def study(folder):
  prompts = question_fixtures.write_prompts(folder)
  config = question_fixtures.config(folder, post_training={'prompts': prompts})
  return question_fixtures.study(folder, config)


@pytest.fixture(scope='module')
def base(folder, study):
  """The same model with other weights."""
  path = shutil.copytree(study.config.model, folder / 'base')
  rng = np.random.default_rng(0)
  weights = safetensors.numpy.load_file(path / 'model.safetensors')
  for name, x in weights.items():
    weights[name] = x + np.float32(0.05) * rng.standard_normal(
        x.shape, dtype=np.float32
    )
  safetensors.numpy.save_file(weights, path / 'model.safetensors')
  return path


def answer(study, base):
  study.config.post_training.base = str(base)
  prepared = post_training.prepare(study.config, study.lm, study.emotions)
  return post_training.run(study, prepared), prepared


@pytest.fixture(scope='module')
def answered(study, base):
  return answer(study, base)


def test_two_checkpoints_are_read_where_the_reply_begins(study, base, answered):
  found, (rows, chats) = answered
  assert found['categories'] == {
      'confrontation': 2,
      'flattery': 1,
      'neutral': 3,
  }
  assert [row.category for row in rows] == [
      c for c, _ in question_fixtures.PROMPTS
  ]
  other = load.load(str(base), 'float32')
  assert found['base_weights'] == other.sha256 != study.lm.sha256
  layer = study.layer
  for row in found['table']:
    e = study.emotions.index(row['emotion'])
    for name, lm in (('post', study.lm), ('base', other)):
      values = [
          _cosine(lm, chat.ids, study.directions[e], layer)[chat.response]
          for chat in chats
      ]
      assert row[name] == pytest.approx(np.mean(values), abs=1e-5)
  for chat in chats:
    assert chat.response == len(chat.ids) - 1
    assert chat.roles[-1] == 'template'
  assert any(abs(row['shift']['value']) > 1e-3 for row in found['table'])
  json.dumps(found, allow_nan=False)


def _cosine(lm, ids, direction, layer):
  """[T] at one layer, of a text on its own."""
  ((_, cosine),) = build_vectors.read_cosines(
      lm, [ids], direction[None], 1, 'Test', layer
  )
  return cosine[0, :, 0]


def test_every_number_has_an_interval_and_controls(answered):
  numbers = by_id(answered[0]['numbers'])
  assert set(numbers) == {
      'all', 'neutral', 'challenging', 'shift',
      'valence_base', 'valence_post', 'valence_shift',
  }  # fmt: skip
  for row in numbers.values():
    assert row['controls'] and row['n'] > 0
    assert row['low'] < row['high']


def test_the_page_shows_both_models_and_the_table(answered):
  found, _ = answered
  view = shown.view(found)
  assert found['base'] in view['method'] and found['post'] in view['method']
  assert set(view['figures']) == set(view['captions'])
  rises, falls = (table['rows'] for table in view['tables'])
  assert [row[0] for row in rises] == [row[0] for row in falls][::-1]
  assert rises[0][0] == found['table'][0]['emotion']


def test_a_model_and_itself_can_be_asked(study):
  found, _ = answer(study, study.config.model)
  numbers = by_id(found['numbers'])
  assert numbers['all']['value'] == pytest.approx(1)
  assert numbers['shift']['value'] is None
  assert {row['shift']['value'] for row in found['table']} == {0}
  json.dumps(found, allow_nan=False)
  assert shown.view(found)['shows']


@pytest.mark.parametrize(
    ('field', 'name'),
    [('intermediate_size', 'mlp_width'), ('num_hidden_layers', 'num_layers')],
)
def test_another_shape_is_refused_and_both_are_named(
    study, base, tmp_path, field, name
):
  other = shutil.copytree(base, tmp_path / 'other')
  facts = json.loads((other / 'config.json').read_text())
  facts[field] += 2
  (other / 'config.json').write_text(json.dumps(facts))
  with pytest.raises(errors.InputError) as caught:
    answer(study, other)
  for part in (str(other), study.lm.uri, name, str(facts[field])):
    assert part in str(caught.value)
  assert '\n' not in str(caught.value)


def test_another_tokenizer_is_no_base(study, base, tmp_path):
  other = shutil.copytree(base, tmp_path / 'other')
  path = other / 'tokenizer.json'
  tokenizer = json.loads(path.read_text())
  vocabulary = tokenizer['model']['vocab']
  vocabulary['a'], vocabulary['b'] = vocabulary['b'], vocabulary['a']
  path.write_text(json.dumps(tokenizer))
  found, _ = answer(study, other)
  assert (
      'another tokenizer' in found['absent'] and str(other) in found['absent']
  )


def test_without_a_base_or_emotions_it_is_absent_and_says_what_to_give(
    study, base
):
  for emotions, uri in ((study.emotions, ''), (study.emotions[:3], str(base))):
    study.config.post_training.base = uri
    prepared = post_training.prepare(study.config, study.lm, emotions)
    found = post_training.run(study, prepared)
    assert set(found) == {'absent'}
    assert '--config.post_training.base=URI' in found['absent']


def test_a_prompt_that_cannot_be_read_is_refused_by_its_number(study, base):
  path = pathlib.Path(study.config.post_training.prompts)
  whole = path.read_text()
  path.write_text(whole + '{"category": "neutral", "text": "<|im_end|>"}\n')
  try:
    with pytest.raises(errors.InputError, match='prompt 7: .*take it out'):
      answer(study, base)
  finally:
    path.write_text(whole)
