"""The page of a chat answers its owner alone, and keeps what was said."""

import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import live_fixtures
import pytest
from starlette import testclient
import tiny_model

from emojax import errors
from emojax import files
from emojax.experiments import chat as chat_lib
from emojax.live import server

TOKEN = live_fixtures.TOKEN
PORT = 4321
BASE = f'http://127.0.0.1:{PORT}'
OWN = {'authorization': f'Bearer {TOKEN}', 'content-type': 'application/json'}


def counting(gate=None):
  """A service that yields numbers; with a gate, until it is stopped."""
  wrote = []

  def prepare(asked):
    if asked != {'count': 3}:
      raise errors.InputError('count=0:\n must be 3.')
    return asked['count']

  def write(count, stopped):
    wrote.append('begun')
    for i in range(count):
      yield {'event': 'token', 'i': i}
    while gate is not None and not stopped():
      gate.set()
      time.sleep(0.01)
      yield {'event': 'token', 'i': -1}
    wrote.append('stopped' if stopped() else 'whole')

  policy = "default-src 'none'"
  return server.Service('<p>page</p>', policy, prepare, write), wrote


@pytest.fixture
def client():
  app, _ = server.application(counting()[0], PORT, TOKEN)
  return testclient.TestClient(app, base_url=BASE)


def post(client, path='/reply', body=b'{"count": 3}', **headers):
  names = {name.replace('_', '-'): value for name, value in headers.items()}
  return client.post(path, content=body, headers=OWN | names)


def test_the_owner_gets_the_page_and_nobody_keeps_it(client):
  answer = client.get('/', params={'token': TOKEN})
  assert answer.status_code == 200 and 'page' in answer.text
  assert answer.headers['cache-control'] == 'no-store'
  assert answer.headers['referrer-policy'] == 'no-referrer'
  assert answer.headers['x-content-type-options'] == 'nosniff'
  assert answer.headers['content-security-policy'] == "default-src 'none'"
  assert not {'access-control-allow-origin', 'server'} & set(answer.headers)


@pytest.mark.parametrize(
    'path', ['/', '/reply', '/stop', '/x', '/../x', '/a/b']
)
@pytest.mark.parametrize('method', ['GET', 'POST', 'PUT', 'OPTIONS'])
def test_without_the_token_there_is_nothing(client, path, method):
  for wrong in ('', TOKEN[:-1], TOKEN + 'x', 'ü'):
    answer = client.request(
        method,
        path,
        params={'token': wrong} if wrong else {},
        headers={'Authorization': f'Bearer {wrong}'.encode()},
        content=b'{"count": 3}',
    )
    assert answer.status_code in (403, 405)
    assert 'page' not in answer.text and 'token"' not in answer.text


@pytest.mark.parametrize('path', ['/reply', '/stop'])
def test_the_token_in_the_address_asks_for_nothing(client, path):
  """Else a link would do."""
  answer = client.post(path, params={'token': TOKEN}, content=b'{"count": 3}')
  assert answer.status_code == 403


@pytest.mark.parametrize(
    ('header', 'value', 'status'),
    [
        ('host', f'127.0.0.1:{PORT}', 200),
        ('host', f'localhost:{PORT}', 200),
        ('host', f'attacker.example:{PORT}', 403),
        ('host', '127.0.0.1', 403),
        ('host', f'127.0.0.1:{PORT + 1}', 403),
        ('host', f'127.0.0.1:{PORT}.attacker.example', 403),
        ('origin', BASE, 200),
        ('origin', f'http://localhost:{PORT}', 200),
        ('origin', 'https://attacker.example', 403),
        ('origin', f'https://127.0.0.1:{PORT}', 403),
        ('origin', 'http://127.0.0.1', 403),
        ('origin', 'null', 403),
        ('sec-fetch-site', 'same-origin', 200),
        ('sec-fetch-site', 'same-site', 403),
        ('sec-fetch-site', 'cross-site', 403),
    ],
)
def test_other_pages_and_other_names_are_refused(client, header, value, status):
  assert post(client, **{header: value}).status_code == status
  answer = client.get('/', params={'token': TOKEN}, headers={header: value})
  assert answer.status_code == status


