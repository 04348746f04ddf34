"""Where a direction is most active, with sinks and template tokens planted."""

import numpy as np
import pytest

from emojax import passages

T, E = 40, 3
EMOTION = slice(25, 29)  # Where emotion 0 is.
TEMPLATE, SINK = (5, 6), 0


def planted():
  """A transcript: a sink at 0, a template token that reads higher still."""
  rng = np.random.default_rng(0)
  cosine = 0.05 * rng.standard_normal((T, E))
  cosine[EMOTION, 0] += 0.3
  cosine[SINK] = 0.9
  cosine[TEMPLATE, :] = 0.8
  norm = rng.uniform(18, 24, T)
  norm[SINK] = 1600
  content = np.ones(T, bool)
  content[list(TEMPLATE)] = False
  return norm, cosine, content


def by_hand(score, counted, width):
  """Every window, one by one."""
  at = [i for i, inside in enumerate(counted) if inside]
  width = min(width, len(at))
  best, spans = [], []
  for e in range(score.shape[1]):
    options = [at[i : i + width] for i in range(len(at) - width + 1)]
    means = [np.mean([score[t, e] for t in option]) for option in options]
    best.append(max(means))
    chosen = options[int(np.argmax(means))]
    spans.append((chosen[0], chosen[-1] + 1))
  return np.array(best), np.array(spans)


def test_sinks_and_template_tokens_do_not_win():
  norm, cosine, content = planted()
  assert cosine.argmax(axis=0).tolist() == [SINK] * E  # As they would.
  counted = passages.ordinary_tokens(norm, content)
  assert not counted[[SINK, *TEMPLATE]].any()
  assert counted.sum() == T - 1 - len(TEMPLATE)
  _, spans = passages.best_windows(cosine, counted, 4)
  assert spans[0].tolist() == [EMOTION.start, EMOTION.stop]


def test_a_massive_activation_anywhere_does_not_win():
  norm, cosine, content = planted()
  norm[12], cosine[12, 1] = 100, 0.99
  norm[20], cosine[20, 2] = 40, 0.99  # Long, but under four medians.
  counted = passages.ordinary_tokens(norm, content)
  assert not counted[12] and counted[20]
  assert counted[13:].all()
  assert passages.ordinary_tokens(norm, content, factor=1e9)[12]


@pytest.mark.parametrize('width', [1, 4, 12, 100])
@pytest.mark.parametrize('seed', range(3))
def test_the_best_window_is_that_of_all_windows(width, seed):
  rng = np.random.default_rng(seed)
  score = rng.standard_normal((T, E))
  counted = rng.random(T) < 0.7
  counted[3] = True
  best, spans = passages.best_windows(score, counted, width)
  expected, places = by_hand(score, counted, width)
  np.testing.assert_allclose(best, expected)
  np.testing.assert_array_equal(spans, places)


def test_the_end_of_a_long_text_is_as_exact_as_its_beginning():
  rng = np.random.default_rng(0)
  score = (5 + rng.standard_normal((50_000, 1))).astype(np.float32)
  score[-9:-5] += 6
  counted = np.ones(len(score), bool)
  best, spans = passages.best_windows(score, counted, 4)
  assert spans.tolist() == [[len(score) - 9, len(score) - 5]]
  expected = score[-9:-5].astype(np.float64).mean()
  np.testing.assert_allclose(best, expected, rtol=1e-9)


def test_one_odd_token_makes_no_window_of_several():
  score = np.zeros((T, 1))
  score[8], score[20:24] = 2.0, 1.0
  counted = np.ones(T, bool)
  assert passages.best_windows(score, counted, 1)[1].tolist() == [[8, 9]]
  assert passages.best_windows(score, counted, 4)[1].tolist() == [[20, 24]]


def test_a_window_reaches_over_tokens_that_do_not_count():
  score = np.zeros((T, 1))
  score[[4, 7]] = 1.0
  counted = np.ones(T, bool)
  counted[[5, 6]] = False
  score[5] = 50.0
  best, spans = passages.best_windows(score, counted, 2)
  assert best.tolist() == [1.0] and spans.tolist() == [[4, 8]]


def test_full_colour_is_the_99th_percentile_over_tokens_and_emotions():
  cosine = np.linspace(-1, 0.5, 1001).reshape(-1, 1)
  expected = np.sort(np.abs(cosine).ravel())[990]
  assert passages.display_scale(cosine) == pytest.approx(expected)
  # Of one emotion alone the scale would be another.
  both = np.concatenate([cosine, 0.1 * cosine], axis=1)
  assert passages.display_scale(both) < passages.display_scale(cosine)
