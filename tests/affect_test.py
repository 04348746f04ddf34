"""Planted clusters and ratings are found; a whole run on a tiny model."""

import dataclasses
import json

import numpy as np
import pytest
import question_fixtures
import tiny_model

from emojax import errors
from emojax import files
from emojax.experiments.measures import affect_axes
from emojax.experiments.measures import affect_clusters
from emojax.experiments.measures import flat_map
from emojax.experiments.measures import one_layer
from emojax.experiments.measures import self_ratings
from emojax.experiments.questions import affect
from emojax.report.questions import affect as shown

WORDS = (
    'blissful happy joyful calm serene safe angry furious irate bored tired'
    ' weary sad lonely guilty'.split()
)


@pytest.fixture(scope='module')
def study(tmp_path_factory):
  folder = tmp_path_factory.mktemp('affect')
  return question_fixtures.study(folder, question_fixtures.config(folder))


def _answer(study, **changes):
  config = study.config.copy_and_resolve_references()
  config.affect.update(changes)
  study = dataclasses.replace(study, config=config)
  prepared = affect.prepare(config, study.lm, study.emotions)
  out = affect.run(study, prepared)
  json.dumps(out, allow_nan=False)
  return out


@pytest.fixture(scope='module')
def answer(study):
  return _answer(study)


@pytest.fixture
def norms(tmp_path):
  path = tmp_path / 'norms.csv'
  rows = ('happy,3,2', 'proud,2,1', 'angry,-3,3', 'bored,-1,-3')
  path.write_text('word,valence,arousal\n' + '\n'.join(rows), encoding='utf-8')
  return str(path)


def test_every_number_has_controls_and_an_id_of_its_own(answer):
  ids = [row['id'] for row in answer['numbers']]
  assert len(ids) == len(set(ids)) >= 3
  assert all(row['id'].startswith('affect_') for row in answer['numbers'])
  assert all(row['controls'] and row['n'] > 0 for row in answer['numbers'])


def test_without_ratings_of_arousal_the_models_own_are_called_its_own(answer):
  (row,) = (r for r in answer['numbers'] if r['id'] == 'affect_arousal')
  assert 'own ratings' in row['label']
  assert 'No ratings by people were given' in row['note']
  assert 'the model’s own ratings' in shown.view(answer)['shows']


def test_a_file_of_ratings_takes_the_place_of_valence_and_adds_arousal(
    study, norms
):
  out = _answer(study, norms=norms)
  assert out['valence']['words']['angry'] == -3
  assert out['valence']['sha256'] == files.sha256(norms)
  (row,) = (r for r in out['numbers'] if r['id'] == 'affect_arousal')
  assert 'own' not in row['label']
  assert 'affect_own_arousal' in [r['id'] for r in out['numbers']]
  assert '(by the model' not in shown.view(out)['shows']


def test_a_model_that_is_not_asked_is_not_reported(study):
  out = _answer(study, own_ratings=False)
  assert out['own_ratings'] is None and 'own_valence' not in out['relations']
  assert not any('own' in row['id'] for row in out['numbers'])
  assert 'was not asked' in shown.view(out)['method']


@pytest.mark.parametrize('own_ratings', [True, False])
def test_the_view_has_a_caption_for_every_figure(study, own_ratings):
  view = shown.view(_answer(study, own_ratings=own_ratings))
  assert set(view['figures']) == set(view['captions'])
  for figure in view['figures'].values():
    json.loads(figure.to_json())
  for table in view['tables']:
    assert {len(row) for row in table['rows']} == {len(table['columns'])}
  assert view['shows'].endswith('.') and view['question'].endswith('?')


def test_many_emotions_are_marked_and_not_named(answer):
  many = 70
  data = answer | {
      'emotions': [f'emotion {i}' for i in range(many)],
      'map': answer['map'] | {'places': np.eye(many, 2).tolist()},
      'pca': answer['pca'] | {'scores': np.eye(many, 3).tolist()},
      'cosine': np.eye(many).tolist(),
      'order': list(range(many)),
      'clusters': answer['clusters']
      | {'labels': [i % 12 for i in range(many)], 'published': [None] * many},
      'own_ratings': None,
  }
  view = shown.view(data)
  for name in ('affect-map', 'affect-components'):
    assert {trace.mode for trace in view['figures'][name].data} == {'markers'}
  marks = view['figures']['affect-map'].data
  assert len({(t.marker.color, t.marker.symbol) for t in marks}) == 12


