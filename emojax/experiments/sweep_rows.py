"""Rows of a grid -> lines of `sweep.jsonl`: texts, and what steering did."""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

import jax
import numpy as np

from emojax import errors
from emojax import hosts
from emojax import statistics
from emojax.data import batches
from emojax.experiments import next_words
from emojax.experiments import sweep_grid
from emojax.models import decoding
from emojax.models import engine
from emojax.models import load
from emojax.models import prompts as prompts_lib
from emojax.models import readback
from emojax.models import sharding

Requests = Sequence[prompts_lib.Request]
Asked = dict[sweep_grid.Row, prompts_lib.Request]
_DIGITS = 5


@dataclasses.dataclass(frozen=True)
class Measures:
  """What is measured of every row; the same in a whole sweep.

  Attributes:
    bank: [E', L, D] on the devices, that rows are steered with.
    emotions: E names.
    words: ids of each emotion's word, whose probability as the next is compared
      with the unsteered prompt's; empty: it is not.
    unit: [E, D] unit vectors that texts are read with, on the devices.
    layer: [] int32, where they are read.
    neutral: mean and standard deviation [E] of the cosine in neutral dialogues.
    readout: names of emotions that are read while texts are written.
    readout_layers: where.
    probe: what is read meanwhile, or None.
  """

  bank: jax.Array
  emotions: tuple[str, ...]
  words: list[list[int]]
  unit: jax.Array
  layer: np.ndarray
  neutral: tuple[np.ndarray, np.ndarray]
  readout: tuple[str, ...] = ()
  readout_layers: tuple[int, ...] = ()
  probe: decoding.Probe | None = None


def run(
    lm: load.LanguageModel,
    measures: Measures,
    rows: Sequence[sweep_grid.Row],
    asked: Asked,
    settings: engine.Settings,
    tick: Callable[[int, int], None],
) -> list[dict[str, Any]]:
  """Writes and measures rows.

  Args:
    lm: the model.
    measures: what is measured.
    rows: some of the grid.
    asked: for, by row, in the whole grid.
    settings: how texts are written.
    tick: is told of every text that has ended.

  Returns:
    A line of `sweep.jsonl` for each row, in order.

  Raises:
    InputError: an unsteered text is not finite.
  """
  among, requests = list(asked.values()), [asked[row] for row in rows]
  written = engine.write(
      lm, measures.bank, requests, settings, measures.probe, tick, among
  )
  for row, text in zip(rows, written, strict=True):
    if not row.operation and not text.finite:
      raise errors.InputError(
          f'{lm.uri}: activations are not finite in {lm.dtype} without any'
          ' steering; give another config.dtype.'
      )
  deltas = _word_deltas(lm, measures, requests, settings.batch)
  kl, perplexity, expressed = _read_back(
      lm, measures, requests, written, settings, among
  )
  return [
      row.place()
      | _outcome(lm, measures, request, text)
      | {
          'kl': kl[i],
          'perplexity': perplexity[i],
          'word_delta': deltas[i],
          'expressed': expressed[i],
      }
      for i, (row, request, text) in enumerate(
          zip(rows, requests, written, strict=True)
      )
  ]


def _word_deltas(
    lm: load.LanguageModel, measures: Measures, requests: Requests, size: int
) -> list[dict[str, float] | None]:
  """What each emotion's word gains as the next word, in nats, by row."""
  if not measures.words:
    return [None] * len(requests)
  plain = {r.prompt: dataclasses.replace(r, terms=()) for r in requests}
  scores_of = lambda rows: next_words.log_probs(
      lm, measures.bank, rows, measures.words, size
  )
  base = dict(zip(plain, scores_of(list(plain.values())), strict=True))
  scores = scores_of(requests)
  return [
      _named(measures.emotions, score - base[request.prompt])
      for request, score in zip(requests, scores, strict=True)
  ]


