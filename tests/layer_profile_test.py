"""The question of layers: a whole run on a tiny model, and what it refuses."""

import dataclasses
import json

import numpy as np
import pytest
import question_fixtures
import tiny_model

from emojax import errors
from emojax import stability
from emojax.data import tokens
from emojax.experiments.measures import layer_agreement
from emojax.experiments.measures import logit_lens
from emojax.experiments.measures import relabelled
from emojax.experiments.questions import layer_profile
from emojax.report.questions import layer_profile as shown

_SMALL = {'resamples': 10, 'splits': 10, 'control_sets': 2}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('layer_profile')


@pytest.fixture(scope='module')
def study(folder):
  config = question_fixtures.config(folder, layer_profile=_SMALL)
  return question_fixtures.study(folder, config)


def _answer(study, config=None):
  config = config or study.config
  prepared = layer_profile.prepare(config, study.lm, study.emotions)
  out = layer_profile.run(study, prepared)
  json.dumps(out, allow_nan=False)
  return out


@pytest.fixture(scope='module')
def answer(study):
  return _answer(study)


def test_every_number_has_controls_and_an_id_of_its_own(answer):
  ids = [row['id'] for row in answer['numbers']]
  assert len(ids) == len(set(ids)) >= 3
  assert all(
      row['id'].startswith('layer_profile_') for row in answer['numbers']
  )
  assert all(row['controls'] and row['n'] > 0 for row in answer['numbers'])


def test_every_layer_has_a_row(answer):
  depth = tiny_model.LAYERS
  assert len(answer['held_out']['layers']) == depth
  assert len(answer['stability']['layers']) == depth
  assert np.shape(answer['similarity']['matrix']) == (depth, depth)
  assert np.shape(answer['similarity']['embedding']) == (depth,)


def test_words_that_begin_alike_are_left_out_and_their_tokens_are_shown(answer):
  # Of one token a byte, every word begins with a space.
  assert answer['lens']['told'] == [] and answer['lens']['layers'] is None
  for row in answer['lens']['tokens']:
    assert {len(row[f][e]) for f in row if f != 'emotion' for e in row[f]} == {
        5
    }


def test_without_a_second_corpus_nothing_is_said_of_another_author(answer):
  assert answer['other'] is None
  assert not any('other' in row['id'] for row in answer['numbers'])
  assert 'other_stories' in shown.view(answer)['method']


def test_the_view_has_a_caption_for_every_figure(answer):
  view = shown.view(answer)
  assert set(view['figures']) == set(view['captions'])
  for figure in view['figures'].values():
    json.loads(figure.to_json())
  for table in view['tables']:
    assert {len(row) for row in table['rows']} == {len(table['columns'])}
  assert view['shows'].endswith('.') and view['question'].endswith('?')


def test_a_random_model_is_said_to_fail(answer):
  (held_out,) = (
      row for row in answer['numbers'] if row['id'].endswith('held_out')
  )
  if not held_out['beyond']:
    assert 'do not tell emotions' in shown.view(answer)['shows']


def test_words_of_different_tokens_are_ranked_in_every_layer(
    study, monkeypatch
):
  plain = lambda self, word: self.encode(word, bos=False).ids
  monkeypatch.setattr(tokens.Tokenizer, 'encode_word', plain)
  found = logit_lens.profile(study, 2)
  assert found['told'] == list(study.emotions) and found['single'] == 0
  for rows in found['layers'].values():
    assert [row['layer'] for row in rows] == list(range(tiny_model.LAYERS))
    for row in rows:
      assert 0 <= row['percentile']['value'] <= 1
      assert row['shuffled_percentile']['n'] == 2
      assert row['dealt_percentile']['n'] == len(study.emotions) - 1


def test_relabelled_vectors_are_the_same_whenever_they_are_asked_for(study):
  a, b = (list(relabelled.labels(study)) for _ in range(2))
  np.testing.assert_array_equal(a, b)
  assert len(a) == study.config.shuffles
  for topic in np.unique(study.captured['topic']):
    here = study.captured['topic'] == topic
    for labels in a:
      assert sorted(labels[here]) == sorted(study.captured['emotion'][here])


def test_vectors_of_the_real_labels_are_those_of_the_study(study):
  labels = study.captured['emotion']
  made = relabelled.vectors(study, labels)
  np.testing.assert_allclose(made, study.arrays['vectors'], atol=1e-5)
  one = relabelled.vectors(study, labels, layer=1)
  np.testing.assert_array_equal(one[:, 0], made[:, 1])


