"""Rows of a steering sweep in which everything is known beforehand."""

from collections.abc import Sequence
from typing import Any

import numpy as np

EMOTIONS = ('happy', 'calm', 'proud', 'sad', 'afraid', 'angry', 'bored', 'shy')
STRENGTHS = (-0.8, -0.4, -0.2, 0.1, 0.2, 0.4, 0.8)
PROMPTS = ('How do you feel? / I feel', 'Describe your mood. / I feel')
BREAKS = 0.5  # Texts repeat themselves beyond this strength.
SLOPE = 10.0  # Nats of the own word a unit of strength; others get a fifth.
KL = 2.0  # Nats a token at strength 1; it grows with the square.


def rows(
    emotions: Sequence[str] = EMOTIONS,
    layers: Sequence[Sequence[int]] = ((3,), (5,)),
    strengths: Sequence[float] = STRENGTHS,
    prompts: Sequence[str] = PROMPTS,
    seeds: Sequence[int] = (0, 1),
    controls: int = 6,
    slope: float = SLOPE,
) -> list[dict[str, Any]]:
  """Rows of `sweep.jsonl`: one layer after the other, unsteered rows first.

  Effects are the same in every layer, with noise of 0.1 on all of them.
  """
  rng = np.random.default_rng(0)
  places = [(prompt, seed) for prompt in prompts for seed in seeds]
  out = [
      _row(rng, emotions, 'unsteered', 'none', None, [], 0.0, place, slope)
      for place in places
  ]
  for layer in layers:
    directions = [('emotion', e) for e in emotions] + [
        (kind, f'{kind}_{i}')
        for kind in ('random', 'shuffled')
        for i in range(controls)
    ]
    out += [
        _row(rng, emotions, kind, name, 'add', list(layer), s, place, slope)
        for kind, name in directions
        for s in strengths
        for place in places
    ]
  return out


def _row(
    rng: np.random.Generator,
    emotions: Sequence[str],
    kind: str,
    direction: str,
    operation: str | None,
    layers: list[int],
    strength: float,
    place: tuple[str, int],
    slope: float,
) -> dict[str, Any]:
  prompt, seed = place
  own = np.array([kind == 'emotion' and e == direction for e in emotions])
  effect = slope * strength * np.where(own, 1.0, 0.2) * (kind == 'emotion')
  noise = rng.normal(0, 0.1, (2, len(emotions)))
  # What a text expresses unsteered is its prompt's, and no effect.
  expressed = effect / 5 + len(prompt) + noise[0]
  delta = effect + noise[1] * (kind != 'unsteered')
  kl = KL * strength**2 * (1.5 if kind == 'random' else 1.0)
  return {
      'id': f'{direction}|{operation}|{layers}|{strength}|{prompt}|{seed}',
      'kind': kind,
      'direction': direction,
      'emotion': direction if kind == 'emotion' else None,
      'control': kind != 'emotion',
      'operation': operation,
      'layers': layers,
      'strength': strength,
      'positions': 'assistant',
      'prompt': prompt,
      'seed': seed,
      'text': f' {direction} today, and the light on the water is what I keep'
      ' returning to.\nIt is enough for one morning.',
      'stop': 'length',
      'n_tokens': 40,
      'tokens_steered': {'prompt': 5, 'written': 40 if operation else 0},
      'kl': kl,
      'perplexity': float(10 * np.exp(kl / 2)),
      'repetition': 0.6 if abs(strength) > BREAKS else 0.05,
      'word_delta': dict(zip(emotions, delta.tolist(), strict=True)),
      'expressed': dict(zip(emotions, expressed.tolist(), strict=True)),
  }
