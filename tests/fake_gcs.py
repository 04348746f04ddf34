"""A bucket on this machine: what gcsfs and TensorStore ask of Cloud Storage.

As there, an object is there when all its bytes have come, has a new generation
whenever it is written, and can be written on condition of the old one.
"""

import contextlib
import dataclasses
from http import server
import itertools
import json
import re
import threading
from urllib import parse

_PATHS = re.compile(
    r'/(?:(?P<kind>upload|download)/)?storage/v1/b/(?P<bucket>[^/]+)'
    r'(?P<objects>/o)?(?:/(?P<name>[^/]+))?'
)


@dataclasses.dataclass(frozen=True)
class Refusal(Exception):
  status: int
  message: str


class Store:
  """The objects, and what has been asked of them.

  Attributes:
    objects: bytes by (bucket, name).
    log: (method, path within the API without its query) of every request.
    written: the name of every object that was put, in order.
    uploads: (name, the bytes that have come) of each that comes in parts.
    denied: (bucket, method) -> status of what is not allowed.
  """

  def __init__(self, *buckets):
    self.buckets = set(buckets)
    self.objects = {}
    self.generations = {}
    self.log = []
    self.denied = {}
    self.uploads = {}
    self.written = []
    self.lock = threading.Lock()
    self._counter = itertools.count(1)

  def put(self, bucket, name, data):
    self.objects[bucket, name] = data
    self.generations[bucket, name] = str(next(self._counter))
    self.written.append(name)

  def begin_part(self):
    """Is called when a part of an upload has come; for tests to replace."""

  def below(self, folder):
    """Returns bytes by their names below gs://BUCKET/FOLDER."""
    bucket, _, prefix = folder.removeprefix('gs://').partition('/')
    with self.lock:
      return {
          name.removeprefix(f'{prefix}/'): data
          for (b, name), data in sorted(self.objects.items())
          if b == bucket and name.startswith(f'{prefix}/')
      }

  def describe(self, bucket, name):
    return {
        'kind': 'storage#object',
        'bucket': bucket,
        'name': name,
        'size': str(len(self.objects[bucket, name])),
        'generation': self.generations[bucket, name],
        'metageneration': '1',
        'timeCreated': '2026-01-01T00:00:00.000Z',
        'updated': '2026-01-01T00:00:00.000Z',
    }

  def check(self, bucket, method):
    status = self.denied.get((bucket, method))
    if status:
      raise Refusal(status, 'does not have storage.objects access.')
    if bucket not in self.buckets:
      raise Refusal(404, 'The specified bucket does not exist.')

  def check_conditions(self, key, query):
    """Holds a request to the generation that it wants, or does not want."""
    found = self.generations.get(key, '0')
    if query.get('ifGenerationMatch', found) != found:
      raise Refusal(412, 'conditionNotMet')
    if query.get('ifGenerationNotMatch') == found:
      raise Refusal(304, '')

  def listing(self, bucket, query):
    prefix, delimiter = query.get('prefix', ''), query.get('delimiter')
    names = sorted(
        name
        for b, name in self.objects
        if b == bucket and name.startswith(prefix)
    )
    items, prefixes = [], {}
    for name in names:
      head, found, _ = name.removeprefix(prefix).partition(delimiter or '\0')
      if found:
        prefixes[prefix + head + found] = None
      else:
        items.append(self.describe(bucket, name))
    first = int(query.get('pageToken', 0))
    last = first + int(query.get('maxResults', 1000))
    page = {'kind': 'storage#objects', 'items': items[first:last]}
    if not first:
      page['prefixes'] = list(prefixes)
    return page | ({'nextPageToken': str(last)} if last < len(items) else {})


