"""Texts of a batch are those of rows alone, steered where the rule says."""

import functools

import compiling
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_model

from emojax import positions
from emojax import steering
from emojax.models import decoding
from emojax.models import engine
from emojax.models import prompts
from emojax.models import readback
from emojax.models import sampling
from emojax.models import taps
from emojax.models import words as words_lib

CONFIG = tiny_model.CONFIG
GREEDY = sampling.Sampling(temperature=0)
SAMPLED = sampling.Sampling(temperature=0.8, top_k=40, top_p=0.95)
STEPS = 12
PICK = jax.jit(sampling.pick, static_argnums=2)
# Of different lengths; two begin alike.
PROMPTS = ((3, 1, 4, 1, 5, 9, 2, 6), (5, 3, 5), (3, 1, 4, 9), (7,) * 12)
RULES = ('all', 'prompt', 'user', 'assistant', 'generated', 'from:2')
RULES += ('from:10', 'span:1:3', 'span:4:9')
# Float32, sums of some ten terms in another order.
CLOSE = dict(rtol=2e-5, atol=2e-5)


@pytest.fixture(scope='module')
def lm():
  return tiny_model.language_model(*tiny_model.random_model())


@pytest.fixture(scope='module')
def bank():
  unit = steering.random_directions(0, 4, CONFIG.num_layers, CONFIG.width)
  return jnp.asarray(unit * 3)


def roles_of(prompt):
  """The last two tokens are the assistant's turn, the first the template's."""
  roles = ['user'] * len(prompt)
  roles[-2:] = ['template'] * len(roles[-2:])
  roles[0] = 'template'
  return roles


def term(prompt, index, strength, layers, rule, ablate=False):
  rule = positions.parse(rule)
  turn = max(len(prompt) - 2, 0)
  return prompts.Term(
      index=index,
      strength=steering.at_layers(strength, layers, CONFIG.num_layers),
      prompt=positions.prompt_tokens(rule, roles_of(prompt), turn),
      span=positions.written_span(rule, len(prompt)),
      ablate=ablate,
  )


def request(seed, prompt, *terms):
  key = jax.random.key_data(jax.random.key(seed))
  terms = tuple(term(prompt, *t) for t in terms)
  return prompts.Request(prompt, np.asarray(key), terms)


def grid():
  """Rows of every kind: each rule, layer, a band, two at once, ablations."""
  rows = [request(0, PROMPTS[0]), request(1, PROMPTS[3])]
  for i, rule in enumerate(RULES):
    prompt = PROMPTS[i % len(PROMPTS)]
    rows.append(request(2 + i, prompt, (i % 4, 0.8, [i % 4], rule)))
  rows.append(request(20, PROMPTS[1], (1, -0.5, [1, 2], 'all')))
  rows.append(request(21, PROMPTS[1], (1, 0.0, [1], 'all')))
  rows.append(
      request(22, PROMPTS[0], (0, 0.6, [0], 'generated'), (2, 0.6, [2], 'user'))
  )
  rows.append(request(23, PROMPTS[2], (3, 1, range(4), 'all', True)))
  rows.append(
      request(
          24,
          PROMPTS[2],
          (3, 1, [1, 2], 'from:1', True),
          (0, 1, [1, 2], 'from:1', True),
          (1, 0.5, [2], 'generated'),
      )
  )
  return rows


def settings(batch=64, how=GREEDY, stop=(), steps=STEPS):
  return engine.Settings(batch, steps, how, stop)


@functools.partial(jax.jit, static_argnums=0)
def forward(net, params, tokens, valid, interventions):
  (logits, _), state = net.apply(
      params,
      tokens,
      valid=valid,
      interventions=interventions,
      capture_intermediates=taps.only('resid_post'),
      mutable=['intermediates'],
  )
  return logits[0], taps.captured(state, 'resid_post')[:, 0]


def masks(request, text, written):
  """[1, C, T] of a prompt and what follows it, padded: by the rule alone."""
  width = 40
  out = np.zeros((1, len(request.terms), width), bool)
  size = len(request.prompt)
  for c, each in enumerate(request.terms):
    out[0, c, :size] = each.prompt
    after = np.arange(size, size + written)
    out[0, c, after] = (each.span[0] <= after) & (after < each.span[1])
  tokens = np.zeros((1, width), np.int32)
  tokens[0, : len(text)] = text
  return tokens, np.arange(width)[None] < len(text), out


