"""Do readings follow a number as far as the number means something?"""

from collections.abc import Sequence
import dataclasses
from typing import Any, NamedTuple

import ml_collections

from emojax import ladders as ladders_lib
from emojax import statistics
from emojax.data import chats
from emojax.data import prompt_sets
from emojax.experiments import inputs
from emojax.experiments import limits
from emojax.experiments import study as study_lib
from emojax.experiments.measures import ladder_numbers
from emojax.experiments.measures import ladder_rows
from emojax.experiments.measures import prompt_readings
from emojax.models import load

NAME = 'ladders'
FILES = {'ladders': 'ladders'}


class Prepared(NamedTuple):
  """Ladders some of whose emotions have vectors, and all texts, tokenised."""

  ladders: list[ladder_rows.Texts]
  encoded: list[chats.Chat]
  left_out: int


def prepare(
    config: ml_collections.ConfigDict,
    lm: load.LanguageModel,
    emotions: Sequence[str],
) -> Prepared:
  """Loads ladders and tokenises a text for each number and wording."""
  limits.check(config, {'sets': 1, 'wordings': 1}, NAME)
  setting = config.ladders.ladders
  loaded = prompt_sets.load_ladders(inputs.path_of(setting))
  ladders, texts = [], []
  for ladder in loaded:
    if not set(emotions).isdisjoint(ladder.rises + ladder.falls):
      ladder = dataclasses.replace(
          ladder, paraphrases=ladder.paraphrases[: config.ladders.wordings - 1]
      )
      own, written = ladder_rows.texts_of(ladder, emotions, len(texts))
      ladders.append(own)
      texts += written
  encoded = prompt_readings.user_chats(lm, texts, setting or 'ladders.jsonl')
  return Prepared(ladders, encoded, len(loaded) - len(ladders))


def run(study: study_lib.Study, prepared: Prepared) -> dict[str, Any]:
  """Correlates readings with numbers at every layer, and tests one layer."""
  ladders, encoded, left_out = prepared
  if len(ladders) < 2:
    return {
        'absent': 'fewer than two ladders of config.ladders.ladders have an'
        ' emotion with a vector; give ladders for emotions of the stories.'
    }
  names = [e for e in study.emotions if any(e in x.emotions for x in ladders)]
  ids, seed = [chat.ids for chat in encoded], study.config.seed
  pools = {
      'response': prompt_readings.responses_of(encoded),
      'message': prompt_readings.messages_of(encoded),
  }
  sets = study.config.ladders.sets
  directions = prompt_readings.directions(study, names, sets)
  read = study_lib.read(study, ids, pools, 'Ladders', directions)
  read = {p: prompt_readings.split(x, len(names)) for p, x in read.items()}
  signed = {
      place: {
          part: {
              kind: ladder_rows.signed(ladders, names, x, part)
              for kind, x in by_kind.items()
          }
          for part in ladder_rows.PARTS
      }
      for place, by_kind in read.items()
  }
  words = study_lib.embed_read(study, ids, pools['message'])
  words = words[:, None, study.index(names)]
  words = ladder_rows.signed(ladders, names, words, 'meant')[0]
  chosen = read['response']['emotions'][:, study.layer]
  tests = {
      part: ladder_rows.tests(ladders, names, chosen, part, seed)
      for part in ladder_rows.PARTS
  }
  return {
      'layer': study.layer,
      'texts': len(ids),
      'left_out': left_out,
      'ladders': _ladders(study, ladders, signed['response']),
      'tests': tests,
      'profiles': ladder_rows.profiles(ladders, names, chosen, seed),
      'layers': {
          place: _over_layers(ladders, parts, seed)
          for place, parts in signed.items()
      },
      'numbers': ladder_numbers.numbers(study, ladders, signed, words, tests),
  }


def _ladders(study, ladders, parts) -> list[dict[str, Any]]:
  """What each ladder is, and its mean correlation in either part."""
  means = {
      part: ladder_rows.by_ladder(ladders, x['emotions'][study.layer]).tolist()
      for part, x in parts.items()
  }
  return [
      {
          'name': each.ladder.name,
          'template': each.ladder.template,
          'matched_template': each.ladder.matched,
          'values': list(each.ladder.values),
          'scale': ladders_lib.scale_of(each.ladder.values),
          'wordings': len(each.meant),
          'meant': means['meant'][i],
          'matched': None if each.matched is None else means['matched'][i],
      }
      for i, each in enumerate(ladders)
  ]


def _over_layers(ladders, parts, seed) -> list[dict[str, Any]]:
  """The mean of every layer, of vectors and of sets of controls."""
  depth = len(parts['meant']['emotions'])
  mean = lambda part, i: ladder_rows.mean(
      ladders, parts[part]['emotions'][i], seed
  )
  bands = {
      kind: parts['meant'][kind].mean(axis=-1)
      for kind in prompt_readings.CONTROLS
  }
  return [
      {
          'layer': i,
          'meant': mean('meant', i),
          'matched': mean('matched', i),
          **{kind: statistics.band(x[:, i]) for kind, x in bands.items()},
      }
      for i in range(depth)
  ]
