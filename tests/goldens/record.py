r"""Records what Hugging Face transformers computes, for tests/parity_test.py.

Of SmolLM2 also what it writes while a forward hook steers it.

Needs the `parity` extra (torch and transformers); nothing of emojax is used, so
that a fault of ours cannot hide in the goldens.

  python tests/goldens/record.py --smollm2 MODEL.gguf --out tests/goldens
  python tests/goldens/record.py --gemma3 MODEL.gguf --out DIR --full

`--full` keeps every position of every prompt, which is too large to commit.
"""

import argparse
import json
import pathlib

import gguf
import numpy as np
import record_prompts
import safetensors.numpy
import torch
import transformers

HERE = pathlib.Path(__file__).parent
NEW_TOKENS = 64
# Positions kept in the committed file: the second, a middle one, the last.
KEPT = (1, 7, -1)
# Of a large vocabulary every 16th logit is kept.
LARGE, STRIDE = 100_000, 16
# A prompt beyond Gemma's window of 512; too long to write on from.
LONG = 700
# Steered texts: prompts of 42 and 10 tokens, the last block but one the deepest,
# strengths as fractions of a block's mean norm over the prompts' tokens.
STEERED_PROMPTS = (1, 3)
STEERED_LAYERS = (5, 14, 28)
STRENGTHS = (-0.2, 0.1, 0.3)
RULES = ('all', 'generated')
STEERED_TOKENS = 32

BLOCK = {
    'attn_q': 'self_attn.q_proj',
    'attn_k': 'self_attn.k_proj',
    'attn_v': 'self_attn.v_proj',
    'attn_output': 'self_attn.o_proj',
    'ffn_gate': 'mlp.gate_proj',
    'ffn_up': 'mlp.up_proj',
    'ffn_down': 'mlp.down_proj',
    'attn_norm': 'input_layernorm',
    'ffn_norm': 'post_attention_layernorm',
}
GEMMA_BLOCK = BLOCK | {
    'attn_q_norm': 'self_attn.q_norm',
    'attn_k_norm': 'self_attn.k_norm',
    'post_attention_norm': 'post_attention_layernorm',
    'ffn_norm': 'pre_feedforward_layernorm',
    'post_ffw_norm': 'post_feedforward_layernorm',
}


def read(path: pathlib.Path) -> tuple[dict, dict]:
  """Metadata without the architecture's name, and dequantised tensors."""
  reader = gguf.GGUFReader(path)
  meta = {key: field.contents() for key, field in reader.fields.items()}
  start = meta['general.architecture'] + '.'
  meta = {key.removeprefix(start): value for key, value in meta.items()}
  raw = {
      t.name: gguf.dequantize(t.data, t.tensor_type).astype(np.float32)
      for t in reader.tensors
  }
  return meta, raw


def state_dict(raw: dict, names: dict, change) -> dict:
  """GGUF's tensors under transformers' names; `change` undoes llama.cpp's."""
  out = {
      'model.embed_tokens.weight': raw['token_embd.weight'],
      'model.norm.weight': change('output_norm', raw['output_norm.weight']),
      'lm_head.weight': raw['token_embd.weight'],
  }
  for name, x in raw.items():
    if name.startswith('blk.'):
      _, i, part, _ = name.split('.')
      out[f'model.layers.{i}.{names[part]}.weight'] = change(part, x)
  return {k: torch.tensor(v) for k, v in out.items()}


def common(meta: dict) -> dict:
  return dict(
      vocab_size=len(meta['tokenizer.ggml.tokens']),
      hidden_size=meta['embedding_length'],
      intermediate_size=meta['feed_forward_length'],
      num_hidden_layers=meta['block_count'],
      num_attention_heads=meta['attention.head_count'],
      num_key_value_heads=meta['attention.head_count_kv'],
      max_position_embeddings=meta['context_length'],
      rms_norm_eps=meta['attention.layer_norm_rms_epsilon'],
      tie_word_embeddings=True,
      attn_implementation='eager',
  )


def smollm(path: pathlib.Path) -> transformers.LlamaForCausalLM:
  meta, raw = read(path)
  heads = {
      'attn_q': meta['attention.head_count'],
      'attn_k': meta['attention.head_count_kv'],
  }

  def change(part, x):
    if part not in heads:
      return x
    # Undo llama.cpp's interleaving of the rotary halves.
    n = heads[part]
    return x.reshape(n, -1, 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)

  rope = {'rope_type': 'default', 'rope_theta': meta['rope.freq_base']}
  config = transformers.LlamaConfig(**common(meta), rope_parameters=rope)
  model = transformers.LlamaForCausalLM(config)
  model.load_state_dict(state_dict(raw, BLOCK, change), strict=True)
  return model.eval()


def gemma(path: pathlib.Path) -> transformers.Gemma3ForCausalLM:
  meta, raw = read(path)
  # llama.cpp's converter has added 1 to the scales of all norms.
  change = lambda part, x: x - 1 if part.endswith('norm') else x
  head_dim = meta['attention.key_length']
  rope = lambda base: {'rope_type': 'default', 'rope_theta': base}
  config = transformers.Gemma3TextConfig(
      **common(meta),
      head_dim=head_dim,
      query_pre_attn_scalar=head_dim,
      sliding_window=meta['attention.sliding_window'],
      rope_parameters={
          'full_attention': rope(meta['rope.freq_base']),
          'sliding_attention': rope(10000.0),
      },
  )
  model = transformers.Gemma3ForCausalLM(config)
  model.load_state_dict(state_dict(raw, GEMMA_BLOCK, change), strict=True)
  return model.eval()


