"""The pages of the project, as a reader takes them: links, anchors, code."""

from collections.abc import Iterator
import dataclasses
import pathlib
import re
import shlex
import urllib.parse

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / 'README.md'
PAGES = (
    README,
    ROOT / 'CONTRIBUTING.md',
    ROOT / 'CHANGELOG.md',
    *sorted((ROOT / 'docs').glob('*.md')),
)

SHELLS = ('bash', 'sh', 'console', 'shell')
PROGRAMS = ('emojax ', '.venv/bin/emojax ', 'python -m', 'bash ', 'inspect ')

_FENCE = re.compile(r'^( *)(`{3,})(\S*)[^\n]*\n(.*?)^\1\2 *$', re.M | re.S)
_CODE = re.compile(r'(`+)(?!`)(.+?)(?<!`)\1(?!`)', re.S)
_LINK = re.compile(r'!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)')
_HEADING = re.compile(r'^#{1,6} +(.+?) *#*$', re.M)


@dataclasses.dataclass(frozen=True)
class Block:
  """A fenced block: of which page, from which line, in which language."""

  page: pathlib.Path
  line: int
  language: str
  text: str


@dataclasses.dataclass(frozen=True)
class Command:
  """A command of a page, on one line, and what the lines before it export."""

  page: pathlib.Path
  line: int
  text: str
  exports: tuple[tuple[str, str], ...] = ()

  @property
  def words(self) -> list[str]:
    return shlex.split(self.text)

  @property
  def id(self) -> str:
    return f'{self.page.name}:{self.line}'


def read(page: pathlib.Path) -> str:
  return page.read_text(encoding='utf-8')


def blocks(page: pathlib.Path) -> Iterator[Block]:
  """The fenced blocks of a page, without their indentation."""
  text = read(page)
  for found in _FENCE.finditer(text):
    indent, _, language, inside = found.groups()
    lines = inside.split('\n')
    assert all(x.startswith(indent) or not x.strip() for x in lines), found[0]
    yield Block(
        page,
        text.count('\n', 0, found.start()) + 2,
        language,
        '\n'.join(x.removeprefix(indent) for x in lines),
    )


def prose(page: pathlib.Path) -> str:
  """A page without its fenced blocks."""
  return _FENCE.sub('', read(page))


def code(page: pathlib.Path) -> list[str]:
  """What stands between backticks in the prose of a page."""
  return [' '.join(found[2].split()) for found in _CODE.finditer(prose(page))]


def links(page: pathlib.Path) -> list[str]:
  """Where the links and images of a page point to."""
  without = _CODE.sub(lambda found: 'x' * len(found[0]), prose(page))
  return [urllib.parse.unquote(to) for _, to in _LINK.findall(without)]


def anchors(text: str) -> set[str]:
  """The names of a page's headings, as GitHub makes them.

  Lower case, without punctuation, blanks as hyphens; one that was there before
  gets -1, -2, ...
  """
  found, out = {}, set()
  for heading in _HEADING.findall(_FENCE.sub('', text)):
    heading = _LINK.sub(lambda link: link[1], heading).replace('`', '')
    name = re.sub(r'[^\w\- ]', '', heading.lower()).strip().replace(' ', '-')
    count = found.get(name, 0)
    found[name] = count + 1
    out.add(f'{name}-{count}' if count else name)
  return out


def commands(block: Block) -> Iterator[Command]:
  """The commands of a block of shell, continued lines joined."""
  exports: tuple[tuple[str, str], ...] = ()
  waiting, first = '', block.line
  for number, line in enumerate(block.text.splitlines(), block.line):
    if not waiting:
      first = number
    if line.endswith('\\'):
      waiting += line[:-1]
      continue
    words = shlex.split(waiting + line, comments=True)
    waiting = ''
    if words[:1] == ['export']:
      exports += tuple(tuple(word.split('=', 1)) for word in words[1:])
    elif words:
      yield Command(block.page, first, shlex.join(words), exports)
  assert not waiting, f'{block.page}:{first}: goes on after the end.'


def all_commands() -> dict[tuple[str, ...], Command]:
  """Every command of the pages once, by its words; `emojax` by its name."""
  found = {}
  for page in PAGES:
    for block in blocks(page):
      # Whatever a block is called: what begins like a command is one.
      if block.language in SHELLS or block.text.startswith(PROGRAMS):
        for command in commands(block):
          words = command.words
          if words[0] == '.venv/bin/emojax':
            words[0] = 'emojax'
          found.setdefault(tuple(words), command)
  return found
