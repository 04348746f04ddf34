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
import record_steered
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
    prompts = [prompts[i] for i in record_steered.PROMPTS]
    outputs = [blocks_and_logits(model, ids)[0] for ids in prompts]
    safetensors.numpy.save_file(
        record_steered.record(model, prompts, outputs),
        flags.out / 'smollm2_steered.safetensors',
    )
  if flags.gemma3:
    arrays = record(gemma(flags.gemma3), gemma_prompts(), flags.full)
    safetensors.numpy.save_file(arrays, flags.out / 'gemma3.safetensors')


if __name__ == '__main__':
  main()
