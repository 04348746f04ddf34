"""A page of this machine alone, and the one reply that it can ask for at once.

Whoever has no token, comes from another page or calls this machine by another
name gets nothing: a browser sends requests for any page that it shows.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
import contextlib
import dataclasses
import json
import secrets
import socket
import threading
from typing import Any

from absl import logging
from starlette import applications
from starlette import requests
from starlette import responses
from starlette import routing
import uvicorn

from emojax import errors

HOST = '127.0.0.1'
_NAMES = (HOST, 'localhost')
_MOST_BYTES = 1 << 20  # Of a request.
_BUSY = 'A reply is being written; wait for its end, or stop it.'
_HEADERS = {
    'Cache-Control': 'no-store',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
}

Event = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Service:
  """What the server serves.

  Attributes:
    page: HTML.
    policy: its Content-Security-Policy.
    prepare: (what the page asks for) -> the same, checked.
    write: (what was prepared, whether to stop) -> events, as JSON has them.
  """

  page: str
  policy: str
  prepare: Callable[[Any], Any]
  write: Callable[[Any, Callable[[], bool]], Iterator[Event]]


class _Refusal(Exception):
  """A request that is not answered, with its status and why."""

  def __init__(self, status: int, message: str):
    super().__init__(message)
    self.response = responses.PlainTextResponse(message, status)


class Pen:
  """Whoever holds it writes; one at a time, in a thread of its own."""

  def __init__(self, service: Service):
    self._service = service
    self._held = threading.Lock()
    self._stopped = threading.Event()

  def stop(self) -> None:
    """Ends the reply that is being written, if one is."""
    self._stopped.set()

  def is_held(self) -> bool:
    """Whether a reply is being written."""
    return self._held.locked()

  def write(self, asked: Any) -> AsyncIterator[bytes]:
    """Begins a reply; yields its events as lines.

    Raises:
      _Refusal: another is being written, or this cannot be.
    """
    if not self._held.acquire(blocking=False):
      raise _Refusal(409, _BUSY)
    try:
      # Its own: who read the reply before may notice only now that it ended.
      self._stopped = stopped = threading.Event()
      prepared = self._service.prepare(asked)
      lines: asyncio.Queue[bytes | None] = asyncio.Queue()
      loop = asyncio.get_running_loop()
      tell = lambda line: loop.call_soon_threadsafe(lines.put_nowait, line)
      thread = threading.Thread(
          target=self._run,
          args=(prepared, tell, stopped),
          name='reply',
          daemon=True,
      )
      thread.start()
    except BaseException as error:
      self._held.release()
      if isinstance(error, errors.InputError):
        raise _Refusal(400, ' '.join(str(error).split())) from error
      raise
    return self._each(lines, stopped)

  async def _each(
      self, lines: asyncio.Queue, stopped: threading.Event
  ) -> AsyncIterator[bytes]:
    try:
      while (line := await lines.get()) is not None:
        yield line
    finally:
      stopped.set()  # Nobody reads on.

  def _run(
      self,
      prepared: Any,
      tell: Callable[[bytes | None], Any],
      stopped: threading.Event,
  ) -> None:
    """Writes in a thread; the lock is free again before the last line goes."""
    events = self._service.write(prepared, stopped.is_set)
    # The loop is gone if the server was ended meanwhile.
    with contextlib.suppress(RuntimeError):
      try:
        with contextlib.closing(events):
          for event in events:
            tell(_line(event))
      except errors.InputError as error:
        tell(_line({'event': 'error', 'message': str(error)}))
      except Exception:
        logging.exception('a reply failed')
        message = 'Something failed; the terminal says what.'
        tell(_line({'event': 'error', 'message': message}))
      finally:
        self._held.release()
        tell(None)


def _line(event: Event) -> bytes:
  return json.dumps(event, allow_nan=False).encode() + b'\n'


def take(port: int) -> socket.socket:
  """Takes a port of this machine, 0 for any; nobody is answered yet.

  Raises:
    InputError: it is taken, or there is none of that number.
  """
  taken = socket.socket()
  # Else a port stays taken for a minute after the server has ended.
  taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
  try:
    taken.bind((HOST, port))
    taken.listen()  # Now nobody else can.
  except (OSError, OverflowError) as error:
    taken.close()
    reason = getattr(error, 'strerror', None) or error
    raise errors.InputError(
        f'config.port={port}: cannot be used ({reason}); give another, or 0'
        ' for any that is free.'
    ) from error
  return taken


def application(
    service: Service, port: int, token: str
) -> tuple[applications.Starlette, Pen]:
  """Returns what answers requests, and what writes.

  Args:
    service: what is served.
    port: that requests come to.
    token: without which there is no answer.
  """
  pen = Pen(service)

  async def page(request: requests.Request) -> responses.Response:
    del request
    headers = {'Content-Security-Policy': service.policy}
    return responses.HTMLResponse(service.page, headers=headers)

  async def reply(request: requests.Request) -> responses.Response:
    lines = pen.write(await _json_of(request))
    return responses.StreamingResponse(lines, media_type='application/x-ndjson')

  async def stop(request: requests.Request) -> responses.Response:
    del request
    pen.stop()
    return responses.Response(status_code=204)

  def guarded(answer):
    async def answer_or_refuse(request):
      try:
        _guard(request, port, token)
        response = await answer(request)
      except _Refusal as refusal:
        response = refusal.response
      response.headers.update(_HEADERS)
      return response

    return answer_or_refuse

  async def nowhere(request: requests.Request) -> responses.Response:
    raise _Refusal(404, f'{request.url.path}: there is nothing here.')

  every = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']
  routes = [
      routing.Route('/', guarded(page), methods=['GET']),
      routing.Route('/reply', guarded(reply), methods=['POST']),
      routing.Route('/stop', guarded(stop), methods=['POST']),
      routing.Route('/{path:path}', guarded(nowhere), methods=every),
  ]
  return applications.Starlette(routes=routes), pen


def _guard(request: requests.Request, port: int, token: str) -> None:
  """Refuses whoever is not our own page, or the one who was given its address.

  Raises:
    _Refusal: with 403.
  """
  hosts = [f'{name}:{port}' for name in _NAMES]
  given = request.headers
  # A name of the internet can be made to mean this machine (DNS rebinding).
  if given.getlist('host') not in [[host] for host in hosts]:
    raise _Refusal(403, f'Forbidden: this is {hosts[0]} and nothing else.')
  origins = [f'http://{host}' for host in hosts]
  if any(origin not in origins for origin in given.getlist('origin')):
    raise _Refusal(403, 'Forbidden: another page may not ask.')
  sites = given.getlist('sec-fetch-site')
  if any(site not in ('same-origin', 'none') for site in sites):
    raise _Refusal(403, 'Forbidden: another page may not ask.')
  shown = given.get('authorization', '').removeprefix('Bearer ')
  if request.method in ('GET', 'HEAD'):
    shown = request.query_params.get('token', '')
  if not secrets.compare_digest(shown.encode(), token.encode()):
    raise _Refusal(
        403, 'Forbidden: open the whole address that the terminal shows.'
    )


async def _json_of(request: requests.Request) -> Any:
  """Reads what a request has to say.

  Raises:
    _Refusal: too much, or no JSON.
  """
  kind = request.headers.get('content-type', '').partition(';')[0]
  if kind.strip() != 'application/json':
    raise _Refusal(415, 'Send application/json.')
  body = b''
  async for part in request.stream():
    body += part
    if len(body) > _MOST_BYTES:
      raise _Refusal(413, f'A request may have {_MOST_BYTES} bytes at most.')
  try:
    return json.loads(body)
  except (ValueError, RecursionError) as error:
    raise _Refusal(400, f'Not JSON: {error}.') from error


class _Uvicorn(uvicorn.Server):
  """Ends the reply that is being written when it is told to end."""

  def __init__(self, config: uvicorn.Config, pen: Pen):
    super().__init__(config)
    self._pen = pen

  def handle_exit(self, *args: Any) -> None:
    self._pen.stop()
    super().handle_exit(*args)

  async def shutdown(self, *args: Any, **kwargs: Any) -> None:
    await super().shutdown(*args, **kwargs)
    # A reply is logged at its end, whether its reader is there or gone.
    while self._pen.is_held() and not self.force_exit:
      await asyncio.sleep(0.05)


def made(app: applications.Starlette, pen: Pen) -> uvicorn.Server:
  """Returns what serves; both arguments are of `application`."""
  config = uvicorn.Config(
      app,
      log_config=None,  # Addresses have the token in them.
      access_log=False,
      server_header=False,
      lifespan='off',
      ws='none',
      proxy_headers=False,
      limit_concurrency=32,
      timeout_graceful_shutdown=5,
  )
  return _Uvicorn(config, pen)
