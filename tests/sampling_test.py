"""Sampling draws from the distribution that was asked for, and no other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emojax.models import sampling

Sampling = sampling.Sampling
P = np.array([0.05, 0.5, 0.15, 0.3])


def draw(probabilities, how, n=20_000, seed=0):
  """How often each word comes, as fractions."""
  logits = jnp.log(jnp.asarray(probabilities, jnp.float32))
  rows = jnp.broadcast_to(logits, (n, len(probabilities)))
  keys = jax.random.split(jax.random.key(seed), n)
  got = jax.jit(sampling.pick, static_argnums=2)(rows, keys, how)
  return np.bincount(got, minlength=len(probabilities)) / n


@pytest.mark.parametrize(
    ('how', 'expected'),
    [
        (Sampling(), P),
        (Sampling(temperature=0.5), P**2 / (P**2).sum()),
        (Sampling(top_k=2), np.array([0, 0.625, 0, 0.375])),
        (Sampling(top_p=0.8), np.array([0, 0.625, 0, 0.375])),
        (Sampling(top_p=0.81), np.array([0, 0.5, 0.15, 0.3]) / 0.95),
        # Of the two words that top-k leaves, the first has .625 of the rest.
        (Sampling(top_k=2, top_p=0.6), np.array([0, 1, 0, 0])),
        (Sampling(temperature=0), np.array([0, 1, 0, 0])),
        (Sampling(top_k=1), np.array([0, 1, 0, 0])),
        (Sampling(top_k=9), P),
    ],
)
def test_words_come_as_often_as_they_should(how, expected):
  # Four standard errors of a proportion at n = 20,000.
  np.testing.assert_allclose(draw(P, how), expected, atol=0.0142)


@pytest.mark.parametrize('size', [7, 256, 257, 1024, 49152])
def test_a_vocabulary_of_any_size_is_searched_whole(size):
  words = np.array([0, size // 2, size - 1])
  logits = np.random.default_rng(0).uniform(-9, -5, (3, size))
  logits[np.arange(3), words] = 30
  keys = jax.random.split(jax.random.key(1), 3)
  for how in (Sampling(), Sampling(temperature=0), Sampling(top_p=0.5)):
    got = sampling.pick(jnp.asarray(logits, jnp.float32), keys, how)
    assert got.tolist() == words.tolist()
    assert got.dtype == jnp.int32


def test_of_equal_logits_the_first_is_the_likeliest():
  logits = np.zeros((1, 512), np.float32)
  logits[0, [300, 40, 290]] = 1
  keys = jax.random.split(jax.random.key(0), 1)
  assert sampling.pick(jnp.asarray(logits), keys, Sampling(0)).tolist() == [40]


def test_top_p_keeps_what_sorting_keeps():
  rng = np.random.default_rng(0)
  logits = jnp.asarray(rng.normal(0, 3, (6, 1000)), jnp.float32)
  p = np.asarray(jax.nn.softmax(logits), np.float64)
  for top_p in (0.1, 0.5, 0.95):
    kept = np.asarray(sampling._keep(p, p, top_p) > 0)
    for row, mask in zip(p, kept):
      order = np.argsort(-row)
      count = np.searchsorted(np.cumsum(row[order]), top_p) + 1
      assert set(np.flatnonzero(mask)) == set(order[:count])


@pytest.mark.parametrize('uniform', [0.0, 0.25, 0.5, 1 - 2**-24])
def test_a_word_that_was_cut_off_is_never_drawn(uniform):
  weights = np.zeros((1, 1024), np.float32)
  weights[0, [5, 700]] = 1
  got = sampling._invert(jnp.asarray(weights), jnp.asarray([uniform]))
  assert got.tolist() == ([5] if uniform < 0.5 else [700])


def test_a_word_depends_on_its_own_row_and_key_only():
  rng = np.random.default_rng(1)
  logits = jnp.asarray(rng.normal(0, 2, (5, 512)), jnp.float32)
  keys = jax.random.split(jax.random.key(2), 5)
  how = Sampling(temperature=0.9, top_k=100, top_p=0.9)
  together = sampling.pick(logits, keys, how)
  for i in range(5):
    alone = sampling.pick(logits[i : i + 1], keys[i : i + 1], how)
    assert alone.tolist() == [together[i].item()]
