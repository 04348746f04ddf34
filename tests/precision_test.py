"""The quickstart's dtype is bfloat16 if, and only if, it is as good."""

import importlib.util
import pathlib

import numpy as np

from emojax import vectors as vectors_lib
from emojax.data import stories as stories_lib
from emojax.experiments import capture_stories
from emojax.experiments import chunked
from emojax.models import load

OPTIMISED = True  # See conftest.
ROOT = pathlib.Path(__file__).parents[1]
EMOTIONS = ('happy', 'afraid')


def quickstart_config():
  spec = importlib.util.spec_from_file_location(
      'quickstart_config', ROOT / 'configs/quickstart.py'
  )
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config()


def vectors(dtype, config, folder):
  lm = load.load(config.model, dtype)
  stories = stories_lib.load_stories(emotions=EMOTIONS)
  emotion, _ = capture_stories.labels(stories)
  ids = [lm.tokenizer.encode(s.text, bos=True).ids for s in stories.stories]
  pools = [np.arange(len(row)) >= config.start for row in ids]
  site = 'resid_post/mean'
  got, _ = chunked.run(
      config, folder / dtype, lm, ids, pools, (site,), 'Stories'
  )
  return vectors_lib.emotion_vectors(got[site], emotion, len(EMOTIONS))[0]


def test_bfloat16_is_the_default_if_and_only_if_vectors_agree_to_0_999(
    tmp_path,
):
  """On 24 stories: fewer stories mean more noise, so that this is the harder
  case (with all 288 the lowest cosine was 0.9999)."""
  config = quickstart_config()
  exact = vectors_lib.unit(vectors('float32', config, tmp_path))
  rounded = vectors_lib.unit(vectors('bfloat16', config, tmp_path))
  cosine = np.einsum('ELD,ELD->EL', exact, rounded)
  assert cosine.shape == (2, 30)
  assert not np.array_equal(exact, rounded)
  agrees = bool(np.all(cosine >= 0.999))
  assert (config.dtype == 'bfloat16') == agrees, cosine.min(axis=0)