def whole_pass(lm, bank, request, text):
  """A row alone without a cache: logits [T, V], resid_post [L, T, D]."""
  tokens, valid, steered = masks(request, text, len(text) - len(request.prompt))
  interventions = None
  if request.terms:
    interventions = steering.Interventions(
        directions=bank,
        index=jnp.asarray([[t.index for t in request.terms]]),
        strength=jnp.asarray([[t.strength for t in request.terms]]),
        tokens=jnp.asarray(steered),
        ablate=jnp.asarray([[t.ablate for t in request.terms]]),
    )
  return forward(lm.model, lm.params, tokens, valid, interventions)


def alone(lm, bank, request, how, steps=STEPS):
  """A row's text with a whole pass a token."""
  text = list(request.prompt)
  key = jax.random.wrap_key_data(jnp.asarray(request.key))
  for t in range(steps):
    logits, _ = whole_pass(lm, bank, request, text)
    keys = jax.random.fold_in(key, t)[None]
    text.append(int(PICK(logits[len(text) - 1][None], keys, how)[0]))
  return tuple(text[len(request.prompt) :])


@pytest.fixture(scope='module')
def expected(lm, bank):
  return {
      how: [alone(lm, bank, row, how) for row in grid()]
      for how in (GREEDY, SAMPLED)
  }


def write(lm, bank, rows, *args, probe=None, **kwargs):
  got = engine.write(lm, bank, rows, settings(*args, **kwargs), probe)
  return [text.tokens for text in got]


# 64: all at once. 5: ended rows are replaced, by rows of other prompts.
@pytest.mark.parametrize(
    ('batch', 'how'), [(64, GREEDY), (5, GREEDY), (64, SAMPLED), (1, SAMPLED)]
)
def test_a_grid_in_one_batch_equals_its_rows_alone(
    lm, bank, expected, batch, how
):
  assert write(lm, bank, grid(), batch, how) == expected[how]


def test_a_cache_in_one_piece_gives_the_same_texts_and_readings(
    lm, bank, expected, monkeypatch
):
  """As on other devices than a CPU, blocks in a loop."""
  probe = decoding.Probe(bank[:2], jnp.asarray([1, 3]))
  run = lambda: engine.write(lm, bank, grid(), settings(5, SAMPLED), probe)
  apart = run()
  monkeypatch.setattr(engine, 'decodes_apart', lambda lm: False)
  whole = run()
  assert [text.tokens for text in whole] == expected[SAMPLED]
  assert [text.tokens for text in apart] == expected[SAMPLED]
  for a, b in zip(apart, whole):
    np.testing.assert_allclose(a.readings, b.readings, **CLOSE)


def test_rows_differ_where_they_should(expected):
  """What would make the other tests pass without a reason."""
  assert len(set(expected[SAMPLED])) == len(grid())
  unsteered, zero = (expected[GREEDY][i] for i in (0, 12))
  assert len(set(expected[GREEDY])) > len(grid()) / 2
  assert unsteered != zero  # They have other prompts.


def test_the_order_of_rows_changes_no_text(lm, bank, expected):
  order = np.random.default_rng(0).permutation(len(grid()))
  rows = [grid()[i] for i in order]
  got = write(lm, bank, rows, 5, SAMPLED)
  assert got == [expected[SAMPLED][i] for i in order]


def test_replacing_ended_rows_changes_no_text(lm, bank, expected):
  """Stop tokens end rows at any time; the ring goes round several times."""
  counts = np.bincount(np.concatenate(expected[SAMPLED]), minlength=50)
  stop = tuple(np.argsort(-counts)[:3].tolist())

  def cut(text):
    ends = [i for i, token in enumerate(text) if token in stop]
    return text[: ends[0] + 1] if ends else text

  wanted = [cut(text) for text in expected[SAMPLED]] * 3
  lengths = set(map(len, wanted))
  assert len(lengths) > 4 and 1 < min(lengths) + 1 <= STEPS
  got = write(lm, bank, grid() * 3, 5, SAMPLED, stop)
  assert got == wanted


def test_strength_zero_changes_nothing(lm, bank):
  rows = [
      request(5, prompt, *terms)
      for prompt in PROMPTS
      for terms in ((), ((1, 0.0, [2], 'all'),))
  ]
  for how in (GREEDY, SAMPLED):
    got = write(lm, bank, rows, how=how)
    assert got[::2] == got[1::2]


