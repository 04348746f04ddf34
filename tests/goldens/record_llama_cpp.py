r"""Records what llama.cpp writes, steered with control vectors of ours.

For tests/llama_cpp_test.py. Needs the `llama` extra. The vectors are files that
`configs/export.py` wrote with --config.to=gguf --config.layers=all, beside
their manifest; nothing else of emojax is used.

  python tests/goldens/record_llama_cpp.py --model MODEL.gguf \
    --vectors FOLDER --out tests/goldens
"""

import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np
import safetensors.numpy

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import llama_cpp_runs
import record_prompts

HERE = pathlib.Path(__file__).parent
EMOTIONS = ('happy', 'sad')
# Blocks that are steered together: the first that can be, the last, two.
CASES = ((1,), (5,), (14,), (20,), (29,), (14, 20))
STRENGTHS = (-0.1, 0.1)
PROMPTS = (0, 3)  # One in the chat format, and one of few tokens.
STEPS = 24
STRIDE = 128  # Every 128th logit is kept.


def record(model, vectors: pathlib.Path) -> dict[str, np.ndarray]:
  """Writes with each emotion, case, strength and prompt, in that order."""
  ids = json.loads((HERE / 'llama_cpp_tokens.json').read_text())['prompts']
  prompts = [ids[record_prompts.PROMPTS[i]] for i in PROMPTS]
  layers = sorted({layer for case in CASES for layer in case})
  directions, texts, margins, logits = [], [], [], []
  for emotion in EMOTIONS:
    path = vectors / f'{emotion}.gguf'
    found = llama_cpp_runs.read_control_vector(path)
    directions.append(np.stack([found[layer] for layer in layers]))
    for case in CASES:
      for strength in STRENGTHS:
        model.steer({layer: found[layer] for layer in case}, strength)
        for prompt in prompts:
          tokens, rows = model.write(prompt, STEPS)
          best = np.sort(rows, axis=1)[:, -2:]
          texts.append(tokens)
          margins.append(best[:, 1] - best[:, 0])
          logits.append(rows[[0, -1], ::STRIDE])
  axes = len(EMOTIONS), len(CASES), len(STRENGTHS), len(PROMPTS), -1
  norms = json.loads((vectors / 'manifest.json').read_text())['resid_norm']
  return {
      f'tokens_{i}': np.array(x, np.int32) for i, x in enumerate(prompts)
  } | {
      'layers': np.array(layers, np.int32),
      'cases': np.array([[x in case for x in layers] for case in CASES]),
      'strengths': np.array(STRENGTHS, np.float32),
      'norms': np.array([norms[str(x)] for x in layers], np.float32),
      'directions': np.stack(directions),
      'texts': np.array(texts, np.int32).reshape(axes),
      'margins': np.array(margins, np.float32).reshape(axes),
      # Before the first written token, and before the last.
      'logits': np.stack(logits).reshape(*axes[:4], 2, -1),
  }


def main() -> None:
  parser = argparse.ArgumentParser(usage=__doc__)
  parser.add_argument('--model', type=pathlib.Path, required=True)
  parser.add_argument('--vectors', type=pathlib.Path, required=True)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  flags = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'float32.gguf'
    llama_cpp_runs.write_float32(flags.model, path)
    arrays = record(llama_cpp_runs.LlamaCpp(path), flags.vectors)
  safetensors.numpy.save_file(
      arrays, flags.out / 'llama_cpp_steered.safetensors'
  )


if __name__ == '__main__':
  main()
