"""Stands where gcloud is called: writes down the call and has it answered.

By the real gcloud if FAKE_REAL names it; or else here, by as much of it as
launch/ needs, which takes only calls that the real one was seen to take.
"""

import json
import os
import pathlib
import subprocess
import sys
from urllib import error
from urllib import parse
from urllib import request

_VERBS = {'create', 'delete', 'describe', 'get-credentials', 'list', 'rsync'}
_VERBS |= {'scp', 'ssh'}


def shape(arguments: list[str]) -> str:
  """Returns a call without its values: `... ssh _ --zone --worker`."""
  words, verb = [], False
  for word in arguments:
    if word.startswith('--'):
      words.append(word.partition('=')[0])
    else:
      words.append('_' if verb else word)
      verb = verb or word in _VERBS
  return ' '.join(words)


def _ask(method: str, path: str, body: object = None) -> object:
  data = None if body is None else json.dumps(body).encode()
  asked = request.Request(
      os.environ['FAKE_URL'] + path, data=data, method=method
  )
  with request.urlopen(asked, timeout=10) as answer:
    return answer.read()


def _slices(verb: str, name: str, flags: dict[str, str], place: str) -> None:
  """The queued resources."""
  if verb == 'create':
    node = {
        'acceleratorType': flags['accelerator-type'],
        'runtimeVersion': flags['runtime-version'],
    }
    spec = {'nodeId': flags['node-id'], 'node': node}
    body = {'tpu': {'nodeSpec': [spec]}}
    if 'spot' in flags:
      body['spot'] = {}
    _ask('POST', f'{place}?queuedResourceId={name}', body)
  elif verb == 'delete':
    _ask('DELETE', f'{place}/{name}?force={str("force" in flags).lower()}')
  else:
    wanted = flags['filter'].removeprefix('name~').removesuffix('$')
    for each in json.loads(_ask('GET', place)).get('queuedResources', []):
      if each['name'].endswith(wanted):
        print(each['state']['state'])


def _machines(verb: str, words: list[str], flags: dict[str, str], place: str):
  """The nodes; returns the status of what ran there."""
  name = words[-1].partition(':')[0]
  node = json.loads(_ask('GET', f'{place}/{name}'))
  if verb == 'describe':
    print(node['state'])
    return 0
  addresses = [each['ipAddress'] for each in node['networkEndpoints']]
  if flags['worker'] != 'all':
    addresses = [addresses[int(flags['worker'])]]
  worst = 0
  for address in addresses:
    host = f'me@{address}'
    command = ['ssh', '-T', host, '--', flags.get('command', '')]
    if verb == 'scp':
      command = ['scp', words[0], f'{host}:{words[1].partition(":")[2]}']
    worst = subprocess.run(command, check=False).returncode or worst
  return worst


def _rsync(source: str, folder: str) -> None:
  bucket, _, prefix = source.removeprefix('gs://').partition('/')
  base = f'/storage/v1/b/{bucket}/o'
  found = json.loads(_ask('GET', f'{base}?prefix={parse.quote(prefix)}'))
  for each in found['items']:
    path = pathlib.Path(folder, os.path.relpath(each['name'], prefix))
    path.parent.mkdir(parents=True, exist_ok=True)
    name = parse.quote(each['name'], safe='')
    path.write_bytes(_ask('GET', f'{base}/{name}?alt=media'))


def _answer(arguments: list[str]) -> int:
  taken = pathlib.Path(os.environ['FAKE_TAKEN']).read_text(encoding='utf-8')
  if f'gcloud {shape(arguments)}' not in taken.splitlines():
    print(f'no gcloud took this: {shape(arguments)}', file=sys.stderr)
    return 2
  flags = {
      word[2:].partition('=')[0]: word.partition('=')[2]
      for word in arguments
      if word.startswith('--')
  }
  words = [word for word in arguments if not word.startswith('--')]
  verb = next(word for word in words if word in _VERBS)
  values = words[words.index(verb) + 1 :]
  place = f'/v2/projects/emojax-test/locations/{flags.get("zone")}'
  try:
    if 'queued-resources' in words:
      name = values[0] if values else ''
      _slices(verb, name, flags, f'{place}/queuedResources')
    elif 'tpu-vm' in words:
      return _machines(verb, values, flags, f'{place}/nodes')
    elif verb == 'rsync':
      _rsync(*values)
  except error.HTTPError as failure:
    print(f'ERROR: {failure.read().decode()}', file=sys.stderr)
    return 1
  return 0


def main() -> int:
  arguments = sys.argv[1:]
  if os.environ.get('FAKE_REAL'):
    real = [os.environ['FAKE_REAL'], *arguments]
    status = subprocess.run(real, check=False).returncode
  else:
    status = _answer(arguments)
  call = {'arguments': arguments, 'status': status}
  with open(os.environ['FAKE_CALLS'], 'a', encoding='utf-8') as file:
    file.write(json.dumps(call) + '\n')
  return status


if __name__ == '__main__':
  sys.exit(main())
