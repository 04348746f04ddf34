"""Files that a reply writes, or that it gives up.

A reply is any text. What stands between fences is a file, `solution.py` unless
its first line is `# file: NAME`; the last fence need not be closed.
"""

from collections.abc import Mapping
import dataclasses
import re

from emojax.data import code_reports
from emojax.data import code_task_checks

MOST = 50_000  # Characters of a reply that are read.
# The line of a fence with its language, and all up to the next fence.
_BLOCK = re.compile(
    r'(?:```|~~~)[ \t]*([\w+.-]*)[^\n`]*\n(.*?)(?:^[ \t]*(?:```|~~~)|\Z)',
    re.DOTALL | re.MULTILINE,
)
_LANGUAGES = ('', 'py', 'py3', 'python', 'python3', 'solution.py')
_FILE = re.compile(r'\s*#[ \t]*file[ \t]*:[ \t]*(\S+)[ \t]*(?:\n|\Z)', re.I)
_CANNOT = re.compile(
    r'^[ \t>*_#`-]{0,20}(?:CANNOT\b[*_` \t]*:?|Cannot[*_` \t]*:)(.*)',
    re.MULTILINE,
)
_BLOCK_CANNOT = re.compile(r'\s*CANNOT[ \t]*:')
# What the instruction itself has after the word.
_PLACEHOLDER = re.compile(r'\W*(?:and )?(?:the |your )?reason\W*', re.I)


@dataclasses.dataclass(frozen=True)
class Reply:
  """What a reply does.

  Attributes:
    files: that it writes, text by name.
    gives_up: whether it says that the task cannot be done.
  """

  files: Mapping[str, str]
  gives_up: bool


def read(text: str, function: str) -> Reply:
  """Reads a reply.

  `CANNOT:` and a reason give up, whatever code is beside it. In a reply without
  code, `CANNOT` alone does, and so does any sentence that says that it cannot
  be done (`code_reports.gives_up`).

  Args:
    text: of the reply.
    function: that is asked for. Of several blocks that could be the solution it
      is the last that defines the function, or the last.
  """
  text = _plain(text)
  files, solutions, around = {}, [], words(text)
  for language, body in _BLOCK.findall(text):
    body = body.removesuffix('```').rstrip() + '\n'
    named = _FILE.match(body)
    if _BLOCK_CANNOT.match(body):
      around += '\n' + body
    elif named:
      name = named[1].strip('`\'"').removeprefix('./')
      if code_task_checks.is_file_name(name):
        files[name] = body[named.end() :]
    elif body.strip() and language.lower() in _LANGUAGES:
      solutions.append(body)
  defines = re.compile(rf'\b(?:def {function}\b|{function} *=[^=])')
  if solutions:
    best = [body for body in solutions if defines.search(body)] or solutions
    files.setdefault(code_task_checks.SOLUTION, best[-1])
  said = _CANNOT.search(around)
  if files:
    gives_up = bool(said and said[1].strip(' *_`.'))
    gives_up = gives_up and not _PLACEHOLDER.fullmatch(said[1])
  else:
    gives_up = bool(said) or code_reports.gives_up(around)
  return Reply(files, gives_up)


def words(text: str) -> str:
  """Returns a reply without its code."""
  return _BLOCK.sub('\n', _plain(text))


def _plain(text: str) -> str:
  """The same as UTF-8 can hold it, with line ends of one kind."""
  text = text[:MOST].encode('utf-8', 'replace').decode('utf-8')
  return text.replace('\r\n', '\n')
