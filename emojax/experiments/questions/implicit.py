"""Does a message that implies an emotion raise the reading of that emotion?"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import ml_collections
import numpy as np

from emojax import agreement
from emojax.data import chats
from emojax.data import prompt_sets
from emojax.experiments import inputs
from emojax.experiments import limits
from emojax.experiments import numbers as numbers_lib
from emojax.experiments import study as study_lib
from emojax.experiments.measures import own_emotion
from emojax.experiments.measures import prompt_readings
from emojax.models import load

NAME = 'implicit'
FILES = {'prompts': 'implicit'}
# Where readings are taken, and which baseline in neutral dialogues is theirs.
PLACES = {'response': 'response', 'message': 'cosine'}
# The number's name, whether it is among the paper's emotions only, and where
# it is: place, form, measure.
_HEADLINES = (
    ('rank_centred', False, 'response', 'centred', 'percentile'),
    ('rank_raw', False, 'response', 'raw', 'percentile'),
    ('topk_centred', False, 'response', 'centred', 'topk'),
    ('contrast_centred', False, 'response', 'centred', 'contrast'),
    ('rank_message', False, 'message', 'centred', 'percentile'),
    ('twelve_top1_raw', True, 'response', 'raw', 'top1'),
    ('twelve_top1_centred', True, 'response', 'centred', 'top1'),
)
_LABELS = {
    'top1': 'Implied emotion is the highest',
    'topk': 'Implied emotion is in the top {top}',
    'percentile': 'Percentile rank of the implied emotion',
    'contrast': 'Implied emotion minus the mean of the others',
}
_WHERE = {
    'response': 'the last token before the reply',
    'message': 'the mean over the message',
}
_INTERVAL = '95 % BCa bootstrap over emotions, the prompts of one together'
_NOTES = {
    'raw': 'Each vector has an offset of its own, which may decide.',
    'centred': 'Each vector’s mean over the other prompts is taken off.',
}
_DIGITS = 5


class Prepared(NamedTuple):
  """Messages about emotions that have vectors, tokenised."""

  rows: list[prompt_sets.Implicit]
  encoded: list[chats.Chat]
  left_out: int


def prepare(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    emotions: Sequence[str],
) -> Prepared:
  """Loads and tokenises the messages."""
  limits.check(config, {'top': 1, 'sets': 1, 'draws': 1}, NAME)
  setting = config.implicit.prompts
  loaded = prompt_sets.load_implicit(inputs.path_of(setting))
  rows = [row for row in loaded if row.emotion in emotions]
  encoded = prompt_readings.user_chats(
      lm, [row.text for row in rows], setting or 'implicit.jsonl'
  )
  return Prepared(rows, encoded, len(loaded) - len(rows))


def run(study: study_lib.Study, prepared: Prepared) -> dict[str, Any]:
  """Ranks the emotion of each message, at one layer and at every layer."""
  rows, encoded, left_out = prepared
  section, names = study.config.implicit, study.emotions
  if len({row.emotion for row in rows}) < 2:
    return {
        'absent': 'config.implicit.prompts has fewer than two emotions that'
        ' have a vector; give prompts of more, or stories.'
    }
  own = np.array(study.index([row.emotion for row in rows]))
  ids = [chat.ids for chat in encoded]
  pools = {
      'response': prompt_readings.responses_of(encoded),
      'message': prompt_readings.messages_of(encoded),
  }
  directions = prompt_readings.directions(study, names, section.sets)
  read = study_lib.read(study, ids, pools, 'Implicit', directions)
  read = {p: prompt_readings.split(x, len(names)) for p, x in read.items()}
  words = study_lib.embed_read(study, ids, pools['message'])
  paper = [e for e in section.emotions if e in {row.emotion for row in rows}]
  among = {'all': np.arange(len(names)), 'paper': np.array(study.index(paper))}
  agreed = {
      f'{group} {place} {form}': _agreement(
          study, read[place], words, own, emotions, place, form
      )
      for group, emotions in among.items()
      if len(emotions) > 1
      for place in PLACES
      for form in own_emotion.FORMS
  }
  matrices = {
      place: {
          form: np.round(
              agreement.by_emotion(_form(study, read[place], place, form), own),
              _DIGITS,
          ).tolist()
          for form in own_emotion.FORMS
      }
      for place in PLACES
  }
  return {
      'layer': study.layer,
      'emotions': names,
      'prompted': [names[e] for e in np.unique(own)],
      'paper': paper,
      'top': section.top,
      'prompts': len(rows),
      'left_out': left_out,
      'matrices': matrices,
      'agreement': agreed,
      'layers': {
          place: own_emotion.over_layers(
              x.pop('emotions'), own, x, study.config.seed, section.draws
          )
          for place, x in read.items()
      },
      'numbers': _numbers(agreed, section.top, len(names), len(paper)),
  }


def _form(study, read, place, form, kind='emotions') -> np.ndarray:
  """Readings at the study's layer, in a form: [..., N, E]."""
  baseline = [
      study.arrays[f'neutral_{PLACES[place]}_{part}'][:, study.layer]
      for part in ('mean', 'std')
  ]
  x = read[kind][..., study.layer, :].astype(float)
  return own_emotion.formed(x, form, *baseline)


def _agreement(study, read, words, own, emotions, place, form):
  """All measures among some emotions: `own_emotion.measure`."""
  section = study.config.implicit
  kept = np.isin(own, emotions)
  cut = lambda x: x[..., kept, :][..., emotions]
  sets, plain = {}, None
  if form != 'standardised':  # Controls have no baseline in neutral dialogues.
    sets = {
        kind: cut(_form(study, read, place, form, kind))
        for kind in prompt_readings.CONTROLS
    }
    plain = cut(agreement.centred(words) if form == 'centred' else words)
  return own_emotion.measure(
      cut(_form(study, read, place, form)),
      np.array([list(emotions).index(e) for e in own[kept]]),
      sets,
      plain,
      section.top,
      study.config.seed,
      section.draws,
  )


def _numbers(agreed, top, size, paper) -> list[numbers_lib.Number]:
  numbers = []
  for name, among_paper, place, form, measure in _HEADLINES:
    group = 'paper' if among_paper else 'all'
    found = agreed.get(f'{group} {place} {form}')
    if found is None:
      continue
    estimate, count = found[measure], paper if among_paper else size
    numbers.append(
        numbers_lib.number(
            f'{NAME}_{name}',
            f'{_LABELS[measure].format(top=top)} of {count}: {_WHERE[place]},'
            f' {form}',
            estimate,
            own_emotion.UNITS[measure],
            _INTERVAL,
            estimate['controls'],
            _NOTES[form],
            side=1,
        )
    )
  return numbers
