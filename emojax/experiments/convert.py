"""A model of any source -> a folder that later runs load."""

from absl import logging
import ml_collections

from emojax import errors
from emojax import files
from emojax.data import tokens
from emojax.models import converted
from emojax.models import export
from emojax.models import load

FORMS = ('orbax', 'huggingface')


def run(config: ml_collections.ConfigDict, workdir: files.Path) -> None:
  """Writes the model into `workdir`, whole or not at all."""
  if config.form not in FORMS:
    raise errors.InputError(
        f'config.form={config.form!r}: must be one of {", ".join(FORMS)}.'
    )
  if config.form == 'huggingface' and config.dtype == 'int8':
    raise errors.InputError(
        "config.dtype='int8' is a form of emojax's own; give"
        ' --config.form=orbax, or another dtype.'
    )
  if config.form == 'huggingface':
    files.check_on_disk(workdir)
  converted.check_free(workdir)
  lm = load.load(config.model, config.dtype)
  if config.form == 'orbax':
    facts = {
        'source': lm.uri,
        'name': lm.name,
        'weights': lm.sha256,
        'dtype': lm.dtype,
        'config_json': dict(lm.config_json),
    }
    converted.save(
        workdir,
        lm.params,
        facts,
        lambda folder: tokens.save(lm.tokenizer, folder),
    )
  else:
    export.save(workdir, lm)
  logging.info('%s in %s: %s', lm.name, lm.dtype, workdir)
