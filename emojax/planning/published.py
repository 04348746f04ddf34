"""The `config.json` of models that are too large to fetch for a plan.

Facts of the published files, as far as the computation depends on them.
"""

from typing import Any

_GEMMA3 = {
    'model_type': 'gemma3_text',
    'hidden_activation': 'gelu_pytorch_tanh',
    'vocab_size': 262208,
    'max_position_embeddings': 131072,
    'rms_norm_eps': 1e-6,
    'rope_theta': 1000000.0,
    'rope_local_base_freq': 10000.0,
    'rope_scaling': {'rope_type': 'linear', 'factor': 8.0},
    'sliding_window': 1024,
    'sliding_window_pattern': 6,
    'tie_word_embeddings': True,
}


def _gemma3(layers, width, mlp, heads, kv_heads, head_dim, scalar):
  return _GEMMA3 | {
      'num_hidden_layers': layers,
      'hidden_size': width,
      'intermediate_size': mlp,
      'num_attention_heads': heads,
      'num_key_value_heads': kv_heads,
      'head_dim': head_dim,
      'query_pre_attn_scalar': scalar,
  }


CONFIGS: dict[str, dict[str, Any]] = {
    'hf:google/gemma-3-4b-it': _gemma3(34, 2560, 10240, 8, 4, 256, 256),
    'hf:google/gemma-3-12b-it': _gemma3(48, 3840, 15360, 16, 8, 256, 256),
    'hf:google/gemma-3-27b-it': _gemma3(62, 5376, 21504, 32, 16, 128, 168),
    'hf:meta-llama/Llama-3.3-70B-Instruct': {
        'model_type': 'llama',
        'hidden_act': 'silu',
        'num_hidden_layers': 80,
        'hidden_size': 8192,
        'intermediate_size': 28672,
        'num_attention_heads': 64,
        'num_key_value_heads': 8,
        'head_dim': 128,
        'vocab_size': 128256,
        'max_position_embeddings': 131072,
        'rms_norm_eps': 1e-5,
        'rope_theta': 500000.0,
        'rope_scaling': {
            'rope_type': 'llama3',
            'factor': 8.0,
            'low_freq_factor': 1.0,
            'high_freq_factor': 4.0,
            'original_max_position_embeddings': 8192,
        },
        'tie_word_embeddings': False,
    },
    'hf:Qwen/Qwen3-32B': {
        'model_type': 'qwen3',
        'hidden_act': 'silu',
        'num_hidden_layers': 64,
        'hidden_size': 5120,
        'intermediate_size': 25600,
        'num_attention_heads': 64,
        'num_key_value_heads': 8,
        'head_dim': 128,
        'vocab_size': 151936,
        'max_position_embeddings': 40960,
        'rms_norm_eps': 1e-6,
        'rope_theta': 1000000.0,
        'rope_scaling': None,
        'attention_bias': False,
        'tie_word_embeddings': False,
    },
}
