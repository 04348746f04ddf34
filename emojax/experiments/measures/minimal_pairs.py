"""Pairs of messages that differ in a word, and what the word changes."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from emojax import errors
from emojax import swaps
from emojax.data import chats
from emojax.data import places
from emojax.data import prompt_sets
from emojax.experiments.measures import prompt_readings
from emojax.models import load

WORD, SUFFIX, RESPONSE = 'word', 'suffix', 'response'
TEXTS = ('high', 'low')


@dataclasses.dataclass(frozen=True)
class Pair:
  """Two messages, tokenised.

  Attributes:
    contrast: what they are made of.
    encoded: the one with more of the emotion and the one with less.
    pools: of each, by place, the tokens that are averaged, [T] bool: `WORD`,
      the tokens of what differs; numbers from 1, equal parts of the tokens that
      both have after that; `SUFFIX`, all of these; `RESPONSE`.
  """

  contrast: prompt_sets.Contrast
  encoded: tuple[chats.Chat, chats.Chat]
  pools: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def places_of(parts: int) -> list[str]:
  """The places of a map, in the order of the text."""
  return [WORD, *(str(i + 1) for i in range(parts)), RESPONSE]


def encode(
    lm: load.LanguageModel,
    contrast: prompt_sets.Contrast,
    file: str,
    parts: int,
) -> Pair:
  """Tokenises a pair and finds its places.

  Raises:
    InputError: what both messages have in common is less than a token a part.
  """
  fillings = [getattr(contrast, name) for name in TEXTS]
  texts = [contrast.template.replace('{x}', x) for x in fillings]
  encoded = prompt_readings.user_chats(lm, texts, file)
  shared = places.shared_end(*encoded)
  start = contrast.template.index('{x}')
  pools = []
  for text, filling, chat in zip(texts, fillings, encoded, strict=True):
    end, size = start + len(filling), len(chat.ids)
    suffix = places.tokens_of(chat, 0, text, end, len(text))
    # A token that holds the end of the word, too, is not the same in both.
    suffix &= np.arange(size) >= size - shared
    at = np.flatnonzero(suffix)
    if len(at) < parts:
      raise errors.InputError(
          f'{file}: {contrast.name!r} has {len(at)} tokens after what differs,'
          f' fewer than config.contrasts.parts={parts}; lower that.'
      )
    pools.append(
        {
            WORD: places.holding(chat, 0, text, start, end),
            **{
                str(i + 1): np.isin(np.arange(size), part)
                for i, part in enumerate(np.array_split(at, parts))
            },
            SUFFIX: suffix,
            RESPONSE: prompt_readings.one(size, chat.response),
        }
    )
  return Pair(contrast, tuple(encoded), tuple(pools))


def differences(
    read: Mapping[str, np.ndarray], own: np.ndarray
) -> dict[str, np.ndarray]:
  """High minus low, read with the vector of the pair's own emotion.

  Args:
    read: by place, [..., 2 N, L, E], the texts of a pair one after the other.
    own: [N].

  Returns:
    By place, [..., N, L].
  """
  return {
      place: swaps.of_own(x[..., ::2, :, :] - x[..., 1::2, :, :], own)
      for place, x in read.items()
  }


def describe(
    pairs: Sequence[Pair],
    changed: Mapping[str, Mapping[str, np.ndarray]],
    ends: Mapping[str, slice],
) -> list[dict[str, Any]]:
  """Says what each pair is and what its word changes.

  Args:
    pairs: N of them.
    changed: by place and kind of direction, [N, L] of `differences`.
    ends: early and late layers.
  """
  suffix, response = (
      changed[place]['emotions'] for place in (SUFFIX, RESPONSE)
  )
  return [
      {
          'name': pair.contrast.name,
          'emotion': pair.contrast.emotion,
          'template': pair.contrast.template,
          'low': pair.contrast.low,
          'high': pair.contrast.high,
          'tokens_after': int(pair.pools[0][SUFFIX].sum()),
          **{
              f'suffix_{end}': float(suffix[i, at].mean())
              for end, at in ends.items()
          },
          'response_late': float(response[i, ends['late']].mean()),
      }
      for i, pair in enumerate(pairs)
  ]
