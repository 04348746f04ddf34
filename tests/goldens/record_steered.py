"""Records what transformers writes while a forward hook steers it.

tests/parity_test.py replays it; nothing of emojax is used.
"""

import numpy as np
import torch

# Of `record_prompts`: one in the chat format, and one of few tokens.
PROMPTS = (1, 3)
# The last block but one is the deepest: steered after the last, no position
# would be changed that another one sees.
LAYERS = (5, 14, 28)
STRENGTHS = (-0.2, 0.1, 0.3)  # Fractions of the layer's mean residual norm.
RULES = ('all', 'generated')
NEW_TOKENS = 32


def usual_norm(outputs: list[np.ndarray]) -> np.ndarray:
  """The mean norm [L] of block outputs [L, T, D], without massive activations.

  Those are at the first position, and hundreds of times the rest.
  """
  norms = np.concatenate(
      [np.linalg.norm(x[:, 1:], axis=-1) for x in outputs], axis=1
  )
  usual = norms < 4 * np.median(norms, axis=1, keepdims=True)
  return (norms * usual).sum(axis=1) / usual.sum(axis=1)


def write_steered(
    model, prompts: list[list[int]], layer: int, offset: torch.Tensor, rule: str
) -> tuple[np.ndarray, np.ndarray]:
  """Greedy texts [B, T] after prompts padded on the left, with a cache.

  Args:
    model: that a forward hook steers meanwhile.
    prompts: B lists of ids.
    layer: whose output the hook changes.
    offset: [D], what it adds.
    rule: 'all': at every position; 'generated': only in steps after the prompt,
      which are of one token.

  Returns:
    The ids, and by how many nats each is ahead of the next likely one.
  """

  def hook(module, args, output):
    if rule == 'generated' and output.shape[1] > 1:
      return output
    return output + offset

  width = max(map(len, prompts))
  pad = lambda fill, ids: [fill] * (width - len(ids)) + ids
  handle = model.model.layers[layer].register_forward_hook(hook)
  out = model.generate(
      input_ids=torch.tensor([pad(0, ids) for ids in prompts]),
      attention_mask=torch.tensor([pad(0, [1] * len(ids)) for ids in prompts]),
      max_new_tokens=NEW_TOKENS,
      do_sample=False,
      eos_token_id=None,
      pad_token_id=0,
      output_logits=True,
      return_dict_in_generate=True,
  )
  handle.remove()
  best = torch.stack(out.logits, dim=1).topk(2).values
  return out.sequences[:, width:].numpy(), (best[..., 0] - best[..., 1]).numpy()


def record(
    model, prompts: list[list[int]], outputs: list[np.ndarray]
) -> dict[str, np.ndarray]:
  """Writes with a fixed random direction, each rule, layer and strength.

  Args:
    model: of `record.smollm`.
    prompts: P lists of ids.
    outputs: of each the block outputs [L, T, D].

  Returns:
    `texts` and `margins`, [rules, layers, strengths, P, T], and what they were
    written with.
  """
  norms = usual_norm(outputs)[list(LAYERS)].astype(np.float32)
  unit = np.random.default_rng(0).standard_normal(outputs[0].shape[-1])
  unit = (unit / np.linalg.norm(unit)).astype(np.float32)
  texts, margins = [], []
  for rule in RULES:
    for layer, norm in zip(LAYERS, norms):
      for strength in STRENGTHS:
        offset = torch.tensor(np.float32(strength) * (norm * unit))
        got = write_steered(model, prompts, layer, offset, rule)
        texts.append(got[0])
        margins.append(got[1])
  axes = len(RULES), len(LAYERS), len(STRENGTHS), len(prompts), -1
  arrays = {f'tokens_{i}': np.array(x, np.int32) for i, x in enumerate(prompts)}
  return arrays | {
      'layers': np.array(LAYERS, np.int32),
      'strengths': np.array(STRENGTHS, np.float32),
      'norms': norms,
      'direction': unit,
      'texts': np.stack(texts).reshape(axes).astype(np.int32),
      'margins': np.stack(margins).reshape(axes).astype(np.float32),
  }
