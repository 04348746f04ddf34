"""The peer: transformers on torch, with hooks, as its users would write it.

Eager, with its default attention; layers hand what they write to a hook that
reduces or steers it at once. No part of it imports jax.
"""

from collections.abc import Mapping, Sequence
import importlib.util
import pathlib
import time
from typing import Any

import numpy as np

from emojax.data import batches

SITES = ('embed/mean', 'resid_post/mean', 'resid_post/norm')


def available() -> bool:
  """Whether torch and transformers are installed."""
  return all(map(importlib.util.find_spec, ('torch', 'transformers')))


def load(folder: pathlib.Path, dtype: str, device: str, head: bool) -> Any:
  """Loads a model, or draws one on the device if no weights lie there.

  Args:
    folder: of `config.json`, with or without safetensors.
    dtype: of the weights.
    device: 'auto', 'cpu' or 'gpu'.
    head: whether it is to have logits.
  """
  import torch
  import transformers

  torch.set_grad_enabled(False)
  auto = 'cuda' if torch.cuda.is_available() else 'cpu'
  device = {'auto': auto, 'gpu': 'cuda'}.get(device, device)
  kind = transformers.AutoModelForCausalLM if head else transformers.AutoModel
  kinds = {'dtype': getattr(torch, dtype)}
  if (folder / 'config.json').exists() and list(folder.glob('*.safetensors')):
    return kind.from_pretrained(folder, **kinds).to(device).eval()
  config = transformers.AutoConfig.from_pretrained(folder)
  with torch.device(device):
    return kind.from_config(config, **kinds).eval()


def facts(model: Any, dtype: str) -> Mapping[str, Any]:
  """What the peer says when it is ready: the device and its name."""
  import torch
  import transformers

  gpu = model.device.type == 'cuda'
  return {
      'platform': 'gpu' if gpu else 'cpu',
      'device': torch.cuda.get_device_name() if gpu else 'cpu',
      'version': f'torch {torch.__version__},'
      f' transformers {transformers.__version__}',
      'dtype': dtype,
  }


def device_gib() -> float:
  """The largest memory on the device so far, GiB."""
  import torch

  return torch.cuda.max_memory_allocated() / 2**30


def matmul(dtype: str, device: Any) -> float:
  """Measures a large matrix product, floating-point operations a second."""
  import torch

  gpu = device.type == 'cuda'
  size, times = (8192, 20) if gpu else (2048, 5)
  # Not of one number: a GPU multiplies those a tenth faster.
  x = torch.randn((size, size), dtype=getattr(torch, dtype), device=device)
  x @ x
  wait = torch.cuda.synchronize if gpu else lambda: None
  wait()
  start = time.perf_counter()
  for _ in range(times):
    x @ x
  wait()
  return 2 * size**3 * times / (time.perf_counter() - start)


def reducer(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
  """Hooks all layers: each reduces its residual stream to mean and norms.

  Returns:
    Where `pool` [B, T] is put before a pass, and where a pass leaves [B, D] or
    [B, T] by (site, layer).
  """
  import torch

  given, left = {}, {}

  def reduce(site: str, layer: int):
    def hook(module, inputs, output):
      x = output[0] if isinstance(output, tuple) else output
      pool, x = given['pool'], x.float()
      mean = torch.bmm(pool[:, None], x)[:, 0]
      left[f'{site}/mean', layer] = mean / pool.sum(1).clamp(min=1)[:, None]
      if site == 'resid_post':
        left[f'{site}/norm', layer] = x.norm(dim=-1)

    return hook

  model.embed_tokens.register_forward_hook(reduce('embed', 0))
  for i, layer in enumerate(model.layers):
    layer.register_forward_hook(reduce('resid_post', i))
  return given, left


def capture(
    model: Any,
    given: dict[str, Any],
    left: dict[str, Any],
    batch: batches.Batch,
) -> dict[str, np.ndarray]:
  """Runs a batch: sites of all layers as `emojax.models.capture` has them."""
  import torch

  put = lambda x: torch.from_numpy(x).to(model.device)
  given['pool'] = put(batch.pool)
  # Ids of 64 bits: what transformers expects.
  model(
      input_ids=put(batch.tokens).long(),
      attention_mask=put(batch.valid),
      use_cache=False,
  )
  layers = range(len(model.layers))
  out = {'embed/mean': left['embed/mean', 0]} | {
      site: torch.stack([left[site, i] for i in layers])
      for site in ('resid_post/mean', 'resid_post/norm')
  }
  return {site: x.cpu().numpy() for site, x in out.items()}


def steer(model: Any, layer: int, offset: np.ndarray) -> Any:
  """Adds [B, D], a vector a row, to what a layer writes; returns the hook."""
  import torch

  added = torch.from_numpy(offset)[:, None].to(model.device, model.dtype)

  def hook(module, inputs, output):
    if isinstance(output, tuple):
      return (output[0] + added, *output[1:])
    return output + added

  return model.model.layers[layer].register_forward_hook(hook)


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    steps: int,
    temperature: float,
) -> np.ndarray:
  """Writes `steps` tokens after every prompt, [B, steps]; nothing stops it."""
  import torch

  width = max(map(len, prompts))
  tokens, valid = batches.padded(prompts, width, side='left')
  sampled = {'temperature': temperature, 'top_k': 0, 'top_p': 1.0}
  model.generation_config.eos_token_id = None
  out = model.generate(
      input_ids=torch.from_numpy(tokens).long().to(model.device),
      attention_mask=torch.from_numpy(valid).long().to(model.device),
      max_new_tokens=steps,
      do_sample=temperature > 0,
      pad_token_id=0,
      **(sampled if temperature else {}),
  )
  return out[:, width:].cpu().numpy()