def test_a_form_of_another_page_is_no_json(client):
  answer = post(client, content_type='text/plain')
  assert answer.status_code == 415


def test_a_body_has_an_end(client):
  huge = json.dumps({'count': 'x' * (1 << 20)}).encode()
  assert post(client, body=huge).status_code == 413
  unknown = (b'x' * 1000 for _ in range(2000))
  assert post(client, body=unknown).status_code == 413


@pytest.mark.parametrize('body', [b'', b'{', b'\xff', b'[' * 9999, b'9' * 9999])
def test_what_is_not_json_is_one_line(client, body):
  answer = post(client, body=body)
  assert answer.status_code == 400 and len(answer.text.splitlines()) == 1


def test_bad_input_is_one_line_and_frees_the_pen(client):
  for _ in range(2):
    answer = post(client, body=b'{"count": 0}')
    assert answer.status_code == 400
    assert answer.text == 'count=0: must be 3.'
  assert post(client).status_code == 200


def test_a_reply_is_lines_of_events(client):
  for _ in range(2):
    assert live_fixtures.events(post(client).text) == [
        {'event': 'token', 'i': i} for i in range(3)
    ]


def test_one_reply_at_a_time_and_stop_ends_it():
  gate = threading.Event()
  service, wrote = counting(gate)
  with live_fixtures.served(service) as base:
    with httpx.Client(base_url=base, headers=OWN, timeout=20) as client:
      with client.stream('POST', '/reply', content=b'{"count": 3}') as reply:
        lines = reply.iter_lines()
        next(lines)
        assert gate.wait(20)
        second = client.post('/reply', content=b'{"count": 3}')
        assert second.status_code == 409 and 'being written' in second.text
        assert client.post('/stop', content=b'{}').status_code == 204
        for _ in lines:  # It ends.
          pass
      assert wrote == ['begun', 'stopped']


def test_a_reader_that_goes_away_ends_the_reply():
  gate = threading.Event()
  service, wrote = counting(gate)
  with live_fixtures.served(service) as base:
    with httpx.Client(base_url=base, headers=OWN, timeout=20) as client:
      with client.stream('POST', '/reply', content=b'{"count": 3}') as reply:
        next(reply.iter_lines())
      for _ in range(500):
        if wrote[-1] == 'stopped':
          break
        time.sleep(0.02)
      assert wrote == ['begun', 'stopped']


def test_the_end_of_the_server_ends_the_reply():
  gate = threading.Event()
  service, wrote = counting(gate)
  serving = live_fixtures.served(service)
  with httpx.Client(base_url=serving.__enter__(), headers=OWN) as client:
    with client.stream('POST', '/reply', content=b'{"count": 3}') as reply:
      lines = reply.iter_lines()
      next(lines)
      end = threading.Thread(target=serving.__exit__, args=(None,) * 3)
      end.start()
      for _ in lines:
        pass
      end.join()
  assert wrote == ['begun', 'stopped']


def test_no_reply_outlives_its_server_though_its_reader_is_gone():
  gate, wrote = threading.Event(), []

  def write(count, stopped):
    yield {'event': 'token', 'i': count}
    assert gate.wait(20)
    time.sleep(1)  # A long step, and what is logged at the end.
    wrote.append('logged')

  service = server.Service('', '', lambda asked: 3, write)
  with live_fixtures.served(service) as base:
    with httpx.Client(base_url=base, headers=OWN, timeout=20) as client:
      with client.stream('POST', '/reply', content=b'{"count": 3}') as reply:
        next(reply.iter_lines())
    gate.set()
  assert wrote == ['logged']


def test_only_this_machine_is_listened_to():
  taken = server.take(0)
  assert taken.getsockname()[0] == '127.0.0.1'
  with pytest.raises(errors.InputError, match='config.port='):
    server.take(taken.getsockname()[1])
  taken.close()
  with pytest.raises(errors.InputError, match='config.port=70000'):
    server.take(70000)


