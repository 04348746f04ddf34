"""Speakers, deflection and the mixed probe on a tiny model, from end to end."""

import itertools
import json

import numpy as np
import pytest
import question_fixtures
import tiny_model

from emojax import errors
from emojax import mixed
from emojax.experiments import numbers as numbers_lib
from emojax.experiments.measures import mixed_items
from emojax.experiments.questions import deflection
from emojax.experiments.questions import mixed_probe
from emojax.experiments.questions import speakers
from emojax.report.questions import deflection as deflection_page
from emojax.report.questions import mixed_probe as mixed_page
from emojax.report.questions import speakers as speakers_page

EMOTIONS = tiny_model.EMOTIONS
PAIRS = list(itertools.permutations(EMOTIONS, 2))
WORDS = (
    'lamp door river bread chair glass paper stone field train coat letter'
    ' bridge garden kettle window'
).split()
RATED = 'word,valence,arousal\n' + ''.join(
    f'{name},{i},{-i}\n' for i, name in enumerate(EMOTIONS)
)


def _talk(rng, place=''):
  says = lambda: ' '.join(rng.choice(WORDS, 6)) + '.'
  return [
      {'role': 'user', 'content': place + says()},
      {'role': 'assistant', 'content': says()},
  ]


def write_dialogues(folder):
  """Writes the four files, of the tiny corpus's emotions; returns paths."""
  rng = np.random.default_rng(0)
  rows = {
      'two_speakers': [
          {
              'id': i,
              'user_emotion': user,
              'assistant_emotion': assistant,
              'topic': 'ab'[i % 2],
              'messages': _talk(rng),
          }
          for i, (user, assistant) in enumerate(PAIRS)
      ],
      'deflection': [
          {
              'id': i,
              'target': target,
              'displayed': displayed,
              'speaker': ('user', 'assistant')[i % 2],
              'scenario': f'The user is {target}, of course.',
              'messages': _talk(rng),
          }
          for i, (target, displayed) in enumerate(PAIRS)
      ],
      'scenarios': [
          {'emotion': name, 'text': f'{" ".join(rng.choice(WORDS, 6))}: {name}'}
          for name in EMOTIONS
          for _ in range(4)
      ],
      'asides': [
          {
              'condition': condition,
              'messages': _talk(
                  rng,
                  'She is {emotion}. '
                  if condition == 'discussing_others'
                  else '',
              ),
          }
          for condition in ('story_writing', 'discussing_others')
          for _ in range(4)
      ],
  }
  for name, lines in rows.items():
    tiny_model.write_rows(folder / f'{name}.jsonl', lines)
  return {name: str(folder / f'{name}.jsonl') for name in rows}


@pytest.fixture(scope='module')
def study(tmp_path_factory):
  folder = tmp_path_factory.mktemp('two_labels')
  files = write_dialogues(folder)
  (folder / 'norms.csv').write_text(RATED, encoding='utf-8')
  config = question_fixtures.config(
      folder,
      affect={'norms': str(folder / 'norms.csv')},
      speakers={'dialogues': files['two_speakers'], 'permutations': 8},
      deflection={'dialogues': files['deflection'], 'permutations': 8},
      mixed_probe={
          'scenarios': files['scenarios'],
          'asides': files['asides'],
          'dialogues': files['deflection'],
          'folds': 2,
          'shuffles': 2,
          'layers': 2,
      },
  )
  return question_fixtures.study(folder, config)


def answer(question, page, study):
  """Asks a question; checks what every artefact must be, and shows it."""
  prepared = question.prepare(study.config, study.lm, study.emotions)
  data = question.run(study, prepared)
  # As it is read back: no NaN, no array.
  data = json.loads(json.dumps(data, allow_nan=False))
  ids = [number['id'] for number in data['numbers']]
  assert len(set(ids)) == len(ids)
  assert all(id_.startswith(f'{question.NAME}_') for id_ in ids)
  assert set(numbers_lib.published(question.NAME)) <= set(ids)
  for number in data['numbers']:
    labels = [control['label'] for control in number['controls']]
    assert 'shuffled labels' in labels and number['n'] > 0
  shown = page.view(data)
  assert set(shown['figures']) == set(shown['captions'])
  for figure in shown['figures'].values():
    figure.to_json()
  for table in shown['tables']:
    assert all(len(row) == len(table['columns']) for row in table['rows'])
  return data


def test_speakers(study):
  data = answer(speakers, speakers_page, study)
  assert (data['dialogues'], data['left_out'], data['topics']) == (12, 0, 2)
  assert data['method'] == 'within blocks'
  assert data['emotions'] == list(EMOTIONS)
  assert len(data['layers']) == tiny_model.LAYERS
  assert np.shape(data['cosine']) == (5, 5)
  np.testing.assert_allclose(np.diag(data['cosine']), 1, atol=1e-5)
  best = data['methods']['within blocks']['same']['story_present']
  at = data['layers'][study.layer]['same']['story_present']
  assert best == at == {k: data['numbers'][4][k] for k in best}


def test_speakers_are_read_in_their_own_tokens(study):
  prepared = speakers.prepare(study.config, study.lm, study.emotions)
  for scene, row in zip(prepared.encoded, prepared.rows, strict=True):
    assert not (scene.user & scene.assistant).any()
    for role, mask in (('user', scene.user), ('assistant', scene.assistant)):
      size = sum(len(m['content']) for m in row.messages if m['role'] == role)
      assert mask.sum() == size


