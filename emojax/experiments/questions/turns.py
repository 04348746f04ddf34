"""Do a user's statement, the turn of the assistant and its reply read alike?

The paper: hardly at the end of the statement and before the reply, and nearly
the same before the reply and in it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import ml_collections
import numpy as np

from emojax.data import chats
from emojax.data import places
from emojax.data import prompt_sets
from emojax.experiments import encode
from emojax.experiments import inputs
from emojax.experiments import limits
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib
from emojax.experiments.measures import prompt_readings
from emojax.experiments.measures import turn_readings
from emojax.models import load

NAME = 'turns'
FILES = {'prompts': 'turns'}
# Of readings: where they are taken.
PLACES = {
    'statement': 'the statement’s last full stop',
    'user': 'the user’s last token',
    'response': 'the last token before the reply',
    'reply': 'the mean over the reply',
}
PAIRS = (
    ('statement', 'response'),
    ('response', 'reply'),
    ('statement', 'reply'),
    ('user', 'response'),
)
FORMS = {'raw': False, 'centred': True}
_NOTES = {
    'raw': 'Offsets of the probes that both places share raise it.',
    'centred': 'Each probe’s mean over the prompts is taken off.',
}
_LEAST = 4  # Prompts, for a correlation with an interval.
_DIGITS = 5


class Prepared(NamedTuple):
  """Messages, tokenised, and the token at which each statement ends."""

  rows: tuple[prompt_sets.Turn, ...]
  encoded: list[chats.Chat]
  stops: list[int]


def prepare(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    emotions: Sequence[str],
) -> Prepared:
  """Loads and tokenises the messages; each must have room for its reply."""
  del emotions  # What a message is about is not used: probes are read in all.
  limits.check(config, {'sets': 1, 'draws': 1, 'new_tokens': 1}, NAME)
  file = config.turns.prompts or 'turns.jsonl'
  rows = prompt_sets.load_turns(inputs.path_of(config.turns.prompts))
  texts = [row.text for row in rows]
  encoded = prompt_readings.user_chats(lm, texts, file)
  for text, chat in zip(texts, encoded, strict=True):
    size = len(chat.ids) + config.turns.new_tokens
    encode.check_length(range(size), lm, f'{file}: {text!r} and its reply')
  return Prepared(
      rows,
      encoded,
      [
          places.token_at(chat, 0, text, text.rindex('.'))
          for text, chat in zip(texts, encoded, strict=True)
      ],
  )


def run(study: study_lib.Study, prepared: Prepared) -> dict[str, Any]:
  """Correlates the readings of two places over prompts and probes."""
  section = study.config.turns
  probes = [e for e in section.emotions if e in study.emotions]
  size = study.config.sweep_batch
  replies = turn_readings.write(
      study.lm, prepared.encoded, section.new_tokens, size
  )
  kept = [i for i, reply in enumerate(replies) if reply]
  if len(probes) < 2 or len(kept) < _LEAST:
    return {
        'absent': 'two of config.turns.emotions must have a vector, and'
        f' {_LEAST} messages a reply; name other emotions or give more'
        ' messages, or an instruct model.'
    }
  pools = [
      turn_readings.pools_of(prepared.encoded[i], prepared.stops[i], replies[i])
      for i in kept
  ]
  read = study_lib.read(
      study,
      [prepared.encoded[i].ids + replies[i] for i in kept],
      {place: [pool[place] for pool in pools] for place in PLACES},
      'Turns',
      prompt_readings.directions(study, probes, section.sets),
  )
  read = {p: prompt_readings.split(x, len(probes)) for p, x in read.items()}
  found = {
      f'{a} {b}': {
          form: turn_readings.correlations(
              read[a], read[b], centre, study.config.seed, section.draws
          )
          for form, centre in FORMS.items()
      }
      for a, b in PAIRS
  }
  return {
      'layer': study.layer,
      'probes': probes,
      'new_tokens': section.new_tokens,
      'without_reply': len(replies) - len(kept),
      'prompts': [
          {
              'emotion': prepared.rows[i].emotion,
              'text': prepared.rows[i].text,
              'reply': study.lm.tokenizer.decode(list(replies[i])),
          }
          for i in kept
      ],
      'readings': {
          place: _at(x['emotions'], study.layer) for place, x in read.items()
      },
      'layers': found,
      'numbers': [
          _number(pair, form, rows[study.layer], len(kept))
          for pair, forms in found.items()
          for form, rows in forms.items()
      ],
  }


def _at(readings: np.ndarray, layer: int) -> list[list[float]]:
  return np.round(readings[:, layer].astype(float), _DIGITS).tolist()


def _number(pair, form, row, prompts) -> numbers_lib.Number:
  first, second = pair.split()
  names = {
      'permuted': 'prompts dealt out anew (central 95 %)',
      **{
          kind: f'{name} (central 95 % of {row[kind]["n"]} sets)'
          for kind, name in prompt_readings.CONTROLS.items()
      },
  }
  return numbers_lib.number(
      f'{NAME}_{first}_{second}_{form}',
      f'{PLACES[first].capitalize()} and {PLACES[second]}, {form}',
      row,
      'Pearson’s r over prompts and probes',
      f'95 % BCa bootstrap over {prompts} prompts',
      [numbers_lib.control(name, row[key]) for key, name in names.items()],
      _NOTES[form],
      side=1,
  )
