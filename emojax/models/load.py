"""From a model's URI to something that runs: weights, tokenizer, identity."""

import dataclasses
from typing import Any

import jax.numpy as jnp

from emojax import errors
from emojax.data import tokens
from emojax.models import checkpoint
from emojax.models import config as config_lib
from emojax.models import sources
from emojax.models import transformer

DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}


@dataclasses.dataclass(frozen=True)
class LanguageModel:
  """A model, its weights on the device, and what tells it from others."""

  uri: str
  name: str
  sha256: str
  dtype: str
  model: transformer.Transformer
  params: Any
  tokenizer: tokens.Tokenizer

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


def load(uri: str, dtype: str) -> LanguageModel:
  """Fetches, opens and loads a model.

  Args:
    uri: see `sources.locate`.
    dtype: of the weights, 'float32' or 'bfloat16'.

  Raises:
    InputError: it cannot be had, is damaged, or is of an unsupported family.
  """
  if dtype not in DTYPES:
    raise errors.InputError(
        f'config.dtype={dtype!r}: must be one of {", ".join(DTYPES)}.'
    )
  location = sources.locate(uri)
  opened = checkpoint.open_checkpoint(location.path)
  if opened.form == 'gguf':
    tokenizer = tokens.from_gguf(opened.metadata)
  else:
    tokenizer = tokens.from_folder(location.path)
  tokens_ = tokenizer.backend.get_vocab_size()
  if tokens_ > opened.config.vocab_size:
    # JAX would clamp the ids that the embedding lacks, in silence.
    raise errors.InputError(
        f'{uri}: the tokenizer has {tokens_} tokens and the model only'
        f' {opened.config.vocab_size}; they do not belong together.'
    )
  config = dataclasses.replace(opened.config, dtype=DTYPES[dtype])
  return LanguageModel(
      uri=uri,
      name=location.name,
      sha256=opened.sha256,
      dtype=dtype,
      model=transformer.Transformer(config),
      params=checkpoint.load_params(opened, DTYPES[dtype]),
      tokenizer=tokenizer,
  )
