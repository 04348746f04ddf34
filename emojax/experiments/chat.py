"""Vectors -> a page where one talks with the steered model, and a log of it."""

from collections.abc import Mapping
import contextlib
import importlib.util
import secrets
import time
from typing import Any

from absl import logging
import jax
import ml_collections

from emojax import errors
from emojax import files
from emojax import runs
from emojax.experiments import build_vectors
from emojax.experiments import exchange
from emojax.experiments import exchange_log
from emojax.experiments import limits
from emojax.experiments import read
from emojax.experiments import read_again
from emojax.experiments import talk as talk_lib

_NEEDED = ('starlette', 'uvicorn')
# Fields of the config that no reply depends on.
_NOT_OF_THE_RUN = ('port',)


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Serves the page until it is told to end, or replays a log."""
  if not config.vectors:
    raise errors.InputError(
        'Give --config.vectors=FILE, the vectors.safetensors of a quickstart.'
    )
  limits.check_seed(config)
  if jax.process_count() > 1:
    raise errors.InputError(
        'A chat runs in one process, on all devices of its machine; leave out'
        ' --distributed.'
    )
  if not config.replay and config.only is not None:
    raise errors.InputError(
        'config.only: needs --config.replay=FILE, the log that it is in.'
    )
  taken = None if config.replay else _take(config.port)
  path = files.locate(config.vectors)
  _, metadata = build_vectors.read_vectors(path)
  rows = _rows_of(config)
  lm = read.load_model(config, metadata)
  arrays, metadata = build_vectors.read_vectors(path, lm)
  made_from = lm.identity() | {'vectors': files.sha256(path)}
  _check_same(config, rows, made_from)
  runs.open_workdir(
      workdir,
      {
          name: value
          for name, value in config.to_dict().items()
          if name not in _NOT_OF_THE_RUN
      },
      made_from,
  )
  replier = exchange.Replier(lm, arrays, metadata, config.seed)
  if config.replay:
    _replay(workdir, replier, rows)
    return
  _talk(config, workdir, replier, arrays, metadata, made_from, taken)


def _take(port: int) -> Any:
  """The port, before the model takes its time to load."""
  if any(importlib.util.find_spec(name) is None for name in _NEEDED):
    raise errors.InputError(
        "The page needs starlette and uvicorn: pip install 'emojax[chat]'."
    )
  # Here, because a replay needs neither.
  from emojax.live import server

  return server.take(port)


def _rows_of(config: ml_collections.ConfigDict) -> list[dict[str, Any]]:
  if not config.replay:
    return []
  return exchange_log.load(files.locate(config.replay), config.only)


def _check_same(
    config: ml_collections.ConfigDict,
    rows: list[dict[str, Any]],
    made_from: Mapping[str, str],
) -> None:
  """Refuses to replay what was written by another model."""
  own = dict(made_from) | {'random_seed': config.seed}
  for row in rows:
    for name in ('weights', 'vectors', 'random_seed'):
      if row[name] != own[name]:
        raise errors.InputError(
            f'{config.replay}: exchange {row["number"]} was written with other'
            f' {name} ({row[name]}, here {own[name]}); give those that its'
            ' command names.'
        )


def _replay(
    workdir: files.Path,
    replier: exchange.Replier,
    rows: list[dict[str, Any]],
) -> None:
  """Writes all again and says whether all is the same."""
  done = exchange_log.replay(workdir, replier, rows)
  path = workdir / exchange_log.REPLAYED
  differ = [row['number'] for row in done if not row['equal']]
  if differ:
    raise errors.InputError(
        f'{path}: {len(differ)} of {len(done)} replies have other tokens than'
        f' the log (exchanges {", ".join(map(str, differ))}); on another kind'
        ' of machine or with other versions sums are rounded otherwise: replay'
        ' where the log was written.'
    )
  logging.info(
      '%s: %d of %d replies have the very tokens of the log',
      path,
      len(done),
      len(done),
  )


def _talk(config, workdir, replier, arrays, metadata, made_from, taken) -> None:
  """Warms up, says where the page is, and serves it."""
  from emojax.live import page
  from emojax.live import server

  fields = {'vectors': str(files.absolute(files.locate(config.vectors)))}
  for name in ('model', 'dtype', 'seed'):
    if config[name]:
      fields[name] = config[name]
  log = exchange_log.Log(
      workdir, made_from | {'random_seed': config.seed}, fields
  )
  talk = talk_lib.Talk(
      replier, read_again.reader(replier.lm, arrays, metadata), log
  )
  start = time.monotonic()
  logging.info('compiling; the address of the page comes then')
  talk.warm()
  logging.info('compiled in %.0f s', time.monotonic() - start)
  text, policy = page.render(talk_lib.facts(replier, arrays))
  token = secrets.token_urlsafe(32)
  port = taken.getsockname()[1]
  service = server.Service(text, policy, talk.prepare, talk.write)
  app, pen = server.application(service, port, token)
  print(f'http://{server.HOST}:{port}/?token={token}', flush=True)
  # Ctrl-C is how one ends it, SIGTERM how another does: neither is a mistake.
  with contextlib.suppress(KeyboardInterrupt):
    server.made(app, pen).run(sockets=[taken])