def test_another_layer_strength_rule_or_key_is_no_other_program(lm, bank):
  rows = lambda strength, layer, rule, seed: [
      request(i + seed, PROMPTS[0], (i % 4, strength, [layer], rule))
      for i in range(6)
  ]
  write(lm, bank, rows(0.5, 1, 'all', 0), 2)
  for given in ((0.1, 0, 'all', 5), (-3.0, 3, 'span:0:30', 9)):
    again = functools.partial(write, lm, bank, rows(*given))
    assert compiling.compiles(lambda again=again: again(2)) == 0
  assert compiling.compiles(lambda: again(3)) > 0


CHUNKS = {
    'unsteered': [()] * 3,
    'all': [((0, 0.5, [1], 'all'),)] * 3,
    'assistant': [((0, 0.5, [2], 'assistant'),)] * 3,
    'several': [
        ((0, 0.6, [0], 'generated'), (2, 0.6, [2], 'user')),
        ((3, 1, [1, 2], 'from:1', True),),
    ],
    'few': [((1, 0.3, [0], 'span:1:3'),)],
}


def chunks():
  """Chunks of a grid on two prompts of unlike lengths."""
  return [
      [
          request(10 * c + 2 * i + p, prompt, *terms)
          for p, prompt in enumerate((PROMPTS[0], PROMPTS[1]))
          for i, terms in enumerate(every)
      ]
      for c, every in enumerate(CHUNKS.values())
  ]


def test_all_chunks_of_a_grid_have_the_programs_of_the_first(lm, bank):
  """Whichever rules and operations a chunk has, and how many rows."""
  every = [row for chunk in chunks() for row in chunk]

  def run(chunk, among):
    engine.write(lm, bank, chunk, settings(4, steps=7), among=among)

  first, *others = chunks()
  run(first, every)
  for chunk in others:
    assert compiling.compiles(lambda chunk=chunk: run(chunk, every)) == 0
  alone = lambda: [run(chunk, None) for chunk in others]
  assert compiling.compiles(alone) > 0


@pytest.mark.parametrize('batch', [1, 5, 64])
def test_what_else_is_asked_for_changes_no_text(lm, bank, expected, batch):
  for i in range(0, len(grid()), 4):
    part = slice(i, i + 4)
    got = engine.write(
        lm, bank, grid()[part], settings(batch, SAMPLED), among=grid()
    )
    assert [text.tokens for text in got] == expected[SAMPLED][part]


def test_texts_that_end_together_are_told_of_together(lm, bank):
  """Else their rate would be that of the loop which tells of them."""
  told = []
  engine.write(
      lm, bank, grid(), settings(5), tick=lambda *count: told.append(count)
  )
  assert sum(count for count, _ in told) == len(grid()) > len(told) + 3
  assert {tokens / count for count, tokens in told} == {STEPS}


def test_readings_while_writing_equal_those_of_the_finished_text(lm, bank):
  at = jnp.asarray([3, 1])
  probe = decoding.Probe(bank[:3] / 7, at)
  rows = grid()
  for row, got in zip(rows, engine.write(lm, bank, rows, settings(5), probe)):
    text = row.prompt + got.tokens
    _, stream = whole_pass(lm, bank, row, text)
    written = np.asarray(stream)[np.asarray(at), len(row.prompt) : len(text)]
    wanted = np.einsum(
        'NTD,END->TNE', written, np.asarray(probe.directions)[:, at]
    )
    assert got.readings.shape == (STEPS, 2, 3)
    np.testing.assert_allclose(got.readings, wanted, **CLOSE)


def read_back(lm, bank, row, text, layer=None, probe=None):
  shared = prompts.group([row], 1)
  tail = shared.tails[0] + text
  cache = prompts.run_heads(lm, shared, len(tail))
  tokens, _, mask = masks(row, row.prompt + text, len(text))
  at = slice(row.cut, row.cut + len(tail))
  steered = prompts.steering_of(lm, [row], len(row.terms), True)
  return readback.read_back(
      lm.model,
      lm.params,
      cache,
      np.zeros(1, np.int32),
      tokens[:, at],
      np.ones((1, len(tail)), bool),
      steered.of_tokens(bank, jnp.asarray(mask[:, :, at])),
      prompts.lowest(lm, [row]),
      probe,
      first=len(shared.tails[0]),
  )


