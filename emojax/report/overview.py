"""The few numbers that a page begins with, picked by rules set beforehand.

Which ones is never decided by what they are: a number that shows nothing
stands where one that shows much would.
"""

from collections.abc import Callable, Mapping, Sequence
import fnmatch
from typing import Any, NamedTuple

from emojax import statistics

View = dict[str, Any]
Number = Mapping[str, Any]

_SEEN = 'the whole interval lies beyond all controls'
_ENDS = ('low', 'value', 'high')
_OTHER = 'the interval lies beyond the controls, but on the other side'


class Wanted(NamedTuple):
  """A number to begin with.

  Attributes:
    ids: of `numbers`, with * for what differs from run to run.
    question: that it answers.
    side: where it lies if the answer is yes: 1 above its controls, -1 below
      them, 0 on either side.
    last: whether the last of several is taken: that of the highest strength.
  """

  ids: str
  question: str
  side: int = 1
  last: bool = False


QUICKSTART = (
    Wanted(
        'heldout_top1_nested',
        'Do the vectors tell emotions apart in stories on unseen topics?',
    ),
    Wanted('valence_pc1', 'Is component 1 how pleasant emotions are?'),
    Wanted(
        'reading_response_standardised',
        'Is the emotion that a chat implies read just before the reply?',
    ),
    Wanted(
        'reading_message_standardised',
        'Is it read over the messages of the chat?',
    ),
    Wanted(
        'steer_difference_*',
        'Does adding a vector make its own word likelier than others?',
        last=True,
    ),
)
PAPER = (
    Wanted(
        'layer_profile_held_out',
        'Do the vectors tell emotions apart in stories on unseen topics?',
    ),
    Wanted('affect_valence', 'Is component 1 how pleasant emotions are?'),
    Wanted(
        'implicit_rank_centred',
        'Is an implied emotion read just before the reply?',
    ),
    Wanted(
        'emotion_words_0_difference',
        'Does adding a vector make its own word likelier than others?',
    ),
    Wanted(
        'preferences_coupling',
        'Does steering shift preferences as the readings foretell?',
    ),
)
_CHANGED = 'Does steering change it?'
BEHAVIOUR = tuple(
    Wanted(f'behaviour_{name}_largest', f'{title}: {_CHANGED.lower()}', 0)
    for name, title in (
        ('impossible_code', 'Cheating on code'),
        ('honeypot', 'Leverage'),
        ('sycophancy', 'Agreeing with what is wrong'),
        ('harshness', 'Belittling'),
    )
)
PRESSURE = (
    Wanted('pressure_failures_*', 'Do readings change as tests fail?', 0),
)
WILD = (
    Wanted('wild_retrieval', 'Do best passages come from chats about it?'),
    Wanted('wild_structural_raw', 'Are the highest tokens no words, of all?'),
    Wanted(
        'wild_structural_guarded', 'And of the tokens that count in passages?'
    ),
)


def of_numbers(wanted: Sequence[Wanted]) -> Callable[[Number], View]:
  """Returns what picks from an artefact that has `numbers`.

  Args:
    wanted: as `pick` takes it.
  """

  def view(data: Number) -> View:
    # A question that could not be asked has nothing but the reason.
    return pick(data.get('numbers', ()), wanted)

  return view


def pick(numbers: Sequence[Number], wanted: Sequence[Wanted]) -> View:
  """Returns what an overview shows.

  Args:
    numbers: rows as `experiments/numbers.py` makes them.
    wanted: which of them, in this order.

  Returns:
    `rows`: the numbers, each with its `question`, whether it is `seen` and
    `why`; and `missing`: the questions whose number is not there.
  """
  rows, missing = [], []
  for want in wanted:
    found = [row for row in numbers if fnmatch.fnmatch(row['id'], want.ids)]
    if found:
      rows.append(_shown(found[-1 if want.last else 0], want))
    else:
      missing.append(want.question)
  return {'rows': rows, 'missing': missing}


def all_of(numbers: Sequence[tuple[str, Number]]) -> View:
  """Returns an overview of all numbers, each with its question."""
  rows = [_shown(row, Wanted(row['id'], asked)) for asked, row in numbers]
  return {'rows': rows, 'missing': []}


def judge(row: Number, side: int) -> tuple[bool | None, str]:
  """Returns whether an effect is seen, and why, in words.

  Args:
    row: with its interval and its `controls`.
    side: as in `Wanted`.

  Returns:
    True if the whole interval lies beyond every control, on the side expected;
    None if there is no interval or no control to say so of.
  """
  controls = row['controls']
  beyond = statistics.beyond(row, controls)
  if beyond is None:
    return None, 'there is no interval or no control'
  if beyond:
    right = statistics.beyond(row, controls, side)
    return right, _SEEN if right else _OTHER
  met = [
      control['label'].partition(' (')[0]
      for control in controls
      if statistics.beyond(row, [control]) is False
  ]
  return False, f'the interval meets that of {", ".join(met)}'


def _shown(row: Number, want: Wanted) -> View:
  seen, why = judge(row, want.side)
  note = row.get('note') or ''
  return {
      **row,
      'question': want.question,
      'seen': seen,
      'verdict': {True: 'seen', False: 'not seen', None: 'not told'}[seen],
      'why': why,
      'first_note': note.partition('. ')[0].rstrip('.'),
      'marks': marks([row, *row['controls']]),
  }


def marks(estimates: Sequence[Number]) -> list[tuple[float, float, float]]:
  """Returns where estimates lie beside one another, for a picture.

  Args:
    estimates: each with a value, and an interval or None.

  Returns:
    Low end, value and high end of each in per cent of their common span; those
    without a value are left out.
  """
  spans = [
      [each['value'] if each[end] is None else each[end] for end in _ENDS]
      for each in estimates
      if each['value'] is not None
  ]
  every = [x for span in spans for x in span]
  low, width = min(every, default=0.0), max(every, default=0.0)
  width = (width - low) or 1.0
  return [
      tuple(round(2 + 96 * (x - low) / width, 1) for x in span)
      for span in spans
  ]
