"""The pipeline yields the plan, from where it stopped, in few shapes."""

import json

import jax
import numpy as np
import pytest

from emojax.data import batches
from emojax.data import pipeline
from emojax.experiments import passes
from emojax.models import capture
from emojax.models import sharding


@pytest.fixture
def corpus():
  rng = np.random.default_rng(0)
  return [
      rng.integers(1, 40, size=n).tolist() for n in rng.integers(1, 90, 103)
  ]


def _plan(corpus, size=8):
  return batches.plan([len(ids) for ids in corpus], size)


def _same(a, b):
  for name in ('rows', 'own', 'tokens', 'valid', 'pool'):
    np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_every_text_comes_once_and_the_last_batch_is_filled(corpus):
  got = list(pipeline.dataset(corpus, None, _plan(corpus)))
  assert len(got) == 13
  seen = [i for batch in got for i in batch.rows if i >= 0]
  assert sorted(seen) == list(range(103))
  assert (got[-1].rows == -1).sum() == 1
  for batch in got:
    for i, tokens, valid in zip(
        batch.rows, batch.tokens, batch.valid, strict=True
    ):
      assert tokens[valid].tolist() == (corpus[i] if i >= 0 else [])


def test_it_goes_on_from_a_saved_state(corpus):
  dataset = pipeline.dataset(corpus, None, _plan(corpus))
  whole = list(dataset)
  iterator = iter(dataset)
  for _ in range(5):
    next(iterator)
  state = json.loads(json.dumps(iterator.get_state()))
  again = iter(pipeline.dataset(corpus, None, _plan(corpus)))
  again.set_state(state)
  rest = list(again)
  assert len(rest) == len(whole) - 5
  for a, b in zip(rest, whole[5:], strict=True):
    _same(a, b)


def test_the_processes_parts_make_the_whole(corpus):
  plan = _plan(corpus)
  parts = [np.array([0, 1, 4, 5]), np.array([2, 3, 6, 7])]
  whole, *own = (
      list(pipeline.dataset(corpus, None, plan, part))
      for part in (None, *parts)
  )
  for whole_batch, *part_batches in zip(whole, *own, strict=True):
    for part, batch in zip(parts, part_batches, strict=True):
      np.testing.assert_array_equal(batch.rows, whole_batch.rows)
      np.testing.assert_array_equal(batch.tokens, whole_batch.tokens[part])


def test_nothing_is_compiled_after_each_shape_was_seen_once(model):
  """Fifty texts of any length below 200: seven widths at most."""

  class Model:
    mesh = sharding.one_device()
    params = model[1]

  Model.model = model[0]
  rng = np.random.default_rng(0)
  texts = [[1] * n for n in rng.integers(1, 200, 50)]
  planned = passes.plan(Model, texts, 2)
  shapes = {width for _, width in planned}
  assert len(shapes) <= 7
  sites = ('resid_post/norm',)
  before = capture.capture._cache_size()
  list(passes.over(Model, texts, None, planned, sites, 'Test'))
  assert capture.capture._cache_size() == before + len(shapes)
  list(passes.over(Model, texts, None, planned, sites, 'Test'))
  assert capture.capture._cache_size() == before + len(shapes)


def test_results_come_in_the_order_of_the_plan_ahead_or_not():
  slow_first = lambda i: jax.numpy.ones(3000 - 1000 * min(i, 2)).sum() + i
  for ahead in (passes._in_threads, passes._in_order):
    got = list(ahead(slow_first, range(7)))
    assert [item for item, _ in got] == list(range(7))
    assert [float(x) for _, x in got] == [
        float(slow_first(i)) for i in range(7)
    ]
    assert list(ahead(slow_first, [])) == []


def test_an_error_in_a_batch_ends_the_pass():
  def fails(i):
    if i == 3:
      raise RuntimeError('third')
    return jax.numpy.zeros(())

  for ahead in (passes._in_threads, passes._in_order):
    with pytest.raises(RuntimeError, match='third'):
      list(ahead(fails, range(9)))