def test_deflection(study):
  data = answer(deflection, deflection_page, study)
  assert data['dialogues'] == 12 and data['method'] == 'within blocks'
  kept = data['retained']
  components = data['space']['components']
  assert kept['random'] == pytest.approx(
      (1 - components / tiny_model.WIDTH) ** 0.5
  )
  assert 0 < kept['target']['value']['value'] <= 1
  assert len(data['guesses']['layers']) == tiny_model.LAYERS


def test_the_mixed_probe(study):
  data = answer(mixed_probe, mixed_page, study)
  found = data['splits']['unseen']['accuracy']
  assert len(found) == len(data['penalties']) == 2
  counts = {name: each['n'] for name, each in found[0].items()}
  # 4 emotions: 3 topics, one story of which is too short; 3 pairs; and 4
  # scenarios before 2 dialogues each.
  assert counts == {
      'natural': 11,
      'hidden': 12,
      'neutral': 32,
      'story_writing': 32,
      'discussing_others': 32,
      'unexpressed': 96,
  }
  # What is said without expression is said alike for all emotions, so that the
  # words alone tell nothing.
  for split in ('unseen', 'scenario_seen'):
    for name in ('neutral', 'story_writing'):
      share = data['splits'][split]['embed'][name]['value']
      assert share == pytest.approx(1 / len(EMOTIONS))


def test_nothing_of_a_tested_text_was_seen(study):
  encoded = mixed_probe.prepare(study.config, study.lm, study.emotions)
  items = encoded.items
  ids = [scene.ids for scene in encoded.scenes]
  said = np.array(
      [repr(np.array(i)[p].tolist()) for i, p in zip(ids, encoded.pools)]
  )
  # Where another is spoken of, the emotion changes; the rest is the same.
  aside = np.isin(items.condition, ('neutral', 'story_writing'))
  for part in mixed.parts(items.fold, items.dialogue_fold):
    assert not set(items.cluster[part.test]) & set(items.cluster[part.train])
    test, train = said[part.test & aside], said[part.train & aside]
    assert not set(test) & set(train)


def test_every_dialogue_follows_every_emotion_alike(study):
  encoded = mixed_probe.prepare(study.config, study.lm, study.emotions)
  items = encoded.items
  said = np.array(
      [
          repr(np.array(scene.ids)[pool].tolist())
          for scene, pool in zip(encoded.scenes, encoded.pools, strict=True)
      ]
  )
  for condition in ('neutral', 'story_writing'):
    for text in np.unique(said[items.condition == condition]):
      among = (said == text) & (items.condition == condition)
      counts = np.bincount(items.label[among], minlength=len(EMOTIONS))
      assert len(set(counts)) == 1 and counts[0] > 0


def test_the_scenario_is_not_read_and_another_emotion_is_spoken_of(study):
  encoded = mixed_probe.prepare(study.config, study.lm, study.emotions)
  items = encoded.items
  text = lambda ids: study.lm.tokenizer.backend.decode(list(ids))
  for i, scene in enumerate(encoded.scenes):
    own = encoded.emotions[items.label[i]]
    ids = np.array(scene.ids)
    assert own in text(ids[~encoded.pools[i]])
    assert own not in text(ids[encoded.pools[i]])
    if items.condition[i] == 'discussing_others':
      other = encoded.emotions[items.other[i]]
      assert f'She is {other}.' in text(ids[encoded.pools[i]])
      assert other != own


def test_of_many_stories_some_are_drawn():
  arrays = {
      'emotion': np.repeat(np.arange(3), 10),
      'topic': np.tile(np.arange(5), 6),
  }
  own = type('own', (), {'stories': 4, 'folds': 2})
  items, rows = mixed_items.natural(arrays, [2, 0], own, 0)
  assert np.bincount(items.label).tolist() == [4, 4]
  np.testing.assert_array_equal(
      arrays['emotion'][rows], np.array([2, 0])[items.label]
  )
  np.testing.assert_array_equal(items.fold, arrays['topic'][rows] % 2)


@pytest.mark.parametrize('question', [speakers, deflection, mixed_probe])
def test_too_few_emotions_with_vectors_leave_a_question_out(question, study):
  config = study.config.copy_and_resolve_references()
  config.affect.norms = ''  # Which would have to rate more emotions.
  # The packaged dialogues know two or three of the tiny corpus's emotions.
  for name in ('dialogues', 'scenarios', 'asides'):
    if name in config[question.NAME]:
      config[question.NAME][name] = ''
  prepared = question.prepare(config, study.lm, ['happy', 'angry'])
  got = question.run(study, prepared)
  assert list(got) == ['absent']
  assert f'config.{question.NAME}' in got['absent'] and ';' in got['absent']


@pytest.mark.parametrize(
    'question, field, value, message',
    [
        (speakers, 'permutations', 1, 'must be 2 or more'),
        (deflection, 'variance', 1.0, 'must be between 0 and 1'),
        (mixed_probe, 'folds', 1, 'must be 2 or more'),
        (mixed_probe, 'repeats', 1, 'must be 2 or more'),
        (mixed_probe, 'repeats', 3, 'no more than config.mixed_probe.folds=2'),
        (mixed_probe, 'folds', 5, 'there are 4 scenarios of happy; lower it'),
        (mixed_probe, 'inverse_penalties', (0.1, 0.0), 'above 0'),
    ],
)
def test_settings_that_do_not_do_are_refused_by_name(
    question, field, value, message, study
):
  config = study.config.copy_and_resolve_references()
  config[question.NAME][field] = value
  with pytest.raises(errors.InputError, match=message) as info:
    question.prepare(config, study.lm, study.emotions)
  assert str(info.value).startswith(f'config.{question.NAME}.{field}=')