def _read_back(lm, measures, requests, written, settings, among):
  """KL, perplexity and what is expressed, each a list of N; None if unknown."""
  out = np.full((len(requests), 2 + len(measures.emotions)), np.nan)
  widths, traits = prompts_lib.widths_for(among), prompts_lib.traits(among)
  if not traits[0]:  # No row is steered: read as if one were, by nothing.
    traits = (1, False)
  for real, filled in next_words.batches(lm, requests, settings.batch):
    got, counted = _read_batch(
        lm,
        measures,
        [requests[i] for i in filled],
        [written[i].tokens for i in filled],
        settings.new_tokens,
        widths,
        traits,
    )
    kl, cross, cosine = (
        _mean(x, counted) for x in (got.kl, -got.log_prob, got.cosine)
    )
    expressed = (cosine - measures.neutral[0]) / measures.neutral[1]
    every = np.column_stack([kl, np.exp(cross), expressed])
    out[real] = every[: len(real)]
  finite = np.array([text.finite for text in written])
  known = finite & np.isfinite(out).all(axis=1)
  kl, perplexity = (
      [_rounded(x) if k else None for x, k in zip(column, known)]
      for column in out[:, :2].T
  )
  expressed = [
      _named(measures.emotions, x) if k else None
      for x, k in zip(out[:, 2:], known)
  ]
  return kl, perplexity, expressed


def _mean(x: np.ndarray, counted: np.ndarray) -> np.ndarray:
  """Means over the tokens that count: [B, T, ...], [B, T] -> [B, ...]."""
  total = np.einsum('BT...,BT->B...', np.nan_to_num(x), counted)
  bad = np.einsum('BT...,BT->B...', ~np.isfinite(x) * 1.0, counted) > 0
  n = counted.sum(axis=1).reshape(-1, *(1,) * (x.ndim - 2))
  unknown = bad | (n == 0)
  return np.where(unknown, np.nan, total / np.maximum(n, 1))


def _read_batch(lm, measures, requests, texts, new_tokens, widths, traits):
  """Reads B texts: a `ReadBack` on the host, and which tokens count [B, T]."""
  least, (_, tail) = sharding.round_up_rows(lm.mesh, 1), widths
  shared = prompts_lib.group(requests, least, widths)
  heads = prompts_lib.run_heads(lm, shared, tail + new_tokens)
  ends = [shared.tails[i] for i in shared.row]
  before, before_valid = batches.padded(ends, tail, 'left')
  after, after_valid = batches.padded(texts, new_tokens)
  mask = np.concatenate(
      [
          prompts_lib.steered_tokens(requests, shared, traits[0]),
          prompts_lib.steered_text(requests, traits[0], new_tokens),
      ],
      axis=2,
  )
  tokens, valid, mask, row = prompts_lib.put(
      lm,
      np.concatenate([before, after], axis=1),
      np.concatenate([before_valid, after_valid], axis=1),
      mask,
      shared.row,
  )
  steered = prompts_lib.steering_of(lm, requests, *traits)
  got = readback.read_back(
      lm.model,
      lm.params,
      heads,
      row,
      tokens,
      valid,
      steered.of_tokens(measures.bank, mask),
      prompts_lib.lowest(lm, requests),
      (measures.unit, measures.layer),
      first=tail,
  )
  return hosts.fetch(got), after_valid.astype(float)


def _outcome(
    lm: load.LanguageModel,
    measures: Measures,
    request: prompts_lib.Request,
    text: engine.Written,
) -> dict[str, Any]:
  """What a line says of its text."""
  stopped = text.tokens and text.tokens[-1] in lm.tokenizer.stop
  out = {
      'text': lm.tokenizer.decode(list(text.tokens)),
      'stop': 'token' if stopped else 'length',
      'n_tokens': len(text.tokens),
      'tokens_steered': prompts_lib.count_steered(request, len(text.tokens)),
      'repetition': round(statistics.repeated_trigrams(text.tokens), _DIGITS),
  }
  if not text.finite:
    out['stop'] = 'not finite'
  if measures.probe is not None:
    out['readout'] = {
        str(layer): {
            e: [_rounded(x) for x in text.readings[:, n, i]]
            for i, e in enumerate(measures.readout)
        }
        for n, layer in enumerate(measures.readout_layers)
    }
  return out


def _rounded(x: float) -> float | None:
  return round(float(x), _DIGITS) if np.isfinite(x) else None


def _named(
    emotions: Sequence[str], values: np.ndarray
) -> dict[str, float] | None:
  """Rounded numbers by emotion; None if they are not all finite."""
  if not np.isfinite(values).all():
    return None
  return {e: _rounded(x) for e, x in zip(emotions, values, strict=True)}
