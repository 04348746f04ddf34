r"""Records the token ids that llama.cpp gives, for tests/tokens_test.py.

Needs llama-cpp-python (0.3.36 was used).

  python tests/goldens/record_tokens.py MODEL.gguf
"""

import json
import pathlib
import sys

import llama_cpp
import record_prompts

TEXTS = (
    'Hello world',
    'a  b   c    d',
    ' leading space and trailing space ',
    'In 2026 she had 1234567 reasons, 3.14 of them good.',
    'x1y22z333',
    'Café déjà vu, naïve façade, Ångström, œuvre, straße',
    "I'm sure they've said it's what we'd DON'T",
    'tabs\tand\n\nblank lines\n\n\n  indented\r\nwindows',
    'def f(x):\n    return x**2  # squares\n',
    '日本語のテキスト and 中文, Русский язык',
    '🙂 family: 👩‍👩‍👧 flag: 🇫🇷',
    '½ ² Ⅳ ٣٤ १२',
    'e\u0301 combining, nbsp\u00a0here, thin\u2009space',
    'http://example.org/a?b=c&d=%20',
    '...!!!???---___',
    '<|im_start|>user\nHi<|im_end|>\n',
    'no <|im_end|> space<|im_end|><|endoftext|>',
    '<|im_start|>assistant\nI feel',
)


def main(path: str) -> None:
  model = llama_cpp.Llama(path, vocab_only=True, verbose=False)

  def encode(text: str) -> list[int]:
    return model.tokenize(text.encode(), add_bos=False, special=True)

  out = {
      'texts': [[text, encode(text)] for text in TEXTS],
      'prompts': {text: encode(text) for text in record_prompts.PROMPTS},
  }
  target = pathlib.Path(__file__).parent / 'llama_cpp_tokens.json'
  target.write_text(json.dumps(out, ensure_ascii=False, indent=0) + '\n')


if __name__ == '__main__':
  main(sys.argv[1])
