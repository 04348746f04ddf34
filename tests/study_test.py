"""What all questions share: readings of texts, their controls, their places."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import question_fixtures
import safetensors.numpy
import tiny_model

from emojax import files
from emojax import vectors as vectors_lib
from emojax.experiments import build_vectors
from emojax.experiments import study as study_lib
from emojax.models import taps

E, L, D = len(tiny_model.EMOTIONS), tiny_model.LAYERS, tiny_model.WIDTH
CLOSE = dict(rtol=1e-4, atol=1e-5)
# Of three lengths, so that two of them are padded in one batch.
LENGTHS = (31, 9, 23)
IDS = [
    tuple(np.random.default_rng(n).integers(0, 250, n).tolist())
    for n in LENGTHS
]


@pytest.fixture(scope='module')
def study(tmp_path_factory):
  folder = tmp_path_factory.mktemp('study')
  return question_fixtures.study(folder, question_fixtures.config(folder))


@pytest.fixture(scope='module')
def pools():
  rng = np.random.default_rng(0)
  last = [np.arange(n) == n - 1 for n in LENGTHS]
  some = [rng.random(n) < 0.4 for n in LENGTHS]
  for pool in some:
    pool[0] = True
  return {'last': last, 'some': some}


@pytest.fixture(scope='module')
def read(study, pools):
  return study_lib.read(study, IDS, pools, 'Test')


@pytest.fixture(scope='module')
def streams(study):
  """The residual stream of each text on its own, unpadded: [L, T, D]."""
  out = []
  for ids in IDS:
    tokens = jnp.asarray([ids], jnp.int32)
    _, state = study.lm.model.apply(
        study.lm.params,
        tokens,
        capture_intermediates=taps.only('resid_post'),
        mutable=['intermediates'],
    )
    out.append(np.asarray(taps.captured(state, 'resid_post')[:, 0]))
  return out


def cosines(stream, directions):
  """[L, T, A] of [L, T, D] and [A, L, D], written out."""
  out = np.einsum('LTD,ALD->LTA', stream, directions)
  return out / np.linalg.norm(stream, axis=-1, keepdims=True)


def test_a_reading_is_the_mean_cosine_over_its_pool(
    study, pools, read, streams
):
  for i, stream in enumerate(streams):
    every = cosines(stream, study.directions)
    for name, pool in pools.items():
      expected = every[:, pool[i]].mean(axis=1)
      np.testing.assert_allclose(read[name][i], expected, **CLOSE)


def test_layer_i_is_what_block_i_writes_and_no_other(study, pools, read):
  """A change of block 1 shows at layer 1 and after, and not at layer 0."""

  def change(path, x):
    inside = 'layers' in jax.tree_util.keystr(path)
    return x.at[1].multiply(1.5) if inside and x.shape[0] == L else x

  params = jax.tree_util.tree_map_with_path(change, study.lm.params)
  lm = dataclasses.replace(study.lm, params=params)
  other = dataclasses.replace(study, lm=lm)
  changed = study_lib.read(other, IDS, pools, 'Test', study.directions)
  moved = np.abs(changed['some'] - read['some']).max(axis=(0, 2))
  assert moved[0] == 0 and np.all(moved[1:] > 1e-3)


def test_a_reading_depends_on_no_other_text_and_no_padding(study, read, pools):
  config = study.config.copy_and_resolve_references()
  config.batch = 1
  alone = study_lib.read(
      dataclasses.replace(study, config=config), IDS, pools, 'Test'
  )
  order = [2, 0, 1]
  turned = study_lib.read(
      study,
      [IDS[i] for i in order],
      {name: [pool[i] for i in order] for name, pool in pools.items()},
      'Test',
  )
  for name, expected in read.items():
    np.testing.assert_allclose(alone[name], expected, **CLOSE)
    np.testing.assert_allclose(turned[name], expected[order], **CLOSE)


def test_tokens_and_means_are_of_the_same_streams(study, pools, read, streams):
  tokens = dict(
      build_vectors.read_cosines(study.lm, IDS, study.directions, 4, 'Test')
  )
  embed, means = study_lib.means(study, IDS, pools['some'], 'Test')
  assert embed.shape == (len(IDS), D)
  assert means.shape == (len(IDS), L, D)
  for i, stream in enumerate(streams):
    assert tokens[i].shape == (L, LENGTHS[i], len(study.names))
    inside = pools['some'][i]
    np.testing.assert_allclose(
        tokens[i][:, inside].mean(axis=1), read['some'][i], **CLOSE
    )
    np.testing.assert_allclose(
        means[i], stream[:, inside].mean(axis=1), **CLOSE
    )


def test_words_alone_are_read_with_vectors_made_of_words(study, pools):
  got = study_lib.embed_read(study, IDS, pools['some'])
  path = pathlib.Path(study.config.model) / 'model.safetensors'
  table = safetensors.numpy.load_file(path)['model.embed_tokens.weight']
  # The same from the stories' letters on: their mean, less that of all.
  rows = [
      np.array(story_ids)[study.config.start :]
      for story_ids in (
          study.lm.tokenizer.encode(s.text, bos=True).ids
          for s in study.stories.stories
      )
  ]
  label = [s.emotion for s in study.stories.stories]
  kept = [
      (e, table[ids].mean(axis=0)) for e, ids in zip(label, rows) if ids.size
  ]
  vectors = np.array(
      [
          np.mean([x for name, x in kept if name == e], axis=0)
          for e in study.emotions
      ]
  )
  vectors = vectors_lib.unit(vectors - vectors.mean(axis=0))
  for i, ids in enumerate(IDS):
    mean = table[np.array(ids)[pools['some'][i]]].mean(axis=0)
    expected = vectors @ (mean / np.linalg.norm(mean))
    np.testing.assert_allclose(got[i], expected, **CLOSE)


def test_places_and_names_are_those_of_directions_and_bank(study):
  places, directions = study.places, study.directions
  counts = E, study.config.shuffled_directions, study.config.random_directions
  sizes = {name: x.stop - x.start for name, x in places.items()}
  assert tuple(sizes.values()) == counts
  assert len(study.names) == len(directions) == sum(counts)
  assert study.names[places['emotions']] == list(tiny_model.EMOTIONS)
  for kind in ('shuffled', 'random'):
    expected = [f'{kind}_{i}' for i in range(sizes[kind])]
    assert study.names[places[kind]] == expected
  for kind, name in (('emotions', 'vectors'), ('shuffled', 'shuffled')):
    x = study.arrays[name]
    unit = x / np.linalg.norm(x, axis=-1, keepdims=True)
    np.testing.assert_allclose(directions[places[kind]], unit, rtol=1e-5)
  np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1, rtol=1e-5)
  # Strength 1 is one mean residual norm of the layer.
  norm = study.arrays['resid_norm'][None, :, None]
  np.testing.assert_allclose(study.bank, directions * norm, rtol=1e-5)


def test_controls_are_no_emotion_and_are_drawn_again_alike(study):
  random = study.directions[study.places['random']]
  again = dataclasses.replace(study)
  np.testing.assert_array_equal(again.directions, study.directions)
  cosine = np.einsum('RLD,ELD->LRE', random, study.directions[:E])
  assert np.abs(cosine).max() < 0.9


def test_the_band_is_the_middle_of_any_depth(study):
  def band(depth):
    model = study.lm.model.copy(
        config=dataclasses.replace(study.lm.config, num_layers=depth)
    )
    lm = dataclasses.replace(study.lm, model=model)
    return dataclasses.replace(study, lm=lm).band

  assert band(30) == tuple(range(12, 19))
  assert band(10) == (4, 5, 6)
  assert band(1) == (0,)
  for depth in range(1, 100):
    assert set(band(depth)) <= set(range(depth)) and band(depth)


def test_rows_about_an_emotion_without_a_vector_are_left_out(study):
  rows = [
      story
      for story in study.stories.stories
      if story.emotion in ('proud', 'bored')
  ]
  strange = dataclasses.replace(rows[0], emotion='smug')
  assert study.known([strange, *rows]) == rows
  assert study.index(['bored', 'happy']) == [3, 0]
  with pytest.raises(ValueError, match='smug'):
    study.index(['smug'])


def test_the_layer_is_the_one_that_the_stories_chose(study):
  held_out = files.read_json(study.workdir / 'heldout.json')
  assert study.layer == held_out['chosen_layer']
  assert len(study.captured['stories']) == held_out['layers'][0]['top1']['n']
