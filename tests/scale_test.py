"""Captures of any size: what they say they need, and what they leave."""

import logging

import numpy as np
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax.data import stories as stories_lib
from emojax.experiments import capture_stories
from emojax.experiments import encode
from emojax.experiments import predict
from emojax.experiments import quickstart
from emojax.experiments import story_rows
from emojax.models import load

L, D = tiny_model.LAYERS, tiny_model.WIDTH


@pytest.fixture(scope='module')
def fields(tmp_path_factory):
  return tiny_model.settings(tmp_path_factory.mktemp('tiny')) | {'batch': 4}


@pytest.fixture(scope='module')
def corpus(fields):
  config = tiny_model.config('quickstart', **fields)
  lm = load.load(config.model, config.dtype)
  stories = stories_lib.load_stories(files.Path(config.stories))
  dialogues = stories_lib.load_dialogues(files.Path(config.neutral))
  return lm, stories, encode.corpus(config, lm, stories, dialogues)


def _capture(corpus, fields, workdir, **more):
  lm, stories, encoded = corpus
  config = tiny_model.config('quickstart', **fields | more)
  capture_stories.run(config, workdir, lm, stories, encoded)
  return files.read_arrays(workdir / capture_stories.NAME)[0]


def _needs(corpus, fields, **more):
  lm, _, encoded = corpus
  config = tiny_model.config('quickstart', **fields | more)
  return predict.capture_needs(config, lm, encoded, 11)


def test_cells_hold_the_means_of_their_stories(corpus, fields, tmp_path):
  one = _capture(corpus, fields, tmp_path / 'one')
  folds = _capture(corpus, fields, tmp_path / 'two', unit='cell', folds=2)
  assert folds['count'].sum() == len(one['stories']) == 11
  assert folds['topic'].max() == 1
  for row, (emotion, fold) in enumerate(
      zip(folds['emotion'], folds['topic'], strict=True)
  ):
    own = (one['emotion'] == emotion) & (one['topic'] % 2 == fold)
    assert folds['count'][row] == own.sum() > 0
    for name in ('stories', 'stories_embed'):
      np.testing.assert_allclose(
          folds[name][row], one[name][own].mean(axis=0), atol=1e-5
      )


def test_rows_of_chosen_layers_are_stored_with_their_story(
    corpus, fields, tmp_path
):
  one = _capture(corpus, fields, tmp_path, unit='story', keep_layers=(2, 0))
  store = story_rows.open_store(tmp_path, 11, 2, D)
  used = np.flatnonzero(one['used'])
  assert sorted(one['stored']) == used.tolist()
  row = np.searchsorted(used, one['stored'])
  np.testing.assert_array_equal(
      store.read().result(), one['stories'][row][:, [2, 0]]
  )


def test_a_damaged_part_of_the_stored_rows_cannot_be_read(
    corpus, fields, tmp_path
):
  _capture(corpus, fields, tmp_path, keep_layers=(1,))
  parts = (tmp_path / 'stories.zarr' / 'c').rglob('*')
  (path,) = (part for part in parts if part.is_file())
  data = bytearray(path.read_bytes())
  data[7] ^= 1
  path.write_bytes(data)
  store = story_rows.open_store(tmp_path, 11, 1, D)
  with pytest.raises(ValueError, match='Digest mismatch'):
    store.read().result()


def test_a_layer_that_is_not_there_is_refused_before_anything_is_written(
    fields, tmp_path
):
  config = tiny_model.config('quickstart', **fields | {'keep_layers': (3,)})
  with pytest.raises(errors.InputError, match='Layer 3 is out of range'):
    quickstart.run(config, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('unit', ['story', 'cell'])
def test_what_is_predicted_is_what_is_needed(
    corpus, fields, tmp_path, unit, monkeypatch
):
  monkeypatch.setattr(capture_stories.chunks, 'clear', lambda artefact: None)
  needs = _needs(corpus, fields, unit=unit)
  _capture(corpus, fields, tmp_path, unit=unit)
  size = sum(p.stat().st_size for p in tmp_path.rglob('*') if p.is_file())
  assert size == pytest.approx(needs.disk, rel=0.5)
  weights = tiny_model.weights(corpus[0].config.vocab_size, 0).values()
  assert needs.weights == sum(4 * x.size for x in weights)
  # The residual stream of one batch is the least that there can be.
  assert needs.batch > 4 * 160 * D * 4


def test_with_sums_the_host_needs_as_much_for_any_number_of_stories(
    corpus, fields
):
  lm, stories, encoded = corpus
  more = encode.Encoded(
      stories=encoded.stories * 50,
      pools=encoded.pools * 50,
      used=np.tile(encoded.used, 50),
      neutral=encoded.neutral,
      contents=encoded.contents,
  )
  config = tiny_model.config('quickstart', **fields)
  needs = {}
  for unit in ('story', 'cell'):
    config.unit = unit
    for name, each in (('one', encoded), ('fifty', more)):
      needs[unit, name] = predict.capture_needs(config, lm, each, 11)
  assert needs['cell', 'one'] == needs['cell', 'fifty']
  assert needs['story', 'fifty'].host > 10 * needs['story', 'one'].host


def test_the_prediction_is_one_line(corpus, fields, caplog):
  with caplog.at_level(logging.INFO, logger='absl'):
    predict.report(_needs(corpus, fields))
  assert len(caplog.records) == 1
  assert 'on each device (weights 0.00 GiB' in caplog.text
