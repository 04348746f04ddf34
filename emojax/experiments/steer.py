"""Emotion vectors -> steered texts: directions x strengths x prompts."""

from collections.abc import Callable, Sequence
import json
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from emojax import chunks
from emojax import files
from emojax import hosts
from emojax import steering
from emojax.data import batches
from emojax.experiments import build_vectors
from emojax.experiments import passes
from emojax.experiments import sweep_grid
from emojax.models import generate
from emojax.models import layers
from emojax.models import load
from emojax.models import sharding

NAME = 'sweep.jsonl'


def run(
    config: ml_collections.ConfigDict,
    workdir: files.Path,
    lm: load.LanguageModel,
) -> None:
  """Writes `sweep.jsonl`, unless it is there."""
  if files.exists(workdir / NAME):
    chunks.clear(workdir / NAME)  # A run may have been killed just before that.
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
  out = sweep(config, workdir / NAME, lm, bank, prompts, rows, emotions, words)
  files.write_jsonl(workdir / NAME, out)
  chunks.clear(workdir / NAME)


def sweep(
    config: ml_collections.ConfigDict,
    artefact: files.Path,
    lm: load.LanguageModel,
    bank: np.ndarray,
    prompts: sweep_grid.Prompts,
    rows: list[sweep_grid.Row],
    emotions: Sequence[str],
    words: list[list[int]],
) -> list[dict[str, Any]]:
  """Runs the grid in chunks of one shape, each saved when it is done.

  Args:
    config: `sweep_batch`, `new_tokens`, `temperature`.
    artefact: `sweep.jsonl`, that chunks lie beside.
    lm: the model.
    bank: [E, L, D], of `steering.scaled_directions`.
    prompts: P of them.
    rows: the grid.
    emotions: W names of the words that are scored.
    words: their ids.

  Returns:
    One row of `sweep.jsonl` a row of the grid, in order.

  Raises:
    Stopped: the run was told to stop.
  """
  size = min(config.sweep_batch, len(rows))
  parts = chunks.folder(artefact, repr((size, rows)).encode())
  starts = range(0, len(rows), size)
  run_one = None
  out = []
  for number, start in enumerate(passes.progress(starts, 'Sweep')):
    data = chunks.get(parts, 'rows', number)
    if data is None:
      # Not before: a finished sweep needs no prompts.
      run_one = run_one or chunk_runner(config, lm, bank, prompts, words)
      chunk = rows[start : start + size]
      results = run_one(chunk + [rows[0]] * (size - len(chunk)))
      done = [
          _row(row, prompts.texts[row.prompt])
          | _outcome(lm, emotions, *(x[i] for x in results))
          for i, row in enumerate(chunk)
      ]
      data = json.dumps(done, allow_nan=False).encode()
      chunks.put(parts, 'rows', number, data)
      hosts.stop_if_asked()
    out += json.loads(data)
  return out


def chunk_runner(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    bank: np.ndarray,
    prompts: sweep_grid.Prompts,
    words: list[list[int]],
) -> Callable[[Sequence[sweep_grid.Row]], tuple[np.ndarray, ...]]:
  """Prefills the prompts; returns what runs B rows of the grid.

  Its results: what each word gained against the unsteered prompt [B, W], tokens
  and alive [B, T] of the texts, KL [B] and the number of steered tokens [B].
  """
  longest = max(config.new_tokens, max(map(len, words)))
  width = max(map(len, prompts.tail)) + longest
  heads, base = prefill_prompts(lm, prompts, width, words)
  directions = sharding.replicate(lm.mesh, bank)

  def run_one(chunk: Sequence[sweep_grid.Row]) -> tuple[np.ndarray, ...]:
    # As many rows as the mesh can split; those after B are thrown away.
    whole = sharding.round_up_rows(lm.mesh, len(chunk))
    chunk = list(chunk) + [chunk[0]] * (whole - len(chunk))
    scores, texts, kl, steered = hosts.fetch(
        run_chunk(config, lm, prompts, chunk, directions, heads, words)
    )
    gained = scores - base[[row.prompt for row in chunk]]
    return gained, texts.tokens, texts.alive, kl, steered

  return run_one


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
  cache = generate.empty_cache(
      lm.config, len(prompts.texts), longest + width, lm.mesh
  )
  _, heads = generate.prefill(
      lm.model, lm.params, *_put_rows(lm, tokens, valid), cache, None
  )
  tokens, valid = sweep_grid.tails_of(prompts, range(len(prompts.texts)))
  (every,) = _put_rows(lm, np.arange(len(prompts.texts)))
  logits, cache = generate.prefill(
      lm.model,
      lm.params,
      *_put_rows(lm, tokens, valid),
      generate.take_rows(heads, every),
      None,
  )
  base = generate.word_log_probs(
      lm.model, lm.params, cache, logits, words, None
  )
  return heads, hosts.fetch(base)


def _put_rows(lm: load.LanguageModel, *arrays: np.ndarray) -> list[jax.Array]:
  """Splits [B, ...] arrays over the mesh."""
  axes = ('B', '', '')
  return [sharding.put(lm.mesh, axes[: x.ndim], x) for x in arrays]


def interventions_of(
    lm: load.LanguageModel, chunk: Sequence[sweep_grid.Row], bank: jax.Array
) -> steering.Interventions:
  """The steering of a chunk's rows; its `tokens` are set by whoever runs it."""
  strengths = np.array([row.strength for row in chunk], np.float32)
  index, strength, tokens = _put_rows(
      lm,
      np.array([row.index for row in chunk], np.int32),
      steering.at_layer(strengths, chunk[0].layer, bank.shape[1]),
      np.zeros((len(chunk), 1), bool),
  )
  return steering.Interventions(bank, index, strength, tokens)


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
  tokens, valid = sweep_grid.tails_of(prompts, [row.prompt for row in chunk])
  tokens, valid, prompt, keys = _put_rows(
      lm,
      tokens,
      valid,
      np.array([row.prompt for row in chunk]),
      np.stack([jax.random.key_data(row.key()) for row in chunk]),
  )
  interventions = interventions_of(lm, chunk, bank)
  logits, cache = generate.prefill(
      lm.model,
      lm.params,
      tokens,
      valid,
      generate.take_rows(heads, prompt),
      interventions.for_tokens(valid),
  )
  scores = generate.word_log_probs(
      lm.model, lm.params, cache, logits, words, interventions
  )
  generation, _ = generate.decode(
      lm.model,
      lm.params,
      cache,
      logits,
      jax.random.wrap_key_data(keys),
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


def _outcome(
    lm: load.LanguageModel,
    emotions: Sequence[str],
    gained: np.ndarray,
    tokens: np.ndarray,
    alive: np.ndarray,
    kl: np.ndarray,
    steered: np.ndarray,
) -> dict[str, Any]:
  """What a line of `sweep.jsonl` says of what came out."""
  ids = tokens[alive].tolist()
  return {
      'text': lm.tokenizer.decode(ids),
      'kl': round(float(kl), 5),
      'repetition': round(generate.repeated_trigrams(ids), 5),
      'n_tokens': len(ids),
      'tokens_steered': int(steered),
      'word_delta': {
          e: round(float(d), 5) for e, d in zip(emotions, gained, strict=True)
      },
  }
