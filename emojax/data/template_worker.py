"""Renders chat templates in a process that is given nothing to harm.

A chat template is a program that comes with the weights, from a stranger. This
one reads requests from stdin and answers on stdout, a JSON line each, until
stdin ends:

  {"source": ..., "variables": {...}, "seconds": ..., "chars": ...}
  {"text": ...} or {"error": ...}, which goes on from 'The chat template '

A render that takes longer than it may ends the process by SIGALRM, wherever it
is and whether or not anybody still waits for it. `templates.Renderer` starts
this process; nothing else of emojax, and no jax, is imported here.
"""

import contextlib
import datetime
import functools
import json
import resource
import signal
import sys
from typing import Any

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

_GIB = 1 << 30
_LIMITS = {
    resource.RLIMIT_AS: _GIB,
    resource.RLIMIT_CORE: 0,
    # Should a template get out of the sandbox: no file, socket or process.
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_NOFILE: 0,
    resource.RLIMIT_NPROC: 0,
}
# The date that Llama 3's template has by default: a chat is the same every day.
_TODAY = datetime.datetime(2024, 7, 26)
# Text, filters and an error: all that jinja2 imports only when it is needed.
_WARM_UP = "{{ 'a' | pprint | wordwrap }}{{ raise_exception('') }}"


class Generation(jinja2.ext.Extension):
  """`{% generation %}`, with which transformers finds replies: its contents."""

  tags = {'generation'}

  def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
    line = next(parser.stream).lineno
    body = parser.parse_statements(('name:endgeneration',), drop_needle=True)
    return jinja2.nodes.Scope(body, lineno=line)


def answer(request: dict[str, Any]) -> dict[str, str]:
  """Renders; whatever the template does, the answer says so."""
  size, parts, most = 0, [], request['chars']
  try:
    template = _compile(request['source'])
    for part in template.generate(request['variables']):
      size += len(part)
      if size > most:
        return {'error': f'writes more than {most} characters'}
      parts.append(part)
    text = ''.join(parts)
    text.encode()  # Half a surrogate pair is no text: no tokenizer takes it.
    return {'text': text}
  except MemoryError:
    return {'error': 'fails: it needs more than 1 GiB of memory'}
  # The template is a stranger's program: it may fail in any way it likes.
  except Exception as error:
    return {'error': f'fails: {str(error)[:1000] or type(error).__name__}'}


@functools.lru_cache(maxsize=4)
def _compile(source: str) -> jinja2.Template:
  return _environment().from_string(source)


@functools.cache
def _environment() -> jinja2.Environment:
  """What transformers gives a chat template, but for the date."""
  environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
      trim_blocks=True,
      lstrip_blocks=True,
      extensions=[Generation, jinja2.ext.loopcontrols],
  )
  environment.filters['tojson'] = _tojson
  environment.globals['raise_exception'] = _raise_exception
  environment.globals['strftime_now'] = _TODAY.strftime
  return environment


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
  """Unlike jinja2's own, leaves <, > and & as they are."""
  return json.dumps(
      value,
      ensure_ascii=ensure_ascii,
      indent=indent,
      separators=separators,
      sort_keys=sort_keys,
  )


def _raise_exception(message: str) -> None:
  raise jinja2.TemplateError(message)


def confine() -> None:
  """Gives up, for good, what rendering does not need."""
  answer({'source': _WARM_UP, 'variables': {}, 'chars': 9})
  for limit, most in _LIMITS.items():
    # macOS has the names but may refuse a number; the others still hold.
    with contextlib.suppress(OSError, ValueError):
      resource.setrlimit(limit, (most, most))
  signal.signal(signal.SIGALRM, signal.SIG_DFL)
  signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])


def main() -> None:
  confine()
  for line in sys.stdin.buffer:
    request = json.loads(line)
    signal.setitimer(signal.ITIMER_REAL, request['seconds'])
    reply = json.dumps(answer(request)).encode()
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.stdout.buffer.write(reply + b'\n')
    sys.stdout.buffer.flush()


if __name__ == '__main__':
  main()
