"""Probes reach scikit-learn's optimum, and never see what is held out."""

import json
import subprocess
import sys
import warnings

import jax
import numpy as np
import pytest
from sklearn import linear_model
from sklearn import multiclass
from sklearn import preprocessing

from emojax import errors
from emojax import probes

L, N, D, E = 3, 240, 10, 4
KINDS = ('multinomial', 'one-vs-rest')


def _data(seed=0, separable=False):
  """Features of very unlike sizes, one constant, classes of unlike counts."""
  rng = np.random.default_rng(seed)
  labels = rng.choice(E, N, p=[0.55, 0.25, 0.15, 0.05])
  centres = rng.normal(size=(L, E, D)) * (8 if separable else 0.7)
  x = rng.normal(size=(L, N, D)) + centres[:, labels]
  x = np.einsum('LND,LDC->LNC', x, rng.normal(size=(L, D, D)))
  x = x * 10.0 ** np.linspace(-2, 2, D) + 30 * rng.normal(size=D)
  x[..., 3] = 7
  return x.astype(np.float32), labels


def _theirs(x, labels, c, kind):
  """Scikit-learn's optimum for each layer: raw probes in float64."""
  out = []
  for layer in x.astype(np.float64):
    scaler = preprocessing.StandardScaler().fit(layer)
    model = linear_model.LogisticRegression(C=c, tol=1e-10, max_iter=20000)
    if kind == 'one-vs-rest':
      model = multiclass.OneVsRestClassifier(model)
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')
      model.fit(scaler.transform(layer), labels)
    if kind == 'one-vs-rest':
      coef = np.concatenate([m.coef_ for m in model.estimators_])
      bias = np.concatenate([m.intercept_ for m in model.estimators_])
    else:
      coef, bias = model.coef_, model.intercept_
    out.append((scaler.mean_, scaler.scale_, coef.T, bias))
  return probes.Probes(*map(np.stack, zip(*out, strict=True)))


def _loss(probe, x, labels, c, kind, weights=None):
  """The penalised loss of each layer in float64, by its definition."""
  weights = np.ones(len(labels)) if weights is None else weights
  out = []
  for layer in range(len(x)):
    mean, scale, w, bias = (
        np.asarray(getattr(probe, name)[layer], np.float64)
        for name in ('mean', 'scale', 'weights', 'bias')
    )
    logits = (x[layer] - mean) / scale @ w + bias
    own = labels[:, None] == np.arange(w.shape[1])
    if kind == 'multinomial':
      each = np.logaddexp.reduce(logits, axis=1) - logits[own]
    else:
      each = (np.logaddexp(0, logits) - own * logits).sum(axis=1)
    out.append((weights @ each + (w**2).sum() / (2 * c)) / weights.sum())
  return np.array(out)


def _fit(x, labels, c, kind='multinomial', weights=None, **more):
  weights = np.ones(x.shape[1]) if weights is None else weights
  return probes.fit(
      probes.features(x), labels, weights, c, num_classes=E, kind=kind, **more
  )


@pytest.mark.parametrize('separable', [False, True])
@pytest.mark.parametrize('c', [0.01, 1.0, 100.0])
@pytest.mark.parametrize('kind', KINDS)
def test_the_optimum_is_that_of_scikit_learn(kind, c, separable):
  x, labels = _data(separable=separable)
  got = _fit(x, labels, c, kind)
  ours = _loss(got.probes, x, labels, c, kind)
  theirs = _loss(_theirs(x, labels, c, kind), x, labels, c, kind)
  np.testing.assert_allclose(ours, theirs, rtol=1e-4)
  np.testing.assert_allclose(got.loss, ours, rtol=1e-4)
  chance = _loss(_fit(x, labels, 1e-9, kind).probes, x, labels, c, kind)
  assert np.all(ours < 0.95 * chance)


@pytest.mark.parametrize('kind', KINDS)
def test_predictions_are_those_of_scikit_learn(kind):
  x, labels = _data()
  ours = probes.log_probs(_fit(x, labels, 1.0, kind, tolerance=1e-7).probes, x)
  theirs = probes.log_probs(_theirs(x, labels, 1.0, kind), x)
  np.testing.assert_allclose(np.exp(ours), np.exp(theirs), atol=5e-3)
  np.testing.assert_allclose(np.exp(ours).sum(axis=2), 1, atol=1e-5)


@pytest.mark.parametrize('kind', KINDS)
def test_examples_of_weight_zero_are_not_there(kind):
  x, labels = _data()
  weights = (np.arange(N) % 3 > 0).astype(np.float32)
  got = _fit(x, labels, 1.0, kind, weights)
  kept = weights > 0
  alone = _fit(x[:, kept], labels[kept], 1.0, kind)
  np.testing.assert_allclose(got.loss, alone.loss, rtol=1e-5)
  other = labels.copy()
  other[~kept] = (other[~kept] + 1) % E
  changed = _fit(x, other, 1.0, kind, weights)
  np.testing.assert_array_equal(got.loss, changed.loss)


