"""The exceptions that end a command with one line."""

from collections.abc import Iterable
import difflib

_NEAR = 0.8  # Of the letters of two words are shared.


class InputError(ValueError):
  """Bad input: its message is one line that says what is wrong and what to do.

  `emojax.main` prints the message without a traceback and exits with 2.
  """

  def _render_traceback_(self) -> list[str]:
    """What IPython shows of it: the line alone."""
    return [f'emojax: {" ".join(str(self).split())}']


class Stopped(Exception):
  """The run was told to stop, and has saved all that it computed.

  `emojax.main` prints the message and exits with 75, so that a launcher can
  tell it from an end and from a mistake, and start the command again.
  """


def did_you_mean(word: str, choices: Iterable[str]) -> str:
  """Returns ' (did you mean ...?)' if a choice is spelt nearly like a word."""
  near = difflib.get_close_matches(word.lower(), list(choices), 1, _NEAR)
  return f' (did you mean {near[0]!r}?)' if near else ''