def blocks_and_logits(model, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
  """Block outputs [L, T, D], before the final norm, and logits [T, V]."""
  outputs = []

  def keep(module, args, output):
    x = output[0] if isinstance(output, tuple) else output
    outputs.append(x.detach().reshape(len(ids), -1).clone())

  # A model that also sees has its text model one level down.
  inner = getattr(model.model, 'language_model', model.model)
  hooks = [layer.register_forward_hook(keep) for layer in inner.layers]
  with torch.no_grad():
    logits = model(torch.tensor([ids])).logits[0]
  for hook in hooks:
    hook.remove()
  return torch.stack(outputs).numpy(), logits.numpy()


def greedy(model, ids: list[int], steps: int = NEW_TOKENS) -> list[int]:
  """Argmax decoding with a full forward pass a token: no cache to be wrong."""
  ids = list(ids)
  start = len(ids)
  with torch.no_grad():
    for _ in range(steps):
      out = model(torch.tensor([ids]), logits_to_keep=1)
      ids.append(int(out.logits[0, -1].argmax()))
  return ids[start:]


def record(model, prompts: list[list[int]], full: bool) -> dict:
  arrays = {}
  captured = range(len(prompts)) if full else (0, 1)
  for i, ids in enumerate(prompts):
    arrays[f'tokens_{i}'] = np.array(ids, np.int32)
    if len(ids) < LONG:
      arrays[f'greedy_{i}'] = np.array(greedy(model, ids), np.int32)
    if i not in captured:
      continue
    resid_post, logits = blocks_and_logits(model, ids)
    kept = range(len(ids)) if full else [p % len(ids) for p in KEPT]
    arrays[f'positions_{i}'] = np.array(kept, np.int32)
    # safetensors writes the buffer as it lies, whatever the strides.
    arrays[f'resid_post_{i}'] = np.ascontiguousarray(resid_post[:, list(kept)])
    size = logits.shape[-1]
    columns = np.arange(0, size, STRIDE if size > LARGE and not full else 1)
    arrays[f'columns_{i}'] = columns.astype(np.int32)
    arrays[f'logits_{i}'] = np.ascontiguousarray(logits[-1:, columns])
  return arrays


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
      max_new_tokens=STEERED_TOKENS,
      do_sample=False,
      eos_token_id=None,
      pad_token_id=0,
      output_logits=True,
      return_dict_in_generate=True,
  )
  handle.remove()
  best = torch.stack(out.logits, dim=1).topk(2).values
  return out.sequences[:, width:].numpy(), (best[..., 0] - best[..., 1]).numpy()


def record_steered(model, prompts: list[list[int]]) -> dict:
  """Texts of a fixed random direction; axes rule, layer, strength, prompt."""
  outputs = [blocks_and_logits(model, ids)[0] for ids in prompts]
  norms = usual_norm(outputs)[list(STEERED_LAYERS)].astype(np.float32)
  unit = np.random.default_rng(0).standard_normal(outputs[0].shape[-1])
  unit = (unit / np.linalg.norm(unit)).astype(np.float32)
  texts, margins = [], []
  for rule in RULES:
    for layer, norm in zip(STEERED_LAYERS, norms):
      for strength in STRENGTHS:
        offset = torch.tensor(np.float32(strength) * (norm * unit))
        got = write_steered(model, prompts, layer, offset, rule)
        texts.append(got[0])
        margins.append(got[1])
  axes = len(RULES), len(STEERED_LAYERS), len(STRENGTHS), len(prompts), -1
  arrays = {f'tokens_{i}': np.array(x, np.int32) for i, x in enumerate(prompts)}
  return arrays | {
      'layers': np.array(STEERED_LAYERS, np.int32),
      'strengths': np.array(STRENGTHS, np.float32),
      'norms': norms,
      'direction': unit,
      'texts': np.stack(texts).reshape(axes).astype(np.int32),
      'margins': np.stack(margins).reshape(axes).astype(np.float32),
  }


def gemma_prompts() -> list[list[int]]:
  """Texts after BOS; the first is longer than the window."""
  texts = json.loads((HERE / 'gemma3_tokens.json').read_text())['texts']
  ids = [ids for _, ids in texts if len(ids) > 12]
  long = [i for _, text in texts * 4 for i in text][: LONG - 1]
  return [[2] + x for x in (long, *ids[1:5])]


def main() -> None:
  parser = argparse.ArgumentParser(usage=__doc__)
  parser.add_argument('--smollm2', type=pathlib.Path)
  parser.add_argument('--gemma3', type=pathlib.Path)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  parser.add_argument('--full', action='store_true')
  flags = parser.parse_args()
  flags.out.mkdir(parents=True, exist_ok=True)
  if flags.smollm2:
    ids = json.loads((HERE / 'llama_cpp_tokens.json').read_text())['prompts']
    prompts = [ids[prompt] for prompt in record_prompts.PROMPTS]
    model = smollm(flags.smollm2)
    arrays = record(model, prompts, flags.full)
    safetensors.numpy.save_file(arrays, flags.out / 'smollm2.safetensors')
    arrays = record_steered(model, [prompts[i] for i in STEERED_PROMPTS])
    safetensors.numpy.save_file(
        arrays, flags.out / 'smollm2_steered.safetensors'
    )
  if flags.gemma3:
    arrays = record(gemma(flags.gemma3), gemma_prompts(), flags.full)
    safetensors.numpy.save_file(arrays, flags.out / 'gemma3.safetensors')


if __name__ == '__main__':
  main()