def test_likeness_of_planted_layers_is_beyond_shuffled_labels(study):
  # The vectors of every layer lie alike, the stories of each are noise.
  rng = np.random.default_rng(0)
  planted = rng.normal(size=study.arrays['vectors'][:, :1].shape)
  vectors = np.repeat(planted, tiny_model.LAYERS, axis=1).astype(np.float32)
  noise = rng.normal(size=study.captured['stories'].shape).astype(np.float32)
  study = _replaced(study, {'vectors': vectors}, {'stories': noise})
  found = layer_agreement.similarity(study)
  assert found['between']['value'] == pytest.approx(1)
  assert found['shuffled']['high'] < 0.99


def _replaced(study, arrays, captured):
  out = dataclasses.replace(study, arrays=study.arrays | arrays)
  out.__dict__['captured'] = study.captured | captured
  return out


def test_sums_over_cells_give_the_same_numbers(folder, study):
  (folder / 'cells').mkdir()
  config = study.config.copy_and_resolve_references()
  config.unit = 'cell'
  cells = question_fixtures.study(folder / 'cells', config)
  assert cells.captured['count'].sum() == study.captured['count'].sum()
  a, b = (_answer(each)['stability']['layers'] for each in (study, cells))
  for name in ('resampled', 'halves'):
    np.testing.assert_allclose(
        [row[name]['value'] for row in a],
        [row[name]['value'] for row in b],
        atol=1e-3,
    )


def _other_file(path, emotions):
  """Stories of the package on other topics: those of another author."""
  rows = [r for r in tiny_model.packaged('stories') if r['emotion'] in emotions]
  topics = list(dict.fromkeys(row['topic'] for row in rows))
  topics = [t for t in topics if t not in tiny_model.TOPICS][:3]
  kept = [row for row in rows if row['topic'] in topics]
  tiny_model.write_rows(
      path, [row | {'text': row['text'][:150]} for row in kept]
  )
  return str(path)


def test_another_authors_stories_are_read_by_layer(folder, study):
  config = study.config.copy_and_resolve_references()
  # One emotion that has no vector is left out.
  names = (*tiny_model.EMOTIONS, 'calm')
  path = _other_file(folder / 'other.jsonl', names)
  config.layer_profile.other_stories = path
  out = _answer(study, config)
  other = out['other']
  assert other['emotions'] == list(study.emotions)
  assert other['stories'] == len(study.emotions) * 3
  assert len(other['across']) == len(other['cosine']) == tiny_model.LAYERS
  ids = [row['id'] for row in out['numbers']]
  assert 'layer_profile_other_author' in ids
  view = shown.view(out)
  assert 'layer_profile-other' in view['figures']
  assert 'no other author' not in view['shows']


def test_a_second_corpus_with_too_few_of_the_emotions_is_refused(folder, study):
  config = study.config.copy_and_resolve_references()
  path = _other_file(folder / 'few.jsonl', ('happy', 'calm'))
  config.layer_profile.other_stories = path
  with pytest.raises(errors.InputError, match='stories of 1 of the .*; give'):
    layer_profile.prepare(config, study.lm, study.emotions)


def test_the_same_corpus_again_is_refused(study):
  config = study.config.copy_and_resolve_references()
  config.layer_profile.other_stories = config.stories
  with pytest.raises(errors.InputError, match='the very stories .*; give'):
    layer_profile.prepare(config, study.lm, study.emotions)


@pytest.mark.parametrize('name', sorted(_SMALL))
def test_a_setting_that_is_too_small_is_named(study, name):
  config = study.config.copy_and_resolve_references()
  config.layer_profile[name] = 1
  with pytest.raises(
      errors.InputError, match=f'config.layer_profile.{name}=1: must be'
  ):
    layer_profile.prepare(config, study.lm, study.emotions)


def test_three_emotions_are_too_few(study):
  few = dataclasses.replace(
      study, metadata=study.metadata | {'emotions': study.emotions[:3]}
  )
  assert 'give stories' in layer_profile.run(few, None)['absent']


def test_stability_of_planted_stories_is_seen_in_every_layer(study):
  captured = study.captured
  rng = np.random.default_rng(1)
  planted = rng.normal(size=(len(study.emotions), tiny_model.WIDTH)) * 20
  noise = rng.normal(size=captured['stories'].shape)
  stories = (planted[captured['emotion']][:, None] + noise).astype(np.float32)
  found = layer_agreement.steadiness(
      _replaced(study, {}, {'stories': stories}), 10, 10
  )
  for row in found['layers']:
    assert row['halves']['low'] > 0.9 > row['shuffled_halves']['high']
    assert stability.spearman_brown(row['halves']['value']) <= 1