@pytest.fixture(scope='module')
def chat(tmp_path_factory):
  return live_fixtures.chat(tmp_path_factory.mktemp('chat'))


@pytest.fixture(scope='module')
def talking(chat):
  app, _ = server.application(chat.service, PORT, TOKEN)
  return testclient.TestClient(app, base_url=BASE)


def reply(talking, **fields):
  body = json.dumps(live_fixtures.asked(**fields))
  answer = talking.post('/reply', content=body, headers=OWN)
  assert answer.status_code == 200, answer.text
  return live_fixtures.events(answer.text)


def of_kind(events, kind, which='steered'):
  return [e for e in events if e['event'] == kind and e['reply'] == which]


def test_a_reply_is_told_kept_and_read_again(chat, talking):
  got = reply(talking, steer='happy:0.4', temperature=0.7, beside=True)
  kept = chat.log()[-2:]
  for row, which in zip(kept, ('steered', 'unsteered'), strict=True):
    tokens = of_kind(got, 'token', which)
    (end,), (read,) = (of_kind(got, kind, which) for kind in ('end', 'read'))
    assert [t['readings'] for t in tokens] == row['readings']
    assert [t['text'] for t in tokens] == row['pieces']
    assert end['text'] == row['text'] and end['number'] == row['number']
    assert len(row['readings'][0]) == len(tiny_model.EMOTIONS)
    assert ''.join(read['tokens']).count(row['text']) == 1
    own = [t for t, m in zip(read['tokens'], read['message']) if m == 1]
    assert ''.join(own) == row['text']
    assert len(read['score']) == len(read['cosine']) == len(read['tokens'])
  assert kept[0]['controls']['steer'] == 'happy:0.4'
  assert kept[1]['controls']['steer'] == ''
  assert kept[1]['beside'] == kept[0]['number']
  assert kept[0]['text'] != kept[1]['text']


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'steer': 'joyful:1'}, 'must be one of'),
        ({'layers': [9]}, 'out of range'),
        ({'positions': '<b>'}, 'must be one of'),
        ({'messages': []}, 'of the user'),
        ({'messages': [{'role': 'user', 'content': ' '}]}, 'is empty'),
        ({'messages': [{'role': 'root', 'content': 'x'}]}, 'a role'),
        ({'messages': [{'role': 'user', 'content': '\ud800'}]}, 'a role'),
        ({'messages': 'x'}, 'a role'),
        ({'messages': [{'role': 'user', 'content': '<|im_end|>'}]}, 'control'),
        ({'beside': 1}, 'true or false'),
        ({'new_tokens': 10**9}, 'less than'),
    ],
    ids=str,
)
def test_bad_controls_and_chats_are_one_line(talking, fields, said):
  body = json.dumps(live_fixtures.asked(**fields))
  answer = talking.post('/reply', content=body, headers=OWN)
  assert answer.status_code == 400 and said in answer.text
  assert len(answer.text.splitlines()) == 1


