"""The exceptions that end a command with one line."""


class InputError(ValueError):
  """Bad input: its message is one line that says what is wrong and what to do.

  `emojax.main` prints the message without a traceback and exits with 2.
  """


class Stopped(Exception):
  """The run was told to stop, and has saved all that it computed.

  `emojax.main` prints the message and exits with 75, so that a launcher can
  tell it from an end and from a mistake, and start the command again.
  """