def test_three_emotions_are_too_few(study):
  few = dataclasses.replace(
      study, metadata=study.metadata | {'emotions': study.emotions[:3]}
  )
  assert 'give stories' in affect.run(few, None)['absent']


@pytest.mark.parametrize('count', [1, -2, 5])
def test_clusters_that_cannot_be_are_named(study, count):
  with pytest.raises(errors.InputError, match=f'clusters={count}: must be 0'):
    _answer(study, clusters=count)


def test_an_unreadable_file_of_ratings_is_named(study, tmp_path):
  path = tmp_path / 'norms.csv'
  path.write_text('word,valence\nhappy,good\n', encoding='utf-8')
  with pytest.raises(errors.InputError, match='norms.csv:2: valence is'):
    _answer(study, norms=str(path))


def test_vectors_without_a_topic_are_as_many_as_topics(study):
  vectors = one_layer.vectors_of(study)
  topics = len(np.unique(study.captured['topic']))
  size = len(study.emotions)
  assert vectors.without.shape == (topics, size, tiny_model.WIDTH)
  assert len(vectors.shuffled) == study.config.shuffles
  total = lambda x: np.abs(x).sum(axis=0)[:2]
  _, row = vectors.measure(total)
  assert row['own']['value'] == pytest.approx(total(vectors.own)[1])
  assert row['own']['low'] < row['own']['value'] < row['own']['high']
  assert (row['own']['n'], row['shuffled']['n']) == (
      topics,
      study.config.shuffles,
  )
  assert row['embed']['value'] == pytest.approx(total(vectors.embed)[1])


def _planted(names, noise, seed=0):
  """Vectors about one axis a published cluster; controls of noise alone."""
  clusters = affect_clusters.published(names)
  kinds = sorted({name or '' for name in clusters})
  at = [kinds.index(name or '') for name in clusters]
  rng = np.random.default_rng(seed)
  draw = lambda *shape: rng.normal(size=(*shape, len(names), 20))
  own = np.eye(len(kinds), 20)[at] + noise * draw()
  return one_layer.Vectors(own, draw(), draw(10), draw(4)), len(kinds)


def test_known_clusters_come_out_with_an_index_of_1():
  vectors, k = _planted(WORDS, noise=0.05)
  got = affect_clusters.compare(WORDS, vectors, k, 0)
  assert got['agreement']['value'] == 1 and got['p'] < 0.001
  assert got['agreement']['n'] == len(WORDS)
  assert got['permuted']['high'] < 0.6 and abs(got['permuted']['value']) < 0.05
  assert got['shuffled']['high'] < 0.6 and got['embed']['value'] < 0.6


def test_noise_agrees_with_the_paper_no_more_than_its_controls_do():
  vectors, _ = _planted(WORDS, noise=100)
  got = affect_clusters.compare(WORDS, vectors, 5, 0)
  assert got['agreement']['low'] < got['permuted']['high'] < 0.7


def test_emotions_that_the_paper_lacks_have_no_cluster_and_do_not_count():
  names = [*WORDS, 'hangry', 'saudade']
  vectors, k = _planted(names, noise=0.05)
  got = affect_clusters.compare(names, vectors, k, 0)
  assert got['published'][-2:] == [None, None]
  assert got['agreement']['value'] == 1 and got['agreement']['n'] == len(WORDS)


def test_clusters_of_one_emotion_each_cannot_be_compared():
  names = ['happy', 'calm', 'angry', 'sad']  # Of four clusters.
  vectors, _ = _planted(names, noise=0.1)
  assert affect_clusters.compare(names, vectors, 2, 0)['agreement'] is None


def test_the_published_clusters_hold_171_words():
  names = [line for line in _emotions_file() if line]
  found = affect_clusters.published(names)
  assert len(names) == 171 and None not in found and len(set(found)) == 10


def _emotions_file():
  path = tiny_model.ROOT / 'emojax' / 'data' / 'emotions.txt'
  return path.read_text(encoding='utf-8').splitlines()