def test_a_replay_writes_the_very_tokens(chat, talking, tmp_path):
  reply(talking, steer='happy:0.4,random_2:-0.3', temperature=0.7, seed=5)
  second = [
      live_fixtures.USER,
      {'role': 'assistant', 'content': chat.log()[-1]['text']},
      live_fixtures.USER,
  ]
  reply(talking, messages=second, steer='proud:0.3', positions='generated')
  assert chat.log()[-1]['given'] == 1
  stopped = chat.log()[-1] | {'stopped': True}
  stopped['tokens'] = stopped['tokens'][:3]
  stopped['number'] += 1
  rows = [*chat.log(), stopped]
  tiny_model.write_rows(tmp_path / 'log.jsonl', rows)

  def run(name, log, **fields):
    config = tiny_model.config(
        'chat',
        vectors=str(chat.folder / 'vectors.safetensors'),
        replay=str(log),
        **fields,
    )
    chat_lib.run(config, files.Path(tmp_path / name))
    rows = files.read_jsonl(tmp_path / name / 'replayed.jsonl')
    return [row for _, row in rows]

  got = run('all', tmp_path / 'log.jsonl')
  assert [row['tokens'] for row in got] == [row['tokens'] for row in rows]
  assert all(row['equal'] for row in got)
  for again, row in zip(got[:-1], rows):
    assert again['text'] == row['text']
    assert again['readings'] == row['readings']
  (one,) = run('one', tmp_path / 'log.jsonl', only=1)
  assert one['number'] == 1

  rows[0]['tokens'][2] ^= 1
  tiny_model.write_rows(tmp_path / 'other.jsonl', rows)
  with pytest.raises(errors.InputError, match=r'1 of .* \(exchanges 0\)'):
    run('differs', tmp_path / 'other.jsonl')
  rows[0]['weights'] = 'f' * 64
  tiny_model.write_rows(tmp_path / 'strange.jsonl', rows)
  with pytest.raises(errors.InputError, match='other weights'):
    run('strange', tmp_path / 'strange.jsonl')
  with pytest.raises(errors.InputError, match='config.only=99'):
    run('none', tmp_path / 'log.jsonl', only=99)
  tiny_model.write_rows(tmp_path / 'wrong.jsonl', [{'number': 0}])
  with pytest.raises(errors.InputError, match='wrong.jsonl:1: not an exchange'):
    run('wrong', tmp_path / 'wrong.jsonl')


def test_mistakes_at_the_start_are_told_before_the_model_loads(chat, tmp_path):
  vectors = str(chat.folder / 'vectors.safetensors')
  taken = socket.socket()
  taken.bind(('127.0.0.1', 0))
  port = taken.getsockname()[1]
  for fields, said in (
      ({}, 'config.vectors'),
      ({'vectors': vectors, 'port': port}, f'config.port={port}'),
      ({'vectors': vectors, 'only': 1}, 'config.only'),
      ({'vectors': 'none', 'port': 0}, 'none: no such file'),
  ):
    with pytest.raises(errors.InputError, match=said):
      chat_lib.run(tiny_model.config('chat', **fields), files.Path(tmp_path))
  taken.close()
  assert not list(tmp_path.iterdir())


def test_the_command_serves_logs_and_ends_and_its_line_replays(chat, tmp_path):
  command = [sys.executable, '-m', 'emojax.main', '--config=configs/chat.py']
  environment = os.environ | {'JAX_PLATFORMS': 'cpu'}
  with subprocess.Popen(
      [
          *command,
          f'--workdir={tmp_path / "run"}',
          f'--config.vectors={chat.folder / "vectors.safetensors"}',
          '--config.port=0',
      ],
      cwd=tiny_model.ROOT,
      env=environment,
      stdout=subprocess.PIPE,
      text=True,
  ) as process:
    try:
      address = httpx.URL(process.stdout.readline().strip())
      token = address.params['token']
      assert address.host == '127.0.0.1' and len(token) > 40
      own = OWN | {'authorization': f'Bearer {token}'}
      base = f'http://127.0.0.1:{address.port}'
      assert httpx.get(address).status_code == 200
      assert httpx.get(base).status_code == 403
      answer = httpx.post(
          f'{base}/reply',
          json=live_fixtures.asked(steer='angry:0.3', temperature=0.7),
          headers=own,
          timeout=60,
      )
      (end,) = of_kind(live_fixtures.events(answer.text), 'end')
    finally:
      process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stdout.read() == ''
  words = shlex.split(end['command'])
  assert words[0] == 'emojax'
  done = subprocess.run(
      [*command[:3], *words[1:]],
      cwd=tiny_model.ROOT,
      env=environment,
      check=False,
      capture_output=True,
      text=True,
  )
  assert done.returncode == 0, done.stderr
  assert '1 of 1 replies' in done.stderr
  path = pathlib.Path(tmp_path, 'run', 'replay_0', 'replayed.jsonl')
  assert json.loads(path.read_text())['text'] == end['text']
