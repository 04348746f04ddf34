r"""Runs an experiment: `emojax --config=configs/NAME.py --workdir=DIR`.

Every field of the config can be set: `--config.start=50 --config.seed=1`.
A workdir that is finished in part is finished; one with other settings is
refused. After SIGTERM it saves and exits with 75.

  emojax --config=configs/quickstart.py --workdir=runs/quickstart
  emojax --config=configs/read.py --config.vectors=DIR/vectors.safetensors \
    --config.texts=FILE.jsonl --workdir=OUT
"""

from collections.abc import Sequence
import errno
import importlib
import logging as logging_lib
import os
import sys
from typing import NoReturn

from absl import app
from absl import flags
from absl import logging
from ml_collections import config_flags

from emojax import errors
from emojax import files
from emojax import usage

_FLAGS = (
    'config',
    'workdir',
    'distributed',
    'coordinator',
    'processes',
    'process',
    'version',
)
_STOPPED = 75  # EX_TEMPFAIL: nothing is wrong, start it again.
# What a disk says that has no room, or that may not be written.
_STORAGE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
)
EXPERIMENTS = (
    'quickstart',
    'paper',
    'behaviour',
    'read',
    'wild',
    'sweep',
    'fit_probes',
    'write_stories',
    'convert',
    'export_vectors',
    'import_vectors',
    'read_states',
    'chat',
)

_CONFIG = config_flags.DEFINE_config_file(
    'config', help_string='The experiment: a file of configs/.'
)
_WORKDIR = flags.DEFINE_string(
    'workdir',
    None,
    'Folder of the artefacts, here or gs://BUCKET/PATH; made if it is not'
    ' there.',
)
_DISTRIBUTED = flags.DEFINE_bool(
    'distributed',
    False,
    'Whether this is one of several processes of one run, all started with the'
    ' same command. On Cloud TPU they find each other.',
)
_COORDINATOR = flags.DEFINE_string(
    'coordinator', None, 'HOST:PORT of the first process; not on Cloud TPU.'
)
_PROCESSES = flags.DEFINE_integer(
    'processes', None, 'How many processes there are; not on Cloud TPU.'
)
_PROCESS = flags.DEFINE_integer(
    'process', None, 'Which one this is, from 0; not on Cloud TPU.'
)
_VERSION = flags.DEFINE_bool(
    'version', False, 'Prints the versions of emojax, Python and JAX.'
)


def main(arguments: Sequence[str]) -> None:
  if len(arguments) > 1:
    raise errors.InputError(
        f'Unexpected argument {arguments[1]!r};'
        f' {usage.of_word(arguments[1], _CONFIG.value or ())}'
    )
  if _CONFIG.value is None:
    raise errors.InputError(
        'Give --config=configs/NAME.py and --workdir=DIR (--help lists the'
        ' configs).'
    )
  if _WORKDIR.value is None:
    name = config_flags.get_config_filename(flags.FLAGS['config'])
    raise errors.InputError(
        'Give --workdir=DIR, the folder of what comes out, such as'
        f' {usage.example_workdir(name)}'
    )
  name = _CONFIG.value.get('experiment')
  if name not in EXPERIMENTS:
    raise errors.InputError(
        f'config.experiment={name!r}: must be one of {", ".join(EXPERIMENTS)}.'
    )
  place = files.locate(_WORKDIR.value)
  files.check_reachable(place)
  # Here, because --help and most mistakes need no JAX.
  from emojax import hosts
  from emojax import logs

  if _DISTRIBUTED.value:
    hosts.start(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    if not hosts.is_first():
      logging.set_verbosity(logging.WARNING)
  hosts.watch_for_stop()
  experiment = importlib.import_module(f'emojax.experiments.{name}')
  with logs.kept(sys.argv), hosts.folder(place) as workdir:
    experiment.run(_CONFIG.value, workdir)


def _parse(arguments: Sequence[str]) -> list[str]:
  """Parses flags; whatever is wrong with them is one line."""
  try:
    rest = flags.FLAGS(arguments)
    if _VERSION.value:
      print(usage.version())
      sys.exit(0)
    if _CONFIG.value is not None:
      _CONFIG.value.get('experiment')  # It may show only here that it is lost.
    return rest
  except SystemExit:  # absl ends with 1 after --help, as if it were a mistake.
    sys.exit(0)
  except BrokenPipeError:  # Of --help, whose reader has read enough.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)
  # A config file is Python, and an override can be of any type: ml_collections
  # lets through whatever either raises.
  except Exception as error:
    _fail(_flags_error(error))


def _flags_error(error: Exception) -> str:
  """Says what is wrong with a flag, a config file or a field of it."""
  cause = error.args[0] if error.args else None
  last = (str(error).strip().splitlines() or [''])[-1].strip()
  if isinstance(error, flags.Error) and 'Traceback (most' in str(error):
    return f'Cannot load the config ({last}); correct its file.'
  if isinstance(error, flags.IllegalFlagValueError):
    return f'{error}; give the kind of value that the config file has.'
  if isinstance(error, flags.UnrecognizedFlagError):
    advice = usage.of_flag(error.flagname, _FLAGS, _CONFIG.value or ())
    return f'There is no flag --{error.flagname}; {advice}'
  if isinstance(error, flags.Error):
    return f'{error} (--help tells more).'
  if isinstance(error, AttributeError) and isinstance(cause, KeyError):
    # ml_collections: the name, and perhaps a line with a better one.
    text = '. '.join(str(cause.args[0]).splitlines())
    hint = '' if text.endswith('?') else '; its file has the fields.'
    return f'The config has no field {text}{hint}'
  if isinstance(error, OSError):
    name = config_flags.get_config_filename(flags.FLAGS['config'])
    return f'Cannot load the config ({last}); {usage.of_config(name)}'
  return (
      f'Cannot load the config or set its fields ({type(error).__name__}:'
      f' {error}); correct its file or what you gave for --config.FIELD.'
  )


def _main(arguments: Sequence[str]) -> None:
  try:
    main(arguments)
    return
  except errors.InputError as error:
    status, message = 2, str(error)
  except errors.Stopped as stopped:
    status, message = _STOPPED, str(stopped)
  except OSError as error:
    if error.errno not in _STORAGE:
      raise
    status = 2
    message = (
        f'{error.filename or _WORKDIR.value}: {error.strerror}. All that was'
        ' finished is kept: make room or give the right to write, then start'
        ' the same command again.'
    )
  # By now the frames are gone, and with them the progress bars.
  _end(status, message)


def _fail(message: str) -> NoReturn:
  _end(2, message)


def _end(status: int, message: str) -> NoReturn:
  print(f'emojax: {" ".join(message.split())}', file=sys.stderr)
  sys.exit(status)


def run() -> None:
  """The console script."""
  for name in _FLAGS:  # So that --help names them.
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
  sys.modules['__main__'].__doc__ = f'{__doc__}\n{usage.list_configs()}\n'
  sys.argv = ['--help' if x == '-h' else x for x in sys.argv]
  logging.set_verbosity(logging.INFO)
  # JAX tells of every accelerator that it looked for in vain.
  logging_lib.getLogger('jax').setLevel(logging_lib.WARNING)
  app.run(_main, flags_parser=_parse)


if __name__ == '__main__':
  run()
