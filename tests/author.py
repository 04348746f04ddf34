"""In the place of a model that writes: texts that follow from the request.

A random model writes nothing that a filter lets through.
"""

from collections.abc import Callable
import random
import re

import tiny_model

from emojax import errors
from emojax.data import story_prompts
from emojax.models import engine

_WORDS = (
    'the a his her our this that every old small long cold open grey wooden'
    ' street window table letter garden bread paper river coat engine yellow'
    ' platform student nurse teacher doctor morning evening corner station'
    ' walked looked turned carried waited counted opened closed wrote left'
    ' with under beside behind before after along across into from over and'
).split()


class Author:
  """Writes like `engine.write`, and keeps what it was asked.

  Attributes:
    asked: prompts as text, in the order of writing.
    spoil: (emotions in the prompt, a number that is each request's own) ->
      whether the text is bad.
    stop_after: texts after which it fails as a machine does; None: never.
  """

  def __init__(
      self, spoil: Callable[[list[str], int], bool] = lambda emotions, i: False
  ):
    self.asked: list[str] = []
    self.spoil = spoil
    self.stop_after: int | None = None

  def write(self, lm, bank, requests, settings, probe=None, tick=None):
    """The signature of `engine.write`."""
    assert bank is None and probe is None and settings.stop
    out = []
    for request in requests:
      if self.stop_after is not None and len(self.asked) >= self.stop_after:
        raise errors.Stopped('Told to stop.')
      prompt = lm.tokenizer.decode(list(request.prompt))
      self.asked.append(prompt)
      text = self._text(prompt, int(request.key[1]))
      ids = (*lm.tokenizer.encode(text, bos=False).ids, settings.stop[0])
      out.append(engine.Written(tokens=ids, finite=True, readings=None))
      tick(1)
    return out

  def _text(self, prompt: str, number: int) -> str:
    emotions = [
        e for e in tiny_model.EMOTIONS if re.search(rf'\b{e}\b', prompt)
    ]
    words = random.Random(number)
    if self.spoil(emotions, number):
      return 'No.'
    tags = set(story_prompts.TAGS.values())
    tag = next((tag for tag in tags if tag in prompt), None)
    kind = len(emotions) if emotions or 'AI' in prompt else 1
    pieces = [_piece(words, kind) for _ in range(3 if tag else 1)]
    if not tag:
      return pieces[0]
    begun = prompt.rstrip().endswith(tag)
    return ''.join(
        piece + '\n' if begun and not i else f'{tag}\n{piece}\n'
        for i, piece in enumerate(pieces)
    )


def _piece(words: random.Random, emotions: int) -> str:
  """A story (1 emotion), or a dialogue (0 or 2): about 100 words."""
  if emotions == 1:
    return _sentences(words, 10)
  turns = [_sentences(words, 2) for _ in range(6)]
  names = 'Person', 'AI' if emotions == 0 else 'Assistant'
  return '\n'.join(f'{names[i % 2]}: {turn}' for i, turn in enumerate(turns))


def _sentences(words: random.Random, count: int) -> str:
  return ' '.join(
      f'The {" ".join(words.choices(_WORDS, k=9))}.' for _ in range(count)
  )
