"""Texts of five conditions in which an emotion is there, shown or not.

Scenarios have folds, and so have the dialogues that follow them, so that both
can be new to a probe. A dialogue follows scenarios of every emotion alike, so
that by itself it tells nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import ml_collections
import numpy as np

from emojax import errors
from emojax.data import chats
from emojax.data import dialogues
from emojax.data import stories as stories_lib
from emojax.experiments import inputs
from emojax.experiments.measures import scenes
from emojax.models import load

NAME = 'mixed_probe'
CONDITIONS = (
    'natural',
    'hidden',
    'neutral',
    'story_writing',
    'discussing_others',
)
UNEXPRESSED = CONDITIONS[2:]
# Of two, the one that is spoken of would tell the other.
MIN_EMOTIONS = 3


class Items(NamedTuple):
  """N texts.

  Attributes:
    condition: [N], of CONDITIONS.
    label: [N], from 0 to E - 1.
    other: [N], the emotion that is displayed or spoken of instead; -1 if none.
    fold: [N], of the scenario; of the topic or dialogue where there is none.
    dialogue_fold: [N], of the dialogue after the scenario; else the same.
    cluster: [N] names, of the scenario, dialogue or topic.
  """

  condition: np.ndarray
  label: np.ndarray
  other: np.ndarray
  fold: np.ndarray
  dialogue_fold: np.ndarray
  cluster: np.ndarray


class Encoded(NamedTuple):
  """Dialogues of the last four conditions.

  Attributes:
    emotions: E names.
    items: of M dialogues.
    scenes: of each.
    pools: of each, the tokens that are averaged, [T] bool.
  """

  emotions: list[str]
  items: Items
  scenes: list[scenes.Scene]
  pools: list[np.ndarray]


def load_all(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    emotions: Sequence[str],
) -> Encoded:
  """Loads what the section names, and tokenises it.

  Raises:
    InputError: as of the loaders; or there are too few scenarios or asides for
      the folds.
  """
  own = config[NAME]
  scenarios = dialogues.load_scenarios(inputs.path_of(own.scenarios))
  hidden = dialogues.load_deflections(inputs.path_of(own.dialogues))
  asides = dialogues.load_asides(inputs.path_of(own.asides))
  neutral = stories_lib.load_dialogues(inputs.path_of(config.neutral))
  fillers = {
      'neutral': [
          d.messages for d in neutral if d.messages[0]['role'] == 'user'
      ],
      **{
          name: [a.messages for a in asides if a.condition == name]
          for name in dialogues.CONDITIONS
      },
  }
  names = [
      e
      for e in emotions
      if any(s.emotion == e for s in scenarios)
      and sum(d.target == e for d in hidden) > 1
  ]
  if len(names) < MIN_EMOTIONS:
    return Encoded(names, _items([]), [], [])
  by_emotion = {
      e: [s.text for s in scenarios if s.emotion == e][
          : own.per_emotion or None
      ]
      for e in names
  }
  _check_enough(own, by_emotion, fillers)
  lines = _hidden(hidden, names, own.folds)
  for condition in UNEXPRESSED:
    lines += _after_scenarios(condition, by_emotion, fillers[condition], own)
  system = scenes.takes_system(lm.tokenizer)
  encoded = [
      scenes.scene(
          lm,
          x['messages'],
          f'config.{NAME}: {x["cluster"]}',
          x['scenario'],
          system,
      )
      for x in lines
  ]
  pools = [
      each.said_by(x['speaker']) if x['speaker'] else each.said
      for each, x in zip(encoded, lines, strict=True)
  ]
  return Encoded(names, _items(lines), encoded, pools)


def joined(first: Items, second: Items) -> Items:
  return Items(*map(np.concatenate, zip(first, second, strict=True)))


def _items(lines: Sequence[Mapping[str, Any]]) -> Items:
  return Items(
      *(np.array([x[field] for x in lines]) for field in Items._fields)
  )


def _check_enough(
    own: ml_collections.ConfigDict,
    by_emotion: Mapping[str, Sequence[str]],
    fillers: Mapping[str, Sequence[Any]],
) -> None:
  """Refuses what leaves a fold without a scenario or an aside."""
  counts = {f'scenarios of {e}': len(x) for e, x in by_emotion.items()}
  counts |= {f'dialogues for {name}': len(x) for name, x in fillers.items()}
  for name, count in counts.items():
    if count < own.folds:
      raise errors.InputError(
          f'config.{NAME}.folds={own.folds}: there are {count} {name}; lower'
          ' it, or give more.'
      )


def _hidden(
    rows: Sequence[dialogues.Deflection], names: Sequence[str], folds: int
) -> list[dict[str, Any]]:
  """Dialogues with an emotion behind another, those of one over all folds."""
  return [
      {
          'condition': 'hidden',
          'label': label,
          'other': names.index(row.displayed) if row.displayed in names else -1,
          'fold': i % folds,
          'dialogue_fold': i % folds,
          'cluster': f'hidden {row.id}',
          'messages': row.messages,
          'scenario': row.scenario,
          'speaker': row.speaker,
      }
      for label, name in enumerate(names)
      for i, row in enumerate(r for r in rows if r.target == name)
  ]


def _after_scenarios(
    condition: str,
    by_emotion: Mapping[str, Sequence[str]],
    fillers: Sequence[Sequence[chats.Message]],
    own: ml_collections.ConfigDict,
) -> list[dict[str, Any]]:
  """Each scenario before dialogues of `repeats` folds, its own the first."""
  names, out = list(by_emotion), []
  for label, (name, texts) in enumerate(by_emotion.items()):
    others = [i for i in range(len(names)) if i != label]
    for i, text in enumerate(texts):
      fold, rank = i % own.folds, i // own.folds
      for j in range(own.repeats):
        there = (fold + j) % own.folds
        free, other = fillers[there :: own.folds], -1
        messages = free[(rank + j) % len(free)]
        if condition == 'discussing_others':
          other = others[(i + j) % len(others)]
          messages = _filled(messages, names[other])
        out.append(
            {
                'condition': condition,
                'label': label,
                'other': other,
                'fold': fold,
                'dialogue_fold': there,
                'cluster': f'scenario {name} {i}',
                'messages': messages,
                'scenario': text,
                'speaker': '',
            }
        )
  return out


def _filled(
    messages: Sequence[chats.Message], emotion: str
) -> list[chats.Message]:
  first, *rest = messages
  content = first['content'].replace(dialogues.PLACE, emotion)
  return [first | {'content': content}, *rest]


def natural(
    arrays: Mapping[str, np.ndarray], index: Sequence[int], own, seed: int
) -> tuple[Items, np.ndarray]:
  """Stories of some emotions, as many of each as there are, or fewer.

  Args:
    arrays: of `activations.safetensors`.
    index: of the E emotions among the stories'.
    own: the section: `folds`, and `stories` of an emotion at most.
    seed: of the choice among more.

  Returns:
    The items, and the rows of the arrays that they are.
  """
  rng = np.random.default_rng(seed)
  rows, label = [], []
  for e, emotion in enumerate(index):
    there = np.flatnonzero(arrays['emotion'] == emotion)
    rows.append(np.sort(rng.permutation(there)[: own.stories]))
    label.append(np.full(len(rows[-1]), e))
  rows = np.concatenate(rows)
  topic = arrays['topic'][rows]
  items = Items(
      np.full(len(rows), 'natural'),
      np.concatenate(label),
      np.full(len(rows), -1),
      topic % own.folds,
      topic % own.folds,
      np.array([f'topic {t}' for t in topic]),
  )
  return items, rows
