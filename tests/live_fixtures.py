"""A chat with a tiny model, and a server of it in a thread."""

from collections.abc import Iterator
import contextlib
import dataclasses
import json
import pathlib
import threading
from typing import Any

import numpy as np
import tiny_model

from emojax import files
from emojax.experiments import build_vectors
from emojax.experiments import exchange
from emojax.experiments import exchange_log
from emojax.experiments import read_again
from emojax.experiments import talk as talk_lib
from emojax.live import page
from emojax.live import server
from emojax.models import load

TOKEN = 'correct horse'
USER = {'role': 'user', 'content': 'How do you feel?'}


@dataclasses.dataclass(frozen=True)
class Chat:
  """A chat with a tiny model.

  Attributes:
    folder: of its log, with `vectors.safetensors` and `model`.
    talk: what the page can ask for.
    service: the same and the page.
  """

  folder: pathlib.Path
  talk: talk_lib.Talk
  service: server.Service

  def log(self) -> list[dict[str, Any]]:
    path = self.folder / exchange_log.NAME
    return [row for _, row in files.read_jsonl(path)]


def chat(folder: pathlib.Path) -> Chat:
  """Writes a model and vectors, and loads them."""
  model = tiny_model.write(folder / 'model')
  path = folder / 'vectors.safetensors'
  norms = {'resid_norm': np.array([8.0, 10.0, 12.0])}
  tiny_model.write_vectors(path, model, norms)
  lm = load.load(str(model), 'float32')
  arrays, metadata = build_vectors.read_vectors(files.Path(path), lm)
  made_from = lm.identity() | {'vectors': files.sha256(path)}
  fields = {'vectors': str(path)}
  talk = talk_lib.Talk(
      exchange.Replier(lm, arrays, metadata),
      read_again.reader(lm, arrays, metadata),
      exchange_log.Log(
          files.Path(folder), made_from | {'random_seed': 0}, fields
      ),
  )
  text, policy = page.render(talk_lib.facts(talk.replier, arrays))
  service = server.Service(text, policy, talk.prepare, talk.write)
  return Chat(folder, talk, service)


def asked(**fields: Any) -> dict[str, Any]:
  """What the page sends; fields are controls, or replace the messages."""
  messages = fields.pop('messages', [USER])
  beside = fields.pop('beside', False)
  controls = {'new_tokens': 12} | fields
  return {'messages': messages, 'controls': controls, 'beside': beside}


def events(text: str) -> list[dict[str, Any]]:
  return [json.loads(line) for line in text.splitlines()]


@contextlib.contextmanager
def served(service: server.Service) -> Iterator[str]:
  """Serves as the command does; yields the address."""
  taken = server.take(0)
  port = taken.getsockname()[1]
  app, pen = server.application(service, port, TOKEN)
  made = server.made(app, pen)
  thread = threading.Thread(target=made.run, kwargs={'sockets': [taken]})
  thread.start()
  try:
    yield f'http://127.0.0.1:{port}'
  finally:
    made.handle_exit(2, None)
    thread.join(20)
    assert not thread.is_alive()
