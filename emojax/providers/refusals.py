"""What is wrong with the input, said as Inspect does: without a traceback."""

from collections.abc import Iterator
import contextlib

from inspect_ai._util import error as inspect_errors
from rich import markup

from emojax import errors


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
  """Turns an InputError into the error that Inspect prints as a line."""
  try:
    yield
  except errors.InputError as error:
    # It is printed as Rich's markup, in which brackets mean something.
    text = markup.escape(str(error))
    raise inspect_errors.PrerequisiteError(f'emojax: {text}') from None
