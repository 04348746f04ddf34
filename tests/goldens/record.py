r"""Records what Hugging Face transformers computes, for tests/parity_test.py.

Needs the `parity` extra (torch and transformers); nothing of emojax is used, so
that a fault of ours cannot hide in the goldens.

  python tests/goldens/record.py --gguf MODEL.gguf --out tests/goldens
  python tests/goldens/record.py --gguf MODEL.gguf --out DIR --full

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

NEW_TOKENS = 40
# Positions kept in the committed file: the second, a middle one, the last.
KEPT = (1, 7, -1)


def state_dict(path: pathlib.Path) -> tuple[dict, dict]:
  """Dequantises a llama GGUF into transformers' names and row order."""
  reader = gguf.GGUFReader(path)
  meta = {key: field.contents() for key, field in reader.fields.items()}
  raw = {
      t.name: gguf.dequantize(t.data, t.tensor_type).astype(np.float32)
      for t in reader.tensors
  }
  names = {
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
  heads = {
      'attn_q': meta['llama.attention.head_count'],
      'attn_k': meta['llama.attention.head_count_kv'],
  }
  out = {
      'model.embed_tokens.weight': raw['token_embd.weight'],
      'model.norm.weight': raw['output_norm.weight'],
      'lm_head.weight': raw['token_embd.weight'],
  }
  for name, x in raw.items():
    if not name.startswith('blk.'):
      continue
    _, i, part, _ = name.split('.')
    if part in heads:  # Undo llama.cpp's interleaving of the rotary halves.
      n = heads[part]
      x = x.reshape(n, -1, 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)
    out[f'model.layers.{i}.{names[part]}.weight'] = x
  return {k: torch.tensor(v) for k, v in out.items()}, meta


def smollm(path: pathlib.Path) -> transformers.LlamaForCausalLM:
  weights, meta = state_dict(path)
  config = transformers.LlamaConfig(
      vocab_size=49152,
      hidden_size=meta['llama.embedding_length'],
      intermediate_size=meta['llama.feed_forward_length'],
      num_hidden_layers=meta['llama.block_count'],
      num_attention_heads=meta['llama.attention.head_count'],
      num_key_value_heads=meta['llama.attention.head_count_kv'],
      max_position_embeddings=meta['llama.context_length'],
      rms_norm_eps=meta['llama.attention.layer_norm_rms_epsilon'],
      rope_parameters={
          'rope_type': 'default',
          'rope_theta': meta['llama.rope.freq_base'],
      },
      tie_word_embeddings=True,
      attn_implementation='eager',
  )
  model = transformers.LlamaForCausalLM(config)
  model.load_state_dict(weights, strict=True)
  return model.eval()


def blocks_and_logits(model, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
  """Block outputs [L, T, D], before the final norm, and logits [T, V]."""
  outputs = []

  def keep(module, args, output):
    x = output[0] if isinstance(output, tuple) else output
    outputs.append(x.detach().reshape(len(ids), -1).clone())

  hooks = [layer.register_forward_hook(keep) for layer in model.model.layers]
  with torch.no_grad():
    logits = model(torch.tensor([ids])).logits[0]
  for hook in hooks:
    hook.remove()
  return torch.stack(outputs).numpy(), logits.numpy()


def greedy(model, ids: list[int]) -> list[int]:
  """Argmax decoding with a full forward pass a token: no cache to be wrong."""
  ids = list(ids)
  start = len(ids)
  with torch.no_grad():
    for _ in range(NEW_TOKENS):
      ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
  return ids[start:]


def record(model, prompts: list[list[int]], full: bool) -> dict:
  arrays = {}
  for i, ids in enumerate(prompts):
    arrays[f'tokens_{i}'] = np.array(ids, np.int32)
    arrays[f'greedy_{i}'] = np.array(greedy(model, ids), np.int32)
    if not full and i > 1:
      continue
    resid_post, logits = blocks_and_logits(model, ids)
    kept = range(len(ids)) if full else [p % len(ids) for p in KEPT]
    arrays[f'positions_{i}'] = np.array(kept, np.int32)
    # safetensors writes the buffer as it lies, whatever the strides.
    arrays[f'resid_post_{i}'] = np.ascontiguousarray(resid_post[:, list(kept)])
    arrays[f'logits_{i}'] = logits[-1:]
  return arrays


def tiny(out: pathlib.Path, tied: bool) -> None:
  """A random Llama with grouped queries, as a Hugging Face folder."""
  torch.manual_seed(int(tied))
  config = transformers.LlamaConfig(
      vocab_size=96,
      hidden_size=24,
      intermediate_size=40,
      num_hidden_layers=3,
      num_attention_heads=6,
      num_key_value_heads=2,
      head_dim=8,
      max_position_embeddings=64,
      rms_norm_eps=1e-6,
      rope_parameters={'rope_type': 'default', 'rope_theta': 5000.0},
      tie_word_embeddings=tied,
      attn_implementation='eager',
  )
  model = transformers.LlamaForCausalLM(config).eval()
  with torch.no_grad():
    for name, x in model.named_parameters():
      # Larger than at initialisation, so that attention is far from uniform.
      x.copy_(torch.randn_like(x) * 0.3 + ('norm' in name))
  model.save_pretrained(out)
  (out / 'generation_config.json').unlink(missing_ok=True)
  ids = torch.randint(0, 96, (20,)).tolist()
  resid_post, logits = blocks_and_logits(model, ids)
  arrays = {
      'tokens': np.array(ids, np.int32),
      'resid_post': resid_post,
      'logits': logits,
  }
  safetensors.numpy.save_file(arrays, out.parent / f'{out.name}.safetensors')


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--gguf', type=pathlib.Path, required=True)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  parser.add_argument('--full', action='store_true')
  flags = parser.parse_args()
  here = pathlib.Path(__file__).parent
  ids = json.loads((here / 'llama_cpp_tokens.json').read_text())['prompts']
  prompts = [ids[prompt] for prompt in record_prompts.PROMPTS]
  arrays = record(smollm(flags.gguf), prompts, flags.full)
  flags.out.mkdir(parents=True, exist_ok=True)
  safetensors.numpy.save_file(arrays, flags.out / 'smollm2.safetensors')
  tiny(flags.out / 'tiny_llama', tied=False)
  tiny(flags.out / 'tiny_llama_tied', tied=True)


if __name__ == '__main__':
  main()
