"""Opens GGUF files, which state their own lengths: none of them is believed."""

import gguf

# What the library runs into where a file states what is not so: it walks a
# memory map by offsets that the file itself names.
DAMAGED = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OSError,
    OverflowError,
    MemoryError,
    RecursionError,
)


class Reader(gguf.GGUFReader):
  """Ends at the end of the file, whatever lengths the file states.

  Raises:
    DAMAGED: it is not a whole GGUF file; so may what reads its fields.
  """

  def _get(self, offset, *args, **kwargs):
    # NumPy's slices are empty there, and an array of 2^60 numbers that are not
    # there would be walked through to the last.
    if offset >= len(self.data):
      raise ValueError('cut off')
    return super()._get(offset, *args, **kwargs)


def reason(error: Exception) -> str:
  """What is wrong with a file, on one line."""
  return str(error).partition('\n')[0]
