"""From a model's URI to something that runs: weights, tokenizer, identity."""

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

from absl import logging
import jax
import jax.numpy as jnp

from emojax import errors
from emojax import files
from emojax.data import tokens
from emojax.models import checkpoint
from emojax.models import config as config_lib
from emojax.models import config_json
from emojax.models import sharding
from emojax.models import sources
from emojax.models import transformer
from emojax.models import weights

# What is multiplied, and whether matrices are kept in int8.
DTYPES = {
    'float32': (jnp.float32, False),
    'bfloat16': (jnp.bfloat16, False),
    'int8': (jnp.bfloat16, True),
}


@dataclasses.dataclass(frozen=True)
class LanguageModel:
  """A model, its weights on the devices, and what tells it from others.

  Attributes:
    mesh: that the weights lie on.
    sha256: of the checkpoint's files; a converted model keeps its source's.
    config_json: what Hugging Face's `config.json` says or would say.
  """

  uri: str
  name: str
  sha256: str
  dtype: str
  mesh: jax.sharding.Mesh
  model: transformer.Transformer
  params: Any
  tokenizer: tokens.Tokenizer
  config_json: Mapping[str, Any]

  @property
  def config(self) -> config_lib.TransformerConfig:
    return self.model.config

  def identity(self) -> dict[str, str]:
    """What artefacts made with this model state about it."""
    return {
        'model': self.uri,
        'weights': self.sha256,
        'template': self.tokenizer.template_sha256,
        'dtype': self.dtype,
    }


def load(
    uri: str,
    dtype: str,
    mesh: jax.sharding.Mesh | None = None,
    check: Callable[[config_lib.TransformerConfig], None] = lambda config: None,
) -> LanguageModel:
  """Fetches, opens and loads a model.

  Args:
    uri: see `sources.locate`.
    dtype: of the weights, one of `DTYPES`.
    mesh: that the weights lie on; the first device alone if None.
    check: refuses a model by its shape, before its weights are read.

  Raises:
    InputError: it cannot be had, is damaged, or is of an unsupported family.
  """
  if dtype not in DTYPES:
    raise errors.InputError(
        f'config.dtype={dtype!r}: must be one of {", ".join(DTYPES)}.'
    )
  mesh = sharding.one_device() if mesh is None else mesh
  location = sources.locate(uri)
  if location.kind == 'converted':
    return _load_converted(location, dtype, mesh, check)
  opened = checkpoint.open_checkpoint(location.path)
  check(opened.config)
  if opened.form == 'gguf':
    tokenizer = tokens.from_gguf(opened.metadata)
  else:
    tokenizer = tokens.from_folder(location.path)
  _check_vocabulary(uri, tokenizer, opened.config)
  kind, int8 = DTYPES[dtype]
  return LanguageModel(
      uri=uri,
      name=location.name,
      sha256=opened.sha256,
      dtype=dtype,
      mesh=mesh,
      model=_model(opened.config, dtype, mesh),
      params=weights.load_params(opened, kind, mesh, int8),
      tokenizer=tokenizer,
      config_json=opened.config_json,
  )


def config_of(uri: str) -> config_lib.TransformerConfig:
  """Fetches a model and reads its shape, not its weights.

  Raises:
    InputError: as `load` does.
  """
  location = sources.locate(uri)
  if location.kind != 'converted':
    return checkpoint.open_checkpoint(location.path).config
  from emojax.models import converted  # See below.

  with config_json.readable(f'{location.path}: {converted.NAME}'):
    return config_json.read(converted.read_facts(location.path)['config_json'])


def _load_converted(location, dtype, mesh, check) -> LanguageModel:
  # Here, because Orbax takes a second to import and most runs do without.
  from emojax.models import converted

  facts = converted.read_facts(location.path)
  with config_json.readable(f'{location.path}: {converted.NAME}'):
    stored, raw = facts['dtype'], facts['config_json']
    name, sha256 = facts['name'], facts['weights']
  if 'int8' in (stored, dtype) and stored != dtype:
    raise errors.InputError(
        f'{location.uri}: its weights are {stored}, and config.dtype={dtype!r};'
        f' give --config.dtype={stored}, or convert the model to {dtype}.'
    )
  model = _model(config_json.read(raw), dtype, mesh)
  check(model.config)
  with files.folder_on_disk(location.path / converted.TOKENIZER) as folder:
    tokenizer = tokens.from_folder(folder)
  _check_vocabulary(location.uri, tokenizer, model.config)
  return LanguageModel(
      uri=location.uri,
      name=name,
      sha256=sha256,
      dtype=dtype,
      mesh=mesh,
      model=model,
      params=converted.restore(
          location.path, sharding.abstract_params(model, mesh)
      ),
      tokenizer=tokenizer,
      config_json=raw,
  )


def _model(
    config: config_lib.TransformerConfig, dtype: str, mesh: jax.sharding.Mesh
) -> transformer.Transformer:
  kind, int8 = DTYPES[dtype]
  wide_sums = mesh.local_devices[0].platform == 'cpu'
  return transformer.Transformer(
      dataclasses.replace(config, dtype=kind, int8=int8, wide_sums=wide_sums)
  )


def _check_vocabulary(
    uri: str, tokenizer: tokens.Tokenizer, config: config_lib.TransformerConfig
) -> None:
  """Refuses ids that the embedding lacks: JAX would clamp them in silence."""
  added = tokenizer.backend.get_added_tokens_decoder()
  # Gemma 3's smaller models share a tokenizer with those that see: its image
  # token has no embedding in them, and texts that spell it out are refused.
  control = sum(
      token.special and i >= config.vocab_size for i, token in added.items()
  )
  size = tokenizer.backend.get_vocab_size()
  if size - control > config.vocab_size:
    raise errors.InputError(
        f'{uri}: the tokenizer has {size} tokens and the model only'
        f' {config.vocab_size}; they do not belong together.'
    )
  if control:
    logging.info('%s: %d control tokens have no embedding.', uri, control)
