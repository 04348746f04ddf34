"""Emotion vectors -> steered texts: directions x strengths x prompts."""

from collections.abc import Sequence
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from emojax import files
from emojax import steering
from emojax.data import batches
from emojax.experiments import build_vectors
from emojax.experiments import capture_stories
from emojax.experiments import sweep_grid
from emojax.models import generate
from emojax.models import layers
from emojax.models import load

NAME = 'sweep.jsonl'


def run(
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    lm: load.LanguageModel,
) -> None:
  """Writes `sweep.jsonl`, unless it is there."""
  if (workdir / NAME).exists():
    return
  arrays, metadata = build_vectors.read_vectors(
      workdir / build_vectors.NAME, lm
  )
  emotions, layer = metadata['emotions'], metadata['layer']
  bank = np.concatenate(
      [
          arrays['vectors'],
          steering.random_directions(
              config.seed,
              config.random_directions,
              lm.config.num_layers,
              lm.config.width,
          ),
      ]
  )
  bank = steering.scaled_directions(bank, arrays['resid_norm'])
  prompts = sweep_grid.encode_prompts(lm, config.prompts, config.reply_prefix)
  rows = sweep_grid.grid(config, emotions, layer, len(prompts.texts))
  words = sweep_grid.encode_words(lm, emotions)
  files.write_jsonl(
      workdir / NAME, sweep(config, lm, bank, prompts, rows, emotions, words)
  )


def sweep(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    bank: np.ndarray,
    prompts: sweep_grid.Prompts,
    rows: list[sweep_grid.Row],
    emotions: Sequence[str],
    words: list[list[int]],
) -> list[dict[str, Any]]:
  """Runs the grid in chunks of one shape.

  Args:
    config: `sweep_batch`, `new_tokens`, `temperature`.
    lm: the model.
    bank: [E, L, D], of `steering.scaled_directions`.
    prompts: P of them.
    rows: the grid.
    emotions: W names of the words that are scored.
    words: their ids.

  Returns:
    One row of `sweep.jsonl` a row of the grid, in order.
  """
  size = min(config.sweep_batch, len(rows))
  longest = max(map(len, words))
  width = max(map(len, prompts.tail)) + max(config.new_tokens, longest)
  heads, base = prefill_prompts(lm, prompts, width, words)
  bank = jnp.asarray(bank)
  out = []
  starts = range(0, len(rows), size)
  for start in capture_stories.progress(starts, 'Sweep'):
    chunk = rows[start : start + size]
    real = len(chunk)
    chunk += [rows[0]] * (size - real)  # A full last chunk: one shape.
    scores, generation, kl, steered = jax.device_get(
        run_chunk(config, lm, prompts, chunk, bank, heads, words)
    )
    for i, row in enumerate(chunk[:real]):
      delta = scores[i] - base[row.prompt]
      ids = generation.tokens[i][generation.alive[i]].tolist()
      out.append(
          _row(row, prompts.texts[row.prompt])
          | {
              'text': lm.tokenizer.decode(ids),
              'kl': round(float(kl[i]), 5),
              'repetition': round(generate.repeated_trigrams(ids), 5),
              'n_tokens': len(ids),
              'tokens_steered': int(steered[i]),
              'word_delta': {
                  e: round(float(d), 5)
                  for e, d in zip(emotions, delta, strict=True)
              },
          }
      )
  return out


def prefill_prompts(
    lm: load.LanguageModel,
    prompts: sweep_grid.Prompts,
    width: int,
    words: list[list[int]],
) -> tuple[layers.Cache, np.ndarray]:
  """Runs every prompt once without steering.

  Returns:
    The cache of the heads [P rows], with `width` free slots, and what the words
    score without steering, [P, W].
  """
  longest = max(map(len, prompts.head))
  tokens, valid = batches.padded(prompts.head, longest)
  cache = generate.empty_cache(lm.config, len(prompts.texts), longest + width)
  _, heads = generate.prefill(lm.model, lm.params, tokens, valid, cache, None)
  tokens, valid = sweep_grid.tails_of(prompts, range(len(prompts.texts)))
  copy = generate.take_rows(heads, jnp.arange(len(prompts.texts)))
  logits, cache = generate.prefill(
      lm.model, lm.params, tokens, valid, copy, None
  )
  base = generate.word_log_probs(
      lm.model, lm.params, cache, logits, words, None
  )
  return heads, np.asarray(base)


def interventions_of(
    chunk: Sequence[sweep_grid.Row], bank: jax.Array
) -> steering.Interventions:
  """The steering of a chunk's rows; its `tokens` are set by whoever runs it."""
  strengths = np.array([row.strength for row in chunk], np.float32)
  return steering.Interventions(
      directions=bank,
      index=jnp.array([row.index for row in chunk]),
      strength=jnp.asarray(
          steering.at_layer(strengths, chunk[0].layer, bank.shape[1])
      ),
      tokens=jnp.zeros((len(chunk), 1), bool),
  )


def run_chunk(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    prompts: sweep_grid.Prompts,
    chunk: Sequence[sweep_grid.Row],
    bank: jax.Array,
    heads: layers.Cache,
    words: list[list[int]],
) -> tuple[jax.Array, generate.Generation, jax.Array, jax.Array]:
  """Scores the words, writes the texts and measures the KL of one chunk.

  Returns:
    Log-probabilities [B, W], the generation, KL [B] in nats per token, and how
    many tokens were steered [B].
  """
  prompt = np.array([row.prompt for row in chunk])
  interventions = interventions_of(chunk, bank)
  tokens, valid = sweep_grid.tails_of(prompts, prompt)
  logits, cache = generate.prefill(
      lm.model,
      lm.params,
      tokens,
      valid,
      generate.take_rows(heads, prompt),
      interventions.for_tokens(jnp.asarray(valid)),
  )
  scores = generate.word_log_probs(
      lm.model, lm.params, cache, logits, words, interventions
  )
  generation, _ = generate.decode(
      lm.model,
      lm.params,
      cache,
      logits,
      jnp.stack([row.key() for row in chunk]),
      interventions,
      steps=config.new_tokens,
      temperature=config.temperature,
      stop=lm.tokenizer.stop,
  )
  everything = jnp.concatenate([valid, generation.alive], axis=1)
  kl = generate.divergence(
      lm.model,
      lm.params,
      generate.take_rows(heads, prompt),
      jnp.concatenate([tokens, generation.tokens], axis=1),
      everything,
      interventions.for_tokens(everything),
      first=tokens.shape[1],
  )
  active = jnp.any(interventions.strength != 0, axis=1)
  steered = jnp.where(active, everything.sum(axis=1), 0)
  return scores, generation, kl, steered


def _row(row: sweep_grid.Row, prompt: str) -> dict[str, Any]:
  """What a line of `sweep.jsonl` says of its place in the grid."""
  return {
      'id': row.id(),
      'kind': row.kind,
      'direction': row.direction,
      'emotion': row.direction if row.kind == 'emotion' else None,
      'control': row.kind != 'emotion',
      'layer': row.layer,
      'strength': row.strength,
      'positions': 'assistant',
      'prompt': prompt,
      'seed': row.seed,
  }