@pytest.mark.parametrize('layer', range(4))
def test_read_back_is_the_divergence_along_the_text(lm, bank, layer):
  """Whatever is steered and read, above or below each other."""
  for row in grid()[2 + layer :: 4]:
    text = tuple(range(9))
    whole = row.prompt + text
    steered, _ = whole_pass(lm, bank, row, whole)
    plain = prompts.Request(row.prompt, row.key)
    unsteered, stream = whole_pass(lm, bank, plain, whole)
    at = slice(len(row.prompt) - 1, len(whole) - 1)
    p, q = (jax.nn.log_softmax(x)[at] for x in (steered, unsteered))
    unit = bank[:2, layer] / jnp.linalg.norm(
        bank[:2, layer], axis=-1, keepdims=True
    )
    got = read_back(lm, bank, row, text, probe=(unit, np.int32(layer)))
    np.testing.assert_allclose(
        got.kl[0], (np.exp(p) * (p - q)).sum(axis=-1), rtol=1e-4, atol=2e-5
    )
    own = np.asarray(q)[np.arange(9), list(text)]
    np.testing.assert_allclose(got.log_prob[0], own, **CLOSE)
    x = np.asarray(stream)[layer, len(row.prompt) : len(whole)]
    cosine = x @ np.asarray(unit).T / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(got.cosine[0], cosine, **CLOSE)


def test_read_back_without_steering_is_exactly_zero(lm, bank):
  row = request(0, PROMPTS[0], (1, 0.0, [2], 'all'))
  got = read_back(lm, bank, row, (1, 2, 3))
  assert got.kl.tolist() == [[0, 0, 0]]


def test_a_row_that_is_not_finite_ends_and_leaves_the_others(
    lm, bank, expected
):
  broken = [
      request(0, PROMPTS[0], (1, 3e38, [1], rule))
      for rule in ('all', 'generated', 'from:10')
  ]
  rows = grid()
  got = engine.write(lm, bank, rows + broken, settings(5))
  assert [text.tokens for text in got[: len(rows)]] == expected[GREEDY]
  assert all(text.finite for text in got[: len(rows)])
  assert [text.finite for text in got[len(rows) :]] == [False] * 3
  # Its own prompt, the first token, the third: what was written before stays.
  assert [len(text.tokens) for text in got[len(rows) :]] == [0, 1, 3]


def test_a_batch_larger_than_the_requests_is_no_fault(lm):
  assert len(write(lm, None, [request(0, PROMPTS[0])], 100)) == 1


def test_word_scores_equal_teacher_forcing(lm, bank):
  words = [[7], [4, 2], [1, 1, 6]]
  rows = grid()
  terms, ablates = prompts.traits(rows)
  state = prompts.run(lm, bank, rows, terms, ablates, room=3)
  got = words_lib.log_probs(lm.model, lm.params, state, bank, words)
  for row, scores in zip(rows, got):
    for word, score in zip(words, scores):
      logits, _ = whole_pass(lm, bank, row, row.prompt + tuple(word))
      log_probs = jax.nn.log_softmax(logits)
      at = len(row.prompt) - 1 + np.arange(len(word))
      wanted = log_probs[at, np.array(word)].sum()
      np.testing.assert_allclose(score, wanted, **CLOSE)


def test_steered_tokens_are_counted_as_the_rule_names_them():
  size = len(PROMPTS[0])
  counts = {
      rule: prompts.count_steered(
          request(0, PROMPTS[0], (0, 1.0, [1], rule)), STEPS
      )
      for rule in RULES
  }
  assert counts == {
      'all': {'prompt': size, 'written': STEPS},
      'prompt': {'prompt': size, 'written': 0},
      'user': {'prompt': size - 3, 'written': 0},
      'assistant': {'prompt': 2, 'written': STEPS},
      'generated': {'prompt': 0, 'written': STEPS},
      'from:2': {'prompt': size - 2, 'written': STEPS},
      'from:10': {'prompt': 0, 'written': STEPS - 2},
      'span:1:3': {'prompt': 2, 'written': 0},
      'span:4:9': {'prompt': 4, 'written': 1},
  }
  both = request(
      0, PROMPTS[0], (0, 1.0, [1], 'span:1:3'), (1, 1.0, [1], 'span:2:4')
  )
  assert prompts.count_steered(both, STEPS)['prompt'] == 3
  zero = request(0, PROMPTS[0], (0, 0.0, [1], 'all'))
  assert prompts.count_steered(zero, STEPS) == {'prompt': 0, 'written': 0}