def test_a_weight_of_two_is_an_example_twice():
  x, labels = _data()
  weights = np.ones(N)
  weights[:50] = 2
  twice = np.concatenate([np.arange(N), np.arange(50)])
  one = _fit(x, labels, 1.0, weights=weights)
  two = _fit(x[:, twice], labels[twice], 1.0)
  np.testing.assert_allclose(one.loss, two.loss, rtol=1e-5)


def test_a_layer_does_not_depend_on_the_others():
  x, labels = _data()
  whole = _fit(x, labels, 1.0)
  turned = _fit(x[::-1].copy(), labels, 1.0)
  alone = _fit(x[1:2], labels, 1.0)
  np.testing.assert_allclose(whole.loss, turned.loss[::-1], rtol=1e-6)
  np.testing.assert_allclose(whole.loss[1:2], alone.loss, rtol=1e-6)


def test_each_layer_can_have_its_own_penalty():
  x, labels = _data()
  got = _fit(x, labels, np.array([0.1, 1.0, 10.0]))
  for layer, c in enumerate((0.1, 1.0, 10.0)):
    alone = _fit(x[layer : layer + 1], labels, c)
    np.testing.assert_allclose(got.loss[layer], alone.loss[0], rtol=1e-5)


def test_a_start_at_the_optimum_stays_there_and_costs_little():
  x, labels = _data()
  cold = _fit(x, labels, 1.0)
  warm = _fit(x, labels, 1.0, start=cold.probes)
  np.testing.assert_allclose(warm.loss, cold.loss, rtol=1e-5)
  assert 2 * warm.evaluations.max() <= cold.evaluations.max()


def test_giving_up_early_is_told():
  x, labels = _data()
  assert _fit(x, labels, 100.0).decrement.max() <= 1e-5
  early = _fit(x, labels, 100.0, max_evaluations=3)
  assert early.decrement.min() > 1e-4 and early.evaluations.max() == 3


def test_activations_in_bfloat16_are_as_they_are_rounded():
  x, labels = _data()
  rounded = jax.numpy.asarray(x).astype(jax.numpy.bfloat16)
  one = _fit(rounded, labels, 1.0)
  two = _fit(np.asarray(rounded.astype(np.float32)), labels, 1.0)
  np.testing.assert_allclose(one.loss, two.loss, rtol=1e-6)


def test_what_is_not_finite_is_refused_with_its_layer():
  x, _ = _data()
  x[2, 5, 1] = np.nan
  with pytest.raises(errors.InputError, match='Layer 2: .* not finite'):
    probes.features(x)


def test_folds_and_penalties_compile_nothing():
  x, labels = _data()
  data = probes.features(x)
  fit = lambda fold, c: probes.fit(
      data, labels, np.arange(N) % 5 != fold, c, num_classes=E
  )
  fit(0, 1.0)
  before = probes._fit._cache_size()
  for fold in range(5):
    fit(fold, 0.1 * 2**fold)
  assert probes._fit._cache_size() == before


def on_meshes():
  """Fits on each mesh of 8 devices; prints losses and probabilities."""
  jax.config.update('jax_num_cpu_devices', 8)
  x, labels = _data()
  weights = np.ones(N, np.float32)
  found = []
  for sizes in [(1, 1), (8, 1), (4, 2), (1, 8)]:
    devices = np.array(jax.devices()[: sizes[0] * sizes[1]]).reshape(sizes)
    mesh = jax.sharding.Mesh(devices, ('data', 'model'))
    put = lambda x, *spec, mesh=mesh: jax.device_put(
        x, jax.sharding.NamedSharding(mesh, jax.P(*spec))
    )
    data = probes.features(put(x, None, 'data'))
    got = probes.fit(
        data, put(labels, 'data'), put(weights, 'data'), 1.0, num_classes=E
    )
    said = np.exp(probes.log_probs(got.probes, x))
    found.append((np.asarray(got.loss).tolist(), said.tolist()))
  print(json.dumps(found))


def test_on_eight_devices_the_probes_are_the_same():
  done = subprocess.run(
      [sys.executable, __file__], capture_output=True, text=True, timeout=300
  )
  assert done.returncode == 0, done.stderr
  alone, *others = json.loads(done.stdout.splitlines()[-1])
  for loss, said in others:
    np.testing.assert_allclose(loss, alone[0], rtol=1e-5)
    np.testing.assert_allclose(said, alone[1], atol=2e-4)


if __name__ == '__main__':
  on_meshes()
