r"""Records tiny random models of all families: tests/families_parity_test.py.

Needs the `parity` extra (torch and transformers); nothing of emojax is used.
The numbers are chosen so that every quirk of a family shows in 24 tokens:
windows are shorter than the text, soft caps near the logits, RoPE is scaled
where the text reaches.

  python tests/goldens/record_families.py --out tests/goldens
"""

import argparse
import pathlib

import numpy as np
import record
import safetensors.numpy
import torch
import transformers

TOKENS = 24
NEW_TOKENS = 64

SIZES = {
    'vocab_size': 64,
    'hidden_size': 16,
    'intermediate_size': 24,
    'num_hidden_layers': 3,
    'num_attention_heads': 4,
    'num_key_value_heads': 2,
    'max_position_embeddings': 128,
    'attn_implementation': 'eager',
    'bos_token_id': 1,
    'eos_token_id': 2,
    'pad_token_id': 0,
}
GEMMA3 = SIZES | {
    'num_hidden_layers': 6,  # Five local layers and a global one.
    'head_dim': 8,
    'sliding_window': 6,
    'query_pre_attn_scalar': 20,
    'rope_parameters': {
        'full_attention': {
            'rope_type': 'linear',
            'factor': 4.0,
            'rope_theta': 500.0,
        },
        'sliding_attention': {'rope_type': 'default', 'rope_theta': 20.0},
    },
}


def llama():
  return transformers.LlamaForCausalLM(
      transformers.LlamaConfig(**SIZES, head_dim=8, tie_word_embeddings=False)
  )


def llama3():
  # Wavelengths of 6, 30, 140 and 660: kept, blended, stretched, stretched.
  rope = {
      'rope_type': 'llama3',
      'rope_theta': 500.0,
      'factor': 8.0,
      'low_freq_factor': 1.0,
      'high_freq_factor': 4.0,
      'original_max_position_embeddings': 32,
  }
  return transformers.LlamaForCausalLM(
      transformers.LlamaConfig(
          **SIZES, head_dim=8, rope_parameters=rope, tie_word_embeddings=True
      )
  )


def mistral():
  return transformers.MistralForCausalLM(
      transformers.MistralConfig(
          **SIZES, head_dim=8, sliding_window=6, tie_word_embeddings=False
      )
  )


def qwen2():
  return transformers.Qwen2ForCausalLM(
      transformers.Qwen2Config(
          **SIZES,
          use_sliding_window=True,
          sliding_window=6,
          max_window_layers=1,  # The first layer is global.
          tie_word_embeddings=True,
      )
  )


def qwen3():
  return transformers.Qwen3ForCausalLM(
      transformers.Qwen3Config(**SIZES, head_dim=8, tie_word_embeddings=False)
  )


def gemma2():
  return transformers.Gemma2ForCausalLM(
      transformers.Gemma2Config(
          **SIZES,
          head_dim=8,
          sliding_window=6,
          query_pre_attn_scalar=20,
          attn_logit_softcapping=2.0,
          final_logit_softcapping=3.0,
      )
  )


def gemma3_text():
  return transformers.Gemma3ForCausalLM(
      transformers.Gemma3TextConfig(**GEMMA3)
  )


def gemma3_multimodal():
  """With a vision tower, of which emojax takes nothing."""
  vision = {
      'hidden_size': 8,
      'intermediate_size': 8,
      'num_hidden_layers': 1,
      'num_attention_heads': 1,
      'image_size': 8,
      'patch_size': 4,
  }
  # What a checkpoint leaves out has the defaults of the class.
  text = GEMMA3 | {'num_attention_heads': 8, 'num_key_value_heads': 4}
  return transformers.Gemma3ForConditionalGeneration(
      transformers.Gemma3Config(
          text_config=text,
          vision_config=vision,
          mm_tokens_per_image=4,
          image_token_index=63,
          attn_implementation='eager',
      )
  )


FAMILIES = (
    llama, llama3, mistral, qwen2, qwen3, gemma2, gemma3_text,
    gemma3_multimodal,
)  # fmt: skip


def randomise(model, seed: int) -> None:
  """Larger than at initialisation, so that attention is far from uniform."""
  generator = torch.Generator().manual_seed(seed)
  gemma = 'Gemma' in type(model).__name__  # Its norms scale by 1 + weight.
  with torch.no_grad():
    for name, x in model.named_parameters():
      drawn = torch.randn(x.shape, generator=generator) * 0.3
      x.copy_(drawn + ('norm' in name and not gemma))


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  flags = parser.parse_args()
  for seed, build in enumerate(FAMILIES):
    model = build().eval()
    randomise(model, seed)
    name = f'tiny_{build.__name__}'
    model.save_pretrained(flags.out / name)
    (flags.out / name / 'generation_config.json').unlink(missing_ok=True)
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 60, (TOKENS,), generator=generator).tolist()
    resid_post, logits = record.blocks_and_logits(model, ids)
    arrays = {
        'tokens': np.array(ids, np.int32),
        'resid_post': resid_post,
        'logits': logits,
        'greedy': np.array(record.greedy(model, ids, NEW_TOKENS), np.int32),
    }
    safetensors.numpy.save_file(arrays, flags.out / f'{name}.safetensors')
    print(name, sum(x.numel() for x in model.parameters()))


if __name__ == '__main__':
  main()
