"""Scores of next words come back to the request that asked, in any batch.

What a score is, steered or not, engine_test.py holds against a whole pass.
"""

import numpy as np
import pytest
import tiny_model

from emojax import steering
from emojax.experiments import next_words
from emojax.models import prompts

CONFIG = tiny_model.CONFIG
PROMPTS = ((3, 1, 4, 1, 5), (2, 7, 1, 8), (1, 6, 1, 8, 0))
WORDS = [[7], [4, 2], [9, 3]]
SIZE = 6  # Two prompts in each batch.


@pytest.fixture(scope='module')
def lm():
  return tiny_model.language_model(*tiny_model.random_model())


@pytest.fixture(scope='module')
def bank():
  return 3 * steering.random_directions(0, 2, CONFIG.num_layers, CONFIG.width)


def request(prompt, index=None, strength=0.0):
  terms = ()
  if index is not None:
    terms = (
        prompts.Term(
            index=index,
            strength=steering.at_layers(strength, [1], CONFIG.num_layers),
            prompt=np.arange(len(prompt)) > 0,
            span=(len(prompt), 100),
        ),
    )
  return prompts.Request(prompt, np.zeros(2, np.uint32), terms)


@pytest.fixture(scope='module')
def requests():
  """Prompts in turn, so that no two neighbours share one."""
  rows = [request(p) for p in PROMPTS]
  for index, strength in ((0, 0.8), (1, 0.8), (0, 0.0)):
    rows += [request(p, index, strength) for p in PROMPTS]
  return rows


@pytest.fixture(scope='module')
def scores(lm, bank, requests):
  return next_words.log_probs(lm, bank, requests, WORDS, SIZE)


def test_every_request_is_in_one_batch_beside_those_of_its_prompt(lm, requests):
  for size in (1, 5, 12, 100):
    found = list(next_words.batches(lm, requests, size))
    real = [i for rows, _ in found for i in rows]
    assert sorted(real) == list(range(len(requests)))
    order = [requests[i].prompt for i in real]
    assert order == sorted(order)
    for rows, filled in found:
      assert filled[: len(rows)] == rows and set(filled) == set(rows)
      assert len(filled) == min(size, len(requests))


def test_scores_are_those_of_a_request_in_any_place_beside_any_other(
    lm, bank, requests, scores
):
  assert scores.shape == (len(requests), len(WORDS))
  assert np.all(scores < 0)
  order = np.random.default_rng(1).permutation(len(requests))
  turned = next_words.log_probs(
      lm, bank, [requests[i] for i in order], WORDS, SIZE
  )
  # Float32, some ten terms in another order.
  np.testing.assert_allclose(turned, scores[order], rtol=2e-5, atol=2e-5)


def test_only_a_strength_changes_a_score(scores):
  plain, first, second, none = scores.reshape(4, len(PROMPTS), -1)
  np.testing.assert_allclose(none, plain, rtol=2e-5, atol=2e-5)
  for a, b in ((first, plain), (second, plain), (first, second)):
    assert np.all(np.abs(a - b).max(axis=1) > 1e-2)