class _Handler(server.BaseHTTPRequestHandler):
  protocol_version = 'HTTP/1.1'

  def __init__(self, store, *arguments):
    self.store = store
    super().__init__(*arguments)

  def log_message(self, *_):
    pass

  def do_GET(self):
    self._answer()

  do_POST = do_DELETE = do_GET

  def _answer(self):
    body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
    if len(body) < int(self.headers.get('Content-Length', 0)):
      return  # Whoever sent it was killed.
    address = parse.urlsplit(self.path)
    query = dict(parse.parse_qsl(address.query))
    match = _PATHS.fullmatch(address.path)
    with self.store.lock:
      self.store.log.append((self.command, parse.unquote(address.path)))
      try:
        if not match:
          raise Refusal(501, f'{self.command} {self.path}')
        kind, bucket, objects, name = match.groups(default='')
        self.store.check(bucket, self.command)
        status, headers, data = (
            self._do(kind, bucket, parse.unquote(name), query, body)
            if objects
            else _json({'kind': 'storage#bucket', 'name': bucket})
        )
      except Refusal as refusal:
        status, headers = refusal.status, {}
        error = {'code': status, 'message': refusal.message}
        data = json.dumps({'error': error}).encode()
    self.send_response(status)
    for name, value in headers.items():
      self.send_header(name, value)
    data = b'' if status in (204, 304) else data
    if status not in (204, 304):
      self.send_header('Content-Length', str(len(data)))
    self.end_headers()
    self.wfile.write(data)

  def _do(self, kind, bucket, name, query, body):
    """Returns status, headers and body of an answer."""
    store = self.store
    if kind == 'upload':
      if query['uploadType'] == 'multipart':
        query['name'], body = _parts(self.headers['Content-Type'], body)
      elif 'upload_id' in query:
        query['name'], body, whole = self._resume(query['upload_id'], body)
        if not whole:
          return 308, {'Range': f'bytes=0-{len(body) - 1}'}, b''
      elif query['uploadType'] == 'resumable':
        number = str(len(store.uploads))
        store.uploads[number] = query['name'], bytearray()
        here = f'http://{self.headers["Host"]}{self.path}&upload_id={number}'
        return 200, {'Location': here}, b''
      store.check_conditions((bucket, query['name']), query)
      store.put(bucket, query['name'], bytes(body))
      return _json(store.describe(bucket, query['name']))
    if self.command == 'GET' and not name:
      return _json(store.listing(bucket, query))
    if (bucket, name) not in store.objects:
      raise Refusal(404, 'No such object')
    store.check_conditions((bucket, name), query)
    if self.command == 'DELETE':
      del store.objects[bucket, name], store.generations[bucket, name]
      return 204, {}, b''
    if query.get('alt') != 'media':
      return _json(store.describe(bucket, name))
    headers = {'x-goog-generation': store.generations[bucket, name]}
    data = store.objects[bucket, name]
    wanted = re.fullmatch(r'bytes=(\d+)-(\d*)', self.headers.get('Range', ''))
    if not wanted:
      return 200, headers, data
    first, last = int(wanted[1]), int(wanted[2] or len(data) - 1)
    headers['Content-Range'] = f'bytes {first}-{last}/{len(data)}'
    return 206, headers, data[first : last + 1]

  def _resume(self, upload, body):
    """Adds to an upload in parts: its name, its bytes, and if it is whole."""
    self.store.begin_part()
    name, data = self.store.uploads[upload]
    data += body
    return name, data, self.headers['Content-Range'].endswith(f'/{len(data)}')


class _Server(server.ThreadingHTTPServer):

  def handle_error(self, *_):
    pass  # Whoever asked was killed.


def _json(value):
  return 200, {'Content-Type': 'application/json'}, json.dumps(value).encode()


def _parts(content_type, body):
  """Returns the name and the bytes of an upload in two parts."""
  boundary = re.search('boundary="(.*)"', content_type)[1].encode()
  _, facts, rest = body.split(b'--' + boundary + b'\n', 2)
  name = json.loads(facts.partition(b'\n\n')[2])['name']
  data = rest.partition(b'\n\n')[2]
  return name, data.removesuffix(b'\n--' + boundary + b'--')


@contextlib.contextmanager
def serve(*buckets):
  """Yields a store and the environment variables that lead to it."""
  store = Store(*buckets)
  handler = lambda *arguments: _Handler(store, *arguments)
  with _Server(('127.0.0.1', 0), handler) as http:
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    address = f'http://127.0.0.1:{http.server_port}'
    yield store, {
        'STORAGE_EMULATOR_HOST': address,
        'TENSORSTORE_GCS_HTTP_URL': address,
        'GOOGLE_AUTH_TOKEN_FOR_TESTING': 'nobody',
    }
    http.shutdown()
    thread.join()
