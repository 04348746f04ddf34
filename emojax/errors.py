"""The one exception that a user's mistake raises."""


class InputError(ValueError):
  """Bad input: its message is one line that says what is wrong and what to do.

  `emojax.main` prints the message without a traceback and exits with 2.
  """
