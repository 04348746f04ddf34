"""A cloud on the loopback: the TPU API, a bucket, and machines in folders.

It answers what gcloud asks, as far as launch/ has it ask. A machine is a folder
that is the home of what the `ssh` beside this file runs there.
"""

import collections
from collections.abc import Iterator
import contextlib
from http import server
import json
import os
import pathlib
import re
import shutil
import signal
import threading
from typing import Any
from urllib import parse

PROJECT = 'emojax-test'
_PLACE = re.compile(
    r'/v2/(projects/[^/]+/locations/[^/]+)/'
    r'(nodes|queuedResources|operations)(?:/([^/:]+))?(:\w+)?'
)
_KEY = 'AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake'


class Cloud:
  """What exists, and what was asked for.

  Attributes:
    machines: the folder of the machines, each named by its address.
    workers: how many machines a slice has.
    states: those through which the next slice comes, a look at it each.
    objects: of the bucket, by name.
    bodies: of the requests for slices, in order.
    deleted: names of slices, in order.
  """

  def __init__(self, machines: pathlib.Path):
    self.machines = machines
    self.workers = 2
    self.states = ['ACTIVE']
    self.objects: dict[str, bytes] = {}
    self.bodies: list[dict[str, Any]] = []
    self.deleted: list[str] = []
    self.url = ''
    self._slices: dict[str, dict[str, Any]] = {}
    self._coming: dict[str, list[str]] = collections.defaultdict(list)
    self._nodes: dict[str, dict[str, Any]] = {}

  @property
  def addresses(self) -> list[str]:
    return [f'127.0.0.{i + 1}' for i in range(self.workers)]

  def preempt(self, state: str = 'SUSPENDED') -> None:
    """Takes the machines of every slice away, as for spot capacity."""
    for each in self._slices.values():
      each['state'] = {'state': state}
    self._nodes.clear()
    self.end_machines()

  def end_machines(self) -> None:
    for folder in self.machines.glob('127.*'):
      with contextlib.suppress(OSError, ValueError):
        pid = int((folder / 'emojax-run' / 'pid').read_text())
        os.killpg(pid, signal.SIGKILL)
      shutil.rmtree(folder, ignore_errors=True)

  def answer(
      self, method: str, url: str, body: dict[str, Any]
  ) -> tuple[int, Any]:
    """Returns a status and what goes back, JSON or bytes."""
    path = parse.urlsplit(url).path
    query = dict(parse.parse_qsl(parse.urlsplit(url).query))
    if path.startswith('/compute/'):
      return 200, self._compute()
    if '/storage/' in path:
      return self._storage(path, query)
    found = _PLACE.fullmatch(path)
    if not found:
      return _missing(path)
    parent, kind, name, verb = found.groups()
    full = f'{parent}/{kind}/{name}'
    if kind == 'operations':
      return _operation(f'{parent}/{name.replace(".", "/", 1)}')
    if verb == ':getGuestAttributes':
      return 200, {'guestAttributes': [_HOST_KEY] * self.workers}
    if kind == 'nodes' and method == 'PATCH':  # Gives it an ssh key.
      self._nodes[full].update(body)
      return _operation(full)
    if kind == 'nodes':
      return self._found(self._nodes, full)
    if method == 'POST':
      return self._create(parent, query['queuedResourceId'], body)
    if method == 'DELETE':
      return self._delete(parent, full, query)
    if name:
      return self._found(self._slices, full)
    for each in self._slices:
      self._move(each)
    return 200, {'queuedResources': list(self._slices.values())}

  def _found(self, things: dict[str, Any], name: str) -> tuple[int, Any]:
    return (200, things[name]) if name in things else _missing(name)

  def _create(self, parent: str, name: str, body: dict[str, Any]) -> Any:
    full = f'{parent}/queuedResources/{name}'
    if full in self._slices:
      return _error(409, 'ALREADY_EXISTS', full)
    self.bodies.append(body)
    self._coming[full] = list(self.states)
    self._slices[full] = body | {'name': full, 'state': {'state': 'ACCEPTED'}}
    return _operation(full)

  def _delete(self, parent: str, full: str, query: dict[str, str]) -> Any:
    if full not in self._slices:
      return _missing(full)
    state = self._slices[full]['state']['state']
    if (
        state not in ('SUSPENDED', 'FAILED')
        and query.get('force', '').lower() != 'true'
    ):
      return _error(400, 'FAILED_PRECONDITION', f'{full} is {state}')
    del self._slices[full]
    self.deleted.append(full.rpartition('/')[2])
    self._nodes.clear()
    self.end_machines()
    return _operation(full)

  def _move(self, full: str) -> None:
    """Brings a slice to its next state, and its machines into being."""
    if not self._coming[full]:
      return
    state = self._coming[full].pop(0)
    each = self._slices[full]
    each['state'] = {'state': state}
    if state != 'ACTIVE':
      return
    spec = each['tpu']['nodeSpec'][0]
    name = f'{full.partition("/queuedResources/")[0]}/nodes/{spec["nodeId"]}'
    for address in self.addresses:
      (self.machines / address).mkdir(parents=True, exist_ok=True)
    self._nodes[name] = spec['node'] | {
        'name': name,
        'state': 'READY',
        'health': 'HEALTHY',
        'apiVersion': 'V2',
        'networkEndpoints': [
            {'ipAddress': address, 'port': 8470} for address in self.addresses
        ],
    }

  def _compute(self) -> dict[str, Any]:
    link = f'{self.url}/compute/v1/projects/{PROJECT}'
    return {
        'kind': 'compute#project',
        'name': PROJECT,
        'status': 'DONE',
        'selfLink': link,
        'targetLink': link,
        'commonInstanceMetadata': {
            'fingerprint': 'abc=',
            'items': [{'key': 'enable-oslogin', 'value': 'FALSE'}],
        },
    }

  def _storage(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
    _, bucket, rest = re.fullmatch(r'(.*)/b/([^/]+)(.*)', path).groups()
    if rest in ('', '/storageLayout'):
      return 200, {'kind': 'storage#bucket', 'name': bucket, 'id': bucket}
    if rest == '/o':
      prefix = query.get('prefix', '')
      names = [name for name in self.objects if name.startswith(prefix)]
      folders = set()
      if 'delimiter' in query:
        heads = {name: name[len(prefix) :].partition('/') for name in names}
        folders = {
            prefix + head + '/' for head, cut, _ in heads.values() if cut
        }
        names = [name for name, (_, cut, _) in heads.items() if not cut]
      return 200, {
          'kind': 'storage#objects',
          'items': [self._object(bucket, name) for name in names],
          'prefixes': sorted(folders),
      }
    name = parse.unquote(rest.removeprefix('/o/'))
    if name not in self.objects:
      return _missing(name)
    if query.get('alt') == 'media':
      return 200, self.objects[name]
    return 200, self._object(bucket, name)

  def _object(self, bucket: str, name: str) -> dict[str, Any]:
    return {
        'kind': 'storage#object',
        'bucket': bucket,
        'name': name,
        'generation': '1',
        'metageneration': '1',
        'size': str(len(self.objects[name])),
        'updated': '2025-01-01T00:00:00Z',
        'timeCreated': '2025-01-01T00:00:00Z',
        'mediaLink': f'{self.url}/download/storage/v1/b/{bucket}/o/'
        f'{parse.quote(name, safe="")}?alt=media',
    }


_HOST_KEY = {
    'queryValue': {
        'items': [
            {'namespace': 'hostkeys', 'key': 'ssh-ed25519', 'value': _KEY}
        ]
    }
}


def _operation(target: str) -> tuple[int, dict[str, Any]]:
  """Says that all is done already; the name of the operation has the target."""
  parent, kind, name = target.rsplit('/', 2)
  types = 'type.googleapis.com/google.cloud.tpu.v2'
  return 200, {
      'name': f'{parent}/operations/{kind}.{name}',
      'done': True,
      'metadata': {'@type': f'{types}.OperationMetadata', 'target': target},
      'response': {'@type': f'{types}.Node', 'name': target},
  }


def _error(code: int, status: str, message: str) -> tuple[int, Any]:
  error = {'code': code, 'message': message, 'status': status}
  return code, {'error': error}


def _missing(what: str) -> tuple[int, Any]:
  return _error(404, 'NOT_FOUND', f'{what} was not found')


@contextlib.contextmanager
def serve(cloud: Cloud) -> Iterator[Cloud]:
  """Answers on a free port of the loopback, and says so in `cloud.url`."""
  lock = threading.Lock()

  class Handler(server.BaseHTTPRequestHandler):

    def handle_request(self) -> None:
      size = int(self.headers.get('Content-Length') or 0)
      body = json.loads(self.rfile.read(size) or b'{}')
      with lock:
        status, found = cloud.answer(self.command, self.path, body)
      data = found if isinstance(found, bytes) else json.dumps(found).encode()
      self.send_response(status)
      self.send_header('Content-Length', str(len(data)))
      self.send_header('Content-Type', 'application/json')
      self.end_headers()
      self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_request

    def log_message(self, *arguments: Any) -> None:
      """Says nothing."""

  with server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as running:
    cloud.url = f'http://127.0.0.1:{running.server_port}'
    thread = threading.Thread(
        target=running.serve_forever, args=(0.01,), daemon=True
    )
    thread.start()
    try:
      yield cloud
    finally:
      running.shutdown()
      thread.join()
      cloud.end_machines()