def test_components_turn_the_way_of_the_first_ratings_of_their_kind():
  scores = np.random.default_rng(0).normal(size=(8, 3))
  kind = lambda i, values: affect_axes.Ratings('', '', '', i, values)
  ratings = {
      'a': kind(0, -scores[:, 0]),
      'b': kind(0, scores[:, 0]),  # Too late.
      'c': kind(1, np.full(8, np.nan)),  # Says nothing.
      'd': kind(1, -scores[:, 1]),
      'e': kind(None, -scores[:, 2]),
  }
  got = affect_axes.oriented(scores, ratings)
  np.testing.assert_array_equal(got, scores * [-1, -1, 1])


def test_an_even_mix_of_digits_is_a_rating_of_4():
  assert self_ratings.expected(np.full(7, 1e-9)) == pytest.approx(4)
  assert self_ratings.expected(np.eye(7)).tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_a_liking_for_a_digit_is_no_rating(study, monkeypatch):
  asked = self_ratings.prepare(study.lm, study.emotions)
  shape = (len(study.emotions) * 4, 7)
  likes_7 = np.log(np.tile([0.01] * 6 + [0.5], (shape[0], 1)))
  monkeypatch.setattr(
      self_ratings.next_words, 'log_probs', lambda *args: likes_7
  )
  got = self_ratings.run(study.lm, asked, 8)
  np.testing.assert_allclose(got['valence']['values'], 4)
  assert got['mass'] == pytest.approx(0.56)


def test_both_wordings_of_a_rating_are_turned_the_same_way(study, monkeypatch):
  asked = self_ratings.prepare(study.lm, study.emotions)
  valence, arousal = np.array([7, 6, 1, 2]), np.array([5, 3, 7, 1])
  digits = np.stack([valence, 8 - valence, arousal, 8 - arousal], axis=1)
  p = np.where(digits.reshape(-1, 1) == np.arange(1, 8), 0.9, 1e-12)
  monkeypatch.setattr(
      self_ratings.next_words, 'log_probs', lambda *args: np.log(p)
  )
  got = self_ratings.run(study.lm, asked, 8)
  for scale, expected in (('valence', valence), ('arousal', arousal)):
    for name in ('values', 'upwards', 'downwards'):
      np.testing.assert_allclose(got[scale][name], expected, atol=1e-6)


def test_each_word_is_asked_four_times_and_a_digit_goes_on_from_there(study):
  asked = self_ratings.prepare(study.lm, study.emotions)
  assert len(asked.requests) == 4 * len(study.emotions)
  decode = study.lm.tokenizer.decode
  assert [decode(list(ids)) for ids in asked.digits] == list('1234567')
  for i, word in enumerate(study.emotions):
    for request in asked.requests[4 * i : 4 * i + 4]:
      assert f'“{word}”' in decode(list(request.prompt))


def _blocked(monkeypatch, found):
  monkeypatch.setattr(flat_map.importlib.util, 'find_spec', lambda name: found)


def test_without_umap_the_plane_keeps_what_distances_it_can(monkeypatch):
  _blocked(monkeypatch, None)
  angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 9)
  x = np.zeros((9, 6))
  x[:, 1], x[:, 4] = np.cos(angle), np.sin(angle)
  got, how = flat_map.place(x * np.arange(1, 10)[:, None], 0)
  apart = lambda v: np.linalg.norm(v[:, None] - v, axis=-1)
  np.testing.assert_allclose(apart(got), apart(x), atol=1e-9)
  assert how == f'{flat_map.SCALED}; {flat_map.INSTALL}'


def test_few_emotions_are_scaled_even_with_umap(monkeypatch):
  _blocked(monkeypatch, 'there')
  got, how = flat_map.place(np.random.default_rng(0).normal(size=(5, 4)), 0)
  assert got.shape == (5, 2) and how == flat_map.SCALED


@pytest.mark.filterwarnings('ignore')
def test_umap_keeps_planted_clusters_together_and_is_the_same_by_seed():
  pytest.importorskip('umap')
  cluster = np.repeat([0, 1, 2], 12)
  noise = 0.1 * np.random.default_rng(0).normal(size=(36, 20))
  x = (np.eye(3, 20)[cluster] + noise).astype(np.float32)
  got, how = flat_map.place(x, 0)
  centres = np.stack([got[cluster == i].mean(axis=0) for i in range(3)])
  nearest = np.linalg.norm(got[:, None] - centres, axis=-1).argmin(axis=1)
  assert nearest.tolist() == cluster.tolist() and how.startswith('UMAP')
  np.testing.assert_array_equal(got, flat_map.place(x, 0)[0])
