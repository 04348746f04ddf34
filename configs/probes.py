r"""Fits a linear probe to every layer, and tests it on topics it did not see.

From the stories that an earlier run captured; about 90 s on 2 CPU cores.

  emojax --config=configs/probes.py --workdir=OUT \
    --config.activations=runs/quickstart/activations.safetensors
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.experiment = 'fit_probes'
  config.activations = ''
  config.kind = 'multinomial'  # Or one-vs-rest.
  # Scikit-learn's C: the smaller, the stronger the penalty.
  config.inverse_penalties = (1e-2, 1e-1, 1.0, 10.0)
  config.tolerance = 1e-6  # Of the loss, that one more step would gain.
  config.shuffles = 2  # Shuffled-label controls.
  config.seed = 0
  # Devices: examples are split over data, and the rest is as elsewhere.
  config.mesh = ml_collections.ConfigDict({'data': -1, 'fsdp': 1, 'model': 1})
  return config
