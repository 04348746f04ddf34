r"""Runs an experiment: `emojax --config=configs/NAME.py --workdir=DIR`.

Every field of the config can be set: `--config.start=50 --config.seed=1`.
A workdir that is finished in part is finished; one of other settings is refused.

  emojax --config=configs/quickstart.py --workdir=runs/quickstart
  emojax --config=configs/read.py --config.vectors=DIR/vectors.safetensors \
    --config.texts=FILE.jsonl --workdir=OUT
"""

from collections.abc import Sequence
import importlib
import logging as logging_lib
import pathlib
import sys

from absl import app
from absl import flags
from absl import logging
from ml_collections import config_flags

from emojax import errors

EXPERIMENTS = ('quickstart', 'read')

_CONFIG = config_flags.DEFINE_config_file(
    'config', help_string='The experiment: a file of configs/.'
)
_WORKDIR = flags.DEFINE_string(
    'workdir', None, 'Folder of the artefacts; made if it is not there.'
)


def main(arguments: Sequence[str]) -> None:
  if len(arguments) > 1:
    raise errors.InputError(f'Unexpected argument: {arguments[1]!r}.')
  if _CONFIG.value is None or _WORKDIR.value is None:
    raise errors.InputError(
        'Give --config=configs/NAME.py and --workdir=DIR (--help tells more).'
    )
  name = _CONFIG.value.get('experiment')
  if name not in EXPERIMENTS:
    raise errors.InputError(
        f'config.experiment={name!r}: must be one of {", ".join(EXPERIMENTS)}.'
    )
  experiment = importlib.import_module(f'emojax.experiments.{name}')
  experiment.run(_CONFIG.value, pathlib.Path(_WORKDIR.value))


def _parse(arguments: Sequence[str]) -> list[str]:
  """Parses flags; whatever is wrong with them is one line."""
  try:
    return flags.FLAGS(arguments)
  # A config file is Python, and an override can be of any type: ml_collections
  # lets through whatever either raises.
  except Exception as error:
    _fail(error)


def _main(arguments: Sequence[str]) -> None:
  try:
    main(arguments)
  except errors.InputError as error:
    _fail(error)


def _fail(error: Exception) -> None:
  message = ' '.join(str(error).split()) or type(error).__name__
  print(f'emojax: {message}', file=sys.stderr)
  sys.exit(2)


def run() -> None:
  """The console script."""
  for name in ('config', 'workdir'):  # So that --help names them.
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
  sys.modules['__main__'].__doc__ = __doc__
  logging.set_verbosity(logging.INFO)
  # JAX tells of every accelerator that it looked for in vain.
  logging_lib.getLogger('jax').setLevel(logging_lib.WARNING)
  app.run(_main, flags_parser=_parse)


if __name__ == '__main__':
  run()
