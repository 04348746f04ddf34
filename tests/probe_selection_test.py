"""Penalties and temperatures are chosen on topics that no probe has seen."""

import numpy as np
import pytest

from emojax import probe_selection
from emojax import probes

L, N, D, E, TOPICS = 2, 120, 12, 3, 4
PATH = (1e-4, 1e-2, 1.0, 100.0)


@pytest.fixture(scope='module')
def data():
  rng = np.random.default_rng(0)
  labels, topic = np.arange(N) % E, np.arange(N) // E % TOPICS
  centres = rng.normal(size=(L, E, D)) * 0.8
  subjects = rng.normal(size=(L, TOPICS, D)) * 2
  x = rng.normal(size=(L, N, D)) + centres[:, labels] + subjects[:, topic]
  return x.astype(np.float32), labels, topic


def _select(data, labels=None, kind='multinomial', path=PATH):
  x, own, topic = data
  labels = own if labels is None else labels
  features = probes.features(x)
  said = np.zeros((len(path), L, N, E), np.float32)
  for fold in range(TOPICS):
    test, start = topic == fold, None
    for i, c in enumerate(path):
      said[i][:, test], fitted = probe_selection.hold_out(
          features,
          labels,
          ~test,
          np.flatnonzero(test),
          c,
          num_classes=E,
          kind=kind,
          start=start,
      )
      assert fitted.decrement.max() < 1e-4
      start = fitted.probes
  return probe_selection.select(said, labels)


@pytest.mark.parametrize('kind', ['multinomial', 'one-vs-rest'])
def test_each_topic_is_predicted_by_probes_of_the_others(data, kind):
  x, labels, topic = data
  got = _select(data, kind=kind)
  test = topic == 2
  for layer in range(L):
    alone = probes.fit(
        probes.features(x[layer : layer + 1, ~test]),
        labels[~test],
        np.ones((~test).sum()),
        PATH[got.chosen[layer]],
        num_classes=E,
        kind=kind,
    )
    said = probes.log_probs(alone.probes, x[layer : layer + 1, test], kind)
    np.testing.assert_allclose(
        np.exp(got.log_probs[layer, test]), np.exp(said[0]), atol=5e-3
    )


def test_what_is_said_of_a_topic_does_not_depend_on_its_labels(data):
  x, labels, topic = data
  other = labels.copy()
  other[topic == 1] = (other[topic == 1] + 1) % E
  one, two = (_select((x, y, topic), path=PATH[1:2]) for y in (labels, other))
  held_out = topic == 1
  np.testing.assert_array_equal(
      one.log_probs[:, held_out], two.log_probs[:, held_out]
  )
  assert not np.allclose(
      one.log_probs[:, ~held_out], two.log_probs[:, ~held_out], atol=1e-3
  )


def test_the_penalty_with_the_least_held_out_loss_is_chosen(data):
  got = _select(data)
  assert got.chosen.tolist() == got.loss.argmin(axis=0).tolist()
  own = got.log_probs[:, np.arange(N), data[1]]
  np.testing.assert_allclose(-own.mean(axis=1), got.loss.min(axis=0), rtol=1e-5)
  # Too strong says nothing; too weak says too much.
  assert np.all(np.abs(got.loss[0] - np.log(E)) < 0.05)
  assert np.all(got.loss[-1] > got.loss.min(axis=0) + 0.1)


def test_real_labels_are_predicted_and_shuffled_ones_are_not(data):
  labels = np.random.default_rng(1).permutation(data[1])
  real, shuffled = _select(data), _select(data, labels)
  best = lambda got: got.accuracy[got.chosen, np.arange(L)]
  assert np.all(best(real) > 1 / E + 0.1) and best(real).mean() > 0.5
  assert np.all(np.abs(best(shuffled) - 1 / E) < 0.2)


def _logits(n=4000, sharpness=1.0, seed=0):
  """Labels drawn from a softmax, and logits that are too sharp for them."""
  rng = np.random.default_rng(seed)
  logits = 1.5 * rng.normal(size=(1, n, E))
  p = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=1, keepdims=True)
  labels = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)
  x = sharpness * logits
  return (x - np.logaddexp.reduce(x, axis=2, keepdims=True)).astype(
      np.float32
  ), np.minimum(labels, E - 1)


@pytest.mark.parametrize('sharpness', [0.25, 1.0, 4.0])
def test_the_temperature_undoes_what_was_too_sharp_or_too_flat(sharpness):
  log_probs, labels = _logits(sharpness=sharpness)
  got = probe_selection.temperatures(log_probs, labels)
  np.testing.assert_allclose(got, sharpness, rtol=0.1)


def test_calibration_lowers_loss_and_error_on_new_examples():
  old, old_labels = _logits(sharpness=4.0)
  new, labels = _logits(sharpness=4.0, seed=1)
  t = probe_selection.temperatures(old, old_labels)
  calm = np.asarray(probe_selection.calibrated(new, t))
  loss = lambda x: -x[0, np.arange(len(labels)), labels].mean()
  assert loss(calm) < loss(new) - 0.1
  before, after = (
      probe_selection.calibration_error(x, labels)[0] for x in (new, calm)
  )
  assert before > 0.1 and after < 0.04
  assert calm.argmax(axis=2).tolist() == new.argmax(axis=2).tolist()


def test_the_calibration_error_by_hand():
  # Confident .8 twice and .6 twice; right once, once.
  p = np.log([[[0.8, 0.2], [0.8, 0.2], [0.6, 0.4], [0.6, 0.4]]])
  got = probe_selection.calibration_error(p, np.array([0, 1, 0, 1]), bins=2)
  np.testing.assert_allclose(got, [(0.3 + 0.1) / 2])
